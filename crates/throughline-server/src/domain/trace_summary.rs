//! A trace summed up: what lists show of it, and what it adds to its session.

use serde::{Deserialize, Serialize};
use throughline_model::{Actor, Money, Scope, SessionId, Trace, millis};

/// A pure function of a trace's records. JSON keeps all of it, cost to the picodollar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Stored")]
pub struct TraceSummary {
    /// What lists show; input and output shortened.
    pub trace: Trace,
    /// The session that its session was started in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_session_id: Option<SessionId>,
    /// Who acted, from its root, else from its earliest span that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// In which context, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What the user said first, as one short line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was answered last, as one short line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_output: Option<String>,
    /// The trace's cost, which its JSON shows as a floating-point number, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    picodollars: Option<i128>,
}

impl TraceSummary {
    pub fn new(trace: Trace) -> Self {
        Self {
            picodollars: trace.total_cost.map(Money::picodollars),
            trace,
            parent_session_id: None,
            actor: None,
            scope: None,
            title: None,
            last_output: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    trace: Trace,
    parent_session_id: Option<SessionId>,
    actor: Option<Actor>,
    scope: Option<Scope>,
    title: Option<String>,
    last_output: Option<String>,
    picodollars: Option<i128>,
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
            picodollars: stored.picodollars,
        }
    }
}
