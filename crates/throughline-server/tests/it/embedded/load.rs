//! Batches from a small world of traces, sessions and users, so that everything meets everything.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message;
use throughline_model::{Event, Level, ProjectId, SessionId, SpanId, Timestamp, TraceId, keys};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::price::{CallRange, Reprice};

/// Where times begin: 2026-11-20.
pub(super) const EPOCH: i64 = 1_795_132_800_000_000_000;
const STEP: i64 = 250_000_000;

/// What happens to a store.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Append(Batch),
    Settle,
    /// The process dies and starts again.
    Crash,
}

pub(super) fn trace_id(n: u8) -> TraceId {
    TraceId::from_bytes([n + 1; 16]).unwrap()
}

#[derive(Debug, Clone)]
struct SpanChoice {
    trace: u8,
    span: u8,
    parent: Option<u8>,
    start: i64,
    length: i64,
    kind: usize,
    session: Option<u8>,
    user: Option<u8>,
    tokens: Option<u16>,
    failed: bool,
    extras: u8,
}

fn span_choice() -> impl Strategy<Value = SpanChoice> {
    let id = (0u8..4, 0u8..6, prop::option::weighted(0.7, 0u8..6));
    let time = (0i64..40, 0i64..8);
    let names = (prop::option::weighted(0.3, 0u8..3), prop::option::weighted(0.3, 0u8..2));
    let rest = (0usize..5, prop::option::weighted(0.5, 0u16..1000), prop::bool::weighted(0.15), any::<u8>());
    (id, time, names, rest).prop_map(|((trace, span, parent), (start, length), (session, user), rest)| {
        let (kind, tokens, failed, extras) = rest;
        SpanChoice { trace, span, parent, start, length, kind, session, user, tokens, failed, extras }
    })
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.into()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

const WORDS: [&str; 6] = ["refund", "kubernetes", "the", "order", "Größe", "退款请求"];

impl SpanChoice {
    fn span(&self) -> Span {
        let kind = ["CHAIN", "LLM", "TOOL", "AGENT", "EMBEDDING"][self.kind];
        let word = |n: u8| WORDS[usize::from(n) % WORDS.len()];
        let mut attributes = vec![
            text("openinference.span.kind", kind),
            text("input.value", format!("{} {}", word(self.extras), word(self.extras / 7))),
            text(
                "output.value",
                format!(r#"{{"answer":"{}\n{}"}}"#, word(self.extras / 3), word(self.extras / 11)),
            ),
            attribute("ctx.total", any_value::Value::IntValue(i64::from(self.extras % 10))),
        ];
        if let Some(session) = self.session {
            attributes.push(text("session.id", format!("s{session}")));
        }
        if let Some(user) = self.user {
            attributes.push(text("user.id", format!("u{user}")));
        }
        if self.kind == 1 {
            attributes.push(text(
                "gen_ai.request.model",
                if self.extras.is_multiple_of(2) { "gpt-4o" } else { "no-such-model" },
            ));
        }
        if self.extras.is_multiple_of(5) {
            attributes.push(text("tag.tags", r#"["vip"]"#));
            attributes.push(text("metadata", r#"{"plan":"pro","seats":3}"#));
        }
        if let Some(tokens) = self.tokens {
            attributes
                .push(attribute("gen_ai.usage.input_tokens", any_value::Value::IntValue(i64::from(tokens))));
            attributes.push(attribute("gen_ai.usage.output_tokens", any_value::Value::IntValue(7)));
        }
        let start = EPOCH + self.start * STEP;
        let id = |n: u8| vec![n + 1; 8];
        Span {
            trace_id: trace_id(self.trace).as_bytes().to_vec(),
            span_id: id(self.span),
            parent_span_id: self.parent.filter(|parent| *parent != self.span).map(id).unwrap_or_default(),
            name: ["turn", "chat", "search", "plan", "embed"][self.kind].to_owned(),
            start_time_unix_nano: start as u64,
            end_time_unix_nano: (start + self.length * STEP) as u64,
            attributes,
            status: Some(Status { code: if self.failed { 2 } else { 1 }, message: String::new() }),
            ..Span::default()
        }
    }
}

fn traces() -> impl Strategy<Value = BatchContent> {
    (prop::collection::vec(span_choice(), 1..8), any::<bool>()).prop_map(|(spans, staging)| {
        let environment = if staging { "staging" } else { "production" };
        let resource = Resource {
            attributes: vec![text("service.name", "chat"), text("deployment.environment.name", environment)],
            ..Resource::default()
        };
        let spans = spans.iter().map(SpanChoice::span).collect();
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource),
                scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
                ..ResourceSpans::default()
            }],
        };
        BatchContent::Traces(request.encode_to_vec().into())
    })
}

fn event() -> impl Strategy<Value = Event> {
    let names = (0u8..20, prop::option::weighted(0.4, 0u8..3), prop::option::weighted(0.6, 0u8..4));
    (names, 0i64..40, 0usize..5, any::<u8>()).prop_map(|((id, session, trace), time, level, extras)| {
        let mut event: Event = serde_json::from_value(serde_json::json!({
            "id": format!("e{id}"), "name": "order.shipped", "time": "2026-11-20T00:00:00Z", "level": "info",
            "service": "shop", "environment": "production",
            "attributes": {"ctx.total": extras % 10, "note": WORDS[usize::from(extras) % WORDS.len()]},
        }))
        .unwrap();
        event.time = Timestamp::from_nanos(EPOCH + time * STEP);
        event.level = Level::ALL[level];
        event.session_id = session.map(|session| SessionId::from(format!("s{session}")));
        event.trace_id = trace.map(trace_id);
        if trace.is_some() && extras.is_multiple_of(3) {
            tell_of_start(&mut event, extras);
        }
        event
    })
}

/// Makes an event the word that one of its trace's spans began.
fn tell_of_start(event: &mut Event, extras: u8) {
    event.name = keys::TRACE_STARTED.to_owned();
    event.span_id = SpanId::from_bytes([extras % 6 + 1; 8]);
    event.attributes.insert(keys::TRACE_NAME.to_owned(), "begun".into());
    if extras.is_multiple_of(2) {
        event.attributes.insert(keys::USER_ID.to_owned(), format!("u{}", extras % 4 / 2).into());
    }
}

fn content() -> impl Strategy<Value = BatchContent> {
    let session = (0u8..3).prop_map(|session| SessionId::from(format!("s{session}")));
    prop_oneof![
        12 => traces(),
        4 => prop::collection::vec(event(), 1..5).prop_map(BatchContent::Events),
        1 => session.clone().prop_map(BatchContent::EndSession),
        1 => session.prop_map(BatchContent::DeleteSession),
        1 => prop::collection::vec((0u8..4).prop_map(trace_id), 1..4)
            .prop_map(|traces| BatchContent::Reprice(Reprice { range: CallRange::default(), traces })),
    ]
}

pub(super) fn happening(crashes: bool) -> impl Strategy<Value = Happening> {
    let batch = (content(), 0i64..40, prop::bool::weighted(0.4)).prop_map(|(content, received, other)| {
        let project = if other { ProjectId::from("other") } else { ProjectId::default() };
        let received = Timestamp::from_nanos(EPOCH + received * STEP);
        Happening::Append(Batch { project, received, content })
    });
    prop_oneof![
        10 => batch,
        2 => Just(Happening::Settle),
        u32::from(crashes) => Just(Happening::Crash),
    ]
}
