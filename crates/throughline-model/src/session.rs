//! Sessions: the unit of everything.

use serde::{Deserialize, Serialize};

use crate::{Actor, Attributes, Money, Scope, SessionId, Timestamp, Usage};

/// Whether more is to be expected of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SessionState {
    /// Something happened in the last five minutes.
    Live,
    /// Nothing happened for five minutes; it may go on.
    Idle,
    /// It was ended, or nothing happened for thirty minutes. Late data reopens it.
    Ended,
}

impl SessionState {
    /// The lower-case name used in JSON and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Idle => "idle",
            Self::Ended => "ended",
        }
    }
}

/// Why a part of a session stands apart from the part before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SplitCause {
    /// Nothing happened for as long as the project's boundary says.
    Inactivity,
    /// Somebody said that the session was over, and more began later.
    Ended,
}

impl SplitCause {
    /// The lower-case name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactivity => "inactivity",
            Self::Ended => "ended",
        }
    }
}

/// A stretch of a session between two pauses or ends, where the project asks for sessions to be split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionPart {
    /// The session's id, `#`, and the part's number from the session's beginning: `conv_1#2`.
    pub id: String,
    /// When its first trace or event began.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub start_time: Timestamp,
    /// When its last trace or event ended.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub end_time: Timestamp,
    /// Milliseconds from start to end.
    pub duration: f64,
    /// How many traces began in it.
    pub trace_count: u64,
    /// Why it stands apart from the part before it; the session's first part does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_cause: Option<SplitCause>,
}

/// Everything with one session id in one project, summed over its traces and events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The id that the application chose.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: SessionId,
    /// The user, from the earliest trace or event that names one.
    pub user_id: Option<String>,
    /// How many traces (turns, requests) it has.
    pub trace_count: u64,
    /// How many observations its traces have.
    pub observation_count: u64,
    /// How many events were said in it.
    pub event_count: u64,
    /// How many of its observations and events are errors.
    pub error_count: u64,
    /// When its first trace or event began.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub start_time: Timestamp,
    /// When its last trace or event ended.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub end_time: Timestamp,
    /// Milliseconds from start to end.
    pub duration: f64,
    /// Milliseconds from start to end without gaps of five minutes or more.
    pub active_duration: f64,
    /// All tokens together.
    pub total_tokens: u64,
    /// Tokens by bucket.
    pub usage: Usage,
    /// Dollars over what could be priced; `null` if nothing could.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>))]
    pub total_cost: Option<Money>,
    /// The models that served its calls, sorted.
    pub models: Vec<String>,
    /// Labels of its traces, sorted.
    pub tags: Vec<String>,
    /// Where it ran, from the earliest trace or event that says so.
    pub environment: Option<String>,
    /// The services that took part, sorted.
    pub services: Vec<String>,
    /// Who acted, from the latest event or trace that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// In which context, from the latest event or trace that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Metadata of its traces; the latest value of a key wins.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: Attributes,
    /// The first thing a user said in it, shortened; else the name of its first trace or event.
    pub title: Option<String>,
    /// The last answer, shortened.
    pub last_output: Option<String>,
    /// Whether more is to be expected.
    pub state: SessionState,
    /// Whether it was over, be it by somebody's word or by a pause that splits sessions, and more began after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// Whether no application named it: it consists of what one user did in traces that name no session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// How many parts it has; 0 where sessions are not split.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part_count: u64,
    /// Its parts in order of time, the last 64 if it has more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<SessionPart>,
    /// The session it was started in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub parent_session_id: Option<SessionId>,
    /// The goals it reached.
    pub goals: Vec<String>,
    /// What is odd about its data: `session_conflict`, `root_missing`, ...
    pub flags: Vec<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
