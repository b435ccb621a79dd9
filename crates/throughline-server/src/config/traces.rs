//! When traces are given up.

use std::time::Duration;

use super::values::{self, ConfigError, Values};

/// When traces are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracesConfig {
    /// How long nothing is heard of a trace that began until it counts as abandoned.
    pub abandoned_after: Duration,
}

impl TracesConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self { abandoned_after: values.read("traces.abandoned_after", values::duration)? })
    }
}
