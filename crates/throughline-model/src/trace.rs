//! Traces: one unit of work each.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attributes, Money, SessionId, Status, Timestamp, TraceId, Usage};

/// What is known of a trace whose beginning was told, and not its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Unfinished {
    /// It goes on.
    Live,
    /// Nothing was heard of it for so long that it never will end.
    Abandoned,
}

impl Unfinished {
    /// The lower-case name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One unit of work (a chat turn, a request), summed over its observations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trace {
    /// The trace id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: TraceId,
    /// The session it belongs to.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub session_id: Option<SessionId>,
    /// The user it was done for.
    pub user_id: Option<String>,
    /// Its explicit name, else its root's.
    pub name: String,
    /// What went in: explicit, else its root's, else its first generation's. Lists shorten long ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub input: Option<Value>,
    /// What came out: explicit, else its root's, else its last generation's. Lists shorten long ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub output: Option<Value>,
    /// What the source calls metadata.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: Attributes,
    /// Labels, sorted.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When its first observation began.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub start_time: Timestamp,
    /// When its last observation ended.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub end_time: Timestamp,
    /// Milliseconds from start to end.
    pub duration: f64,
    /// Whether it goes on or was abandoned, if its program told when it began and its end has not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    /// Tokens by bucket over its billable observations.
    pub usage: Usage,
    /// All tokens together.
    pub total_tokens: u64,
    /// Dollars over its priced billable observations; `null` if none of them could be priced.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>))]
    pub total_cost: Option<Money>,
    /// The models that served its billable calls, sorted.
    #[serde(default)]
    pub models: Vec<String>,
    /// How many observations it has.
    pub observation_count: u64,
    /// How many events were said in it.
    pub event_count: u64,
    /// How many of its observations and events are errors.
    pub error_count: u64,
    /// How it ended: its root's status, or error if any observation failed and the root is unknown.
    pub status: Status,
    /// The services that took part, sorted.
    #[serde(default)]
    pub services: Vec<String>,
    /// Where they run.
    pub environment: Option<String>,
    /// Its root's version or release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is odd about its data: `session_conflict`, `root_missing`, `usage_exclusive`, ...
    #[serde(default)]
    pub flags: Vec<String>,
}
