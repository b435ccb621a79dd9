//! What model calls cost.

use std::path::PathBuf;

use super::values::{ConfigError, Values};

/// What model calls cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PricesConfig {
    /// A table whose rules go before the built-in ones.
    pub file: Option<PathBuf>,
}

impl PricesConfig {
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let path = |text: &str| Ok(Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty()));
        Ok(Self { file: values.read("prices.file", path)? })
    }
}
