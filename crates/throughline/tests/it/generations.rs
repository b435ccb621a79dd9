//! A conversation's turn on the wire: as any OpenTelemetry backend decodes it, and as our server reads it.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use serde_json::{Value, json};
use throughline::transport::Otlp;
use throughline::{Status, Telemetry, Usage};
use throughline_model::ObservationType;
use throughline_model::otlp::{SpanFacts, each_span};

use crate::TIMEOUT;
use crate::server::Server;

/// The body of the request that tells of one turn: a generation inside it that ends well, and one that fails.
fn turn() -> Vec<u8> {
    let server = Server::answering([]);
    let dsn = server.url.replace("http://", "http://pk_live_abc@") + "/chat";
    let telemetry = Telemetry::builder("chat").environment("test").transport(Otlp::dsn(&dsn).unwrap());
    let telemetry = telemetry.build().unwrap();
    let turn = telemetry
        .trace("chat-turn")
        .session_id("conversation-abc123")
        .user_id("user-456")
        .input(json!({"message": "Hello!", "password": "SECRET"}))
        .tags(["conversion", "checkout"])
        .metadata("channel", "web")
        .metadata("api_key", "SECRET")
        .start();
    turn.enter(|| {
        let call = telemetry.generation("generate-response").model("gpt-4o").provider("openai");
        let call = call.parameter("temperature", 0.2).parameter("max_tokens", 256).start();
        call.push_output("Hello, ").push_output("Alice").set_model("gpt-4o-2024-08-06");
        call.set_usage(Usage {
            input_uncached: 36,
            cache_read: 64,
            output: 12,
            reasoning: 8,
            ..Usage::default()
        });
        call.set_cost(0.002).end();
        telemetry.generation("moderate").start().error(&std::io::Error::other("token=SECRET rate limited"));
    });
    turn.set_output(json!({"response": "Hello, Alice"})).set_metadata("turns", 1).end();
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.header("authorization"), Some("Bearer pk_live_abc"));
    request.body.clone()
}

#[test]
fn any_backend_decodes_a_turn_in_opentelemetry_s_names() {
    let body = turn();
    let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    let attribute = |span: usize, key: &str| {
        let found = spans[span].attributes.iter().find(|attribute| attribute.key == key)?;
        found.value.clone()?.value
    };
    let text = |text: &str| Some(Any::StringValue(text.to_owned()));
    assert_eq!(
        spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(),
        ["generate-response", "moderate", "chat-turn"]
    );
    assert!(spans[..2].iter().all(|span| span.parent_span_id == spans[2].span_id && span.kind == 3));
    assert_eq!(attribute(0, "gen_ai.request.model"), text("gpt-4o"));
    assert_eq!(attribute(0, "gen_ai.response.model"), text("gpt-4o-2024-08-06"));
    assert_eq!(attribute(0, "gen_ai.usage.input_tokens"), Some(Any::IntValue(100)));
    assert_eq!(attribute(0, "gen_ai.request.temperature"), Some(Any::DoubleValue(0.2)));
    assert!((0..3).all(|span| attribute(span, "session.id") == text("conversation-abc123")));
    assert!((0..3).all(|span| attribute(span, "user.id") == text("user-456")));
    let status = spans[1].status.as_ref().unwrap();
    assert_eq!((status.code, status.message.contains("rate limited")), (2, true));
    assert!(!body.windows(6).any(|window| window == b"SECRET"), "redacted before it leaves");
}

#[test]
fn the_server_reads_a_turn_in_its_fields() {
    let body = turn();
    let mut seen = Vec::new();
    each_span(&body, |span| {
        let facts = span.facts();
        assert_eq!(facts.session_id.as_deref(), Some("conversation-abc123"));
        assert_eq!(facts.user_id.as_deref(), Some("user-456"));
        seen.push(facts.name.to_string());
        match &*facts.name {
            "generate-response" => check_generation(&facts),
            "moderate" => {
                assert_eq!((facts.kind, facts.status), (ObservationType::Generation, Status::Error))
            }
            _ => check_turn(&facts),
        }
    })
    .unwrap();
    assert_eq!(seen, ["generate-response", "moderate", "chat-turn"]);
}

fn check_generation(facts: &SpanFacts<'_>) {
    assert_eq!(facts.kind, ObservationType::Generation);
    assert_eq!(
        (facts.requested_model.as_deref(), facts.model.as_deref(), facts.provider.as_deref()),
        (Some("gpt-4o"), Some("gpt-4o-2024-08-06"), Some("openai"))
    );
    let usage = Usage { input_uncached: 36, cache_read: 64, output: 12, reasoning: 8, ..Usage::default() };
    assert_eq!(facts.usage, Some(usage));
    assert_eq!(facts.given_cost.map(|cost| cost.dollars()), Some(0.002));
    assert_eq!(facts.output.as_deref(), Some("Hello, Alice"));
    assert!(facts.time_to_first_token.is_some());
    let mut parameters: Vec<_> = facts.model_parameters.iter().map(|(name, _)| &**name).collect();
    parameters.sort_unstable();
    assert_eq!(parameters, ["max_tokens", "temperature"]);
}

fn check_turn(facts: &SpanFacts<'_>) {
    let json = |text: &Option<_>| -> Value {
        serde_json::from_str(AsRef::<str>::as_ref(text.as_ref().unwrap())).unwrap()
    };
    assert_eq!(json(&facts.input), json!({"message": "Hello!"}));
    assert_eq!(json(&facts.output), json!({"response": "Hello, Alice"}));
    assert_eq!(facts.tags, ["conversion", "checkout"]);
    let mut metadata: Vec<_> = facts.metadata.iter().map(|(key, _)| &**key).collect();
    metadata.sort_unstable();
    assert_eq!(metadata, ["channel", "turns"]);
}
