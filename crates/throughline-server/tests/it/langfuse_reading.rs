//! What Langfuse's clients read: lists and single things in the shapes of its API, and plain words for what is not there.

use serde_json::{Value, json};

use crate::support::{Engine, TestServer};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const CALL: &str = "00f067aa0ba902b7";

async fn post(server: &TestServer, path: &str, body: Value) -> (u16, Value) {
    let reply = server.post(path).json().body(body.to_string()).send().await;
    (reply.status.as_u16(), reply.json())
}

async fn get(server: &TestServer, path: &str) -> Value {
    let reply = server.get(path).send().await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// A turn with a call of a model in it, over OpenTelemetry, and a score of each type.
async fn served(engine: Engine) -> TestServer {
    let (server, store) = TestServer::on(engine).await;
    let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let spans = json!([
        {"traceId": TRACE, "spanId": SPAN, "name": "chat-turn",
            "startTimeUnixNano": "1795000000000000000", "endTimeUnixNano": "1795000001000000000",
            "attributes": [text("session.id", "chat-1"), text("user.id", "alice"), text("langfuse.version", "7")]},
        {"traceId": TRACE, "spanId": CALL, "parentSpanId": SPAN, "name": "call",
            "startTimeUnixNano": "1795000000100000000", "endTimeUnixNano": "1795000000900000000",
            "attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "no-such-model"),
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}}]}
    ]);
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]});
    assert_eq!(post(&server, "/api/public/otel/v1/traces", body).await, (200, json!({})));
    let score = |id: &str, value: Value, kind: &str, second: u32| {
        json!({"id": id, "name": id, "value": value, "dataType": kind, "traceId": TRACE,
            "timestamp": format!("2026-11-19T00:00:{second:02}Z")})
    };
    let mut scores = vec![
        score("accuracy", json!(0.5), "NUMERIC", 1),
        score("helpful", json!(1), "BOOLEAN", 2),
        score("tone", json!("kind"), "CATEGORICAL", 3),
        score("note", json!("took its time"), "TEXT", 4),
        score("on the session", json!(3), "NUMERIC", 5),
    ];
    scores[0]["observationId"] = json!(CALL);
    scores[3]["metadata"] = json!(["anything"]);
    scores[4]["sessionId"] = json!("chat-1");
    scores[4]["traceId"] = Value::Null;
    assert_eq!(post(&server, "/api/public/scores", json!(scores)).await.0, 202);
    store.settle().await.unwrap();
    server
}

#[tokio::test]
async fn scores_are_listed_in_each_version_as_its_clients_can_read_them() {
    for engine in [Engine::Memory, Engine::Embedded] {
        let server = served(engine).await;
        for (asked, expected) in [
            ("v3/scores", json!(["on the session", "note", "tone", "helpful", "accuracy"])),
            ("v2/scores", json!(["on the session", "note", "tone", "helpful", "accuracy"])),
            ("scores", json!(["note", "tone", "helpful", "accuracy"])),
            ("v3/scores?limit=2", json!(["on the session", "note"])),
            ("v3/scores?dataType=text,boolean", json!(["note", "helpful"])),
            ("v3/scores?dataType=NUMERIC&valueMin=0.5&valueMax=1", json!(["accuracy"])),
            ("v3/scores?value=kind,true,3", json!(["on the session", "tone", "helpful"])),
            ("v3/scores?id=note,tone&source=api", json!(["note", "tone"])),
            ("v3/scores?source=EVAL", json!([])),
            ("v3/scores?configId=any", json!([])),
            (&format!("v3/scores?traceId={TRACE}&observationId={CALL}"), json!(["accuracy"])),
            ("v3/scores?sessionId=chat-1&name=tone,note", json!(["note", "tone"])),
            ("v3/scores?environment=staging", json!([])),
            ("v2/scores?userId=alice&scoreIds=tone", json!(["tone"])),
            ("v2/scores?operator=%3E%3D&value=1", json!(["on the session", "helpful"])),
            ("v2/scores?operator=!%3D&value=1", json!(["on the session", "accuracy"])),
            ("v2/scores?limit=2&page=2", json!(["tone", "helpful"])),
            ("v2/scores?dataType=NUMERIC&limit=1&page=2", json!(["accuracy"])),
        ] {
            let list = get(&server, &format!("/api/public/{asked}")).await;
            let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
            assert_eq!(json!(names), expected, "{asked}, {engine:?}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_score_is_told_of_in_its_own_type() {
    let server = served(Engine::Memory).await;
    let third = get(&server, "/api/public/v3/scores?fields=details,subject").await;
    let told: Vec<_> =
        third["data"].as_array().unwrap().iter().map(|row| [&row["dataType"], &row["value"]]).collect();
    let expected = json!([
        ["NUMERIC", 3.0],
        ["TEXT", "took its time"],
        ["CATEGORICAL", "kind"],
        ["BOOLEAN", true],
        ["NUMERIC", 0.5]
    ]);
    assert_eq!((json!(told), &third["meta"]), (expected, &json!({"limit": 50})));
    let subject = |row: usize| &third["data"][row]["subject"];
    assert_eq!(subject(0), &json!({"kind": "session", "id": "chat-1"}));
    assert_eq!(subject(1), &json!({"kind": "trace", "id": TRACE}));
    assert_eq!(subject(4), &json!({"kind": "observation", "id": CALL, "traceId": TRACE}));
    assert_eq!(third["data"][1]["metadata"], json!({"metadata": ["anything"]}));
    let bare = get(&server, "/api/public/v3/scores?limit=2").await;
    assert!(bare["data"][0]["subject"].is_null() && bare["data"][0]["comment"].is_null());
    let cursor = bare["meta"]["cursor"].as_str().unwrap();
    let rest = get(&server, &format!("/api/public/v3/scores?limit=3&cursor={cursor}")).await;
    assert_eq!((&rest["data"][0]["name"], &rest["meta"]), (&json!("tone"), &json!({"limit": 3})));

    let second = get(&server, "/api/public/v2/scores").await;
    let told = |row: usize| {
        let row = &second["data"][row];
        json!([row["dataType"], row["value"], row["stringValue"], row["trace"]["userId"]])
    };
    assert_eq!(told(0), json!(["NUMERIC", 3.0, null, null]));
    assert_eq!(told(1), json!(["TEXT", null, "took its time", "alice"]));
    assert_eq!(told(2), json!(["CATEGORICAL", 0, "kind", "alice"]));
    assert_eq!(told(3), json!(["BOOLEAN", 1, "True", "alice"]));
    assert_eq!(second["meta"], json!({"page": 1, "limit": 50, "totalItems": 5, "totalPages": 1}));
    let first = get(&server, "/api/public/scores?name=note").await;
    assert_eq!(first["data"][0]["dataType"], "CATEGORICAL", "its clients know no other texts");
    assert_eq!(get(&server, "/api/public/v2/scores/note").await["stringValue"], "took its time");

    let one = json!({"id": "one", "name": "sure", "value": 1, "traceId": TRACE});
    assert_eq!(post(&server, "/api/public/scores", one).await, (200, json!({"id": "one"})));
    let (status, answer) =
        post(&server, "/api/public/scores", json!({"name": "sure", "traceId": TRACE})).await;
    assert_eq!((status, &answer["message"]), (400, &json!("the score has no \"value\"")));
    server.stop().await;
}

#[tokio::test]
async fn traces_and_observations_have_what_their_readers_cannot_do_without() {
    for engine in [Engine::Memory, Engine::Embedded] {
        let server = served(engine).await;
        let list = get(&server, "/api/public/traces?version=7&release=7").await;
        let trace = &list["data"][0];
        assert_eq!(
            (&trace["htmlPath"], &trace["latency"]),
            (&json!(format!("/traces/{TRACE}")), &json!(1.0))
        );
        assert_eq!((&trace["totalCost"], &trace["observations"]), (&json!(0), &json!([SPAN, CALL])));
        assert_eq!(trace["scores"].as_array().unwrap().len(), 4, "{trace}");
        assert_eq!(get(&server, "/api/public/traces?version=8").await["data"], json!([]));

        // By the id that OpenTelemetry gave it.
        let observation = get(&server, &format!("/api/public/observations/{CALL}")).await;
        assert_eq!((&observation["traceId"], &observation["usage"]["output"]), (&json!(TRACE), &json!(0)));
        assert_eq!(server.get("/api/public/observations/00f067aa0ba90200").send().await.status, 404);
        for (asked, expected) in [
            ("sessionId=chat-1&version=7&parseIoAsJson=false", json!(["chat-turn", "call"])),
            ("isRootObservation=true", json!(["chat-turn"])),
            ("isRootObservation=false&userId=alice", json!(["call"])),
            ("sessionId=other", json!([])),
        ] {
            let list = get(&server, &format!("/api/public/v2/observations?{asked}")).await;
            let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
            assert_eq!(json!(names), expected, "{asked}");
        }
        for path in [format!("/project/default/traces/{TRACE}"), format!("/trace/{TRACE}")] {
            let reply = server.get(&path).send().await;
            assert_eq!(
                (reply.status.as_u16(), reply.header("location")),
                (303, &*format!("/traces/{TRACE}"))
            );
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn metrics_are_sums_over_calls_and_what_they_cannot_be_is_said() {
    let server = served(Engine::Embedded).await;
    let ask = async |query: Value| {
        let query =
            percent_encoding::utf8_percent_encode(&query.to_string(), percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        let reply = server.get(&format!("/api/public/v2/metrics?query={query}")).send().await;
        (reply.status.as_u16(), reply.json())
    };
    let sum = |measure: &str| json!({"measure": measure, "aggregation": "sum"});
    let asked = |more: Value| {
        let mut query = json!({"view": "observations", "metrics": [sum("totalTokens"), sum("totalCost")],
            "fromTimestamp": "2026-11-18T00:00:00Z", "toTimestamp": "2026-11-19T00:00:00Z", "orderBy": null});
        more.as_object().unwrap().iter().for_each(|(name, value)| query[name] = value.clone());
        query
    };
    let row = |row: Value| (200, json!({"data": [row]}));
    assert_eq!(ask(asked(json!({}))).await, row(json!({"sum_totalTokens": 7, "sum_totalCost": null})));
    let by_model =
        asked(json!({"dimensions": [{"field": "providedModelName"}], "metrics": [sum("inputTokens")]}));
    assert_eq!(ask(by_model).await, row(json!({"providedModelName": "no-such-model", "sum_inputTokens": 7})));
    let by_day =
        asked(json!({"dimensions": [{"field": "traceName"}], "timeDimension": {"granularity": "day"}}));
    let told = json!({"time_dimension": "2026-11-18T00:00:00.000Z", "traceName": "chat-turn", "sum_totalTokens": 7,
        "sum_totalCost": null});
    assert_eq!(ask(by_day).await, row(told));
    let of = |value: &str| json!({"filters": [{"column": "userId", "operator": "=", "value": value, "type": "string"}]});
    assert_eq!(ask(asked(of("alice"))).await.1["data"][0]["sum_totalTokens"], 7);
    assert_eq!(ask(asked(of("bob"))).await, (200, json!({"data": []})));
    for (more, said) in [
        (json!({"view": "traces"}), "observations"),
        (json!({"metrics": [{"measure": "count", "aggregation": "count"}]}), "count"),
        (json!({"metrics": [{"measure": "totalCost", "aggregation": "p95"}]}), "sum"),
        (json!({"dimensions": [{"field": "name"}, {"field": "type"}]}), "one of"),
        (json!({"filters": [{"column": "latency", "operator": ">", "value": 1}]}), "latency"),
        (json!({"orderBy": [{"field": "sum_totalCost", "direction": "desc"}]}), "orderBy"),
        (json!({"timeDimension": {"granularity": "week"}}), "week"),
        (json!({"fromTimestamp": "yesterday"}), "fromTimestamp"),
    ] {
        let (status, answer) = ask(asked(more)).await;
        assert!(status == 400 && answer["message"].as_str().unwrap().contains(said), "{said}: {answer}");
    }
    assert_eq!(server.get("/api/public/metrics?query=x").send().await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_offered_is_said_where_clients_look_for_it() {
    let server = served(Engine::Memory).await;
    for (path, said) in [
        ("v2/prompts/greeting", "prompt management"),
        ("v2/datasets", "datasets"),
        ("dataset-run-items", "datasets"),
        ("annotation-queues/1/items", "annotation queues"),
        ("media/abc", "storage of media"),
        ("metrics/daily", "/api/v1/analytics/usage?interval=day"),
        ("projects/default/apiKeys", "projects and keys"),
    ] {
        let reply = server.get(&format!("/api/public/{path}")).send().await;
        let answer = reply.json();
        assert_eq!((reply.status.as_u16(), &answer["error"]["code"]), (404, &json!("not_offered")), "{path}");
        assert!(answer["message"].as_str().unwrap().contains(said), "{path}: {answer}");
    }
    let nothing = server.get("/api/public/no-such-thing").send().await;
    assert_eq!((nothing.status.as_u16(), &nothing.json()["error"]["code"]), (404, &json!("not_found")));
    for (path, status) in [
        ("v3/scores?fields=colour", 400),
        ("v3/scores?valueMin=much", 400),
        ("v3/scores?dataType=STARS", 400),
        ("v2/scores?operator=~&value=1", 400),
        ("v2/scores?operator=%3C", 400),
        ("v2/observations?filter=[]", 400),
        ("v3/scores?cursor=broken", 400),
    ] {
        assert_eq!(server.get(&format!("/api/public/{path}")).send().await.status.as_u16(), status, "{path}");
    }
    // A picture's id is the one that its sender makes of the same hash.
    let picture = json!({"sha256Hash": "AbCd+/fGhIjKlMnOpQrStUvWxYz0123456789abcdefg=", "traceId": TRACE});
    let answer = json!({"mediaId": "AbCd-_fGhIjKlMnOpQrStU", "uploadUrl": null});
    assert_eq!(post(&server, "/api/public/media", picture).await, (200, answer));
    server.stop().await;
}
