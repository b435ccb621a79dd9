//! The applications, served and asked over loopback: what they emit.
#![expect(clippy::unwrap_used, reason = "a test that panics says where")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use middleware_example::{by_hand, by_layer};
use serde_json::{Value, json};
use throughline::testing::Memory;
use throughline::{Envelope, Telemetry};

struct Served {
    telemetry: Telemetry,
    memory: Memory,
    url: String,
}

async fn serve(app: fn(&Telemetry) -> Router) -> Served {
    let memory = Memory::new();
    let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = app(&telemetry).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Served { telemetry, memory, url }
}

impl Served {
    /// Asks, and returns the status and what was emitted, once there is so much of it.
    async fn ask(&self, method: &str, path: &str, user: Option<&str>, events: usize) -> (u16, Vec<Envelope>) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = match user {
            Some(user) => request.header("x-user-id", user).header("x-org-id", "org_456"),
            None => request,
        };
        let (telemetry, memory) = (self.telemetry.clone(), self.memory.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let config = ureq::Agent::config_builder().http_status_as_error(false).build();
            let answer = ureq::Agent::from(config).run(request.body(()).unwrap()).unwrap();
            // The client may have the last byte before the server knows.
            for _ in 0..1000 {
                telemetry.flush(Duration::from_secs(5));
                if memory.events().len() >= events {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (answer.status().as_u16(), memory.events())
        });
        asked.await.unwrap()
    }
}

fn names(events: &[Envelope]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// Session, actor and scope, which all of them share.
fn shared(events: &[Envelope]) -> Value {
    let of = |event: &Envelope| {
        assert!(!event.standalone);
        json!([event.session_id, event.actor, event.scope])
    };
    assert!(events.iter().all(|event| of(event) == of(&events[0])), "{events:?}");
    json!([events[0].actor, events[0].scope])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layer_opens_a_session_for_each_request() {
    let served = serve(by_layer::app).await;
    let (status, events) = served.ask("GET", "/orders/7?secret=1", Some("usr_123"), 3).await;
    assert_eq!((status, names(&events)), (200, vec!["request.started", "order.viewed", "request.completed"]));
    let expected = json!([{"type": "user", "id": "usr_123"}, {"type": "organization", "id": "org_456"}]);
    assert_eq!(shared(&events), expected);
    let attributes = json!({
        "ctx.request.method": "GET", "ctx.request.path": "/orders/7", "ctx.request.ip": "127.0.0.1", "ctx.order.id": 7,
    });
    assert_eq!(Value::from(events[1].attributes.clone()), attributes);
    assert_eq!(events[2].attributes["ctx.request.status"], 200);

    let (status, events) = served.ask("POST", "/orders", None, 6).await;
    assert_eq!(
        (status, names(&events[3..])),
        (402, vec!["request.started", "payment.failed", "request.completed"])
    );
    let expected = json!([{"type": "user", "id": "anonymous"}, {"type": "organization", "id": "unknown"}]);
    assert_eq!(shared(&events[3..]), expected);
    assert_ne!(events[0].session_id, events[3].session_id);
    assert_eq!(events[4].error.as_ref().unwrap().message, "card declined by issuer");
    assert_eq!(events[5].attributes["ctx.request.status"], 402);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_only_what_is_under_api_is_in_a_session() {
    let served = serve(by_hand::app).await;
    assert_eq!(served.ask("GET", "/", Some("usr_123"), 0).await, (200, vec![]));
    let (status, events) = served.ask("GET", "/api/cart", Some("usr_123"), 3).await;
    assert_eq!((status, names(&events)), (200, vec!["request.started", "cart.viewed", "request.completed"]));
    let expected = json!([{"type": "user", "id": "usr_123"}, {"type": "organization", "id": "org_456"}]);
    assert_eq!(shared(&events), expected);
    let request = json!({
        "ctx.request.method": "GET", "ctx.request.path": "/api/cart", "ctx.request.ip": "127.0.0.1",
    });
    assert_eq!(Value::from(events[0].attributes.clone()), request);
    assert_eq!(events[1].attributes["ctx.cart.items"], 2);
    assert_eq!(events[2].attributes["ctx.request.status"], 200);

    let (status, events) = served.ask("GET", "/api/nothing", None, 5).await;
    assert_eq!((status, names(&events[3..])), (404, vec!["request.started", "request.completed"]));
    let expected = json!([{"type": "user", "id": "anonymous"}, {"type": "organization", "id": "unknown"}]);
    assert_eq!(shared(&events[3..]), expected);
}
