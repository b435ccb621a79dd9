//! What readers ask for: lists with a filter, a time range, an order and a place to go on from.

use throughline_model::{Event, Money, Observation, ObservationType, Session, SpanId, Timestamp, Trace};

use super::analytics::Interval;
use super::filter::{Comparison, Field, Filter, Literal, Target};

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

/// The order of a list. Ties are broken by id, so that paging never skips or repeats; descending is exactly the
/// reverse of ascending.
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

/// The place where a page ended: the sort value and id of its last row. Their order is that of an ascending list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The sort value as an integer: nanoseconds, tokens, picodollars or a count. Unknown cost sorts as -1.
    pub value: i64,
    pub id: String,
}

impl Sort {
    pub fn place_of_session(self, session: &Session) -> Cursor {
        let value = match self.by {
            SortField::StartTime => session.start_time.as_nanos(),
            SortField::EndTime => session.end_time.as_nanos(),
            SortField::Duration => session.end_time.nanos_since(session.start_time),
            SortField::TotalTokens => count(session.total_tokens),
            SortField::TotalCost => cost(session.total_cost),
            SortField::ErrorCount => count(session.error_count),
            SortField::TraceCount => count(session.trace_count),
        };
        Cursor { value, id: session.id.to_string() }
    }

    pub fn place_of_trace(self, trace: &Trace) -> Cursor {
        let value = match self.by {
            SortField::StartTime => trace.start_time.as_nanos(),
            SortField::EndTime => trace.end_time.as_nanos(),
            SortField::Duration => trace.end_time.nanos_since(trace.start_time),
            SortField::TotalTokens => count(trace.total_tokens),
            SortField::TotalCost => cost(trace.total_cost),
            SortField::ErrorCount => count(trace.error_count),
            SortField::TraceCount => 1,
        };
        Cursor { value, id: trace.id.to_string() }
    }

    /// Events have a time and nothing else to sort by.
    pub fn place_of_event(self, event: &Event) -> Cursor {
        Cursor { value: event.time.as_nanos(), id: event.id.to_string() }
    }

    pub fn place_of_user(self, user: &User) -> Cursor {
        let value = match self.by {
            SortField::StartTime => user.first_seen.as_nanos(),
            SortField::EndTime => user.last_seen.as_nanos(),
            SortField::Duration => user.last_seen.nanos_since(user.first_seen),
            SortField::TotalTokens => count(user.total_tokens),
            SortField::TotalCost => cost(user.total_cost),
            SortField::ErrorCount => count(user.error_count),
            SortField::TraceCount => count(user.trace_count),
        };
        Cursor { value, id: user.id.clone() }
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn cost(cost: Option<Money>) -> i64 {
    cost.map_or(-1, |cost| i64::try_from(cost.picodollars()).unwrap_or(i64::MAX))
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

/// A trace of any size in outline: what its tree is drawn from, without anything that takes reading its texts.
#[derive(Debug, Clone)]
pub struct TraceOutline {
    pub trace: Trace,
    /// In order of start time.
    pub spans: Vec<SpanOutline>,
    /// In order of time.
    pub events: Vec<Event>,
}

/// Where an observation stands in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanOutline {
    pub id: SpanId,
    pub parent_id: Option<SpanId>,
    pub kind: ObservationType,
    pub start_time: Timestamp,
    pub end_time: Timestamp,
    pub failed: bool,
}

impl SpanOutline {
    pub fn of(observation: &Observation) -> Self {
        Self {
            id: observation.id,
            parent_id: observation.parent_id,
            kind: observation.kind,
            start_time: observation.start_time,
            end_time: observation.end_time,
            failed: observation.is_error(),
        }
    }
}

/// One entry of a session's timeline.
#[derive(Debug, Clone)]
pub enum TimelineItem {
    Trace(Box<Trace>),
    Observation(Box<Observation>),
    Event(Box<Event>),
}

impl TimelineItem {
    /// Where it stands in a timeline: by time, then traces before observations before events, then by id.
    pub fn place(&self) -> Cursor {
        match self {
            Self::Trace(trace) => Cursor { value: trace.start_time.as_nanos(), id: format!("0{}", trace.id) },
            Self::Observation(observation) => Cursor {
                value: observation.start_time.as_nanos(),
                id: format!("1{}{}", observation.trace_id, observation.id),
            },
            Self::Event(event) => Cursor { value: event.time.as_nanos(), id: format!("2{}", event.id) },
        }
    }
}

/// A user, summed over the sessions that name them.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: String,
    pub session_count: u64,
    pub trace_count: u64,
    pub error_count: u64,
    pub total_tokens: u64,
    pub total_cost: Option<Money>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// What to group usage by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageGroup {
    Model,
    User,
    Service,
    Environment,
    Name,
    Type,
    /// The name of the trace that a call is in.
    Trace,
    /// Each of the tags of the trace that a call is in.
    Tag,
}

impl UsageGroup {
    pub const ALL: [Self; 8] = [
        Self::Model,
        Self::User,
        Self::Service,
        Self::Environment,
        Self::Name,
        Self::Type,
        Self::Trace,
        Self::Tag,
    ];

    /// What is summed up, and what filters choose: observations, or traces as a whole.
    pub const fn target(self) -> Target {
        match self {
            Self::Trace | Self::Tag => Target::Trace,
            _ => Target::Observation,
        }
    }
}

/// Which usage is asked for, and how it is grouped.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    pub group: UsageGroup,
    /// Which of the group's [`UsageGroup::target`].
    pub filter: Filter,
    /// Only in the sessions that this finds; with [`Filter::All`] also what is in no session.
    pub sessions: Filter,
    /// Only what was going on at or after this time.
    pub from: Option<Timestamp>,
    /// Only what began before this time.
    pub to: Option<Timestamp>,
    /// How fine it is told over time, if it is.
    pub interval: Option<Interval>,
    /// Which groups are the largest.
    pub order: UsageOrder,
    /// So many groups are told one by one, 1 to [`MAX_LIMIT`]: the largest.
    pub limit: usize,
    /// Now, for what depends on it (`state:live`).
    pub now: Timestamp,
}

/// What makes a group of usage large. Ties are broken by the group's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageOrder {
    Tokens,
    /// Of the same cost, tokens decide; what has no price comes last.
    Cost,
}

impl UsageQuery {
    /// All usage there is, with as many groups as can be told one by one.
    pub fn by(group: UsageGroup, now: Timestamp) -> Self {
        let (filter, sessions, order) = (Filter::All, Filter::All, UsageOrder::Tokens);
        Self { group, filter, sessions, from: None, to: None, interval: None, order, limit: MAX_LIMIT, now }
    }
}

impl UsageOrder {
    /// By how much a group comes before others: more goes first.
    pub fn rank(self, tokens: u64, cost: Option<Money>) -> (Option<Money>, u64) {
        match self {
            Self::Tokens => (None, tokens),
            Self::Cost => (cost, tokens),
        }
    }
}

/// Observations that carry tokens and of which nobody knows what they cost.
pub fn unpriced() -> Filter {
    let at_least = |field, value| Filter::field(field, Comparison::GreaterOrEqual, value);
    let has_cost = at_least(Field::Cost, Literal::Money(Money::ZERO));
    Filter::all_of([at_least(Field::Tokens, Literal::Number(1.0)), has_cost.negate()])
}

/// Usage by group: the largest groups one by one, all others together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageReport {
    /// The largest first.
    pub rows: Vec<UsageRow>,
    /// `None` if there are no others.
    pub others: Option<OtherUsage>,
}

/// What the rows of several groups come to: by [`UsageGroup::Tag`] an observation counts in each of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherUsage {
    /// How many groups.
    pub groups: u64,
    pub observation_count: u64,
    pub error_count: u64,
    pub usage: throughline_model::Usage,
    pub cost: Option<Money>,
    pub series: Vec<UsagePoint>,
}

/// Billable observations with the same group value; by [`UsageGroup::Tag`] one counts with each of its tags.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRow {
    /// The group's value; empty where observations have none.
    pub group: String,
    pub observation_count: u64,
    pub error_count: u64,
    pub usage: throughline_model::Usage,
    /// Computed cost, else the given one; `None` if nothing is known of any.
    pub cost: Option<Money>,
    /// Milliseconds; of traces where those are what is summed up.
    pub duration_p50: f64,
    pub duration_p95: f64,
    /// By interval, in order of time, if that was asked for; intervals in which none began are left out.
    pub series: Vec<UsagePoint>,
}

/// Billable observations of one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsagePoint {
    pub time: Timestamp,
    pub observation_count: u64,
    pub tokens: u64,
    pub cost: Option<Money>,
}

impl UsagePoint {
    pub fn empty(time: Timestamp) -> Self {
        Self { time, observation_count: 0, tokens: 0, cost: None }
    }

    pub fn add(&mut self, more: &Self) {
        self.observation_count += more.observation_count;
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.cost = match (self.cost, more.cost) {
            (Some(sum), Some(part)) => Some(sum + part),
            (sum, part) => sum.or(part),
        };
    }
}
