//! What layers tell about themselves.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::middleware::{Next, from_fn};
use throughline_channel::{Outcome, Trace, TraceSubscriber};
use throughline_tower::routing::get;
use throughline_tower::{LAYER, LayerContext, RequestLayer, Router};

use crate::support::App;

async fn auth(request: Request, next: Next) -> axum::response::Response {
    next.run(request).await
}

async fn show() -> &'static str {
    "hello"
}

#[tokio::test]
async fn layers_tell_kind_route_path_and_status() {
    let users = Router::new().route("/{id}", get(show));
    let app = App::serve(Router::new().nest("/users", users).layer(from_fn(auth))).await;
    app.ask("GET /users/7?token=secret").await;
    assert_eq!(
        app.fields().await,
        [
            "show: layer.kind=handler layer.name=show http.request.method=GET url.path=/users/7 \
             http.route=/users/{id} http.response.status_code=200",
            "auth: layer.kind=middleware layer.name=auth http.request.method=GET url.path=/users/7 \
             http.route=/users/{id} http.response.status_code=200",
            "req: http.request.method=GET url.path=/users/7 http.route=/users/{id} network.protocol.version=1.1 \
             http.response.status_code=200 http.response.body.size=5",
        ]
    );
}

#[tokio::test]
async fn headers_are_shown_only_if_they_are_on_the_list() {
    let root = RequestLayer::new()
        .show_request_header(USER_AGENT)
        .show_request_header(AUTHORIZATION)
        .show_response_header(CONTENT_TYPE);
    let app = App::serve(Router::new().route("/", get(show)).root(root)).await;
    app.ask_with("GET /", "user-agent: test/1\r\ncookie: secret\r\n").await;
    let fields = app.fields().await;
    let request = fields.last().unwrap();
    assert!(request.contains(" http.request.header.user-agent=test/1"), "{request}");
    assert!(request.contains(" http.response.header.content-type=text/plain"), "{request}");
    assert!(!request.contains("authorization"), "absent headers are absent: {request}");
    assert!(!fields.join(" ").contains("secret"));
}

type Places = Arc<Mutex<Vec<String>>>;

struct Place(Places);

impl TraceSubscriber<LayerContext> for Place {
    type State = ();

    fn start(&self, trace: &Trace<'_, LayerContext>) {
        let layer = trace.message();
        let place = format!("{} {}:{}", layer.name(), layer.location().file(), layer.location().line());
        self.0.lock().unwrap().push(place);
    }

    fn complete(&self, _: &Trace<'_, LayerContext>, (): (), _: &Outcome) {}
}

#[tokio::test]
async fn every_layer_knows_where_it_was_registered() {
    let line = line!();
    let router = Router::new()
        .route("/", get(show).layer(from_fn(auth)))
        .layer(from_fn(|request, next: Next| next.run(request)));
    let app = App::serve(router).await;
    let places = Places::default();
    let _subscription = LAYER.subscribe(Place(places.clone()));
    app.ask("GET /").await;
    app.events().await;
    let here = |line: u32| format!("{}:{line}", file!());
    let expected = [
        format!("src/naming.rs:{} {}", line + 3, here(line + 3)).replace("src/naming.rs", file!()),
        format!("auth {}", here(line + 2)),
        format!("show {}", here(line + 2)),
    ];
    assert_eq!(*places.lock().unwrap(), expected, "a closure is called by its place");
}
