//! A session summed up, kept running: adding, replacing or taking away one trace costs the same however many there are.

use serde::{Deserialize, Serialize};
use throughline_model::{Event, Session, SessionId, Timestamp};

use super::trace_summary::TraceSummary;

/// The running state cannot follow this change (what it would need was not kept): compute the session afresh from
/// the summaries of all its traces and its own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// The sums over everything in one session. Always equal to the same computed afresh: a property test holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSummary {
    id: SessionId,
}

impl SessionSummary {
    pub fn new(id: SessionId) -> Self {
        Self { id }
    }

    /// Everything from the start, whatever its order: what to do after [`Stale`].
    pub fn afresh<'a>(
        _id: SessionId,
        _traces: impl IntoIterator<Item = &'a TraceSummary>,
        _events: impl IntoIterator<Item = &'a Event>,
        _ended: Option<Timestamp>,
    ) -> Self {
        todo!()
    }

    /// A trace joined (`old` none), changed, or left (`new` none). Summaries of traces without their own events:
    /// events that name a session themselves come through [`Self::add_event`], others count in their trace.
    pub fn replace_trace(
        &mut self,
        _old: Option<&TraceSummary>,
        _new: Option<&TraceSummary>,
    ) -> Result<(), Stale> {
        todo!()
    }

    /// An event that names this session itself, whether inside a trace or not.
    pub fn add_event(&mut self, _event: &Event) -> Result<(), Stale> {
        todo!()
    }

    /// Somebody said that the session is over. Data that begins later reopens it.
    pub fn end(&mut self, _at: Timestamp) -> Result<(), Stale> {
        todo!()
    }

    /// When somebody last said that it is over.
    pub fn ended(&self) -> Option<Timestamp> {
        todo!()
    }

    /// Nothing is left in it.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// What the API shows at the time `now`.
    pub fn session(&self, _now: Timestamp) -> Session {
        todo!()
    }
}
