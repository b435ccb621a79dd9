//! Caps on what senders may send.

use super::values::{self, ConfigError, Values};

/// Caps on what senders may send, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    pub body: usize,
    pub unpacked: usize,
    pub event: usize,
    pub in_flight: usize,
}

impl LimitsConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let limits = Self {
            body: values.read("limits.body", values::size)?,
            unpacked: values.read("limits.unpacked", values::size)?,
            event: values.read("limits.event", values::size)?,
            in_flight: values.read("limits.in_flight", values::size)?,
        };
        // One request of the largest size allowed must fit, or it could never be taken.
        let least = limits.body.saturating_add(limits.unpacked);
        values.read("limits.in_flight", |_| {
            if limits.in_flight < least {
                return Err(format!(
                    "one request may need limits.body + limits.unpacked = {least} bytes, so it must be at least that"
                ));
            }
            Ok(())
        })?;
        Ok(limits)
    }
}
