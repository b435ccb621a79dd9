//! Many small sessions: chats of one to twelve turns over thirty days, each turn one model call with little text. What
//! analytics go through is the number of sessions and calls; the weight of their texts is what `load` is for.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use crate::load::{int, text, texts};

pub(crate) const SESSIONS_PER_REQUEST: usize = 250;
/// When everything is over: fixed, so that a run can be repeated.
pub(crate) const NOW_NANOS: i64 = 1_790_000_000_000_000_000;

const SECOND: u64 = 1_000_000_000;
const DAYS: u64 = 30;
const MODELS: [&str; 5] = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "house-model"];
const STEPS: [&str; 9] =
    ["greet", "ask", "search", "compare", "add-to-cart", "checkout", "pay", "complain", "goodbye"];
const TOPICS: u32 = 1000;
const ENVIRONMENTS: [&str; 3] = ["production", "production", "staging"];
const SERVICES: [&str; 3] = ["web-chat", "phone-chat", "mail-bot"];

/// The sessions of request `number`, encoded, and the trace id and name of each one's last turn.
pub(crate) fn request(number: usize) -> (Vec<u8>, Vec<(String, [u8; 16])>) {
    let mut rng = fastrand::Rng::with_seed(number as u64);
    let mut spans = Vec::new();
    let mut last_turns = Vec::with_capacity(SESSIONS_PER_REQUEST);
    let first = number * SESSIONS_PER_REQUEST;
    for session in first..first + SESSIONS_PER_REQUEST {
        last_turns.push(converse(session, &mut rng, &mut spans));
    }
    let service = rng.usize(..SERVICES.len());
    let resource = Resource {
        attributes: vec![
            text("service.name", SERVICES[service]),
            text("deployment.environment.name", ENVIRONMENTS[number % ENVIRONMENTS.len()]),
        ],
        ..Resource::default()
    };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    (ExportTraceServiceRequest { resource_spans }.encode_to_vec(), last_turns)
}

/// Adds a session's turns; says its id and the trace of its last turn.
fn converse(session: usize, rng: &mut fastrand::Rng, spans: &mut Vec<Span>) -> (String, [u8; 16]) {
    let id = format!("talk-{session:08}");
    let user = format!("user-{}", rng.usize(..50_000));
    let model = MODELS[rng.usize(..MODELS.len())];
    // Half of the sessions have one or two turns, few have many.
    let turns = 1 + rng.usize(..3) + if rng.u8(..4) == 0 { rng.usize(..9) } else { 0 };
    let began = NOW_NANOS as u64 - rng.u64(1..DAYS * 86_400) * SECOND - 3600 * SECOND;
    let mut start = began;
    let mut step = 0;
    let mut trace_id = [0; 16];
    for turn in 0..turns {
        trace_id = ((session as u128 + 1) << 64 | (turn as u128 + 1)).to_be_bytes();
        let lasted = rng.u64(SECOND / 5..8 * SECOND);
        spans.push(Span {
            trace_id: trace_id.to_vec(),
            span_id: (session as u64 * 16 + turn as u64 + 1).to_be_bytes().to_vec(),
            name: STEPS[step].to_owned(),
            kind: 1,
            start_time_unix_nano: start,
            end_time_unix_nano: start + lasted,
            attributes: call(&id, &user, model, STEPS[step], rng),
            status: Some(Status { code: if rng.u8(..40) == 0 { 2 } else { 1 }, ..Status::default() }),
            ..Span::default()
        });
        start += lasted + rng.u64(SECOND..200 * SECOND);
        step = (step + 1 + rng.usize(..2)) % STEPS.len();
    }
    (id, trace_id)
}

fn call(session: &str, user: &str, model: &str, step: &str, rng: &mut fastrand::Rng) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("session.id", session),
        text("user.id", user),
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", "openai"),
        text("gen_ai.request.model", model),
        int("gen_ai.usage.input_tokens", rng.i64(50..4000)),
        int("gen_ai.usage.output_tokens", rng.i64(10..800)),
        text("input.value", ["where is my order", "can I pay later", "this is too dear"][rng.usize(..3)]),
        text("output.value", ["it is on its way", "yes, of course", "let me look"][rng.usize(..3)]),
    ];
    match step {
        "pay" => attributes.push(texts("langfuse.trace.tags", &["conversion", "web"])),
        "complain" => attributes.push(texts("langfuse.trace.tags", &["complaint"])),
        // So many that hardly two of the longer sessions have the same ones in the same order.
        "ask" | "search" => {
            attributes.push(texts("langfuse.trace.tags", &[&format!("topic-{}", rng.u32(..TOPICS))]));
        }
        _ => {}
    }
    attributes
}
