//! Hand-made records for this room's unit tests.

use throughline_model::{Event, Level, Observation, SpanId, Status, Timestamp, Trace, TraceId, Usage};

use crate::domain::query::TraceDetail;

fn second(n: i64) -> Timestamp {
    Timestamp::from_nanos(n * 1_000_000_000)
}

fn span_id(n: u64) -> SpanId {
    SpanId::from_bytes(n.to_be_bytes()).expect("sample ids are not zero")
}

fn trace_id() -> TraceId {
    TraceId::from_bytes([7; 16]).expect("the sample id is not zero")
}

/// A trace of ten seconds without records.
pub(super) fn trace(name: &str, start: i64) -> TraceDetail {
    let trace = Trace {
        unfinished: None,
        id: trace_id(),
        session_id: None,
        user_id: None,
        name: name.to_owned(),
        input: None,
        output: None,
        metadata: Default::default(),
        tags: Vec::new(),
        start_time: second(start),
        end_time: second(start + 10),
        duration: 10_000.0,
        usage: Usage::default(),
        total_tokens: 0,
        total_cost: None,
        models: Vec::new(),
        observation_count: 0,
        event_count: 0,
        error_count: 0,
        status: Status::Unset,
        services: Vec::new(),
        environment: None,
        version: None,
        flags: Vec::new(),
    };
    TraceDetail { trace, observations: Vec::new(), events: Vec::new() }
}

pub(super) fn observation(id: u64, parent: Option<u64>, name: &str, start: i64, end: i64) -> Observation {
    Observation {
        parent_id: parent.map(span_id),
        ..Observation::new((trace_id(), span_id(id)), name, second(start), second(end))
    }
}

pub(super) fn event(name: &str, at: i64, span: Option<u64>) -> Event {
    Event {
        id: format!("evt_{name}").into(),
        name: name.to_owned(),
        time: second(at),
        level: Level::Info,
        service: "shop".to_owned(),
        environment: "test".to_owned(),
        version: None,
        session_id: None,
        trace_id: Some(trace_id()),
        span_id: span.map(span_id),
        actor: None,
        scope: None,
        attributes: Default::default(),
        error: None,
        source: None,
    }
}
