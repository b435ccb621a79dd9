//! What a session says about its events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use serde::Serialize;

use super::Prepared;
use super::opening::Opening;
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
    /// What was said when it was opened, for as long as nobody looked into it.
    opening: Opening,
    opened: OnceLock<Arc<SessionState>>,
    since: RwLock<Since>,
    /// What the collector made of it last.
    prepared: Mutex<Option<Arc<Prepared>>>,
    /// What chance says about the whole session: derived from the first id, so that it is the same in every process.
    draw: OnceLock<u32>,
}

/// What became of a session since it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Since {
    /// What it is now, if it was changed.
    changed: Option<Arc<SessionState>>,
    ended: bool,
}

impl Since {
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = match (&self.changed, &other.changed) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        same && self.ended == other.ended
    }
}

impl Shared {
    /// A session that was opened just now.
    pub(super) fn open(opening: Opening) -> Arc<Self> {
        Arc::new(Self::begin(opening, OnceLock::new(), false))
    }

    /// A session that is already so.
    pub(crate) fn new(state: SessionState) -> Arc<Self> {
        let ended = state.ended;
        Arc::new(Self::begin(Opening::default(), OnceLock::from(Arc::new(state)), ended))
    }

    fn begin(opening: Opening, opened: OnceLock<Arc<SessionState>>, ended: bool) -> Self {
        Self {
            version: AtomicU64::new(0),
            ended: AtomicBool::new(ended),
            opening,
            opened,
            since: RwLock::new(Since { changed: None, ended }),
            prepared: Mutex::default(),
            draw: OnceLock::new(),
        }
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// See the field.
    pub(crate) fn draw(&self) -> u32 {
        *self.draw.get_or_init(|| match self.opened.get() {
            Some(opened) => draw_of(opened.session_id.as_str()),
            None => draw_of(self.opening.id()),
        })
    }

    /// The version is that of what is returned or an older one, so that a change is never missed.
    pub(crate) fn versioned(&self) -> (u64, Since) {
        let version = self.version();
        (version, self.since())
    }

    pub(crate) fn since(&self) -> Since {
        self.since.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is now.
    pub(crate) fn state(&self) -> Arc<SessionState> {
        let Since { changed, ended } = self.since();
        let open = || self.opened.get_or_init(|| Arc::new(self.opening.state())).clone();
        let mut state = changed.unwrap_or_else(open);
        if state.ended != ended {
            Arc::make_mut(&mut state).ended = ended;
        }
        state
    }

    /// Its id now.
    pub(crate) fn id(&self) -> SessionId {
        self.id_since(&self.since.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn id_since(&self, since: &Since) -> SessionId {
        match since.changed.as_ref().or_else(|| self.opened.get()) {
            Some(state) => state.session_id.clone(),
            None => SessionId::from(self.opening.id()),
        }
    }

    fn opened_state(&self) -> SessionState {
        self.opened.get().map_or_else(|| self.opening.state(), |state| (**state).clone())
    }

    /// What it was then, as the transports of telemetry number `config` may see it.
    pub(crate) fn prepare(
        &self,
        config: u64,
        since: &Since,
        redact: impl FnOnce(&mut SessionState),
    ) -> Arc<Prepared> {
        let mut last = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(prepared) if prepared.is_of(config, since) => prepared.clone(),
            _ => {
                let state = since.changed.as_ref().map(|state| (**state).clone());
                let mut state = state.unwrap_or_else(|| self.opened_state());
                state.ended = since.ended;
                redact(&mut state);
                last.insert(Arc::new(Prepared::new(config, since.clone(), state))).clone()
            }
        }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SessionState)) -> Result<(), Error> {
        let mut since = self.since.write().unwrap_or_else(PoisonError::into_inner);
        if since.ended {
            return Err(Error::SessionEnded(self.id_since(&since)));
        }
        change(Arc::make_mut(since.changed.get_or_insert_with(|| Arc::new(self.opened_state()))));
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Ends it, if it goes on.
    pub(crate) fn end(&self) {
        let mut since = self.since.write().unwrap_or_else(PoisonError::into_inner);
        if !since.ended {
            since.ended = true;
            self.ended.store(true, Ordering::Relaxed);
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

/// FNV-1a, folded: the same everywhere, and close enough to chance for ids.
fn draw_of(id: &str) -> u32 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    hash ^= hash >> 32;
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}
