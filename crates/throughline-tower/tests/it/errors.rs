//! Errors are published once, where they began, and know later who handled them.
//!
//! The numbers are those of the sixteen ways that an error takes through an Express application when its router is
//! traced, of which this is the Rust rendering; `x1` and `x2` are errors. Three make no sense here: 7, an error handler
//! that goes on with the normal layers (an error handler of axum has nothing to go on to: it answers); 13 and 14, a
//! rejection or a throw of nothing (an `Err` and a panic always carry something).

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use throughline_channel::{HandledBy, report_error};
use throughline_tower::error_handling::HandleErrorLayer;
use throughline_tower::routing::{MethodRouter, any_service, get};
use throughline_tower::{Router, traced};
use tower::ServiceBuilder;
use tower::timeout::TimeoutLayer;
use tower::util::MapErrLayer;
use tower_http::catch_panic::CatchPanicLayer;

use tower_service::Service;

use crate::support::App;

#[derive(Debug, Clone)]
struct AppError(&'static str);

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for AppError {}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        report_error(&self);
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}

async fn fails() -> Result<(), AppError> {
    Err(AppError("x1"))
}

async fn fails_later() -> Result<(), AppError> {
    tokio::task::yield_now().await;
    Err(AppError("x1"))
}

async fn panics() {
    panic!("x1");
}

async fn hangs() {
    std::future::pending::<()>().await;
}

async fn on_error(error: BoxError) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.to_string())
}

async fn on_error_fails(_: BoxError) -> Result<(), AppError> {
    Err(AppError("x2"))
}

async fn on_error_panics(_: BoxError) {
    panic!("x2");
}

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

/// Tries again once.
async fn retry(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    next.clone().run(request).await;
    next.run(Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap()).await
}

fn broken() -> MethodRouter<(), BoxError> {
    any_service(tower::service_fn(|_: Request| async { Err::<Response, BoxError>(AppError("x1").into()) }))
}

fn short() -> TimeoutLayer {
    TimeoutLayer::new(Duration::from_millis(5))
}

/// What the router publishes for `GET /`: the events of layers, the errors and their fate, the status.
async fn of(router: Router) -> (String, Vec<String>, u16) {
    let app = App::serve(router).await;
    let status = app.ask("GET /").await.status;
    let events = app.events().await;
    let of_layers: Vec<_> = events.split(' ').filter(|event| !event.contains(":req")).collect();
    (of_layers.join(" "), app.errors().await, status)
}

async fn check(router: Router, events: &str, errors: &[&str], status: u16) {
    let (seen_events, seen_errors, seen_status) = of(router).await;
    assert_eq!((&*seen_events, seen_status), (events, status));
    assert_eq!(seen_errors, errors);
}

fn at_root(method_router: MethodRouter) -> Router {
    Router::new().route("/", method_router)
}

/// Case 1, as most Rust handlers have it: the error is the answer.
#[tokio::test]
async fn an_error_that_a_handler_answers_is_published_and_not_its_failure() {
    check(
        at_root(get(fails)).layer(from_fn(pass)),
        "s:pass s:fails er(x1):fails e:fails e:pass",
        &["x1 at fails, converted by fails"],
        500,
    )
    .await;
}

/// Case 4: the failure comes later.
#[tokio::test]
async fn an_error_after_a_wait_is_published_before_the_work_closes() {
    check(
        at_root(get(fails_later)),
        "s:fails_later e:fails_later er(x1):fails_later as:fails_later ae:fails_later",
        &["x1 at fails_later, converted by fails_later"],
        500,
    )
    .await;
}

/// Case 1: nobody handles the error.
#[tokio::test]
async fn a_panic_that_nobody_catches_stays_unhandled() {
    check(
        at_root(get(panics)).layer(from_fn(pass)),
        "s:pass s:panics er(x1):panics e:panics[panic] e:pass[panic]",
        &["x1 at panics, not handled"],
        0,
    )
    .await;
}

/// Case 3: what is thrown, an error handler recovers from.
#[tokio::test]
async fn a_panic_that_is_caught_is_handled_there() {
    check(
        at_root(get(panics)).layer(from_fn(pass)).layer(CatchPanicLayer::new()),
        "s:CatchPanicLayer s:pass s:panics er(x1):panics e:panics[panic] e:pass[panic] e:CatchPanicLayer",
        &["x1 at panics, recovered by CatchPanicLayer"],
        500,
    )
    .await;
}

/// Case 2: an error is handed on, and an error handler recovers.
#[tokio::test]
async fn an_error_handler_runs_after_the_origin_and_has_handled_the_error() {
    check(
        at_root(broken().handle_error(on_error)),
        "s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] s:on_error e:on_error",
        &["x1 at ServiceFn, recovered by on_error"],
        502,
    )
    .await;
}

/// Case 2, with an error handler that is not ours.
#[tokio::test]
async fn an_error_handler_of_axum_is_seen_around_what_it_guards() {
    let layer = axum::error_handling::HandleErrorLayer::new(on_error);
    check(
        at_root(broken().layer(layer)),
        "s:on_error s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] e:on_error",
        &["x1 at ServiceFn, recovered by on_error"],
        502,
    )
    .await;
}

/// Case 4, with an error handler that recovers, and with what was waited for.
#[tokio::test]
async fn a_timeout_cancels_what_is_inside_before_it_fails() {
    check(
        at_root(get(hangs)).layers((HandleErrorLayer::new(on_error), short())),
        "s:TimeoutLayer s:hangs e:hangs e:TimeoutLayer c:hangs er(request timed out):TimeoutLayer \
         as:TimeoutLayer[err] ae:TimeoutLayer[err] s:on_error e:on_error",
        &["request timed out at TimeoutLayer, recovered by on_error"],
        502,
    )
    .await;
}

/// Case 5: the error handler fails with x2.
#[tokio::test]
async fn an_error_handler_that_fails_itself_is_a_second_error() {
    check(
        at_root(broken().handle_error(on_error_fails)),
        "s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] s:on_error_fails er(x2):on_error_fails e:on_error_fails",
        &["x1 at ServiceFn, recovered by on_error_fails", "x2 at on_error_fails, converted by on_error_fails"],
        500,
    )
    .await;
    check(
        at_root(broken().handle_error(on_error_panics)),
        "s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] s:on_error_panics er(x2):on_error_panics \
         e:on_error_panics[panic]",
        &["x1 at ServiceFn, not handled", "x2 at on_error_panics, not handled"],
        0,
    )
    .await;
}

/// A service that cannot take the request.
#[derive(Clone)]
struct Unready;

impl Service<Request> for Unready {
    type Response = Response;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err(AppError("x1").into()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[tokio::test]
async fn a_service_that_fails_before_it_is_called_is_an_origin_too() {
    check(
        at_root(any_service(Unready).layers((HandleErrorLayer::new(on_error), short()))),
        "s:TimeoutLayer s:Unready er(x1):Unready e:Unready[err] e:TimeoutLayer[err] s:on_error e:on_error",
        &["x1 at Unready, recovered by on_error"],
        502,
    )
    .await;
    let group = ServiceBuilder::new().layer(HandleErrorLayer::new(on_error)).layer(traced(short()));
    check(
        Router::new().route_service(
            "/",
            group.layer(traced(MapErrLayer::new(|error: BoxError| error)).named("inner")).service(Unready),
        ),
        "s:inner er(x1):inner e:inner[err] s:on_error e:on_error",
        &["x1 at inner, recovered by on_error"],
        502,
    )
    .await;
}

/// Case 6: what is in between forwards the same error.
#[tokio::test]
async fn an_error_that_is_passed_on_is_published_once() {
    let middle = || traced(MapErrLayer::new(|error: BoxError| error)).named("forwards");
    let slow = TimeoutLayer::new(Duration::from_secs(60));
    check(
        at_root(broken().layers((HandleErrorLayer::new(on_error), middle(), slow))),
        "s:forwards s:TimeoutLayer s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] e:TimeoutLayer[err] \
         e:forwards[err] s:on_error e:on_error",
        &["x1 at ServiceFn, recovered by on_error"],
        502,
    )
    .await;
}

/// Case 6, the other way: it makes another error of it.
#[tokio::test]
async fn another_error_on_the_way_out_is_another_origin() {
    let replaces = traced(MapErrLayer::new(|_: BoxError| BoxError::from("x2"))).named("replaces");
    let (events, errors, _) = of(at_root(broken().layers((HandleErrorLayer::new(on_error), replaces)))).await;
    assert_eq!(
        events,
        "s:replaces s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] er(x2):replaces e:replaces[err] s:on_error e:on_error"
    );
    assert_eq!(errors, ["x1 at ServiceFn, not handled", "x2 at replaces, recovered by on_error"]);
}

/// Case 8: recovered, then the same error again.
#[tokio::test]
async fn an_error_that_comes_again_after_it_was_handled_is_published_again() {
    check(
        at_root(get(fails)).layer(from_fn(retry)),
        "s:retry s:fails er(x1):fails e:fails s:fails er(x1):fails e:fails e:retry",
        &["x1 at fails, converted by fails", "x1 at fails, converted by fails"],
        500,
    )
    .await;
    check(
        at_root(broken().handle_error(on_error)).layer(from_fn(retry)),
        "s:retry s:ServiceFn er(x1):ServiceFn e:ServiceFn[err] s:on_error e:on_error s:ServiceFn er(x1):ServiceFn \
         e:ServiceFn[err] s:on_error e:on_error e:retry",
        &["x1 at ServiceFn, recovered by on_error", "x1 at ServiceFn, recovered by on_error"],
        502,
    )
    .await;
}

/// Case 9: an error crosses routers inside routers.
#[tokio::test]
async fn an_error_crosses_nested_routers_as_one() {
    let inner = Router::new().route("/", get(panics)).layer(from_fn(pass));
    let router = Router::new().merge(inner).layer(from_fn(pass)).layer(CatchPanicLayer::new());
    let (_, errors, _) = of(router).await;
    assert_eq!(errors, ["x1 at panics, recovered by CatchPanicLayer"]);
}

/// Case 10: leaving early is no error.
#[tokio::test]
async fn answers_that_are_no_errors_publish_none() {
    async fn refuse(_: Request, _: Next) -> StatusCode {
        StatusCode::FORBIDDEN
    }
    async fn unavailable() -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }
    check(at_root(get(fails)).layer(from_fn(refuse)), "s:refuse e:refuse", &[], 403).await;
    check(at_root(get(unavailable)), "s:unavailable e:unavailable", &[], 503).await;
    check(Router::new(), "", &[], 404).await;
}

/// Cases 11 and 12: an error is reported before a wait, another one follows.
#[tokio::test]
async fn errors_that_follow_each_other_in_one_handler_are_all_published() {
    async fn both() -> Result<(), AppError> {
        report_error(&AppError("x1"));
        tokio::task::yield_now().await;
        report_error(&AppError("x1"));
        Err(AppError("x2"))
    }
    check(
        at_root(get(both)),
        "s:both er(x1):both e:both er(x2):both as:both ae:both",
        &["x1 at both, converted by both", "x2 at both, converted by both"],
        500,
    )
    .await;
}

/// Case 15: the error was born where nothing is traced.
#[tokio::test]
async fn an_error_from_something_untraced_is_seen_by_the_handler_and_blamed_on_nobody() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let plain = axum::routing::any_service(tower::service_fn(|_: Request| async {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Err::<Response, BoxError>("x1".into())
    }));
    let app = App::serve(at_root(MethodRouter::from(plain).handle_error(on_error))).await;
    assert_eq!(app.ask("GET /").await.status, 502);
    let fields = app.fields().await;
    assert!(fields[0].ends_with("layer.incoming_error=x1"), "{fields:?}");
    assert_eq!(fields.len(), 2);
    assert!(app.errors().await.is_empty());
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
}

/// Case 16: what prepares a parameter of the handler fails.
#[tokio::test]
async fn a_rejection_that_reports_belongs_to_the_handler_it_rejects() {
    struct User;
    impl<S: Sync> FromRequestParts<S> for User {
        type Rejection = AppError;
        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, AppError> {
            Err(AppError("no user"))
        }
    }
    async fn profile(_: User) {}
    check(
        at_root(get(profile)),
        "s:profile er(no user):profile e:profile",
        &["no user at profile, converted by profile"],
        500,
    )
    .await;
}

#[tokio::test]
async fn who_says_first_that_an_error_is_handled_stands() {
    async fn explicit() {
        report_error(&AppError("x1")).mark_handled(HandledBy::Explicit { by: "the form".to_owned() });
    }
    let (_, errors, _) = of(at_root(get(explicit))).await;
    assert_eq!(errors, [r#"x1 at explicit, Explicit { by: "the form" }"#]);
}
