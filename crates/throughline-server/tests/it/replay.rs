//! A session played again in a browser, on its page and from the file that it was exported to.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::pages::shelf::Shelf;
use crate::pages::story;
use crate::support::TestServer;

/// Five turns, of which the last fails, with half an hour of silence between the second and the third.
const SESSION: &str = "conversation-1002";
const SHOWN: &str = "document.querySelectorAll('.frame:not([hidden])').length";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_played_again() {
    let Some(browser) = Browser::start().await else { return };
    let story = story::everything();
    let server = TestServer::with_store(Arc::new(Shelf::new(story.traces, story.events)), &[]).await;
    let outcome = AssertUnwindSafe(everything(&browser, &server)).catch_unwind().await;
    // A test that fails must not leave a browser running.
    browser.close().await;
    server.stop().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn everything(browser: &Browser, server: &TestServer) {
    it_plays_and_its_place_is_in_the_address(browser, server).await;
    counters_run_along(browser, server).await;
    idle_time_is_skipped(browser, server).await;
    the_file_plays_by_itself(browser, server).await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

async fn counter(browser: &Browser, name: &str) -> String {
    let said = browser.run(&format!("return document.querySelector('[data-show={name}]').textContent")).await;
    said.as_str().unwrap().replace('\u{202f}', "")
}

async fn seek(browser: &Browser, share: f64) {
    let script = "const seek = document.querySelector('[data-do=seek]'); seek.value = SHARE;
                  seek.dispatchEvent(new Event('input')); seek.dispatchEvent(new Event('change'))";
    browser.run(&script.replace("SHARE", &(share * 1000.0).to_string())).await;
}

async fn it_plays_and_its_place_is_in_the_address(browser: &Browser, server: &TestServer) {
    let path = "/sessions/conversation-long/replay";
    browser.open(server, &format!("{path}?t=0")).await;
    let all = browser.run("return document.querySelectorAll('.frame').length").await.as_u64().unwrap();
    let first = browser.run(&format!("return {SHOWN}")).await.as_u64().unwrap();
    assert!(first < all && all > 20, "{first} of {all} frames at the beginning");
    browser.press("\u{e014}\u{e014}\u{e014}").await;
    let moved = "Number(new URL(location.href).searchParams.get('t')) > 0";
    browser.until(&format!("return {SHOWN} > {first} && {moved}")).await;
    // The address leads back to the same moment.
    let shown = browser.run(&format!("return {SHOWN}")).await;
    let here = browser.client.current_url().await.unwrap();
    browser.client.goto(here.as_str()).await.unwrap();
    browser.until(&format!("return {SHOWN} === {shown}")).await;
    browser.press("\u{e012}").await;
    browser.until(&format!("return {SHOWN} < {shown}")).await;
    let speeds = "[...document.querySelectorAll('[data-do=speed] option')].map((option) => option.value)";
    assert_eq!(browser.run(&format!("return {speeds}")).await, json!(["1", "2", "5", "10", "20"]));
    // Played at its fastest it goes on by itself, and stops when told.
    browser.run("document.querySelector('[data-do=speed]').value = '20'").await;
    browser.press(" ").await;
    browser.until(&format!("return {SHOWN} > {shown} + 4")).await;
    browser.press(" ").await;
    browser.until("return document.querySelector('[data-do=play]').textContent === 'Play'").await;
    seek(browser, 1.0).await;
    browser.until(&format!("return {SHOWN} === {all}")).await;
    let said = counter(browser, "time").await;
    let (at, of) = said.split_once(" / ").unwrap();
    assert_eq!(at, of);
}

/// What the API says of the session, as the counters would say it at its end.
async fn totals(server: &TestServer) -> [String; 3] {
    let session: Value = server.get(&format!("/api/v1/sessions/{SESSION}")).send().await.json();
    let text = |field: &str| session[field].to_string();
    [text("traceCount"), text("errorCount"), text("totalTokens")]
}

async fn counters(browser: &Browser) -> [String; 3] {
    [counter(browser, "turns").await, counter(browser, "errors").await, counter(browser, "tokens").await]
}

async fn counters_run_along(browser: &Browser, server: &TestServer) {
    browser.open(server, &format!("/sessions/{SESSION}/replay?t=0")).await;
    assert_eq!(counters(browser).await, ["1", "0", "0"]);
    assert_eq!(counter(browser, "tools").await, "0");
    assert_eq!(counter(browser, "cost").await, "");
    // Within the first turn: a model called, a tool run, no more.
    browser.until("document.querySelector('[data-do=forward]').click(); return document.querySelector('[data-show=tools]').textContent === '1'").await;
    assert_eq!(counter(browser, "turns").await, "1");
    let tokens: u64 = counter(browser, "tokens").await.parse().unwrap();
    assert!(tokens > 0 && counter(browser, "cost").await.starts_with("$0.0"));
    // The error is one key away, and counted.
    browser.press("e").await;
    browser.until("return document.querySelector('.frame[data-failed]:not([hidden])') !== null").await;
    browser.until("return Number(document.querySelector('[data-show=errors]').textContent) > 0").await;
    seek(browser, 1.0).await;
    let totals = totals(server).await;
    assert_eq!(counters(browser).await, totals);
    assert_eq!(counter(browser, "tools").await, totals[0], "one in each turn");
    // Back at the beginning they are what they were.
    seek(browser, 0.0).await;
    assert_eq!(counters(browser).await, ["1", "0", "0"]);
}

async fn idle_time_is_skipped(browser: &Browser, server: &TestServer) {
    let third = "document.getElementById('turn-3').dataset.from";
    browser.open(server, &format!("/sessions/{SESSION}/replay?t=0")).await;
    let from = browser.run(&format!("return {third}")).await;
    browser.open(server, &format!("/sessions/{SESSION}/replay?t={}", from.as_str().unwrap())).await;
    let place = "return Number(document.querySelector('[data-do=seek]').value)";
    let skipping = browser.run(place).await.as_f64().unwrap();
    browser.click("[data-do=skip]").await;
    let waiting = browser.run(place).await.as_f64().unwrap();
    assert!(
        skipping < 600.0 && waiting > 900.0,
        "{skipping} of 1000 with idle time skipped, {waiting} without"
    );
}

async fn the_file_plays_by_itself(browser: &Browser, server: &TestServer) {
    let export = server.get(&format!("/api/v1/sessions/{SESSION}/export?format=html")).send().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.html");
    std::fs::write(&file, &export.body).unwrap();
    browser.client.goto(&format!("file://{}", file.display())).await.unwrap();
    // It opens at its end, to be read.
    browser.until("return document.querySelector('[data-show=turns]').textContent === '5'").await;
    assert_eq!(counters(browser).await, totals(server).await);
    let all = browser.run(&format!("return {SHOWN}")).await.as_u64().unwrap();
    let loaded = browser.run("return performance.getEntriesByType('resource').length").await;
    assert_eq!(loaded, json!(0), "it needs nothing else");
    seek(browser, 0.0).await;
    browser.until(&format!("return {SHOWN} < {all} / 4")).await;
    browser.press("\u{e014}\u{e014}").await;
    let stepped = browser.run(&format!("return {SHOWN}")).await.as_u64().unwrap();
    browser.press("e").await;
    browser.until("return document.querySelector('.frame[data-failed]:not([hidden])') !== null").await;
    seek(browser, 0.0).await;
    browser.run("document.querySelector('[data-do=speed]').value = '20'").await;
    browser.press(" ").await;
    browser.until(&format!("return {SHOWN} > {stepped}")).await;
    browser.press(" ").await;
}
