//! Spans and events for the cases, as clients would send them.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use throughline_model::{Attributes, Event, Level, SessionId, SpanId, Timestamp, TraceId, keys};

/// 2026-11-20T10:00:00Z, when everything here begins.
const BEGIN: i64 = 1_795_168_800_000_000_000;

/// So many milliseconds after the beginning.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_nanos(BEGIN + millis * 1_000_000)
}

pub(crate) fn trace_id(n: u64) -> TraceId {
    TraceId::from_bytes(u128::from(n).to_be_bytes()).unwrap()
}

pub(crate) fn span_id(n: u64) -> SpanId {
    SpanId::from_bytes(n.to_be_bytes()).unwrap()
}

/// A span to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) trace: u64,
    pub(crate) id: u64,
    parent: Option<u64>,
    name: String,
    start: i64,
    end: i64,
    resource: Vec<(&'static str, String)>,
    attributes: Vec<KeyValue>,
    status: Option<Status>,
}

/// A span without parent that begins ten milliseconds times its id after the beginning and takes five.
pub(crate) fn span(trace: u64, id: u64) -> Spec {
    Spec {
        trace,
        id,
        parent: None,
        name: format!("span {id}"),
        start: id as i64 * 10,
        end: id as i64 * 10 + 5,
        resource: vec![("service.name", "shop".to_owned())],
        attributes: Vec::new(),
        status: None,
    }
}

/// A model call of `gpt-4o` with so many input and output tokens.
pub(crate) fn generation(trace: u64, id: u64, input: i64, output: i64) -> Spec {
    span(trace, id)
        .text("gen_ai.operation.name", "chat")
        .text("gen_ai.response.model", "gpt-4o")
        .number("gen_ai.usage.input_tokens", input)
        .number("gen_ai.usage.output_tokens", output)
}

impl Spec {
    pub(crate) fn below(mut self, parent: u64) -> Self {
        self.parent = Some(parent);
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// From and to, in milliseconds after the beginning.
    pub(crate) fn during(mut self, start: i64, end: i64) -> Self {
        (self.start, self.end) = (start, end);
        self
    }

    pub(crate) fn text(mut self, key: &str, text: &str) -> Self {
        self.attributes.push(attribute(key, any_value::Value::StringValue(text.to_owned())));
        self
    }

    pub(crate) fn number(mut self, key: &str, number: i64) -> Self {
        self.attributes.push(attribute(key, any_value::Value::IntValue(number)));
        self
    }

    pub(crate) fn tags(mut self, tags: &[&str]) -> Self {
        let text = |tag: &&str| AnyValue { value: Some(any_value::Value::StringValue((*tag).to_owned())) };
        let values = tags.iter().map(text).collect();
        self.attributes.push(attribute("tag.tags", any_value::Value::ArrayValue(ArrayValue { values })));
        self
    }

    pub(crate) fn in_session(self, session: &str) -> Self {
        self.text("session.id", session)
    }

    pub(crate) fn of_user(self, user: &str) -> Self {
        self.text("user.id", user)
    }

    pub(crate) fn kind(self, kind: &str) -> Self {
        self.text("openinference.span.kind", kind)
    }

    pub(crate) fn saying(self, input: &str, output: &str) -> Self {
        self.text("input.value", input).text("output.value", output)
    }

    pub(crate) fn from(mut self, service: &str, environment: &str) -> Self {
        self.resource = vec![
            ("service.name", service.to_owned()),
            ("deployment.environment.name", environment.to_owned()),
        ];
        self
    }

    pub(crate) fn failing(mut self, message: &str) -> Self {
        self.status = Some(Status { code: 2, message: message.to_owned() });
        self
    }

    fn to_proto(&self) -> Span {
        let nanos = |millis: i64| at(millis).as_nanos() as u64;
        Span {
            trace_id: trace_id(self.trace).as_bytes().to_vec(),
            span_id: span_id(self.id).as_bytes().to_vec(),
            parent_span_id: self.parent.map_or(Vec::new(), |parent| span_id(parent).as_bytes().to_vec()),
            name: self.name.clone(),
            start_time_unix_nano: nanos(self.start),
            end_time_unix_nano: nanos(self.end),
            attributes: self.attributes.clone(),
            status: self.status.clone(),
            ..Span::default()
        }
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// The spans as one request; neighbours from the same place come under one resource.
pub(crate) fn request(spans: &[Spec]) -> Bytes {
    let resource_spans = spans.chunk_by(|a, b| a.resource == b.resource).map(|neighbours| {
        let text = |text: &String| any_value::Value::StringValue(text.clone());
        let attributes = neighbours[0].resource.iter().map(|(key, value)| attribute(key, text(value)));
        ResourceSpans {
            resource: Some(Resource { attributes: attributes.collect(), ..Resource::default() }),
            scope_spans: vec![ScopeSpans {
                spans: neighbours.iter().map(Spec::to_proto).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec().into()
}

/// An event that stands alone, so many milliseconds after the beginning.
pub(crate) fn event(id: &str, millis: i64) -> Event {
    Event {
        id: id.into(),
        name: "order.shipped".to_owned(),
        time: at(millis),
        level: Level::Info,
        service: "shop".to_owned(),
        environment: "production".to_owned(),
        version: None,
        session_id: None,
        trace_id: None,
        span_id: None,
        actor: None,
        scope: None,
        attributes: Attributes::new(),
        error: None,
        source: None,
    }
}

pub(crate) fn event_in(id: &str, millis: i64, session: Option<&str>, trace: Option<u64>) -> Event {
    Event { session_id: session.map(SessionId::from), trace_id: trace.map(trace_id), ..event(id, millis) }
}

/// The word that the span with this id began its trace, ten milliseconds times its id after the beginning.
pub(crate) fn start(trace: u64, span: u64, name: &str) -> Event {
    let mut start = event_in(&format!("start {trace} {span}"), span as i64 * 10, None, Some(trace));
    start.name = keys::TRACE_STARTED.to_owned();
    start.span_id = Some(span_id(span));
    start.attributes.insert(keys::TRACE_NAME.to_owned(), name.into());
    start.attributes.insert(keys::OBSERVATION_TYPE.to_owned(), "agent".into());
    start
}

/// The same, in a session and of a user.
pub(crate) fn start_in(trace: u64, span: u64, session: &str, user: &str) -> Event {
    let mut start = Event { session_id: Some(session.into()), ..start(trace, span, "turn") };
    start.attributes.insert(keys::USER_ID.to_owned(), user.into());
    start
}
