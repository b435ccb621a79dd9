//! What comes in: batches as the doors hand them to the store, and single records as the live stream shows them.

use bytes::Bytes;
use throughline_model::{Event, Observation, ProjectId, SessionId, Timestamp};

use super::price::Reprice;

/// One durable unit of work for the store, already checked by the door it came through.
#[derive(Debug, Clone)]
pub struct Batch {
    pub project: ProjectId,
    pub received: Timestamp,
    pub content: BatchContent,
}

/// What a batch holds.
#[derive(Debug, Clone)]
pub enum BatchContent {
    /// A protobuf `ExportTraceServiceRequest` in which every span has valid ids and times and every string is UTF-8.
    Traces(Bytes),
    /// A protobuf `ExportLogsServiceRequest`, strings checked likewise.
    Logs(Bytes),
    /// Event envelopes.
    Events(Vec<Event>),
    /// Somebody said that a session is over.
    EndSession(SessionId),
    /// Forget a session: all traces and events in it, as of now.
    DeleteSession(SessionId),
    /// Compute costs afresh.
    Reprice(Reprice),
}

/// One record that just became part of the store.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub project: ProjectId,
    pub record: ArrivalRecord,
}

#[derive(Debug, Clone)]
pub enum ArrivalRecord {
    Observation(Box<Observation>),
    Event(Box<Event>),
}
