//! Log records that tell of model and tool calls: they count as observations, once, however often they are sent.

use serde_json::{Value, json};

use crate::support::{Engine, TestServer};

const TIME: u64 = 1_795_219_200_000_000_000;

fn attributes(object: &Value) -> Value {
    let attribute = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => json!({"stringValue": text}),
            Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
            number => json!({"intValue": number}),
        };
        json!({"key": key, "value": value})
    };
    object.as_object().unwrap().iter().map(attribute).collect()
}

fn logs(scope: &str, records: &Value) -> Value {
    json!({"resourceLogs": [{
        "resource": {"attributes": attributes(&json!({"service.name": "agent"}))},
        "scopeLogs": [{"scope": {"name": scope}, "logRecords": records}],
    }]})
}

/// What Claude Code sends of one prompt with one model call and one tool call.
fn claude_code() -> Value {
    let record = |seconds: u64, name: &str, extra: Value| {
        let mut all = json!({"session.id": "cc-1", "user.id": "u1", "prompt.id": "p-1", "event.name": name});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({
            "timeUnixNano": (TIME + seconds * 1_000_000_000).to_string(),
            "body": {"stringValue": format!("claude_code.{name}")},
            "attributes": attributes(&all),
        })
    };
    logs(
        "com.anthropic.claude_code.events",
        &json!([
            record(0, "user_prompt", json!({"prompt": "Fix the flaky test"})),
            record(
                3,
                "api_request",
                json!({"model": "claude-opus-4", "input_tokens": 10, "output_tokens": 20,
            "cache_read_tokens": 300, "cost_usd": 0.25, "duration_ms": 2000})
            ),
            record(
                4,
                "tool_result",
                json!({"tool_name": "Bash", "success": "false", "duration_ms": 500, "error": "exit 1"})
            ),
            record(5, "tool_decision", json!({"tool_name": "Bash", "decision": "accept"})),
        ]),
    )
}

async fn post(server: &TestServer, path: &str, body: &Value) {
    let reply = server.post(path).json().body(body.to_string()).send().await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({})), "{path}");
}

async fn get(server: &TestServer, path: &str) -> Value {
    let reply = server.get(path).send().await;
    assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
    reply.json()
}

async fn claude_code_makes_a_session(engine: Engine) {
    let (server, store) = TestServer::on(engine).await;
    for _ in 0..2 {
        post(&server, "/v1/logs", &claude_code()).await;
        store.settle().await.unwrap();
    }
    let session = get(&server, "/api/v1/sessions/cc-1").await;
    let counts =
        ["traceCount", "observationCount", "eventCount", "errorCount"].map(|name| session[name].clone());
    assert_eq!(counts, [1, 3, 1, 1].map(Value::from), "{session}");
    assert_eq!((&session["title"], &session["totalTokens"]), (&json!("Fix the flaky test"), &json!(330)));
    assert_eq!((&session["userId"], &session["models"]), (&json!("u1"), &json!(["claude-opus-4"])));
    let trace = session["traces"][0]["id"].as_str().unwrap();
    let trace = get(&server, &format!("/api/v1/traces/{trace}")).await;
    let of_type = |kind: &str| {
        let found = trace["observations"].as_array().unwrap().iter().find(|one| one["type"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {trace}")).clone()
    };
    let (prompt, call, tool) = (of_type("event"), of_type("generation"), of_type("tool"));
    assert_eq!((&call["duration"], &call["givenCost"]), (&json!(2000.0), &json!(0.25)));
    assert_eq!((&call["parentId"], &tool["parentId"]), (&prompt["id"], &prompt["id"]));
    assert_eq!((&tool["tool"]["name"], &tool["status"]), (&json!("Bash"), &json!("error")));
    server.stop().await;
}

/// A span that carries no content, and its messages as records.
async fn messages_come_under_their_span(engine: Engine) {
    let (server, store) = TestServer::on(engine).await;
    let (trace, span) = ("0102030405060708090a0b0c0d0e0f10", "0102030405060708");
    let record = |name: &str, body: Value| json!({"timeUnixNano": TIME.to_string(), "traceId": trace, "spanId": span, "eventName": name, "body": body});
    let text = |key: &str, text: &str| json!({"kvlistValue": {"values": [{"key": key, "value": {"stringValue": text}}]}});
    let records = json!([
        record("gen_ai.user.message", text("content", "Where is my parcel?")),
        record("gen_ai.choice", text("content", "On its way.")),
    ]);
    post(&server, "/v1/logs", &logs("gen_ai", &records)).await;
    store.settle().await.unwrap();
    let call = json!({"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o", "session.id": "s1",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5});
    let spans = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": trace, "spanId": span, "name": "chat gpt-4o", "startTimeUnixNano": TIME.to_string(),
        "endTimeUnixNano": (TIME + 1_000_000).to_string(), "attributes": attributes(&call),
    }]}]}]});
    post(&server, "/v1/traces", &spans).await;
    store.settle().await.unwrap();
    let session = get(&server, "/api/v1/sessions/s1").await;
    assert_eq!((&session["observationCount"], &session["totalTokens"]), (&json!(3), &json!(15)), "{session}");
    let told = get(&server, &format!("/api/v1/traces/{trace}")).await;
    let children: Vec<_> =
        told["observations"].as_array().unwrap().iter().filter(|one| one["parentId"] == span).collect();
    assert_eq!(children.len(), 2);
    assert!(children.iter().all(|child| child["sessionId"] == "s1"));
    assert!(told.to_string().contains("Where is my parcel?") && told.to_string().contains("On its way."));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_code_makes_a_session_in_memory() {
    claude_code_makes_a_session(Engine::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_code_makes_a_session_on_disk() {
    claude_code_makes_a_session(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_under_their_span_in_memory() {
    messages_come_under_their_span(Engine::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_under_their_span_on_disk() {
    messages_come_under_their_span(Engine::Embedded).await;
}
