//! Nanoseconds per span, on chat traffic: `cargo bench -p throughline-model`. The best of several rounds counts, since
//! whatever else runs on the machine only ever makes a round slower.
#![allow(clippy::unwrap_used, reason = "not a program that anybody relies on")]

use std::hint::black_box;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use throughline_model::Timestamp;
use throughline_model::message::searchable_text;
use throughline_model::otlp::{check_traces, each_span, observation, traces_from_json, traces_to_json};

const BASE: u64 = 1_795_000_000_000_000_000;
const SPANS: usize = 500;
const ROUNDS: usize = 200;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn count(key: &str, value: usize) -> KeyValue {
    attribute(key, Value::IntValue(value as i64))
}

/// So many words, the same ones for the same seed.
fn words(seed: usize, count: usize) -> String {
    let word = |n: usize| {
        let mut state = (seed * 1_000 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        (0..3 + state % 6).map(move |_| {
            state = state.wrapping_mul(25_214_903_917).wrapping_add(11);
            char::from(b'a' + (state >> 20) as u8 % 26)
        })
    };
    (0..count).map(|n| word(n).collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// The spans of a chat turn: OpenInference's and OpenTelemetry's names together, about 1.3 KB each.
fn span(n: usize) -> Span {
    let (kind, operation) = [
        ("CHAIN", "invoke_workflow"),
        ("RETRIEVER", "retrieval"),
        ("LLM", "chat"),
        ("TOOL", "execute_tool"),
        ("EMBEDDING", "embeddings"),
    ][n % 5];
    let question = words(n, 20 + n * 37 % 100);
    let mut attributes = vec![
        text("session.id", format!("chat-{:010}", n / 25)),
        text("user.id", format!("user-{}", n / 25)),
        text("openinference.span.kind", kind),
        text("gen_ai.operation.name", operation),
        text(
            "input.value",
            format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"{question}\"}}]}}"),
        ),
        text("input.mime_type", "application/json"),
        text("output.value", words(n + 1, 20 + n * 53 % 140)),
        text("ctx.request.id", format!("req_{}", n / 5)),
        count("ctx.order.total", n * 7919 % 10_000),
    ];
    if kind == "LLM" {
        attributes.extend([
            text("llm.model_name", "gpt-4o"),
            text("gen_ai.request.model", "gpt-4o"),
            text("gen_ai.provider.name", "openai"),
            count("llm.token_count.prompt", 100 + n),
            count("llm.token_count.completion", 20),
            count("llm.token_count.total", 120 + n),
            count("gen_ai.usage.input_tokens", 100 + n),
            count("gen_ai.usage.output_tokens", 20),
        ]);
    }
    let id = |salt: usize| ((n + 1) * 0x9E37_79B9 + salt).to_be_bytes().to_vec();
    Span {
        trace_id: ((n / 5 + 1) as u128 * 0x9E37_79B9_7F4A_7C15).to_be_bytes().to_vec(),
        span_id: id(1),
        parent_span_id: if n.is_multiple_of(5) { Vec::new() } else { id(1 - n % 5) },
        name: "generate-response".to_owned(),
        kind: 1,
        start_time_unix_nano: BASE + n as u64 * 1_000_000,
        end_time_unix_nano: BASE + n as u64 * 1_000_000 + 900_000_000,
        attributes,
        status: Some(Status { code: 1, ..Status::default() }),
        ..Span::default()
    }
}

fn request() -> Vec<u8> {
    let resource = Resource {
        attributes: vec![text("service.name", "chat-api"), text("deployment.environment.name", "production")],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "bench".to_owned(), ..InstrumentationScope::default() };
    let spans = (0..SPANS).map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Prints the fastest round's time per span.
fn measure(what: &str, rounds: usize, mut round: impl FnMut()) {
    let best = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed()
        })
        .min()
        .unwrap();
    println!("{what:<52} {:>8.0} ns/span", best.as_nanos() as f64 / SPANS as f64);
}

fn main() {
    let body = request();
    let now = Timestamp::from_nanos(BASE as i64 + 3_600_000_000_000);
    let json = traces_to_json(&body).unwrap().to_string();
    println!("{SPANS} spans of {} bytes", body.len() / SPANS);
    measure("check_traces", ROUNDS, || drop(black_box(check_traces(&body, now).unwrap())));
    measure("each_span", ROUNDS, || {
        each_span(&body, |span| assert!(!black_box(span).span.is_empty())).unwrap()
    });
    measure("facts", ROUNDS, || each_span(&body, |span| drop(black_box(span.facts()))).unwrap());
    let mut out = Vec::new();
    measure("facts and write_single", ROUNDS, || {
        each_span(&body, |span| {
            out.clear();
            span.write_single(&mut out);
            drop(black_box(span.facts()));
        })
        .unwrap();
    });
    let mut found = String::new();
    measure("facts and searchable_text of 8 KB", ROUNDS, || {
        each_span(&body, |span| {
            let facts = span.facts();
            found.clear();
            searchable_text(facts.input.as_deref().unwrap_or(""), &mut found, 8192);
            searchable_text(facts.output.as_deref().unwrap_or(""), &mut found, 8192);
            black_box(&found);
        })
        .unwrap();
    });
    measure("observation", ROUNDS / 10, || {
        each_span(&body, |span| drop(black_box(observation(&span.facts())))).unwrap();
    });
    measure("traces_from_json", ROUNDS / 10, || drop(black_box(traces_from_json(json.as_bytes()).unwrap())));
    measure("opentelemetry-proto, for comparison", ROUNDS / 10, || {
        drop(black_box(ExportTraceServiceRequest::decode(&*body).unwrap()));
    });
}
