//! Sessions made from requests.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::Query;
use axum::http::HeaderMap;
use throughline::testing::Memory;
use throughline::{Telemetry, emit};
use throughline_tower::routing::get;
use throughline_tower::{Router, SessionLayer, propagate};

use crate::support::App;

fn telemetry() -> (Telemetry, Memory) {
    let memory = Memory::new();
    let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build();
    (telemetry.unwrap(), memory)
}

#[tokio::test]
async fn what_handlers_emit_knows_session_actor_scope_and_request() {
    let (telemetry, memory) = telemetry();
    let emitter = telemetry.clone();
    let layer = SessionLayer::new(&telemetry)
        .id_from_header("x-session-id")
        .actor_from_header("user", "x-user-id")
        .scope_from_header("organization", "X-Org-Id")
        .attribute_from_header("ctx.request.client", "user-agent")
        .emit_requests();
    let handler = async move || {
        emit!(emitter, "cart.opened");
        "hello"
    };
    let app = App::serve(Router::new().route("/cart", get(handler)).layer(layer)).await;
    let headers = "x-session-id: conv_1\r\nx-user-id: alice\r\nx-org-id: org_1\r\nuser-agent: test\r\n";
    app.ask_with("GET /cart?secret=1", headers).await;
    app.events().await;
    telemetry.flush(Duration::from_secs(5));
    let events = memory.events();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["request.started", "cart.opened", "request.completed"]);
    for event in &events {
        assert_eq!(event.session_id.as_ref().unwrap().as_str(), "conv_1");
        assert_eq!(event.actor.as_ref().unwrap().id.as_deref(), Some("alice"));
        assert_eq!(event.scope.as_ref().unwrap().id, "org_1");
        assert_eq!(event.attributes["ctx.request.path"], "/cart");
        assert_eq!(event.attributes["ctx.request.client"], "test");
    }
    assert_eq!(events[2].attributes["ctx.request.status"], 200);
}

#[tokio::test]
async fn the_session_of_a_caller_goes_on_and_is_passed_on() {
    let (telemetry, _memory) = telemetry();
    let handler = async || {
        let mut headers = HeaderMap::new();
        propagate(&mut headers);
        headers["baggage"].to_str().unwrap().to_owned()
    };
    let app = App::serve(Router::new().route("/", get(handler)).layer(SessionLayer::new(&telemetry))).await;
    let baggage = "baggage: session.id=conv%201,user.id=alice,tier=gold\r\n";
    assert_eq!(app.ask_with("GET /", baggage).await.body, "session.id=conv%201,user.id=alice,tier=gold");
    let spread = "baggage: tier=gold\r\nbaggage: session.id = conv_1;ttl=3 ,user.id=%C3%A9\r\n";
    assert_eq!(app.ask_with("GET /", spread).await.body, "session.id=conv_1,user.id=%C3%A9,tier=gold");
    assert!(app.ask("GET /").await.body.starts_with("session.id=sess_"), "a session of its own");
    let nobody = "baggage: session.id=,user.id=\r\n";
    assert!(app.ask_with("GET /", nobody).await.body.starts_with("session.id=sess_"));
}

#[tokio::test]
async fn the_trace_of_a_caller_goes_on_without_an_exporter_too() {
    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (telemetry, memory) = telemetry();
    let emitter = telemetry.clone();
    let handler = async move || {
        emitter.generation("answer").run(async {}).await;
        let mut headers = HeaderMap::new();
        propagate(&mut headers);
        let chunk = async move {
            emit!(emitter, "chunk.sent");
            Ok::<_, std::convert::Infallible>(format!(
                "{:?} {:?}",
                headers.get("traceparent"),
                headers.get("tracestate")
            ))
        };
        axum::body::Body::from_stream(futures_util::stream::once(chunk))
    };
    let layer = SessionLayer::new(&telemetry).emit_requests();
    let app = App::serve(Router::new().route("/", get(handler)).layer(layer)).await;
    let parent = format!("traceparent: {CALLER}\r\ntracestate: rojo=1\r\n");
    let body = app.ask_with("GET /", &parent).await.body;
    assert!(body.contains(&format!("Some(\"{CALLER}\") Some(\"rojo=1\")")), "{body}");
    assert!(app.ask("GET /").await.body.contains("None None"));
    app.events().await;
    telemetry.flush(Duration::from_secs(5));
    let traces: Vec<_> =
        memory.events().iter().map(|event| event.trace_id.map(|id| id.to_string())).collect();
    assert_eq!(traces[..3], [(); 3].map(|()| Some(CALLER[3..35].to_owned())), "{:?}", memory.names());
    assert_eq!(traces[3..], [None, None, None]);
    let [answer, other] = &memory.spans()[..] else { panic!("two spans") };
    assert_eq!(answer.parent_id.map(|id| id.to_string()).as_deref(), Some(&CALLER[36..52]));
    assert_eq!((answer.trace_state.as_str(), other.parent_id), ("rojo=1", None));
}

#[tokio::test]
async fn extractors_set_up_sessions_and_may_reject() {
    type Login = Query<HashMap<String, String>>;
    let (telemetry, _memory) = telemetry();
    let layer = SessionLayer::new(&telemetry)
        .extract(|session, Query(login): Login| match login.get("user") {
            Some(user) => session.actor("user", user),
            None => session,
        })
        .extract(|session, _: axum::extract::Path<u64>| session)
        .with(|session, request| session.id(request.uri.path().trim_start_matches('/')));
    let handler = async || {
        let session = throughline::current_session().unwrap();
        format!("{} {:?}", session.session_id.as_str(), session.actor.unwrap().id)
    };
    let app = App::serve(Router::new().route("/{conversation}", get(handler)).layer(layer)).await;
    assert_eq!(app.ask("GET /7?user=alice").await.body, r#"7 Some("alice")"#);
    assert_eq!(app.ask("GET /x?user=alice").await.status, 400);
}

#[tokio::test]
async fn the_session_lasts_to_the_end_of_the_body_and_a_client_that_leaves_aborts_it() {
    let (telemetry, memory) = telemetry();
    let layer = SessionLayer::new(&telemetry).emit_requests();
    let emitter = telemetry.clone();
    let body = async move || {
        let chunk = move |sent: u32| {
            let emitter = emitter.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                emit!(emitter, "chunk.sent");
                Some((Ok::<_, std::convert::Infallible>("chunk"), sent + 1))
            }
        };
        axum::body::Body::from_stream(futures_util::stream::unfold(0, chunk))
    };
    let app = App::serve(Router::new().route("/", get(body)).layer(layer)).await;
    app.hang_up_after("GET /", "e:req").await;
    app.events().await;
    telemetry.flush(Duration::from_secs(5));
    let events = memory.events();
    let ids: std::collections::BTreeSet<_> =
        events.iter().map(|event| event.session_id.as_ref().unwrap().as_str()).collect();
    assert_eq!(ids.len(), 1, "all in one session: {events:?}");
    assert_eq!(events.first().unwrap().name, "request.started");
    assert_eq!(events.last().unwrap().name, "request.aborted");
}
