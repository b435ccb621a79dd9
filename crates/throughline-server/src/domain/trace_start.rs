//! Beginnings of traces, told by their programs before anything of them has ended.
//!
//! A beginning comes as an event (a log record) with the trace's and the span's id. It stands for that span until the
//! span itself comes, in whatever order the two arrive; it is shown nowhere as an event, and no list finds it as one.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use throughline_model::{
    Actor, Event, Observation, ObservationType, Scope, SessionId, SpanId, Timestamp, Trace, keys,
};

use super::preview;

/// The most bytes that a name keeps.
const NAME_BYTES: usize = 512;

/// What is known of a span that has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceStart {
    pub span: SpanId,
    pub time: Timestamp,
    #[serde(rename = "type")]
    pub kind: ObservationType,
    pub name: String,
    pub service: String,
    pub environment: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// Whether the event tells that a trace has begun.
pub fn is_trace_start(event: &Event) -> bool {
    event.name == keys::TRACE_STARTED && event.trace_id.is_some() && event.span_id.is_some()
}

impl TraceStart {
    /// The beginning that an event tells of.
    pub fn of(event: &Event) -> Option<Self> {
        let span = event.span_id.filter(|_| is_trace_start(event))?;
        let text = |key: &str| event.attributes.get(key).and_then(Value::as_str);
        let own = |text: &str| preview::cut(text, NAME_BYTES).to_owned();
        Some(Self {
            span,
            time: event.time,
            kind: text(keys::OBSERVATION_TYPE).and_then(ObservationType::from_name).unwrap_or_default(),
            name: text(keys::TRACE_NAME).map(own).unwrap_or_default(),
            service: own(&event.service),
            environment: own(&event.environment),
            version: event.version.as_deref().map(own),
            session: event.session_id.clone().filter(|id| !id.as_str().is_empty()),
            parent_session: event.parent_session_id().map(SessionId::from),
            user: event.user_id().map(str::to_owned),
            actor: event.actor.as_ref().map(preview::actor),
            scope: event.scope.as_ref().map(preview::scope),
        })
    }

    /// The span as far as it has come: to the end of what has ended in its trace.
    pub fn observation(&self, trace: &Trace) -> Observation {
        let end_time = trace.end_time.max(self.time);
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Observation {
            session_id: trace.session_id.clone(),
            user_id: trace.user_id.clone(),
            kind: self.kind,
            unfinished: true,
            service: some(&self.service),
            environment: some(&self.environment),
            ..Observation::new((trace.id, self.span), self.name.as_str(), self.time, end_time)
        }
    }

    /// Bytes of memory held, about.
    pub fn size_bytes(&self) -> usize {
        let texts = [&self.name, &self.service, &self.environment];
        size_of::<Self>() + texts.iter().map(|text| text.len()).sum::<usize>() + 256
    }
}
