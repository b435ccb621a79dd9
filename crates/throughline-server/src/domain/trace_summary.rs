//! A trace summed up: what lists show of it, and what it adds to its session.

use serde::{Deserialize, Serialize, Serializer};
use throughline_model::{Actor, Money, Observation, Scope, SessionId, Trace, millis};

use super::trace_records::TextSource;
use super::trace_start::TraceStart;

/// A pure function of a trace's records. JSON keeps all of it, cost to the picodollar.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Stored")]
pub struct TraceSummary {
    /// What lists show; input and output shortened.
    pub trace: Trace,
    /// The session that its session was started in.
    pub parent_session_id: Option<SessionId>,
    /// Who acted, from its root, else from its earliest span that says so.
    pub actor: Option<Actor>,
    /// In which context, likewise.
    pub scope: Option<Scope>,
    /// What the user said first, as one short line.
    pub title: Option<String>,
    /// What was answered last, as one short line.
    pub last_output: Option<String>,
    /// Where the whole input is, if it is shortened here.
    pub input_source: Option<TextSource>,
    /// Where the whole output is, if it is shortened here.
    pub output_source: Option<TextSource>,
    /// Observations whose usage counts.
    pub calls: u64,
    /// How many of those failed.
    pub failed_calls: u64,
    /// What has begun and not ended, in order of time.
    pub open: Vec<TraceStart>,
}

impl TraceSummary {
    pub fn new(trace: Trace) -> Self {
        Self {
            trace,
            parent_session_id: None,
            actor: None,
            scope: None,
            title: None,
            last_output: None,
            input_source: None,
            output_source: None,
            calls: 0,
            failed_calls: 0,
            open: Vec::new(),
        }
    }

    /// What has begun and not ended, as observations.
    pub fn open_observations(&self) -> impl Iterator<Item = Observation> {
        self.open.iter().map(|start| start.observation(&self.trace))
    }
}

/// The form in JSON. A trace there shows its cost and duration as floating-point numbers, so that a reader who knows
/// only the trace understands it; the cost stands beside it once more, exactly.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form<T, S, A, C, L, O> {
    trace: T,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    parent_session_id: Option<S>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    actor: Option<A>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    scope: Option<C>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    title: Option<L>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    last_output: Option<L>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    picodollars: Option<i128>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    input_source: Option<TextSource>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    output_source: Option<TextSource>,
    #[serde(default, skip_serializing_if = "is_zero")]
    calls: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    failed_calls: u64,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    open: Option<O>,
}

type Stored = Form<Trace, SessionId, Actor, Scope, String, Vec<TraceStart>>;

fn none<T>() -> Option<T> {
    None
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Serialize for TraceSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form {
            trace: &self.trace,
            parent_session_id: self.parent_session_id.as_ref(),
            actor: self.actor.as_ref(),
            scope: self.scope.as_ref(),
            title: self.title.as_deref(),
            last_output: self.last_output.as_deref(),
            picodollars: self.trace.total_cost.map(Money::picodollars),
            input_source: self.input_source,
            output_source: self.output_source,
            calls: self.calls,
            failed_calls: self.failed_calls,
            open: Some(&self.open).filter(|open| !open.is_empty()),
        }
        .serialize(serializer)
    }
}

impl From<Stored> for TraceSummary {
    fn from(stored: Stored) -> Self {
        let mut trace = stored.trace;
        trace.total_cost = stored.picodollars.map(Money::from_picodollars);
        trace.duration = millis(trace.end_time.nanos_since(trace.start_time));
        Self {
            trace,
            parent_session_id: stored.parent_session_id,
            actor: stored.actor,
            scope: stored.scope,
            title: stored.title,
            last_output: stored.last_output,
            input_source: stored.input_source,
            output_source: stored.output_source,
            calls: stored.calls,
            failed_calls: stored.failed_calls,
            open: stored.open.unwrap_or_default(),
        }
    }
}
