//! `POST /api/v1/events`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::otlp::gzip;
use crate::support::{Reply, Request, TestServer};

fn receipt(reply: &Reply) -> (u64, Vec<(u64, String)>) {
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let body = reply.json();
    let rejected = body["rejected"].as_array().unwrap().iter().map(|rejected| {
        assert!(!rejected["message"].as_str().unwrap().is_empty());
        (rejected["index"].as_u64().unwrap(), rejected["code"].as_str().unwrap().to_owned())
    });
    (body["accepted"].as_u64().unwrap(), rejected.collect())
}

fn post(server: &TestServer) -> Request {
    server.post("/api/v1/events").json()
}

#[tokio::test]
async fn one_an_array_or_a_line_each() {
    let (server, store) = TestServer::recording().await;
    let event =
        json!({"id": "e1", "name": "order.shipped", "time": "2026-11-21T10:00:00Z", "sessionId": "s"});
    let other = json!({"id": "e2", "name": "order.paid", "level": "WARN"});
    let array = json!([event, other]).to_string();
    let lines = format!("{event}\n\n  {other}  \r\n");
    let sends = [
        (post(&server).body(event.to_string()), 1),
        (post(&server).body(format!("{event:#}")), 1),
        (post(&server).body(array.clone()), 2),
        (post(&server).body(lines.clone()), 2),
        (post(&server).header("content-encoding", "gzip").body(gzip(lines.as_bytes())), 2),
        (server.post("/api/v1/events").header("content-type", "application/x-ndjson").body(lines.clone()), 2),
        (
            server
                .post("/api/v1/events")
                .header("content-type", "application/json; charset=utf-8")
                .body(array),
            2,
        ),
        (server.post("/api/v1/events").body(lines), 2),
    ];
    for (number, (send, count)) in sends.into_iter().enumerate() {
        assert_eq!(receipt(&send.send().await), (count, vec![]), "send {number}");
        let events = store.take_events();
        assert_eq!(events.len() as u64, count);
        assert_eq!((events[0].id.as_str(), events[0].name.as_str()), ("e1", "order.shipped"));
    }
    server.stop().await;
}

#[tokio::test]
async fn one_bad_event_never_refuses_the_others() {
    let (server, store) = TestServer::recording_with(&[("limits.event", "2kB")]).await;
    let events = [
        json!({"name": "good"}).to_string(),
        json!({"name": "not good"}).to_string(),
        json!({"name": "a", "level": "loud"}).to_string(),
        json!({"name": "a", "time": "2199-01-01T00:00:00Z"}).to_string(),
        json!({"name": "a", "attributes": {"text": "x".repeat(3000)}}).to_string(),
        json!(7).to_string(),
        r#"{"name":"a","attributes":{"n":1e999}}"#.to_owned(),
        format!(r#"{{"name":"a","attributes":{{"deep":{}{}}}}}"#, "[".repeat(500), "]".repeat(500)),
        json!({"name": "good.too"}).to_string(),
    ];
    let codes = [
        (1, "invalid_name"),
        (2, "invalid_level"),
        (3, "invalid_time"),
        (4, "too_large"),
        (5, "malformed"),
        (6, "malformed"),
        (7, "malformed"),
    ];
    let expected = (2, codes.map(|(index, code)| (index, code.to_owned())).to_vec());
    assert_eq!(receipt(&post(&server).body(format!("[{}]", events.join(","))).send().await), expected);
    assert_eq!(store.take_events().len(), 2);
    let lines = format!("{}\n{{broken\n{}", events[0], events[8]);
    let reply = post(&server).body(lines).send().await;
    assert_eq!(receipt(&reply), (2, vec![(1, "malformed".to_owned())]));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_cut_into_events_is_refused_whole() {
    let (server, store) = TestServer::recording().await;
    for body in ["", " \n ", "[", "[1,", "{", "{\"name\":\n", "7", "null", "hello"] {
        let reply = post(&server).body(body).send().await;
        assert_eq!(reply.error(), (400, "malformed_body".to_owned()), "{body:?}");
    }
    let form = server.post("/api/v1/events").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.body("{}").send().await.error(), (415, "unsupported_media_type".to_owned()));
    assert_eq!(post(&server).body("[]").send().await.json(), json!({"accepted": 0, "rejected": []}));
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn sending_again_makes_the_same_events() {
    let (server, store) = TestServer::recording().await;
    let timed = json!({"name": "a", "time": "2026-11-21T10:00:00Z", "attributes": {"k": 1}});
    let body = json!([timed, timed, {"name": "b", "time": "2026-11-21T10:00:00Z"}]).to_string();
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        post(&server).body(body.clone()).send().await;
        let events = store.take_events();
        assert_eq!(events.len(), 3);
        ids.extend(events.into_iter().map(|event| event.id.to_string()));
    }
    assert_eq!(ids.len(), 3, "equal events of one request are told apart, requests are not: {ids:?}");
    server.stop().await;
}

#[tokio::test]
async fn every_field_arrives() {
    let (server, store) = TestServer::recording().await;
    let event = json!({
        "id": "e1", "name": "payment.failed", "time": "2026-11-21T10:00:00.123456Z", "level": "error",
        "service": "shop", "environment": "staging", "version": "1.2", "sessionId": "s",
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
        "actor": {"type": "user", "id": "u", "tags": {"role": "admin"}},
        "scope": {"type": "organization", "id": "o"},
        "attributes": {"ctx.total": 14999, "nested": {"a": [1, null, "é"]}},
        "error": {"name": "PaymentError", "message": "declined", "code": "CARD"},
        "source": {"causer": "pay", "file": "pay.rs", "line": 7}
    });
    post(&server).body(event.to_string()).send().await;
    let stored: Value = serde_json::to_value(&store.take_events()[0]).unwrap();
    assert_eq!(stored, event);
    server.stop().await;
}
