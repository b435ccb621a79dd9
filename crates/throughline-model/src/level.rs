//! How serious something is.

use serde::{Deserialize, Serialize};

/// How serious an event or observation is, least first.
///
/// ```
/// # use throughline_model::Level;
/// assert!(Level::Warn > Level::Info);
/// assert_eq!(Level::Error.severity_number(), 17);
/// assert_eq!(Level::from_severity_number(18), Some(Level::Error));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Level {
    /// Diagnostic detail.
    Debug,
    /// Normal operation.
    #[default]
    Info,
    /// Unexpected but handled.
    Warn,
    /// A failure that needs attention.
    Error,
    /// A failure that needs attention at once.
    Fatal,
}

impl Level {
    /// Every level, least serious first.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The lower-case name used in JSON and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The level with this name, in any case; `trace` and `warning` are understood too.
    pub fn from_name(name: &str) -> Option<Self> {
        let named = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if named("trace") => Some(Self::Debug),
            () if named("warning") => Some(Self::Warn),
            () => Self::ALL.into_iter().find(|level| named(level.as_str())),
        }
    }

    /// OpenTelemetry's lowest `SeverityNumber` of this level (logs data model, "Field: SeverityNumber").
    pub const fn severity_number(self) -> i32 {
        match self {
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }

    /// The level of an OpenTelemetry `SeverityNumber` (1 to 24; TRACE counts as debug); `None` when unset or out of range.
    pub const fn from_severity_number(number: i32) -> Option<Self> {
        match number {
            1..=8 => Some(Self::Debug),
            9..=12 => Some(Self::Info),
            13..=16 => Some(Self::Warn),
            17..=20 => Some(Self::Error),
            21..=24 => Some(Self::Fatal),
            _ => None,
        }
    }
}
