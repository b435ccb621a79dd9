//! The chat example, used by somebody with a browser: what they say becomes a session that can be watched, played again,
//! and counted towards a goal.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chat_example::model::Model;
use fantoccini::Locator;
use futures_util::FutureExt;
use serde_json::{Value, json};
use throughline::Telemetry;
use throughline::transport::{Delivery, Otlp, Transport};
use throughline_server::app::{self, Running};
use throughline_server::domain::price::Prices;
use throughline_server::store::memory::MemoryStore;
use tokio::net::TcpListener;

use crate::browser::Browser;
use crate::support::{Request, config};

async fn serve() -> Running {
    let config = config(&[("analytics.goals", "bought = tag:conversion")]);
    let store = Arc::new(MemoryStore::new(Prices::builtin()));
    app::start_with(&config, store, app::system_clock()).await.unwrap()
}

async fn get(server: &str, path: &str) -> Value {
    Request::new("GET", server, path).send().await.json()
}

async fn say(browser: &Browser, message: &str, lines: usize) {
    let field = browser.client.find(Locator::Css("input[name=message]")).await.unwrap();
    field.send_keys(&format!("{message}\u{e007}")).await.unwrap();
    browser.until(&format!("return document.querySelectorAll('#talk p').length === {lines}")).await;
}

async fn chat_and_look(browser: &Browser, server: &str, chat: &str) {
    browser.client.goto(chat).await.unwrap();
    browser.until("return document.documentElement.dataset.session !== undefined").await;
    let session = browser.run("return document.documentElement.dataset.session").await;
    let session = session.as_str().unwrap();
    say(browser, "Hello!", 2).await;
    say(browser, "Tell me about your features", 4).await;
    say(browser, "I'll buy it", 6).await;
    let path = format!("/api/v1/sessions/{session}");
    for _ in 0..200 {
        if get(server, &path).await["traceCount"] == json!(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = get(server, &path).await;
    assert_eq!(
        (&told["traceCount"], &told["userId"], &told["state"]),
        (&json!(3), &json!("user-123"), &json!("live"))
    );
    assert_eq!((&told["title"], &told["goals"]), (&json!("Hello!"), &json!(["bought"])));
    assert!(told["totalCost"].as_f64().unwrap() > 0.0, "{told}");

    // Live, its replay stands at its end and follows.
    browser.client.goto(&format!("{server}/sessions/{session}/replay")).await.unwrap();
    let shown = "document.querySelectorAll('.frame:not([hidden])').length";
    browser
        .until(&format!("return {shown} === document.querySelectorAll('.frame').length && {shown} >= 6"))
        .await;
    let body = json!({"sessionId": session, "userId": "user-123", "message": "overload"}).to_string();
    let failed = Request::new("POST", chat, "/chat").json().body(body).send().await;
    assert_eq!(failed.status, 502, "the script fails on this line");
    browser.until("return document.querySelector('.frame[data-failed]:not([hidden])') !== null").await;

    browser.client.goto(&format!("{server}/analytics/goals")).await.unwrap();
    browser.until("return document.querySelector('.rate b').textContent === '100 %'").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_watched_played_again_and_counted() {
    let Some(browser) = Browser::start().await else { return };
    let running = serve().await;
    let server = format!("http://{}", running.addresses.http);
    let otlp = Otlp::new(server.as_str());
    let delivery: Delivery = otlp.delivery().max_delay(Duration::ZERO);
    let telemetry = Telemetry::builder("chat").transport_with(otlp, delivery).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let chat = format!("http://{}", listener.local_addr().unwrap());
    let serving =
        tokio::spawn(
            async move { axum::serve(listener, chat_example::app(&telemetry, Model::Scripted)).await },
        );

    let outcome = AssertUnwindSafe(chat_and_look(&browser, &server, &chat)).catch_unwind().await;
    // A test that fails must not leave a browser running.
    browser.close().await;
    serving.abort();
    running.stop().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
