//! A session as the transports may see it.

use std::sync::OnceLock;

use super::{SessionState, Since};
use crate::pipeline::SessionJson;

/// A state of a session, redacted, once for all its events.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The telemetry whose redaction it went through.
    config: u64,
    /// What had become of the session.
    since: Since,
    pub(crate) state: SessionState,
    json: OnceLock<SessionJson>,
    #[cfg(feature = "otlp")]
    written: OnceLock<crate::pipeline::Written>,
}

impl Prepared {
    pub(super) const fn new(config: u64, since: Since, state: SessionState) -> Self {
        Self {
            config,
            since,
            state,
            json: OnceLock::new(),
            #[cfg(feature = "otlp")]
            written: OnceLock::new(),
        }
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> &SessionJson {
        self.json.get_or_init(|| SessionJson::new(&self.state))
    }

    /// The same as OTLP has it.
    #[cfg(feature = "otlp")]
    pub(crate) fn written(&self) -> &crate::pipeline::Written {
        self.written.get_or_init(|| crate::pipeline::Written::new(&self.state))
    }

    /// Whether it was made of this for this telemetry.
    pub(super) fn is_of(&self, config: u64, since: &Since) -> bool {
        self.config == config && self.since.is(since)
    }
}
