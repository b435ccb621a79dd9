//! Our own SDK against our own server, over OTLP: what a program emits is what the API shows.

use std::time::Duration;

use serde_json::{Value, json};
use throughline::testing::ManualClock;
use throughline::transport::{Delivery, Http, Otlp, Transport};
use throughline::{Telemetry, Usage, emit};

use crate::support::{Engine, NOW, TestServer};

async fn json(server: &TestServer, path: &str) -> Value {
    let reply = server.get(path).send().await;
    assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
    reply.json()
}

/// A conversation of one turn, with a nested session, and an event outside of any.
fn converse(telemetry: &Telemetry) {
    let session = telemetry.session().id("conv_1").actor("user", "alice").actor_tag("plan", "pro");
    session.scope("organization", "org_456").attribute("ctx.request.id", "req_abc").run_sync(|| {
        let turn = telemetry.trace("chat turn").input("Where is my order?").tags(["shop"]).start();
        turn.enter(
            || emit!(telemetry, "order.looked_up", "ctx.order.id" => "ord_789", "ctx.order.total" => 14999),
        );
        let call = turn.generation("answer").model("gpt-4o").provider("openai").start();
        call.set_usage(Usage { input_uncached: 100, cache_read: 20, output: 30, ..Usage::default() });
        call.set_output("On its way.");
        call.end();
        turn.set_output("On its way.");
        turn.end();
        let lost = std::io::Error::other("parcel lost");
        emit!(telemetry, error, "parcel.failed", error: &lost);
        telemetry.session().id("conv_1_refund").run_sync(|| emit!(telemetry, "refund.started"));
    });
    emit!(telemetry, "service.booted");
}

async fn send(server: &TestServer) {
    send_through(Otlp::new(server.url())).await;
}

async fn send_through(transport: impl Transport) {
    let delivery: Delivery = transport.delivery().max_delay(Duration::ZERO);
    let telemetry =
        Telemetry::builder("shop").environment("test").version("1.2").transport_with(transport, delivery);
    let telemetry = telemetry.build().unwrap();
    let report = tokio::task::spawn_blocking(move || {
        converse(&telemetry);
        telemetry.shutdown(Duration::from_secs(20))
    });
    let report = report.await.unwrap();
    assert!(report.complete && report.lost() == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_arrives_with_actor_scope_attributes_and_turns() {
    let (server, _store) = TestServer::on(Engine::Memory).await;
    send(&server).await;
    let session = json(&server, "/api/v1/sessions/conv_1").await;
    assert_eq!((&session["userId"], &session["totalTokens"]), (&json!("alice"), &json!(150)));
    assert_eq!((&session["traceCount"], &session["observationCount"]), (&json!(1), &json!(2)));
    assert_eq!((&session["eventCount"], &session["models"]), (&json!(2), &json!(["gpt-4o"])));
    assert_eq!(session["actor"], json!({"type": "user", "id": "alice", "tags": {"plan": "pro"}}));
    assert_eq!(session["scope"], json!({"type": "organization", "id": "org_456"}));
    assert_eq!(session["tags"], json!(["shop"]));
    let turn = &session["traces"][0];
    assert_eq!((&turn["input"], &turn["output"]), (&json!("Where is my order?"), &json!("On its way.")));
    let inner = json(&server, "/api/v1/sessions/conv_1_refund").await;
    assert_eq!((&inner["parentSessionId"], &inner["actor"]["id"]), (&json!("conv_1"), &json!("alice")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_as_they_were_emitted_and_those_outside_sessions_make_none() {
    let (server, _store) = TestServer::on(Engine::Memory).await;
    send(&server).await;
    let events = json(&server, "/api/v1/events?sort=time").await;
    let named = |name: &str| {
        let events = events["data"].as_array().unwrap();
        events
            .iter()
            .find(|event| event["name"] == name)
            .unwrap_or_else(|| panic!("{name} in {events:?}"))
            .clone()
    };
    let looked_up = named("order.looked_up");
    assert_eq!(
        looked_up["attributes"],
        json!({"ctx.request.id": "req_abc", "ctx.order.id": "ord_789", "ctx.order.total": 14999})
    );
    assert!(looked_up["traceId"].is_string() && looked_up["spanId"].is_string());
    assert_eq!((&looked_up["service"], &looked_up["version"]), (&json!("shop"), &json!("1.2")));
    assert!(looked_up["source"]["file"].as_str().unwrap().ends_with("sdk.rs"));
    let failed = named("parcel.failed");
    assert_eq!((&failed["level"], &failed["error"]["message"]), (&json!("error"), &json!("parcel lost")));
    assert!(named("service.booted")["sessionId"].is_null());
    let sessions = json(&server, "/api/v1/sessions").await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 2, "{sessions}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_over_http_make_the_same_sessions_and_events_alone_make_none() {
    let (server, _store) = TestServer::on(Engine::Memory).await;
    send_through(Http::new(format!("{}/api/v1/events", server.url()))).await;
    let sessions = json(&server, "/api/v1/sessions?sort=startTime").await;
    let ids: Vec<_> = sessions["data"].as_array().unwrap().iter().map(|session| &session["id"]).collect();
    assert_eq!(ids, ["conv_1", "conv_1_refund"]);
    let inner = json(&server, "/api/v1/sessions/conv_1_refund").await;
    assert_eq!((&inner["parentSessionId"], &inner["actor"]["id"]), (&json!("conv_1"), &json!("alice")));
    let events = json(&server, "/api/v1/events?filter=name:service.booted").await;
    let [alone] = &events["data"].as_array().unwrap()[..] else { panic!("one event: {events}") };
    assert!(alone["sessionId"].is_null() && alone["attributes"].is_null(), "{alone}");
    server.stop().await;
}

/// Telemetry of our SDK for the server, whose clock shows this time.
fn speaking_to(server: &TestServer, clock: &ManualClock) -> Telemetry {
    let builder = Telemetry::builder("chat").environment("test").clock(clock.clone());
    builder.transport(Otlp::new(server.url())).build().unwrap()
}

async fn flush(telemetry: &Telemetry) {
    let telemetry = telemetry.clone();
    let report = tokio::task::spawn_blocking(move || telemetry.flush(Duration::from_secs(20))).await.unwrap();
    assert!(report.complete && report.lost() == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_goes_on_is_live_until_it_ends_or_is_abandoned() {
    for engine in [Engine::Memory, Engine::Embedded] {
        let (server, store) = TestServer::on(engine).await;
        let clock = ManualClock::at(NOW.plus_nanos(-60_000_000_000));
        let telemetry = speaking_to(&server, &clock);
        let turn = telemetry.trace("chat turn").session_id("conv_1").user_id("alice").start();
        clock.advance(Duration::from_secs(1));
        turn.generation("look up").model("gpt-4o").run_sync(|| clock.advance(Duration::from_secs(19)));
        flush(&telemetry).await;
        store.settle().await.unwrap();

        let page = json(&server, "/api/v1/sessions/conv_1").await;
        assert_eq!((&page["traceCount"], &page["observationCount"]), (&json!(1), &json!(1)), "{engine:?}");
        let live = &page["traces"][0];
        assert_eq!((&live["name"], &live["unfinished"]), (&json!("chat turn"), &json!("live")));
        assert_eq!((&live["userId"], &live["duration"]), (&json!("alice"), &json!(20000.0)));
        let id = live["id"].as_str().unwrap();
        let trace = json(&server, &format!("/api/v1/traces/{id}")).await;
        let begun = &trace["observations"][0];
        assert_eq!((&begun["name"], &begun["unfinished"]), (&json!("chat turn"), &json!(true)));
        assert_eq!(trace["observations"][1]["parentId"], begun["id"]);
        assert_eq!((&trace["unfinished"], &trace["events"]), (&json!("live"), &json!([])));
        let listed = json(&server, "/api/v1/traces?filter=unfinished:true+-abandoned:true").await;
        assert_eq!(listed["data"][0]["unfinished"], "live");

        turn.end();
        flush(&telemetry).await;
        store.settle().await.unwrap();
        let ended = json(&server, &format!("/api/v1/traces/{id}")).await;
        assert!(ended["unfinished"].is_null() && ended["observations"][0]["unfinished"].is_null(), "{ended}");
        assert_eq!(ended["observationCount"], 2);

        // One whose program stopped two hours ago.
        let clock = ManualClock::at(NOW.plus_nanos(-7_200_000_000_000));
        let telemetry = speaking_to(&server, &clock);
        let lost = telemetry.trace("chat turn").session_id("conv_2").start();
        flush(&telemetry).await;
        store.settle().await.unwrap();
        let page = json(&server, "/api/v1/sessions/conv_2").await;
        assert_eq!(
            (&page["traces"][0]["unfinished"], &page["state"]),
            (&json!("abandoned"), &json!("ended"))
        );
        for path in ["/api/v1/traces?filter=abandoned:true", "/api/v1/sessions?filter=abandoned:true"] {
            assert_eq!(json(&server, path).await["data"].as_array().unwrap().len(), 1, "{path}");
        }
        std::mem::forget(lost);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_it_is_not_told_of_traces_that_go_on() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    let builder = Telemetry::builder("chat").environment("test");
    let telemetry = builder.transport(Otlp::new(server.url()).trace_starts(false)).build().unwrap();
    let turn = telemetry.trace("chat turn").session_id("conv_1").start();
    flush(&telemetry).await;
    store.settle().await.unwrap();
    assert_eq!(json(&server, "/api/v1/traces").await["data"], json!([]));
    turn.end();
    flush(&telemetry).await;
    assert_eq!(json(&server, "/api/v1/traces").await["data"].as_array().unwrap().len(), 1);
    server.stop().await;
}
