//! Which layers run, in which order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, Path, Request};
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, SERVER};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use throughline_tower::routing::{any_service, get, post};
use throughline_tower::{Router, traced, traced_handler};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::support::App;

async fn auth(request: Request, next: Next) -> Response {
    if request.uri().path().ends_with("secret") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

async fn require_admin(request: Request, next: Next) -> Response {
    next.run(request).await
}

async fn log(request: Request, next: Next) -> Response {
    tokio::task::yield_now().await;
    next.run(request).await
}

async fn ready() -> &'static str {
    "ready"
}

async fn later() -> &'static str {
    tokio::task::yield_now().await;
    "later"
}

async fn hangs() {
    std::future::pending::<()>().await;
}

async fn panics() {
    panic!("boom");
}

async fn show(Path(id): Path<u64>) -> String {
    id.to_string()
}

async fn list() {}
async fn create() {}
async fn stats() {}
async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}
async fn not_allowed() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

fn app() -> Router {
    let admin =
        Router::new().route("/stats", get(stats).layer(from_fn(log))).route_layer(from_fn(require_admin));
    Router::new()
        .route("/ready", get(ready))
        .route("/later", get(later))
        .route("/hangs", get(hangs))
        .route("/panics", get(panics))
        .route("/secret", get(ready))
        .route("/users/{id}", get(show))
        .route("/both", get(list).post(create).route_layer(from_fn(log)))
        .route("/plain", axum::routing::get(ready))
        .nest("/admin", admin)
        .nest_service(
            "/plain-files",
            axum::Router::new().route("/a", axum::routing::get(traced_handler(ready))),
        )
        .nest_service("/files", Router::new().route("/{name}", get(ready)).layer(from_fn(log)))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn(auth))
}

#[tokio::test]
async fn every_layer_that_runs_is_seen_in_its_place() {
    let cases = [
        ("GET /ready", 200, "s:req s:auth s:ready e:ready e:auth e:req as:req ae:req"),
        (
            "GET /later",
            200,
            "s:req s:auth s:later e:later e:auth e:req as:later ae:later as:auth ae:auth as:req ae:req",
        ),
        ("GET /secret", 401, "s:req s:auth e:auth e:req"),
        ("GET /users/7", 200, "s:req s:auth s:show e:show e:auth e:req as:req ae:req"),
        ("GET /users/x", 400, "s:req s:auth s:show e:show e:auth e:req as:req ae:req"),
        (
            "GET /both",
            200,
            "s:req s:auth s:log e:log e:auth e:req s:list e:list as:log ae:log as:auth ae:auth as:req ae:req",
        ),
        (
            "POST /both",
            200,
            "s:req s:auth s:log e:log e:auth e:req s:create e:create as:log ae:log as:auth ae:auth as:req ae:req",
        ),
        ("DELETE /both", 405, "s:req s:auth s:not_allowed e:not_allowed e:auth e:req"),
        ("GET /plain", 200, "s:req s:auth e:auth e:req as:req ae:req"),
        (
            "GET /admin/stats",
            200,
            "s:req s:auth s:require_admin s:log e:log e:require_admin e:auth e:req s:stats e:stats \
             as:log ae:log as:require_admin ae:require_admin as:auth ae:auth as:req ae:req",
        ),
        ("GET /plain-files/a", 200, "s:req s:auth s:ready e:ready e:auth e:req as:req ae:req"),
        ("GET /admin/nothing", 404, "s:req s:auth s:not_found e:not_found e:auth e:req"),
        (
            "GET /files/a.txt",
            200,
            "s:req s:auth s:log e:log e:auth e:req s:ready e:ready as:log ae:log as:auth ae:auth as:req ae:req",
        ),
        ("GET /nothing", 404, "s:req s:auth s:not_found e:not_found e:auth e:req"),
        (
            "GET /panics",
            0,
            "s:req s:auth s:panics er(boom):panics e:panics[panic] e:auth[panic] e:req[panic]",
        ),
    ];
    let app = App::serve(app()).await;
    for (request, status, expected) in cases {
        assert_eq!(app.ask(request).await.status, status, "{request}");
        assert_eq!(app.events().await, expected, "{request}");
    }
}

#[tokio::test]
async fn layers_of_a_client_that_hangs_up_are_cancelled_from_the_inside_out() {
    let app = App::serve(app()).await;
    app.hang_up_after("GET /hangs", "e:req").await;
    assert_eq!(app.events().await, "s:req s:auth s:hangs e:hangs e:auth e:req c:hangs c:auth c:req");
    app.hang_up_after("GET /admin/stats", "s:req").await;
    let events = app.events().await;
    assert!(events.ends_with("req"), "whether it was cancelled or not, the request closes last: {events}");
}

#[tokio::test]
async fn groups_of_layers_are_one_unless_their_members_are_traced() {
    let header = || SetResponseHeaderLayer::overriding(SERVER, HeaderValue::from_static("test"));
    let builder = ServiceBuilder::new().layer(from_fn(log)).layer(header());
    let traced_builder =
        ServiceBuilder::new().layer(traced(from_fn(log))).layer(traced(header()).named("server"));
    let router = Router::new()
        .route("/builder", get(list).layer(builder))
        .route("/traced", get(list).layer(traced_builder))
        .route("/tuple", get(list).layers((from_fn(log), header())))
        .route("/map", get(list).layer(map_response(|response: Response| async { response })))
        .route(
            "/twice",
            get(traced_handler(list).named("users")).layer(traced(traced(from_fn(auth)).named("gate"))),
        );
    let app = App::serve(router).await;
    let cases = [
        ("/builder", vec!["list", "ServiceBuilder(log, SetResponseHeaderLayer)"]),
        ("/traced", vec!["list", "server", "log"]),
        ("/tuple", vec!["list", "SetResponseHeaderLayer", "log"]),
        ("/map", vec!["list", "MapResponseLayer"]),
        ("/twice", vec!["users", "gate"]),
    ];
    for (path, inside_out) in cases {
        assert_eq!(app.ask(&format!("GET {path}")).await.status, 200);
        let fields = app.fields().await;
        let names: Vec<_> = fields.iter().filter_map(|fields| Some(fields.split_once(':')?.0)).collect();
        assert_eq!(names, [inside_out, vec!["req"]].concat(), "{path}");
    }
}

#[tokio::test]
async fn plain_axum_routers_show_what_is_wrapped() {
    let router = axum::Router::new()
        .route("/", axum::routing::get(traced_handler(ready)))
        .layer(from_fn(auth))
        .layer(traced(from_fn(log)))
        .layer(throughline_tower::RequestLayer::new());
    let app = App::serve(router.into()).await;
    assert_eq!(app.ask("GET /").await.body, "ready");
    let expected = "s:req s:log e:log e:req s:ready e:ready as:log ae:log as:req ae:req";
    assert_eq!(app.events().await, expected);
}

/// Takes a request when it is asked for the second time.
#[derive(Clone)]
struct Warming(bool);

impl Service<Request> for Warming {
    type Response = Response;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn a_layer_says_how_long_it_was_not_ready() {
    let router = Router::new().route_service("/", Warming(false)).route_service("/warm", Warming(true));
    let app = App::serve(router).await;
    for (path, waits) in [("/", true), ("/warm", false)] {
        app.ask(&format!("GET {path}")).await;
        let fields = app.fields().await;
        assert_eq!(fields[0].contains(" layer.ready_wait_ms="), waits, "{fields:?}");
    }
}

/// The ways that axum has to serve something, without and with the address of who asks.
#[tokio::test]
async fn routers_and_method_routers_are_served_as_axum_s_are() {
    async fn who(request: Request) -> String {
        format!("{:?}", request.extensions().get::<ConnectInfo<SocketAddr>>().map(|who| who.0.ip()))
    }
    async fn asked<M, S>(make: M) -> String
    where
        M: for<'a> Service<IncomingStream<'a, TcpListener>, Error = Infallible, Response = S>,
        M: Send + 'static,
        for<'a> <M as Service<IncomingStream<'a, TcpListener>>>::Future: Send,
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, make).await });
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().last().unwrap().to_owned()
    }
    let app = App::serve(Router::new()).await;
    let router = || Router::new().route("/", get(who));
    let (unknown, known) = ("None", "Some(127.0.0.1)");
    assert_eq!(asked(router()).await, unknown);
    assert_eq!(asked(router().into_make_service()).await, unknown);
    assert_eq!(asked(router().into_make_service_with_connect_info::<SocketAddr>()).await, known);
    assert_eq!(asked(get(who)).await, unknown);
    assert_eq!(asked(get(who).into_make_service()).await, unknown);
    assert_eq!(asked(get(who).into_make_service_with_connect_info::<SocketAddr>()).await, known);
    let router = router();
    for _ in 0..2 {
        // Its body is not read, so the request ends as one whose client has left.
        let response = router.as_service().oneshot(Request::default()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    drop(router);
    let events = app.events().await;
    let served = ["s:req s:who e:who e:req as:req ae:req"; 6].join(" ");
    assert_eq!(events, format!("{served} s:req s:who e:who e:req c:req s:req s:who e:who e:req c:req"));
}

#[tokio::test]
async fn services_are_handlers_and_state_reaches_traced_handlers() {
    use axum::extract::State;
    async fn greet(State(greeting): State<&'static str>) -> &'static str {
        greeting
    }
    async fn echo(request: Request) -> Result<Response, std::convert::Infallible> {
        Ok(Response::new(request.into_body()))
    }
    let inner = Router::new().route("/inner", post(greet).get(|State(greeting)| greet(State(greeting))));
    let router: Router = Router::new()
        .route("/", get(greet))
        .route("/echo", any_service(tower::service_fn(echo)))
        .merge(inner)
        .with_state("hello");
    let app = App::serve(router).await;
    assert_eq!(app.ask("GET /").await.body, "hello");
    assert_eq!(app.events().await, "s:req s:greet e:greet e:req as:req ae:req");
    assert_eq!(app.ask("POST /inner").await.body, "hello");
    assert_eq!(app.events().await, "s:req s:greet e:greet e:req as:req ae:req");
    assert_eq!(app.ask("POST /echo").await.status, 200);
    assert!(app.events().await.contains("s:ServiceFn e:ServiceFn"));
}
