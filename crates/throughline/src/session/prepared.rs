//! A session as the transports may see it.

use std::sync::{Arc, OnceLock};

use super::SessionState;
use crate::pipeline::SessionJson;

/// A state of a session, redacted, once for all its events.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The telemetry whose redaction it went through.
    config: u64,
    original: Arc<SessionState>,
    pub(crate) state: SessionState,
    json: OnceLock<SessionJson>,
    #[cfg(feature = "otlp")]
    written: OnceLock<crate::pipeline::Written>,
}

impl Prepared {
    pub(super) fn new(
        config: u64,
        original: Arc<SessionState>,
        redact: impl FnOnce(&mut SessionState),
    ) -> Self {
        let mut state = (*original).clone();
        redact(&mut state);
        Self {
            config,
            original,
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

    /// Whether it was made of this state for this telemetry.
    pub(super) fn is_of(&self, config: u64, state: &Arc<SessionState>) -> bool {
        self.config == config && Arc::ptr_eq(&self.original, state)
    }
}
