//! Why a command failed, and what to do next.

use std::fmt;
use std::process::ExitCode;

use crate::app::{PricesError, StartError};
use crate::config::ConfigError;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
/// Done, but some of the input was skipped.
pub(super) const SKIPPED: u8 = 3;

/// Why a command failed. Shown on standard error, with a next step where there is one.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    message: String,
    next: Option<String>,
    code: u8,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), next: None, code: FAILED }
    }

    #[must_use]
    pub(super) fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.next.iter().try_for_each(|next| write!(f, "\n  {next}"))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self { code: USAGE, ..Self::new(error.to_string()) };
        failure.next("`throughline serve --help` lists every setting")
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Prices(error) => error.into(),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<PricesError> for Failure {
    fn from(error: PricesError) -> Self {
        let failure = Self { code: USAGE, ..Self::new(error.to_string()) };
        match error {
            PricesError::Read { .. } => failure,
            PricesError::Invalid { path, .. } => failure
                .next(format!("`throughline prices check {path}` says everything that is wrong with it")),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
