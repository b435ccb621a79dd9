//! What readers ask for: lists with a filter, a time range, an order and a place to go on from.

use throughline_model::{Event, Observation, Timestamp, Trace};

use super::filter::Filter;

/// The most rows that one page may ask for.
pub const MAX_LIMIT: usize = 1000;

/// A list request, already parsed and checked.
#[derive(Debug, Clone)]
pub struct ListQuery {
    pub filter: Filter,
    /// Only what was going on at or after this time.
    pub from: Option<Timestamp>,
    /// Only what began before this time.
    pub to: Option<Timestamp>,
    pub sort: Sort,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// Now, for what depends on it (`state:live`).
    pub now: Timestamp,
}

/// The order of a list. Ties are broken by id, so that paging never skips or repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub by: SortField,
    pub descending: bool,
}

/// What lists can be sorted by. Traces and events have no end time, cost, ... of their own where it makes no sense;
/// the API refuses those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortField {
    StartTime,
    EndTime,
    Duration,
    TotalTokens,
    TotalCost,
    ErrorCount,
    TraceCount,
}

/// The place where a page ended: the sort value and id of its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The sort value as an integer: nanoseconds, tokens, picodollars or a count. Unknown cost sorts as -1.
    pub value: i64,
    pub id: String,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

/// A trace with everything in it, observations and events in order of start time.
#[derive(Debug, Clone)]
pub struct TraceDetail {
    pub trace: Trace,
    pub observations: Vec<Observation>,
    pub events: Vec<Event>,
}

/// One entry of a session's timeline.
#[derive(Debug, Clone)]
pub enum TimelineItem {
    Trace(Box<Trace>),
    Observation(Box<Observation>),
    Event(Box<Event>),
}

/// A user, summed over the sessions that name them.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: String,
    pub session_count: u64,
    pub trace_count: u64,
    pub error_count: u64,
    pub total_tokens: u64,
    pub total_cost: Option<throughline_model::Money>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// What to group usage by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageGroup {
    Model,
    User,
    Service,
    Name,
    Type,
}

/// Model calls with the same group value.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRow {
    /// The group's value; empty where observations have none.
    pub group: String,
    pub observation_count: u64,
    pub error_count: u64,
    pub usage: throughline_model::Usage,
    pub cost: Option<throughline_model::Money>,
    /// Milliseconds.
    pub duration_p50: f64,
    pub duration_p95: f64,
}
