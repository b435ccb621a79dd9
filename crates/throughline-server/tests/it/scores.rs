//! Scores: given at our door and at Langfuse's, read back through the API.

use serde_json::{Value, json};

use crate::support::{Engine, TestServer};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

async fn post(server: &TestServer, path: &str, body: Value) -> (u16, Value) {
    let reply = server.post(path).json().body(body.to_string()).send().await;
    (reply.status.as_u16(), reply.json())
}

async fn list(server: &TestServer, filter: &str) -> Vec<Value> {
    let reply = server.get(&format!("/api/v1/scores?filter={filter}&sort=time")).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["data"].as_array().unwrap().clone()
}

/// A session of one trace, long over.
async fn chat(server: &TestServer) {
    let spans = json!([{"traceId": TRACE, "spanId": "b7ad6b7169203331", "name": "chat-turn",
        "startTimeUnixNano": "1795000000000000000", "endTimeUnixNano": "1795000001000000000",
        "attributes": [{"key": "session.id", "value": {"stringValue": "chat-1"}}]}]);
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]});
    assert_eq!(post(server, "/v1/traces", body).await, (200, json!({})));
}

#[tokio::test]
async fn scores_are_kept_and_found_and_change_nothing_else() {
    for engine in [Engine::Memory, Engine::Embedded] {
        let (server, store) = TestServer::on(engine).await;
        chat(&server).await;
        store.settle().await.unwrap();
        let before = server.get("/api/v1/sessions/chat-1").send().await.json();
        let good = json!({"id": "s1", "name": "helpful", "value": true, "sessionId": "chat-1", "comment": "quick",
            "timestamp": "2026-11-19T00:00:00Z"});
        let bad =
            json!({"name": "accuracy", "value": 0.25, "traceId": TRACE, "observationId": "b7ad6b7169203331"});
        let (status, receipt) =
            post(&server, "/api/v1/scores", json!([good, bad, {"name": "lost", "value": 1}])).await;
        let message = "the score says neither \"sessionId\" nor \"traceId\"";
        let rejected = json!([{"index": 2, "code": "invalid_score", "message": message}]);
        assert_eq!((status, receipt), (200, json!({"accepted": 2, "rejected": rejected})));
        // Again, and once more with another verdict.
        post(&server, "/api/v1/scores", good.clone()).await;
        let changed = json!({"id": "s1", "name": "helpful", "value": false, "sessionId": "chat-1",
            "timestamp": "2026-11-19T00:00:01Z"});
        post(&server, "/api/v1/scores", changed).await;
        store.settle().await.unwrap();

        let scores = list(&server, "session:chat-1").await;
        let told: Vec<_> = scores.iter().map(|score| (&score["name"], &score["value"])).collect();
        assert_eq!(
            told,
            [(&json!("helpful"), &json!(false)), (&json!("accuracy"), &json!(0.25))],
            "{engine:?}"
        );
        assert_eq!(
            (&scores[1]["traceId"], &scores[1]["observationId"]),
            (&json!(TRACE), &json!("b7ad6b7169203331"))
        );
        assert_eq!(list(&server, "attr.gen_ai.evaluation.score.value:%3C0.5").await.len(), 2);
        assert_eq!(list(&server, "score.helpful:*").await.len(), 1, "what was replaced is not listed");
        let found =
            server.get("/api/v1/sessions?filter=attr.gen_ai.evaluation.name:accuracy").send().await.json();
        assert_eq!(found["data"][0]["id"], "chat-1");

        for (filter, found) in
            [("score.accuracy:%3C0.5", 1), ("score.helpful:true", 0), ("score.helpful:false", 1)]
        {
            let sessions = server.get(&format!("/api/v1/sessions?filter={filter}")).send().await.json();
            assert_eq!(sessions["data"].as_array().unwrap().len(), found, "{filter}, {engine:?}");
        }
        let counted = server.get("/api/v1/analytics/scores?filter=session:chat-1").send().await.json();
        let told: Vec<_> =
            counted["data"].as_array().unwrap().iter().map(|of| (&of["name"], &of["scores"])).collect();
        assert_eq!(told, [(&json!("accuracy"), &json!(1)), (&json!("helpful"), &json!(1))], "{engine:?}");
        assert_eq!(counted["data"][0]["numbers"]["mean"], json!(0.25));
        assert_eq!(counted["data"][1]["labels"], json!([{"label": "false", "count": 1}]));
        let named = server.get("/api/v1/analytics/scores?name=helpful").send().await.json();
        assert_eq!(named["data"].as_array().unwrap().len(), 1);

        let after = server.get("/api/v1/sessions/chat-1").send().await.json();
        for member in ["startTime", "endTime", "duration", "state", "title", "services", "errorCount"] {
            assert_eq!(after[member], before[member], "{member}, {engine:?}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn langfuse_clients_find_the_routes_they_ask_for() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    chat(&server).await;
    let score = json!([{"id": "l1", "name": "thumbs", "value": 1, "dataType": "BOOLEAN", "traceId": TRACE}]);
    assert_eq!(post(&server, "/api/public/scores", score).await, (202, json!({"message": "Accepted"})));
    let wrong = json!([{"id": "l2", "name": "thumbs", "value": [], "traceId": TRACE}]);
    let (status, answer) = post(&server, "/api/public/scores", wrong).await;
    assert_eq!((status, &answer["rejected"], &answer["accepted"]), (207, &json!(1), &json!(0)));
    store.settle().await.unwrap();
    let scores = list(&server, &format!("trace:{TRACE}")).await;
    let told: Vec<_> = scores.iter().map(|score| (&score["name"], &score["value"])).collect();
    assert_eq!(told, [(&json!("thumbs"), &json!(true))]);

    let listed = server.get("/api/public/sessions?page=1&limit=10").send().await.json();
    let meta = json!({"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1});
    assert_eq!((&listed["data"][0]["id"], &listed["meta"]), (&json!("chat-1"), &meta));
    let beyond = server.get("/api/public/sessions?page=2&limit=10").send().await.json();
    assert_eq!(beyond["data"], json!([]));
    let session = server.get("/api/public/sessions/chat-1").send().await.json();
    assert_eq!(
        (&session["traces"][0]["id"], &session["traces"][0]["name"]),
        (&json!(TRACE), &json!("chat-turn"))
    );
    assert_eq!(server.get("/api/public/sessions/nobody").send().await.status, 404);

    for (path, member) in [("health", "status"), ("projects", "data")] {
        let reply = server.get(&format!("/api/public/{path}")).send().await;
        assert!(reply.status == 200 && !reply.json()[member].is_null(), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_thumb_is_a_score_that_can_be_turned() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    chat(&server).await;
    store.settle().await.unwrap();
    for (up, pressed) in [("true", "Good"), ("false", "Bad")] {
        let request = server
            .post("/sessions/chat-1/thumbs")
            .header("content-type", "application/x-www-form-urlencoded");
        let reply = request.body(format!("up={up}")).send().await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "/sessions/chat-1"));
        let html = server.get("/sessions/chat-1").send().await;
        assert!(
            html.text().contains(&format!("aria-pressed=\"true\" aria-label=\"{pressed}\"")),
            "{}",
            html.text()
        );
        let scores = list(&server, "session:chat-1").await;
        assert_eq!((scores.len(), &scores[0]["value"]), (1, &json!(up == "true")));
    }
    let request =
        server.post("/sessions/nobody/thumbs").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body("up=true").send().await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn thumbs_on_a_trace_and_its_observations_are_told_apart() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    chat(&server).await;
    store.settle().await.unwrap();
    let give = async |body: String| {
        let request = server
            .post(&format!("/traces/{TRACE}/thumbs"))
            .header("content-type", "application/x-www-form-urlencoded");
        let reply = request.body(body).send().await;
        (reply.status.as_u16(), reply.header("location").to_owned())
    };
    let span = "b7ad6b7169203331";
    let (trace_page, span_page) = (format!("/traces/{TRACE}"), format!("/traces/{TRACE}?observation={span}"));
    assert_eq!(give("up=true".to_owned()).await, (303, trace_page.clone()));
    assert_eq!(give(format!("up=true&observation={span}")).await, (303, span_page.clone()));
    assert_eq!(give(format!("up=false&observation={span}")).await, (303, span_page.clone()));
    assert_eq!(give("up=false&observation=00000000000000aa".to_owned()).await.0, 404);
    for (page, pressed) in [(&trace_page, "Good"), (&span_page, "Bad")] {
        let html = server.get(page).send().await;
        let pressed = format!("aria-pressed=\"true\" aria-label=\"{pressed}\"");
        assert_eq!(html.text().matches("aria-pressed=\"true\"").count(), 1, "{page}");
        assert!(html.text().contains(&pressed), "{page}: {}", html.text());
    }
    assert_eq!(list(&server, "score.thumbs:*").await.len(), 2);
    let sessions = server.get("/api/v1/sessions?filter=score.thumbs:false").send().await.json();
    assert_eq!(sessions["data"][0]["id"], "chat-1");
    let (_, html) = crate::pages::page(&server, "/analytics/scores").await;
    assert!(html.contains("2 scores") && html.contains("score.thumbs:false"), "{html}");
    server.stop().await;
}
