//! What holds for every request: who may ask, ids, the shape of errors, headers.

use crate::support::{Request, TestServer};

#[tokio::test]
async fn only_local_names_are_answered() {
    let (server, store) = TestServer::recording().await;
    let ask = |host: &str, origin: Option<&str>| {
        let request = server.post("/api/v1/events").json().header("host", host).body(r#"{"name":"a"}"#);
        origin.into_iter().fold(request, |request, origin| request.header("origin", origin)).send()
    };
    for (host, origin) in [
        ("localhost:4318", None),
        ("127.0.0.1", Some("http://localhost:4318")),
        ("[::1]:4318", Some("http://127.0.0.1:9")),
        ("app.localhost", Some("https://other.localhost")),
    ] {
        assert_eq!(ask(host, origin).await.status, 200, "{host} {origin:?}");
    }
    assert_eq!(store.take_events().len(), 4);
    for (host, origin) in [
        ("attacker.example", None),
        ("attacker.example:4318", None),
        ("192.168.1.7:4318", None),
        ("localhost", Some("https://attacker.example")),
        ("localhost", Some("null")),
    ] {
        let reply = ask(host, origin).await;
        assert_eq!(reply.error(), (403, "not_local".to_owned()), "{host} {origin:?}");
    }
    let grpc = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let request = Request::new("POST", &server.grpc_url(), grpc).header("content-type", "application/grpc");
    let reply = request.header("origin", "https://attacker.example").send_http2().await;
    assert_eq!(reply.error(), (403, "not_local".to_owned()));
    assert!(store.take().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told_in_json() {
    let (server, _) = TestServer::recording().await;
    let reply = server.get("/api/v1/nothing-here").header("x-request-id", "abc-1").send().await;
    assert_eq!(reply.error(), (404, "not_found".to_owned()));
    assert_eq!(
        (reply.json()["error"]["requestId"].as_str(), reply.header("x-request-id")),
        (Some("abc-1"), "abc-1")
    );
    let reply = server.get("/v1/traces").send().await;
    assert_eq!(reply.error(), (405, "method_not_allowed".to_owned()));
    assert_eq!(reply.header("allow"), "POST,OPTIONS");
    server.stop().await;
}

#[tokio::test]
async fn every_answer_carries_an_id_and_the_security_headers() {
    let (server, _) = TestServer::recording().await;
    for path in ["/nothing-here", "/v1/traces"] {
        let reply = server.get(path).header("x-request-id", "<script>").send().await;
        assert!(reply.header("x-request-id").starts_with("req_"), "an id that is not sane is replaced");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
    }
    server.stop().await;
}

#[tokio::test]
async fn credentials_that_nobody_asked_for_are_ignored() {
    let (server, store) = TestServer::recording().await;
    for credentials in ["Bearer anything", "Basic cGstbGY6c2s=", "nonsense"] {
        let request = server.post("/api/v1/events").json().header("authorization", credentials);
        assert_eq!(request.body(r#"{"name":"a"}"#).send().await.status, 200, "{credentials}");
    }
    let projects: Vec<String> = store.take().into_iter().map(|batch| batch.project.to_string()).collect();
    assert_eq!(projects, ["default"; 3]);
    server.stop().await;
}

#[tokio::test]
async fn long_answers_are_compressed_on_request() {
    let (server, _) = TestServer::recording().await;
    let bad: Vec<&str> = vec![r#"{"name":"not a name"}"#; 100];
    let request = server.post("/api/v1/events").json().header("accept-encoding", "gzip");
    let reply = request.body(format!("[{}]", bad.join(","))).send().await;
    assert_eq!(reply.header("content-encoding"), "gzip");
    assert!(reply.body.len() < 1000, "{} bytes", reply.body.len());
    server.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let (server, store) = TestServer::recording().await;
    let address = server.addresses.http.to_string();
    let config = crate::support::config(&[("listen.http", &address)]);
    let clock = throughline_server::http::Clock::fixed(crate::support::NOW);
    let error =
        throughline_server::app::start_with(&config, store, clock).await.err().expect("taken").to_string();
    assert!(error.contains(&address) && error.contains("--listen-http"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn stopping_lets_a_request_under_way_finish() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (server, store) = TestServer::recording().await;
    let mut connection = tokio::net::TcpStream::connect(server.addresses.http).await.unwrap();
    let head = "POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 12\r\n\r\n{\"name\"";
    connection.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let address = server.addresses.http;
    let stopping = tokio::spawn(server.stop());
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nothing new is taken");
    connection.write_all(b":\"a\"}").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stopping.await.unwrap();
    assert_eq!(store.take_events().len(), 1);
}

#[tokio::test]
async fn a_page_of_this_machine_may_send_but_not_read() {
    let (server, store) = TestServer::recording().await;
    let page = "http://localhost:3000";
    for path in ["/v1/traces", "/v1/logs", "/api/v1/events"] {
        let preflight = Request::new("OPTIONS", &server.url(), path)
            .header("origin", page)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-custom")
            .send()
            .await;
        assert_eq!(preflight.status, 200, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), page, "{path}");
        assert_eq!(preflight.header("access-control-allow-headers"), "content-type,x-custom", "{path}");
    }
    let sent =
        server.post("/v1/traces").json().header("origin", page).body(r#"{"resourceSpans":[]}"#).send().await;
    assert_eq!((sent.status.as_u16(), sent.header("access-control-allow-origin")), (200, page));
    for path in ["/api/v1/sessions", "/api/v1/events", "/sessions"] {
        let read = server.get(path).header("origin", page).send().await;
        assert_eq!(read.header("access-control-allow-origin"), "", "{path}");
    }
    let foreign =
        Request::new("OPTIONS", &server.url(), "/v1/traces").header("origin", "https://attacker.example");
    assert_eq!(foreign.send().await.status, 403);
    assert!(store.take().is_empty());
    server.stop().await;
}
