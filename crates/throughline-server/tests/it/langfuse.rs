//! Langfuse's older clients: batches of what they say of traces, observations and scores, read back through the API.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{Engine, TestServer};

/// As the JavaScript client makes them, and as people do.
const TRACE: &str = "6f1c2a70-93c1-4b7e-8d0a-5a1be2c7d9f4";
const TRACE_IN_HEX: &str = "6f1c2a7093c14b7e8d0a5a1be2c7d9f4";
const CALL: &str = "the model call";

fn event(id: &str, second: u32, kind: &str, body: Value) -> Value {
    let mut event =
        json!({"id": id, "type": kind, "timestamp": format!("2026-11-21T10:00:{second:02}.000Z")});
    event["body"] = body;
    event
}

/// A turn as it was lived through: what was known at each moment.
fn turn() -> Vec<Value> {
    let question = json!([{"role": "user", "content": "Where is my order?"}]);
    vec![
        event(
            "e0",
            0,
            "trace-create",
            json!({"id": TRACE, "timestamp": "2026-11-21T10:00:00Z", "name": "chat-turn",
            "sessionId": "old-chat", "userId": "alice", "tags": ["beta"], "metadata": {"channel": "web", "try": 1},
            "input": "Where is my order?", "release": "1.2.3", "environment": "staging"}),
        ),
        event(
            "e1",
            1,
            "span-create",
            json!({"id": "s1", "traceId": TRACE, "name": "answer",
            "startTime": "2026-11-21T10:00:01Z"}),
        ),
        event(
            "e2",
            2,
            "generation-create",
            json!({"id": CALL, "traceId": TRACE, "parentObservationId": "s1",
            "name": "call", "model": "gpt-4o-mini", "startTime": "2026-11-21T10:00:02Z", "input": question,
            "modelParameters": {"temperature": 0.2}, "metadata": {"attempt": 1, "region": "eu"}}),
        ),
        event(
            "e3",
            3,
            "observation-create",
            json!({"id": "t1", "traceId": TRACE, "parentObservationId": CALL,
            "type": "TOOL", "name": "find_order", "startTime": "2026-11-21T10:00:03Z"}),
        ),
        event(
            "e4",
            3,
            "observation-update",
            json!({"id": "t1", "traceId": TRACE, "type": "TOOL",
            "endTime": "2026-11-21T10:00:04Z", "output": {"order": 4417}, "level": "ERROR", "statusMessage": "gone"}),
        ),
        event(
            "e5",
            5,
            "generation-update",
            json!({"id": CALL, "traceId": TRACE, "model": "gpt-4o", "output": "On its way.",
            "completionStartTime": "2026-11-21T10:00:03Z", "endTime": "2026-11-21T10:00:05Z",
            "usage": {"input": 100, "output": 20, "total": 120, "unit": "TOKENS"}, "metadata": {"attempt": 2}}),
        ),
        event(
            "e6",
            6,
            "event-create",
            json!({"id": "ev1", "traceId": TRACE, "parentObservationId": "s1",
            "name": "shown", "startTime": "2026-11-21T10:00:06Z"}),
        ),
        event(
            "e7",
            7,
            "span-update",
            json!({"id": "s1", "traceId": TRACE, "endTime": "2026-11-21T10:00:07Z"}),
        ),
        event(
            "e8",
            8,
            "score-create",
            json!({"id": "sc1", "name": "helpful", "value": 1, "dataType": "BOOLEAN",
            "traceId": TRACE, "observationId": CALL}),
        ),
        event(
            "e9",
            9,
            "trace-create",
            json!({"id": TRACE, "output": "On its way.", "tags": ["conversion"],
            "metadata": {"try": 2}}),
        ),
        event("e10", 9, "sdk-log", json!({"log": "nobody's business"})),
    ]
}

async fn send(server: &TestServer, batch: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let body = json!({"batch": batch, "metadata": {"sdk_name": "langfuse-js"}}).to_string();
    let reply = server.post("/api/public/ingestion").json().body(body).send().await;
    assert_eq!(reply.status, 207, "{}", reply.text());
    let answer = reply.json();
    let list = |key: &str| answer[key].as_array().unwrap().clone();
    (list("successes"), list("errors"))
}

async fn get(server: &TestServer, path: &str) -> Value {
    let reply = server.get(path).send().await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn check_trace(trace: &Value) {
    assert_eq!(trace["name"], "chat-turn");
    assert_eq!((&trace["sessionId"], &trace["userId"]), (&json!("old-chat"), &json!("alice")));
    assert_eq!((&trace["input"], &trace["output"]), (&json!("Where is my order?"), &json!("On its way.")));
    assert_eq!(trace["tags"], json!(["beta", "conversion"]));
    // What observations say is told of their trace as well.
    let metadata = &trace["metadata"];
    assert_eq!((&metadata["channel"], metadata["try"].to_string()), (&json!("web"), "2".to_owned()));
    assert_eq!((&trace["environment"], &trace["version"]), (&json!("staging"), &json!("1.2.3")));
    assert_eq!(
        (&trace["startTime"], &trace["duration"]),
        (&json!("2026-11-21T10:00:00.000Z"), &json!(7000.0))
    );
    assert_eq!((&trace["errorCount"], &trace["totalTokens"]), (&json!(1), &json!(120)));
    // 100 x 2.50 + 20 x 10 millionths of a dollar: the model of the update is the one that was used.
    assert_eq!(trace["totalCost"], json!(0.00045));
    let told: Vec<_> = trace["observations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| (&o["type"], &o["name"], &o["duration"]))
        .collect();
    let expected = json!([
        ["span", "chat-turn", 7000.0],
        ["span", "answer", 6000.0],
        ["generation", "call", 3000.0],
        ["tool", "find_order", 1000.0],
        ["event", "shown", 0.0]
    ]);
    assert_eq!(json!(told), expected);
    let [root, span, call, tool, shown] = trace["observations"].as_array().unwrap().as_slice() else {
        unreachable!()
    };
    assert_eq!(root["parentId"], Value::Null);
    for (child, parent) in [(span, root), (call, span), (tool, call), (shown, span)] {
        assert_eq!(child["parentId"], parent["id"], "{}", child["name"]);
    }
    assert_eq!((&call["output"], &call["timeToFirstToken"]), (&json!("On its way."), &json!(1000.0)));
    assert_eq!(call["modelParameters"], json!({"temperature": 0.2}));
    assert_eq!(call["attributes"]["langfuse.observation.id"], CALL);
    assert_eq!((&tool["status"], &tool["statusMessage"]), (&json!("error"), &json!("gone")));
}

async fn check(server: &TestServer) {
    check_trace(&get(server, &format!("/api/v1/traces/{TRACE_IN_HEX}")).await);
    let session = get(server, "/api/v1/sessions/old-chat").await;
    assert_eq!((&session["traceCount"], &session["observationCount"]), (&json!(1), &json!(5)));
    assert_eq!(session["totalCost"], json!(0.00045));
    let scores = get(server, "/api/v1/scores?filter=session:old-chat").await["data"].clone();
    assert_eq!((scores.as_array().unwrap().len(), &scores[0]["value"]), (1, &json!(true)));
    let trace = get(server, &format!("/api/v1/traces/{TRACE_IN_HEX}")).await;
    assert_eq!(scores[0]["observationId"], trace["observations"][2]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_bit_by_bit_comes_together_in_any_order() {
    for (engine, seed) in
        [(Engine::Memory, 0), (Engine::Embedded, 1), (Engine::Memory, 2), (Engine::Embedded, 3)]
    {
        let (server, store) = TestServer::on(engine).await;
        let mut rng = Rng::with_seed(seed);
        let mut events = turn();
        // The first time as it happened, then in disorder; some of it twice, as a client does after a time-out.
        if seed > 0 {
            let again = events.clone();
            events.extend(again.into_iter().filter(|_| rng.bool()));
            rng.shuffle(&mut events);
        }
        while !events.is_empty() {
            let rest = events.split_off(rng.usize(1..=events.len().min(4)));
            let (successes, errors) = send(&server, &events).await;
            assert_eq!((successes.len(), errors), (events.len(), Vec::new()), "{engine:?} {seed}");
            assert_eq!(successes[0], json!({"id": events[0]["id"], "status": 201}));
            events = rest;
            if rng.bool() {
                store.settle().await.unwrap();
            }
        }
        store.settle().await.unwrap();
        check(&server).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_of_each_event_and_the_rest_is_taken() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    let body = |body: Value| event("e", 1, "span-create", body);
    let wrong = [
        (json!({"id": "e", "body": {}}), "the event has no \"type\""),
        (json!({"id": "e", "type": "span-create"}), "the event's \"body\" is not a JSON object"),
        (
            json!({"id": "e", "type": "span-create", "timestamp": "noon", "body": {"id": "s"}}),
            "\"timestamp\" is not an RFC 3339 time: \"noon\"",
        ),
        (event("e", 1, "prompt-create", json!({"id": "p"})), "\"prompt\" is not a type of observation"),
        (event("e", 1, "observation-create", json!({"id": "p"})), "\"\" is not a type of observation"),
        (
            event("e", 1, "dataset-run", json!({"id": "p"})),
            "\"dataset-run\" is not a type of event that is taken here",
        ),
        (event("e", 1, "trace-create", json!({"name": "n"})), "the trace has no \"id\""),
        (body(json!({"traceId": "t"})), "the observation has no \"id\""),
        (body(json!({"id": "s", "traceId": {}})), "\"traceId\" is not a text"),
        (
            body(json!({"id": "s", "traceId": "t", "startTime": "2030-01-01T00:00:00Z"})),
            "span \"unnamed\": its start time 2030-01-01T00:00:00.000Z lies in the future",
        ),
        (
            event("e", 1, "score-create", json!({"name": "n", "value": 1})),
            "the score says neither \"sessionId\" nor \"traceId\"",
        ),
    ];
    let mut batch: Vec<Value> = wrong.iter().map(|(event, _)| event.clone()).collect();
    batch.insert(3, event("good", 1, "span-create", json!({"id": "s", "traceId": "t", "name": "kept"})));
    let (successes, errors) = send(&server, &batch).await;
    assert_eq!(successes, [json!({"id": "good", "status": 201})]);
    for (error, (event, message)) in errors.iter().zip(&wrong) {
        assert_eq!((&error["error"], &error["status"]), (&json!(message), &json!(400)), "{event}");
    }
    assert_eq!(errors.len(), wrong.len());
    let reply = server.post("/api/public/ingestion").json().body("{}".to_owned()).send().await;
    assert_eq!(reply.status, 400);
    store.settle().await.unwrap();
    let traces = get(&server, "/api/v1/traces?filter=name:kept").await;
    assert_eq!(traces["data"][0]["observationCount"], 2, "the trace, and what is in it: {traces}");
    server.stop().await;
}

#[tokio::test]
async fn an_observation_without_a_trace_is_one_and_updates_need_not_name_it() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    let start = "2026-11-21T10:00:01Z";
    send(
        &server,
        &[event("e1", 1, "generation-create", json!({"id": "alone", "name": "lonely", "startTime": start}))],
    )
    .await;
    send(&server, &[event("e2", 2, "generation-update", json!({"id": "alone", "output": "done"}))]).await;
    // Within one batch an update is in the trace of what it updates.
    let create = json!({"id": "inside", "traceId": "named", "name": "inner", "startTime": start});
    send(
        &server,
        &[
            event("e4", 2, "span-update", json!({"id": "inside", "output": "done"})),
            event("e3", 1, "span-create", create),
        ],
    )
    .await;
    store.settle().await.unwrap();
    for name in ["lonely", "inner"] {
        let traces = get(&server, &format!("/api/v1/traces?filter=name:{name}")).await["data"].clone();
        assert_eq!(
            (traces.as_array().unwrap().len(), &traces[0]["observationCount"]),
            (1, &json!(2)),
            "{name}"
        );
        let trace = get(&server, &format!("/api/v1/traces/{}", traces[0]["id"].as_str().unwrap())).await;
        let observations = trace["observations"].as_array().unwrap();
        assert!(observations.iter().any(|observation| observation["output"] == "done"), "{trace}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_was_sent_is_read_back_under_the_ids_that_its_client_gave() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    send(&server, &turn()).await;
    let other = json!({"id": "other", "name": "other", "timestamp": "2026-11-21T09:00:00Z", "userId": "bob"});
    send(&server, &[event("o", 0, "trace-create", other)]).await;
    store.settle().await.unwrap();

    let trace = get(&server, &format!("/api/public/traces/{TRACE}")).await;
    assert_eq!(
        (&trace["id"], &trace["name"], &trace["sessionId"]),
        (&json!(TRACE), &json!("chat-turn"), &json!("old-chat"))
    );
    assert_eq!((&trace["totalCost"], &trace["latency"]), (&json!(0.00045), &json!(7.0)));
    let observations = trace["observations"].as_array().unwrap();
    let told: Vec<_> = observations
        .iter()
        .map(|o| (&o["id"], &o["type"], &o["parentObservationId"], &o["traceId"]))
        .collect();
    let expected = json!([
        ["s1", "SPAN", null, TRACE],
        [CALL, "GENERATION", "s1", TRACE],
        ["t1", "TOOL", CALL, TRACE],
        ["ev1", "EVENT", "s1", TRACE]
    ]);
    assert_eq!(json!(told), expected);
    assert_eq!(observations[1]["usageDetails"]["total"], 120);
    assert_eq!(
        (&observations[1]["costDetails"]["total"], &observations[2]["level"]),
        (&json!(0.00045), &json!("ERROR"))
    );
    assert_eq!(
        (&trace["scores"][0]["observationId"], &trace["scores"][0]["value"]),
        (&json!(CALL), &json!(1))
    );

    for (path, expected) in [
        ("traces", json!(["chat-turn", "other"])),
        ("traces?orderBy=timestamp.asc", json!(["other", "chat-turn"])),
        ("traces?userId=bob", json!(["other"])),
        ("traces?tags=beta,conversion&environment=staging&sessionId=old-chat", json!(["chat-turn"])),
        ("traces?tags=beta&tags=nothing", json!([])),
        ("traces?limit=1&page=2", json!(["other"])),
        ("traces?limit=1&page=3", json!([])),
        ("traces?fromTimestamp=2026-11-21T09:30:00Z", json!(["chat-turn"])),
        (&format!("observations?traceId={TRACE}&type=TOOL"), json!(["find_order"])),
        (&format!("observations?traceId={TRACE}&limit=3&page=2"), json!(["shown"])),
        (
            &format!("observations?traceId={TRACE}&parentObservationId=s1&toStartTime=2026-11-21T10:00:05Z"),
            json!(["call"]),
        ),
        (
            &format!("v2/observations?traceId={TRACE}&limit=2&cursor=2&fields=core"),
            json!(["find_order", "shown"]),
        ),
        ("observations?traceId=nobody", json!([])),
        ("observations?type=GENERATION,EVENT&limit=9", json!(["call", "shown"])),
        ("observations?limit=2&page=2", json!(["find_order", "shown"])),
        ("scores?sessionId=old-chat", json!(["helpful"])),
        (&format!("v2/scores?traceId={TRACE}&name=helpful"), json!(["helpful"])),
        ("scores?name=other", json!([])),
        ("sessions?environment=staging", json!([null])),
        ("sessions?environment=elsewhere", json!([])),
    ] {
        let list = get(&server, &format!("/api/public/{path}")).await;
        let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
        assert_eq!(json!(names), expected, "{path}");
    }
    let first = get(&server, "/api/public/traces?limit=1").await;
    assert_eq!(first["meta"], json!({"page": 1, "limit": 1, "totalItems": 2, "totalPages": 2}));
    let part = get(&server, &format!("/api/public/v2/observations?traceId={TRACE}&limit=2")).await;
    assert_eq!(part["meta"], json!({"cursor": "2"}));
    assert_eq!(get(&server, "/api/public/observations/t1").await["name"], "find_order");
    assert_eq!(get(&server, "/api/public/scores/sc1").await["stringValue"], "True");
    for (path, status) in [
        ("traces/nobody", 404),
        ("observations/nobody", 404),
        ("scores/nobody", 404),
        ("observations?fromStartTime=noon", 400),
        ("traces?page=0", 400),
        ("traces?orderBy=name.asc", 400),
        ("traces?colour=red", 400),
        ("sessions?page=x", 400),
    ] {
        let reply = server.get(&format!("/api/public/{path}")).send().await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert!(reply.json()["error"]["message"].is_string(), "{path}");
    }
    server.stop().await;
}
