//! Where everything is kept, in domain words. The doors know this trait and nothing of the engine behind it.
//!
//! Contract of every engine, held by `conformance`:
//! * [`Store::append`] returns only when the batch is durable; whatever it acknowledged survives a crash.
//! * A span is known by (project, trace id, span id), an event by (project, event id): more of the same changes nothing.
//! * Reads see whole commits: totals always agree with the records they sum.
//! * What sessions and traces say is a pure function of the records stored, whatever the order they came in.

pub mod embedded;
pub mod memory;
pub mod priority;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use throughline_model::{
    Event, Observation, ProjectId, Session, SessionId, SpanId, Timestamp, Trace, TraceId,
};
use tokio::sync::broadcast;

use crate::domain::analytics::{
    Goal, GoalReport, Interval, Journeys, ScoreStatistics, Selection, SessionStatistics, StepKind,
};
use crate::domain::arrival::{Arrival, Batch};
use crate::domain::price::{CallRange, Repricing};
use crate::domain::query::{
    Cursor, ListQuery, Page, TimelineItem, TraceDetail, TraceOutline, UsageQuery, UsageReport, User,
};
use crate::domain::session_cost::Call;
use crate::store::priority::Senders;

/// Why a batch was not taken. Nothing of it was kept, unless the process died over it.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The store has as much waiting as it may hold; try again after this long.
    #[error("too much is waiting to be stored")]
    Busy { retry_after: Duration },
    /// The store cannot write: disk full, failed or shutting down.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
}

/// Why a read failed. The message is for the operator's log, not for clients.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot read: {0}")]
pub struct ReadError(pub String);

/// Whether the store works, and how it is doing.
#[derive(Debug, Clone, Default)]
pub struct StoreStatus {
    /// Why it cannot write, if it cannot.
    pub write_error: Option<String>,
    pub spans_stored: u64,
    pub events_stored: u64,
    pub duplicates_dropped: u64,
    pub batches_waiting: u64,
    pub bytes_waiting: u64,
    pub log_bytes: u64,
    pub index_bytes: u64,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Those who wait while a batch of theirs is checked, before it is appended: work that nobody waits for may let them
    /// go first. [`Store::append`] sees to the rest of the way.
    fn senders(&self) -> Senders {
        Senders::default()
    }

    /// Makes a batch durable. When this returns `Ok`, the batch survives any crash and will become searchable.
    async fn append(&self, batch: Batch) -> Result<(), AppendError>;

    /// Waits until everything acknowledged before this call is searchable.
    async fn settle(&self) -> Result<(), ReadError>;

    async fn sessions(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Session>, ReadError>;

    async fn session(
        &self,
        project: &ProjectId,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, ReadError>;

    /// The traces of a session in order of start time, from `after` on.
    async fn session_traces(
        &self,
        project: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Trace>, ReadError>;

    /// Traces, observations and events of a session in order of time; a trace comes before what is in it.
    async fn timeline(
        &self,
        project: &ProjectId,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<TimelineItem>, ReadError>;

    async fn traces(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Trace>, ReadError>;

    async fn trace(&self, project: &ProjectId, id: &TraceId) -> Result<Option<TraceDetail>, ReadError>;

    /// A trace of any size without its texts: what is not shown of it need not be read.
    async fn trace_outline(
        &self,
        project: &ProjectId,
        id: &TraceId,
    ) -> Result<Option<TraceOutline>, ReadError>;

    /// These observations of a trace as [`Store::trace`] shows them, in order of start time; unknown ones are left out.
    async fn observations(
        &self,
        project: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Observation>, ReadError>;

    /// These spans of a trace as they were received, in order of start time: each a protobuf `TracesData` message, which
    /// may simply be concatenated.
    async fn received_spans(
        &self,
        project: &ProjectId,
        trace: &TraceId,
        ids: &[SpanId],
    ) -> Result<Vec<Bytes>, ReadError>;

    async fn events(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<Event>, ReadError>;

    async fn users(&self, project: &ProjectId, query: &ListQuery) -> Result<Page<User>, ReadError>;

    /// Billable observations grouped, most used first; with an interval also over time, by when they began.
    async fn usage(&self, project: &ProjectId, query: &UsageQuery) -> Result<UsageReport, ReadError>;

    /// The billable calls of a session, in no order.
    async fn session_calls(&self, project: &ProjectId, id: &SessionId) -> Result<Vec<Call>, ReadError>;

    /// What computing costs afresh would change, by the rules in force. Where costs are computed as they are read, that is
    /// nothing.
    async fn repricing(&self, project: &ProjectId, range: CallRange) -> Result<Repricing, ReadError>;

    /// What the sessions selected say together, by interval.
    async fn session_statistics(
        &self,
        project: &ProjectId,
        selection: &Selection,
        interval: Interval,
    ) -> Result<SessionStatistics, ReadError>;

    /// The steps that the sessions selected took, and how many took those of the `funnel` in their order.
    async fn journeys(
        &self,
        project: &ProjectId,
        selection: &Selection,
        by: StepKind,
        funnel: &[String],
    ) -> Result<Journeys, ReadError>;

    /// How many of the sessions selected reach a goal, how soon and at what cost.
    async fn goal(
        &self,
        project: &ProjectId,
        selection: &Selection,
        goal: &Goal,
        interval: Interval,
    ) -> Result<GoalReport, ReadError>;

    /// What the scores in the sessions selected say, by name: the most given first. A score counts where its session does.
    async fn score_statistics(
        &self,
        project: &ProjectId,
        selection: &Selection,
        interval: Interval,
    ) -> Result<Vec<ScoreStatistics>, ReadError>;

    /// Records as they become part of the store. A slow receiver loses the oldest and is told how many.
    fn subscribe(&self) -> broadcast::Receiver<Arrival>;

    async fn status(&self) -> StoreStatus;

    /// Commits what is waiting and closes. Appends from now on are refused.
    async fn shutdown(&self);
}
