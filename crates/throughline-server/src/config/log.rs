//! What the server says about itself.

use super::values::{ConfigError, Values};

/// What the server says about itself, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A level or directives, as `tracing` reads them.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

impl LogConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let level = |text: &str| {
            text.parse::<tracing_subscriber::EnvFilter>()
                .map(|_| text.to_owned())
                .map_err(|error| error.to_string())
        };
        let format = |text: &str| match text {
            "human" => Ok(LogFormat::Human),
            "json" => Ok(LogFormat::Json),
            _ => Err("expected `human` or `json`".to_owned()),
        };
        Ok(Self { level: values.read("log.level", level)?, format: values.read("log.format", format)? })
    }
}
