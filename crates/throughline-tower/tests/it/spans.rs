//! Requests and layers as spans of a trace.

use std::time::Duration;

use axum::BoxError;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderValue, SERVER, USER_AGENT};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use throughline::testing::Memory;
use throughline::{ObservationType, Span, Status, Telemetry};
use throughline_channel::report_error;
use throughline_tower::error_handling::HandleErrorLayer;
use throughline_tower::routing::{MethodRouter, any_service, get};
use throughline_tower::{Export, LayerExporter, RequestLayer, Router, SessionLayer, propagate, traced};
use tower::timeout::TimeoutLayer;
use tower::util::MapErrLayer;

use crate::support::App;

async fn auth(request: Request, next: Next) -> Response {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let response = next.run(request).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    response
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(30)).await;
    "slow"
}

async fn hangs() {
    std::future::pending::<()>().await;
}

async fn fails() -> Response {
    report_error(&std::io::Error::other("disk gone"));
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

async fn panics() {
    panic!("boom");
}

async fn on_timeout(_: BoxError) -> StatusCode {
    StatusCode::GATEWAY_TIMEOUT
}

#[derive(Debug)]
struct Wrapping(BoxError);

impl std::fmt::Display for Wrapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x2")
    }
}

impl std::error::Error for Wrapping {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// An error that becomes another one, and an error handler that has two of its own.
fn wraps() -> MethodRouter {
    async fn on_error(_: BoxError) -> StatusCode {
        report_error(&std::io::Error::other("x3"));
        report_error(&std::io::Error::other("x4"));
        StatusCode::BAD_GATEWAY
    }
    let fails_first = tower::service_fn(async |_: Request| Err::<Response, BoxError>("x1".into()));
    let wraps = MapErrLayer::new(|error: BoxError| BoxError::from(Wrapping(error)));
    any_service(fails_first).layers((HandleErrorLayer::new(on_error), traced(wraps).named("wraps")))
}

struct Exported {
    app: App,
    telemetry: Telemetry,
    memory: Memory,
    _export: Export,
}

impl Exported {
    async fn serve(flat: bool) -> Self {
        let memory = Memory::new();
        let telemetry =
            Telemetry::builder("shop").environment("test").transport(memory.clone()).build().unwrap();
        let timeout = TimeoutLayer::new(Duration::from_millis(200));
        let emitter = telemetry.clone();
        let answers = async move || emitter.observation(ObservationType::Tool, "look up").run(async {}).await;
        let router = Router::new()
            .route("/slow/{id}", get(slow))
            .route("/answers", get(answers))
            .route("/fails", get(fails))
            .route("/panics", get(panics))
            .route("/hangs", get(hangs))
            .route("/wraps", wraps())
            .layers((HandleErrorLayer::new(on_timeout), timeout))
            .layer(from_fn(auth))
            .layer(SessionLayer::new(&telemetry).id_from_header("x-session-id"));
        let app = App::serve(router).await;
        let exporter = LayerExporter::new(&telemetry);
        let exporter = if flat { exporter.flat() } else { exporter };
        Self { app, telemetry, memory, _export: exporter.start() }
    }

    async fn spans(&self) -> Vec<Span> {
        self.app.events().await;
        self.telemetry.flush(Duration::from_secs(5));
        let spans = self.memory.spans();
        self.memory.clear();
        spans
    }
}

/// The spans as a tree, each level two spaces further in.
fn tree(spans: &[Span]) -> String {
    fn add(spans: &[Span], parent: Option<&Span>, depth: usize, lines: &mut Vec<String>) {
        let inside = |span: &&Span| match parent {
            Some(parent) => span.parent_id == Some(parent.span_id),
            None => !spans.iter().any(|other| span.parent_id == Some(other.span_id)),
        };
        for span in spans.iter().filter(inside) {
            lines.push(format!("{}{}", "  ".repeat(depth), span.name));
            add(spans, Some(span), depth + 1, lines);
        }
    }
    let mut lines = Vec::new();
    add(spans, None, 0, &mut lines);
    lines.join("\n")
}

fn find<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {}", tree(spans)))
}

#[tokio::test]
async fn layers_are_nested_as_they_ran_with_their_own_time() {
    let exported = Exported::serve(false).await;
    exported.app.ask_with("GET /slow/7", "x-session-id: conv_1\r\n").await;
    let spans = exported.spans().await;
    assert_eq!(
        tree(&spans),
        "GET /slow/{id}\n  middleware auth\n    middleware TimeoutLayer\n      handler slow"
    );
    let (auth, handler, request) =
        (find(&spans, "middleware auth"), find(&spans, "handler slow"), find(&spans, "GET /slow/{id}"));
    assert_eq!((auth.kind, request.kind), (ObservationType::Layer, ObservationType::Span));
    let number = |span: &Span, key: &str| span.attributes[key].as_f64().unwrap();
    assert!(number(auth, "layer.before_ms") >= 19.0 && number(auth, "layer.after_ms") >= 9.0);
    assert!(number(auth, "layer.self_ms") >= 28.0 && number(handler, "layer.self_ms") >= 29.0);
    assert!(!handler.attributes.contains_key("layer.before_ms"), "nothing is inside");
    for span in [auth, handler, request] {
        assert_eq!(span.attributes["http.route"], "/slow/{id}");
        assert_eq!(span.attributes["http.response.status_code"], 200);
    }
    assert_eq!(request.session.as_ref().unwrap().session_id.as_str(), "conv_1", "though it began before it");
    assert_eq!(handler.session.as_ref().unwrap().session_id.as_str(), "conv_1");
}

#[tokio::test]
async fn layers_lie_flat_under_their_request_if_asked_to() {
    let exported = Exported::serve(true).await;
    exported.app.ask("GET /answers").await;
    let spans = exported.spans().await;
    let request = find(&spans, "GET /answers");
    for layer in spans.iter().filter(|span| span.kind == ObservationType::Layer) {
        assert_eq!(layer.parent_id, Some(request.span_id));
    }
    let tool = find(&spans, "look up");
    assert_eq!(
        tool.parent_id.unwrap(),
        spans.iter().find(|span| span.name.starts_with("handler")).unwrap().span_id
    );
}

#[tokio::test]
async fn a_trace_of_the_caller_goes_on() {
    let exported = Exported::serve(false).await;
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    exported.app.ask_with("GET /answers", parent).await;
    let spans = exported.spans().await;
    assert!(spans.iter().all(|span| span.trace_id.to_string() == "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(find(&spans, "GET /answers").parent_id.unwrap().to_string(), "00f067aa0ba902b7");
}

#[tokio::test]
async fn what_others_want_handed_on_goes_with_the_caller_s_trace_and_no_other() {
    let telemetry = Telemetry::builder("shop").transport(Memory::new()).build().unwrap();
    let jobs = telemetry.clone();
    let handler = async move || {
        let handed_on = || {
            let mut headers = HeaderMap::new();
            propagate(&mut headers);
            let of = |name| headers.get(name).map_or("none", |value: &HeaderValue| value.to_str().unwrap());
            format!("{} {}", &of("traceparent")[..35], of("tracestate"))
        };
        format!("{}, {}", handed_on(), jobs.trace("job").run_sync(handed_on))
    };
    let app = App::serve(Router::new().route("/", get(handler))).await;
    let _export = LayerExporter::new(&telemetry).start();
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
        tracestate: rojo=1\r\ntracestate: congo=2\r\n";
    let body = app.ask_with("GET /", parent).await.body;
    let (request, job) = body.split_once(", ").unwrap();
    assert_eq!(request, "00-4bf92f3577b34da6a3ce929d0e0e4736 rojo=1,congo=2");
    assert!(!job.contains("4bf92f35") && job.ends_with(" none"), "{job}");
}

#[tokio::test]
async fn errors_are_on_the_span_they_began_in_with_their_fate() {
    let exported = Exported::serve(false).await;
    exported.app.ask("GET /fails").await;
    let spans = exported.spans().await;
    let failed: Vec<_> = spans.iter().filter(|span| span.error.is_some()).collect();
    let [handler] = failed[..] else { panic!("one error: {failed:?}") };
    assert_eq!((handler.name.as_str(), handler.status), ("handler fails", Status::Error));
    assert_eq!(handler.error.as_ref().unwrap().message, "disk gone");
    assert_eq!(handler.attributes["error.handled"], true);
    assert_eq!(handler.attributes["error.handled_by"], "fails");
    assert_eq!(handler.attributes["error.handled_how"], "converted");

    exported.app.ask("GET /hangs").await;
    let spans = exported.spans().await;
    let timeout = find(&spans, "middleware TimeoutLayer");
    assert_eq!(timeout.attributes["error.handled"], true, "though it had ended before that was known");
    assert_eq!(timeout.attributes["error.handled_by"], "on_timeout");
    let handler = find(&spans, "handler hangs");
    assert_eq!(handler.attributes["cancelled"], true);
    assert_eq!((handler.status, handler.end_time <= timeout.end_time), (Status::Unset, true));
    let on_timeout = find(&spans, "error_handler on_timeout");
    assert!(timeout.end_time <= on_timeout.start_time);

    assert_eq!(timeout.attributes["error.handled_how"], "recovered");
    assert_eq!(handler.attributes["cancelled.reason"], "dropped");
    assert!(handler.attributes["layer.busy_ms"].as_f64().unwrap() < 200.0, "it waited");

    exported.app.ask("GET /wraps").await;
    let spans = exported.spans().await;
    let [inner, outer] = ["handler ServiceFn", "middleware wraps"].map(|name| find(&spans, name));
    assert_eq!(
        (&outer.attributes["error.wraps"], &outer.attributes["error.handled_by"]),
        (&"x1".into(), &"on_error".into())
    );
    assert_eq!(outer.error.as_ref().unwrap().message, "x2");
    assert_eq!(inner.attributes["error.handled"], false, "nobody handled it, but it went into another");
    assert!(
        !outer.attributes.contains_key("error.propagated") && !inner.attributes.contains_key("error.wraps")
    );
    let reports = find(&spans, "error_handler on_error");
    assert_eq!(
        (&reports.attributes["error.count"], &reports.attributes["error.handled_how"]),
        (&2.into(), &"converted".into())
    );

    exported.app.ask("GET /panics").await;
    let spans = exported.spans().await;
    let handler = find(&spans, "handler panics");
    assert_eq!(handler.attributes["error.handled"], false);
    assert_eq!(find(&spans, "middleware auth").attributes["error.propagated"], true);
    assert_eq!(spans.iter().filter(|span| span.error.is_some()).count(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_cancelled_spans() {
    let exported = Exported::serve(false).await;
    exported.app.hang_up_after("GET /hangs", "s:hangs").await;
    let spans = exported.spans().await;
    for name in ["GET /hangs", "middleware auth", "handler hangs"] {
        let span = find(&spans, name);
        assert_eq!(span.attributes["cancelled"], true, "{name}");
        assert!(span.error.is_none(), "{name}");
    }
}

#[tokio::test]
async fn headers_cookies_and_queries_stay_out_of_spans_unless_they_are_named() {
    let memory = Memory::new();
    let telemetry = Telemetry::builder("shop").transport(memory.clone()).build().unwrap();
    let shown = RequestLayer::new().show_request_header(USER_AGENT).show_response_header(SERVER);
    let answer = || async { ([("server", "ours"), ("set-cookie", "secret-out=1")], "secret-body") };
    let router = Router::new()
        .route("/users/{id}", get(answer))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn(auth))
        .layer(SessionLayer::new(&telemetry).actor_from_header("user", "x-user-id"))
        .root(shown);
    let app = App::serve(router).await;
    let export = LayerExporter::new(&telemetry).start();
    let hostile = "cookie: sid=secret-sid; \"<script>alert(1)</script>\"\r\nauthorization: Bearer secret-token\r\n\
        x-secret-name: secret-value\r\nreferer: http://shop/?q=secret-referer\r\nuser-agent: <b>probe</b> \u{ff}\r\n\
        x-forwarded-for: secret-address\r\nhost: secret-host\r\nbaggage: secret-key=secret-baggage\r\n";
    for line in ["GET /users/7?token=secret-query", "GET /else?secret-query=1#secret-fragment"] {
        app.ask_with(line, hostile).await;
    }
    app.events().await;
    telemetry.flush(Duration::from_secs(5));
    let spans = memory.spans();
    assert_eq!(spans.len(), 6, "{}", tree(&spans));
    for span in &spans {
        let said = format!("{} {:?} {:?}", span.name, span.attributes, span.error);
        assert!(!said.contains("secret") && !said.contains("script"), "{said}");
    }
    let request = find(&spans, "GET /users/{id}");
    assert_eq!(request.attributes["http.response.header.server"], "ours");
    assert_eq!(request.attributes["url.path"], "/users/7");
    assert!(request.attributes.contains_key("http.request.header.user-agent"));
    drop(export);
}

#[tokio::test]
async fn exporters_at_once_each_have_the_whole_request() {
    let exported = Exported::serve(false).await;
    let other = Memory::new();
    let telemetry = Telemetry::builder("other").transport(other.clone()).build().unwrap();
    let second = LayerExporter::new(&telemetry).start();
    exported.app.ask_with("GET /slow/7", "x-session-id: conv_1\r\n").await;
    exported.app.ask("GET /panics").await;
    let spans = exported.spans().await;
    telemetry.flush(Duration::from_secs(5));
    let others = other.spans();
    let of_slow = |spans: &[Span]| {
        let trace = find(spans, "GET /slow/{id}").trace_id;
        let mut names: Vec<_> = spans.iter().filter(|span| span.trace_id == trace).cloned().collect();
        names.sort_by_key(|span| span.start_time);
        tree(&names)
    };
    let slow = "GET /slow/{id}\n  middleware auth\n    middleware TimeoutLayer\n      handler slow";
    assert_eq!((of_slow(&spans).as_str(), of_slow(&others).as_str()), (slow, slow));
    assert_eq!((spans.len(), others.len()), (8, 8));
    assert!(spans.iter().all(|own| others.iter().all(|other| own.trace_id != other.trace_id)));
    for spans in [&spans, &others] {
        let request = find(spans, "GET /slow/{id}");
        assert_eq!(request.session.as_ref().unwrap().session_id.as_str(), "conv_1");
        assert_eq!(find(spans, "handler panics").status, Status::Error);
    }
    drop(second);
    exported.app.ask("GET /answers").await;
    assert_eq!((exported.spans().await.len(), other.spans().len()), (5, 8), "the first goes on alone");
}
