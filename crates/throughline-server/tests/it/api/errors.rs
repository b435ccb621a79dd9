//! Every wrong request says what is wrong with it.

use http::Method;
use insta::assert_snapshot;

use super::served::Served;

/// Status and error of each request, without the request id that all of them share.
async fn refusals(served: &Served, requests: &[(Method, &str)]) -> String {
    let mut shown = String::new();
    for (method, path) in requests {
        let answer = served.call(method.clone(), path).await;
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.header("x-request-id"), "req_test", "{path}");
        let mut error = answer.json()["error"].clone();
        let id = error.as_object_mut().unwrap().remove("requestId");
        assert_eq!(id, Some("req_test".into()), "{path}");
        shown += &format!("{method} {path}\n  {} {error}\n", answer.status.as_u16());
    }
    shown
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let served = Served::with_shop().await;
    let shown = refusals(
        &served,
        &[
            "/api/v1/sessions?filter=user:alice+usr:bob",
            "/api/v1/events?filter=turns:%3E3",
            "/api/v1/sessions?limit=0",
            "/api/v1/sessions?limit=many",
            "/api/v1/traces?limit=1001",
            "/api/v1/traces?sort=-traceCount",
            "/api/v1/events?sort=endTime",
            "/api/v1/sessions?from=yesterday",
            "/api/v1/sessions?from=2024-01-15&to=2024-01-14",
            "/api/v1/sessions?sorted=1",
            "/api/v1/sessions?limit=1&limit=2",
            "/api/v1/sessions?cursor=abc",
            "/api/v1/analytics/usage?group=colour",
            "/api/v1/stream?filter=%28",
            "/api/v1/sessions/chat%2F1?page=2",
            "/api/v1/sessions/chat%2F1/export?format=xml",
            "/api/v1/sessions/chat%2F1/export?encoding=json",
            "/api/v1/traces/xyz",
            "/api/v1/sessions/%FF",
        ]
        .map(|path| (Method::GET, path)),
    )
    .await;
    assert_snapshot!(shown, @r#"
GET /api/v1/sessions?filter=user:alice+usr:bob
  400 {"code":"invalid_filter","length":3,"message":"filter: unknown field \"usr\" (did you mean user?)","parameter":"filter","position":11}
GET /api/v1/events?filter=turns:%3E3
  400 {"code":"invalid_filter","length":5,"message":"filter: turns applies to sessions, not to events","parameter":"filter","position":0}
GET /api/v1/sessions?limit=0
  400 {"code":"invalid_parameter","message":"limit=\"0\" is not understood; give a whole number from 1 to 1000","parameter":"limit"}
GET /api/v1/sessions?limit=many
  400 {"code":"invalid_parameter","message":"limit=\"many\" is not understood; give a whole number from 1 to 1000","parameter":"limit"}
GET /api/v1/traces?limit=1001
  400 {"code":"invalid_parameter","message":"limit=\"1001\" is not understood; give a whole number from 1 to 1000","parameter":"limit"}
GET /api/v1/traces?sort=-traceCount
  400 {"code":"invalid_parameter","message":"sort=\"-traceCount\" is not understood; give one of startTime, endTime, duration, totalTokens, totalCost, errorCount, with - before it for the largest first","parameter":"sort"}
GET /api/v1/events?sort=endTime
  400 {"code":"invalid_parameter","message":"sort=\"endTime\" is not understood; give one of time, with - before it for the largest first","parameter":"sort"}
GET /api/v1/sessions?from=yesterday
  400 {"code":"invalid_parameter","message":"from=\"yesterday\" is not understood; give an RFC 3339 time, a date (2024-01-15) or how long ago (-24h)","parameter":"from"}
GET /api/v1/sessions?from=2024-01-15&to=2024-01-14
  400 {"code":"invalid_parameter","message":"to=\"2024-01-14\" is not understood; give a time after from (2024-01-15T00:00:00.000Z)","parameter":"to"}
GET /api/v1/sessions?sorted=1
  400 {"code":"invalid_parameter","message":"unknown parameter `sorted`, expected one of `filter`, `from`, `to`, `sort`, `limit`, `cursor`","parameter":"sorted"}
GET /api/v1/sessions?limit=1&limit=2
  400 {"code":"invalid_parameter","message":"duplicate parameter `limit`","parameter":"limit"}
GET /api/v1/sessions?cursor=abc
  400 {"code":"invalid_cursor","message":"cursor is damaged; give the nextCursor of an answer as it is, or none for the first page","parameter":"cursor"}
GET /api/v1/analytics/usage?group=colour
  400 {"code":"invalid_parameter","message":"group=\"colour\" is not understood; give one of model, user, service, environment, name, type, trace, tag","parameter":"group"}
GET /api/v1/stream?filter=%28
  400 {"code":"invalid_filter","length":0,"message":"filter: a term is missing here","parameter":"filter","position":1}
GET /api/v1/sessions/chat%2F1?page=2
  400 {"code":"invalid_parameter","message":"unknown parameter `page`, expected `limit` or `cursor`","parameter":"page"}
GET /api/v1/sessions/chat%2F1/export?format=xml
  400 {"code":"invalid_parameter","message":"format=\"xml\" is not understood; give one of json, ndjson, otlp, chat, html","parameter":"format"}
GET /api/v1/sessions/chat%2F1/export?encoding=json
  400 {"code":"invalid_parameter","message":"encoding=\"json\" is not understood; give it only together with format=otlp","parameter":"encoding"}
GET /api/v1/traces/xyz
  400 {"code":"invalid_trace_id","message":"a trace id must be 32 hexadecimal digits and not all zero, got \"xyz\""}
GET /api/v1/sessions/%FF
  400 {"code":"invalid_path","message":"Invalid URL: Invalid UTF-8 in `id`"}
"#);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let served = Served::with_shop().await;
    let trace = format!("/api/v1/traces/{}", "0f".repeat(16));
    let shown = refusals(
        &served,
        &[
            (Method::GET, "/api/v1/sessions/nobody"),
            (Method::GET, "/api/v1/sessions/nobody/timeline"),
            (Method::GET, "/api/v1/sessions/nobody/export?format=html"),
            (Method::POST, "/api/v1/sessions/nobody/end"),
            (Method::DELETE, "/api/v1/sessions/nobody"),
            (Method::GET, &trace),
            (Method::GET, "/api/v1/nothing"),
            (Method::PUT, "/api/v1/sessions"),
        ],
    )
    .await;
    assert_snapshot!(shown, @r#"
GET /api/v1/sessions/nobody
  404 {"code":"unknown_session","message":"there is no session \"nobody\""}
GET /api/v1/sessions/nobody/timeline
  404 {"code":"unknown_session","message":"there is no session \"nobody\""}
GET /api/v1/sessions/nobody/export?format=html
  404 {"code":"unknown_session","message":"there is no session \"nobody\""}
POST /api/v1/sessions/nobody/end
  404 {"code":"unknown_session","message":"there is no session \"nobody\""}
DELETE /api/v1/sessions/nobody
  404 {"code":"unknown_session","message":"there is no session \"nobody\""}
GET /api/v1/traces/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
  404 {"code":"unknown_trace","message":"there is no trace 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"}
GET /api/v1/nothing
  404 {"code":"not_found","message":"nothing is at /api/v1/nothing"}
PUT /api/v1/sessions
  405 {"code":"method_not_allowed","message":"/api/v1/sessions does not answer to PUT"}
"#);
}

#[tokio::test]
async fn cursors_belong_to_one_list_and_order() {
    let served = Served::with_shop().await;
    let page = served.json("/api/v1/sessions?limit=1&sort=startTime").await;
    let cursor = page["nextCursor"].as_str().unwrap();
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
    let second =
        served.column(&format!("/api/v1/sessions?limit=1&sort=startTime&cursor={cursor}"), "id").await;
    assert_eq!(second, ["sess_bob"]);
    for path in
        ["sessions?sort=-startTime", "sessions?sort=endTime", "traces?sort=startTime", "users?sort=firstSeen"]
    {
        let answer = served.get(&format!("/api/v1/{path}&cursor={cursor}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (400, &"invalid_cursor".into())
        );
        assert!(answer.text().contains("sessions startTime"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_store_that_is_closed_takes_no_commands() {
    let served = Served::with_shop().await;
    served.store.shutdown().await;
    let answer = served.call(Method::DELETE, "/api/v1/sessions/sess_bob").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
}
