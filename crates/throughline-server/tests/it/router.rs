//! The router example, asked over loopback and read back through the API: the waterfall is what ran.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use throughline::Telemetry;
use throughline::transport::{Delivery, Otlp, Transport};
use throughline_tower::LayerExporter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pages::page;
use crate::support::{Engine, Request, TestServer};

/// Asks as a user and returns the status.
async fn ask(app: SocketAddr, user: &str, path: &str) -> u16 {
    let request = Request::new("GET", &format!("http://{app}"), path).header("x-session-id", "sess_router");
    let request = if user.is_empty() { request } else { request.header("x-user-id", user) };
    request.send().await.status.as_u16()
}

/// Asks, and hangs up while the handler is still at it.
async fn hang_up(app: SocketAddr, path: &str) {
    let mut connection = TcpStream::connect(app).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {app}\r\nx-user-id: carol\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let patience = tokio::time::timeout(Duration::from_millis(300), connection.read_u8()).await;
    assert!(patience.is_err(), "it answered");
}

/// Asks, reads until the body has begun to come, and hangs up.
async fn stop_reading(app: SocketAddr, path: &str) {
    let mut connection = TcpStream::connect(app).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {app}\r\nx-user-id: carol\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    while !received.windows(6).any(|word| word == b"step 1") {
        assert!(connection.read_buf(&mut received).await.unwrap() > 0, "the body ended");
    }
}

/// One line for each observation of the trace, children below their parents: name, status, and what became of errors.
fn told(detail: &Value) -> String {
    fn tell(observations: &[Value], parent: &Value, depth: usize, lines: &mut Vec<String>) {
        for observation in observations.iter().filter(|observation| observation["parentId"] == *parent) {
            let attribute = |key: &str| &observation["attributes"][key];
            let mut line = format!("{}{}", "  ".repeat(depth), observation["name"].as_str().unwrap());
            if let Some(status) = attribute("http.response.status_code").as_i64() {
                line.push_str(&format!(" [{status}]"));
            }
            if observation["status"] == "error" {
                line.push_str(&format!(" !{}", observation["error"]["message"].as_str().unwrap_or_default()));
            }
            for key in ["error.handled", "error.handled_by", "error.propagated", "cancelled"] {
                match attribute(key) {
                    Value::Null => {}
                    Value::String(text) => line.push_str(&format!(" {key}={text}")),
                    other => line.push_str(&format!(" {key}={other}")),
                }
            }
            lines.push(line);
            tell(observations, &observation["id"], depth + 1, lines);
        }
    }
    let mut lines = Vec::new();
    tell(detail["observations"].as_array().unwrap(), &Value::Null, 0, &mut lines);
    lines.join("\n")
}

async fn run(server: &TestServer) {
    let delivery: Delivery = Otlp::new(server.url()).delivery().max_delay(Duration::ZERO);
    let telemetry =
        Telemetry::builder("shop").transport_with(Otlp::new(server.url()), delivery).build().unwrap();
    let export = LayerExporter::new(&telemetry).start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router_example::app(&telemetry)).await });
    for (user, path, status) in [
        ("alice", "/orders/7", 200),
        ("alice", "/orders/7/receipt", 500),
        ("alice", "/orders/7/slow", 504),
        ("alice", "/admin/stats", 403),
        ("admin", "/admin/stats", 200),
        ("alice", "/orders/seven", 400),
        ("", "/orders/7", 401),
        ("alice", "/nowhere", 404),
    ] {
        assert_eq!(ask(app, user, path).await, status, "{path}");
    }
    hang_up(app, "/orders/8/slow").await;
    stop_reading(app, "/orders/9/follow").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    serving.abort();
    drop(serving.await);
    drop(export);
}

/// Every trace there is, once there are so many.
async fn traces(server: &TestServer, expected: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let list = server.get("/api/v1/traces?sort=startTime&limit=100").send().await.json();
        let list = list["data"].as_array().unwrap().clone();
        if list.len() >= expected {
            return list;
        }
        assert!(Instant::now() < deadline, "only {} traces: {list:?}", list.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_what_the_waterfall_shows() {
    let (server, _store) = TestServer::on(Engine::Memory).await;
    run(&server).await;
    let mut told_all = Vec::new();
    let mut failed = String::new();
    for trace in traces(&server, 10).await {
        let id = trace["id"].as_str().unwrap();
        let detail = server.get(&format!("/api/v1/traces/{id}")).send().await.json();
        let text = told(&detail);
        if text.contains("receipt [500]") {
            failed = page(&server, &format!("/traces/{id}")).await.1;
        }
        told_all.push(text);
    }
    insta::assert_snapshot!(told_all.join("\n\n"));
    for words in ["has no receipt · handled by receipt", "own "] {
        assert!(failed.contains(words), "the waterfall does not say {words:?}: {failed}");
    }
    server.stop().await;
}
