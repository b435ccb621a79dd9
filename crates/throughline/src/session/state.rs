//! What a session says about its events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;

use super::Prepared;
use crate::{Actor, Attributes, Error, Scope, SessionId, Timestamp};

/// A session as it is at one moment: what [`Session::state`](crate::Session::state) and
/// [`current_session`](crate::current_session) return. It never changes; ask again for what came later.
///
/// ```
/// # use throughline::Telemetry;
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// let session = telemetry.session().actor("user", "usr_123").scope("organization", "org_456").start();
/// let state = session.state();
/// assert!(state.session_id.as_str().starts_with("sess_"));
/// assert_eq!(state.actor.unwrap().id.as_deref(), Some("usr_123"));
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionState {
    /// Its id.
    pub session_id: SessionId,
    /// The session it was started in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_session_id: Option<SessionId>,
    /// Who acts, its own or inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// In which context, its own or inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Attributes of all its events, inherited ones included.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// When it was started.
    pub started_at: Timestamp,
    /// Whether it was ended.
    pub ended: bool,
}

/// A session that may be changed, shared by its handles and by every context it is part of.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Counts the changes, so that emitting need not look at an unchanged state.
    version: AtomicU64,
    ended: AtomicBool,
    state: RwLock<Arc<SessionState>>,
    /// What the collector made of it last.
    prepared: Mutex<Option<Arc<Prepared>>>,
    /// What chance says about the whole session: derived from the first id, so that it is the same in every process.
    pub(crate) draw: u32,
}

impl Shared {
    pub(crate) fn new(state: SessionState) -> Arc<Self> {
        let draw = draw_of(state.session_id.as_str());
        let ended = AtomicBool::new(state.ended);
        let (state, prepared) = (RwLock::new(Arc::new(state)), Mutex::default());
        Arc::new(Self { version: AtomicU64::new(0), ended, state, prepared, draw })
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The version is that of the state or an older one, so that a change is never missed.
    pub(crate) fn versioned_state(&self) -> (u64, Arc<SessionState>) {
        let version = self.version();
        (version, self.state())
    }

    pub(crate) fn state(&self) -> Arc<SessionState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This state of it as the transports of telemetry number `config` may see it.
    pub(crate) fn prepare(
        &self,
        config: u64,
        state: &Arc<SessionState>,
        redact: impl FnOnce(&mut SessionState),
    ) -> Arc<Prepared> {
        let mut last = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(prepared) if prepared.is_of(config, state) => prepared.clone(),
            _ => last.insert(Arc::new(Prepared::new(config, state.clone(), redact))).clone(),
        }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SessionState)) -> Result<(), Error> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.ended {
            return Err(Error::SessionEnded(state.session_id.clone()));
        }
        change(Arc::make_mut(&mut state));
        self.ended.store(state.ended, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// FNV-1a, folded: the same everywhere, and close enough to chance for ids.
fn draw_of(id: &str) -> u32 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    hash ^= hash >> 32;
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}
