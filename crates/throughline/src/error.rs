//! What can go wrong, and its code.

use crate::SessionId;

/// An error of the SDK. Set-up can fail; use cannot, other than in the `try_` forms and in changes to a session that
/// has ended.
///
/// ```
/// use throughline::{Sampling, Telemetry};
///
/// let error = Telemetry::builder("shop").sampling(Sampling::default().info(1.5)).build().unwrap_err();
/// assert_eq!(error.code(), "TELEMETRY_CONFIGURATION_INVALID");
/// assert_eq!(error.to_string(), "sampling.info: 1.5 is not a rate from 0 to 1");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that does not make sense.
    #[error("{field}: {problem}")]
    ConfigurationInvalid {
        /// Which setting.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A transport could not start.
    #[error("transport {transport} could not start: {message}")]
    TransportInitFailed {
        /// Its name.
        transport: String,
        /// What it said.
        message: String,
    },
    /// The session was ended before.
    #[error("session {0} has ended")]
    SessionEnded(SessionId),
    /// An event's name does not follow the grammar: segments of ASCII letters, digits, `_` and `-`, joined by dots.
    #[error("{0:?} is not an event name: use segments of letters, digits, _ and -, joined by dots")]
    InvalidEventName(String),
    /// Something registered that cannot be: a name that is none, is reserved or is taken.
    #[error("{field}: {problem}")]
    RegistrationInvalid {
        /// The error's [`code`](Error::code): what was registered, and what is wrong with it.
        code: &'static str,
        /// What was registered.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An event of this name is not registered, and only registered ones are taken.
    #[error("event {0} is not registered")]
    UnknownEvent(String),
    /// An event is not as it was registered.
    #[error("event {event}: {}", .problems.join("; "))]
    SchemaValidationFailed {
        /// Its name.
        event: String,
        /// Everything that is wrong with it. Never a value.
        problems: Vec<String>,
    },
    /// A time that could not be read.
    #[error("{0:?} is not an RFC 3339 time")]
    InvalidTime(String),
    /// The event found no room in the buffer of its thread.
    #[error("the buffer is full")]
    BufferFull,
    /// The telemetry was shut down before.
    #[error("telemetry was shut down")]
    ShutDown,
    /// The process has its telemetry already.
    #[error("the telemetry of the process is set already")]
    AlreadyInitialized,
}

impl Error {
    pub(crate) fn configuration(field: &str, problem: impl Into<String>) -> Self {
        Self::ConfigurationInvalid { field: field.to_owned(), problem: problem.into() }
    }

    pub(crate) fn registration(code: &'static str, field: String, problem: &str) -> Self {
        Self::RegistrationInvalid { code, field, problem: problem.to_owned() }
    }

    /// The code, for programs and log searches.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ConfigurationInvalid { .. } => "TELEMETRY_CONFIGURATION_INVALID",
            Self::TransportInitFailed { .. } => "TELEMETRY_TRANSPORT_INIT_FAILED",
            Self::SessionEnded(_) => "TELEMETRY_SESSION_ENDED",
            Self::InvalidEventName(_) => "TELEMETRY_INVALID_EVENT_NAME",
            Self::RegistrationInvalid { code, .. } => code,
            Self::UnknownEvent(_) => "TELEMETRY_UNKNOWN_EVENT",
            Self::SchemaValidationFailed { .. } => "TELEMETRY_SCHEMA_VALIDATION_FAILED",
            Self::InvalidTime(_) => "TELEMETRY_INVALID_TIME",
            Self::BufferFull => "TELEMETRY_BUFFER_FULL",
            Self::ShutDown => "TELEMETRY_SHUT_DOWN",
            Self::AlreadyInitialized => "TELEMETRY_ALREADY_INITIALIZED",
        }
    }
}
