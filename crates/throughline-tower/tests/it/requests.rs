//! Requests as a whole: when they end.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::TokioIo;
use throughline_channel::{Store, TracingChannel};
use throughline_tower::routing::get;
use throughline_tower::{LAYER, REQUEST, RequestContext, RequestLayer, Router, WEBSOCKET, traced_socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::App;

/// A stream of `chunks`, one per turn of the runtime, with work inside that is traced.
fn slow(chunks: usize) -> Body {
    static CHUNK: TracingChannel<&'static str> = TracingChannel::new("test.chunk");
    let chunk = move |sent: usize| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let chunk = CHUNK.trace_sync(|| "chunk", || Bytes::from_static(b"chunk"));
        (sent < chunks).then(|| (Ok::<_, Infallible>(chunk), sent + 1))
    };
    Body::from_stream(stream::unfold(0, chunk))
}

async fn endless() -> Body {
    slow(usize::MAX)
}

async fn fails_midway() -> Body {
    let frames = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("disk gone"))];
    Body::from_stream(stream::iter(frames))
}

async fn panics_midway() -> Body {
    Body::from_stream(stream::unfold(0, |sent: u8| async move {
        assert!(sent == 0, "boom");
        Some((Ok::<_, Infallible>(Bytes::from_static(b"half")), sent + 1))
    }))
}

async fn with_trailers() -> Body {
    let data = http_body::Frame::data(Bytes::from_static(b"data"));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let frames = [Ok::<_, Infallible>(data), Ok(http_body::Frame::trailers(trailers))];
    Body::new(StreamBody::new(stream::iter(frames)))
}

async fn server_sent() -> impl IntoResponse {
    let events = (1..=2).map(|n| Ok::<_, Infallible>(Event::default().data(n.to_string())));
    Sse::new(stream::iter(events)).keep_alive(KeepAlive::default())
}

fn router() -> Router {
    Router::new()
        .route("/fixed", get(|| async { "fixed" }))
        .route("/empty", get(|| async {}))
        .route("/none", get(|| async { StatusCode::NO_CONTENT }))
        .route("/slow", get(|| async { slow(3) }))
        .route("/events", get(server_sent))
        .route("/endless", get(endless))
        .route("/fails", get(fails_midway))
        .route("/panics", get(panics_midway))
        .route("/trailers", get(with_trailers))
}

#[tokio::test]
async fn a_request_lasts_as_long_as_its_body() {
    let app = App::listen_to(&[REQUEST.name(), "test.chunk"], router().into_service()).await;
    let cases = [
        ("GET /fixed", "s:req e:req as:req ae:req", "http.response.body.size=5"),
        ("HEAD /fixed", "s:req e:req", "http.response.body.size=0"),
        ("GET /empty", "s:req e:req", "http.response.body.size=0"),
        ("GET /none", "s:req e:req", "status_code=204 http.response.body.size=0"),
        (
            "GET /slow",
            "s:req e:req s:chunk e:chunk s:chunk e:chunk s:chunk e:chunk s:chunk e:chunk as:req ae:req",
            "http.response.body.size=15",
        ),
        ("GET /events", "s:req e:req as:req ae:req", "http.response.body.size=18"),
        ("GET /fails", "s:req e:req er(disk gone):req as:req[err] ae:req[err]", "http.response.body.size=4"),
        ("GET /panics", "s:req e:req er(boom):req as:req[panic] ae:req[panic]", "http.response.body.size=4"),
        ("GET /trailers", "s:req e:req as:req ae:req", "http.response.body.size=4"),
    ];
    for (request, expected, size) in cases {
        app.ask(request).await;
        assert_eq!(app.events().await, expected, "{request}");
        app.ask(request).await;
        let fields = app.fields().await;
        assert!(fields.last().unwrap().ends_with(size), "{request}: {fields:?}");
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_cancels_the_request() {
    let app = App::listen_to(&[REQUEST.name(), LAYER.name()], router().into_service()).await;
    app.hang_up_after("GET /endless", "e:req").await;
    assert_eq!(app.events().await, "s:req s:endless e:endless e:req c:req");
}

#[tokio::test]
async fn a_request_is_published_once_however_many_layers_see_it() {
    let inner = Router::new().route("/inner", get(|| async {})).layer(RequestLayer::new());
    let router = Router::new().nest_service("/nested", inner).layer(RequestLayer::new());
    let app = App::listen_to(&[REQUEST.name()], router.into_service()).await;
    app.ask("GET /nested/inner").await;
    let fields = app.fields().await;
    assert_eq!(fields.len(), 1);
    assert!(fields[0].contains("url.path=/nested/inner http.route=/nested/inner"), "{fields:?}");
}

#[tokio::test]
async fn what_a_handler_asks_for_the_request_gets_the_route() {
    async fn route() -> String {
        RequestContext::current().and_then(|request| request.route().map(str::to_owned)).unwrap_or_default()
    }
    let router = Router::new().route("/users/{id}", get(route));
    let app = App::listen_to(&[REQUEST.name()], router.into_service()).await;
    assert_eq!(app.ask("GET /users/7").await.body, "/users/{id}");
}

#[tokio::test]
async fn an_upgraded_connection_is_work_of_its_own() {
    static USER: Store<&'static str> = Store::new();

    async fn echo(upgraded: hyper::upgrade::Upgraded) {
        let mut socket = TokioIo::new(upgraded);
        let mut received = [0; 4];
        socket.read_exact(&mut received).await.unwrap();
        socket.write_all(USER.get().unwrap_or("nobody").as_bytes()).await.unwrap();
    }
    async fn upgrade(mut request: axum::extract::Request) -> Response {
        let upgrade = hyper::upgrade::on(&mut request);
        let socket = USER.run("alice", || traced_socket(echo));
        tokio::spawn(async move { socket(upgrade.await.unwrap()).await });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        response.header("connection", "upgrade").header("upgrade", "echo").body(Body::empty()).unwrap()
    }

    let app = App::serve(Router::new().route("/socket/{room}", get(upgrade))).await;
    let mut stream = app.connect().await;
    let request = "GET /socket/7 HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"ping").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "alice", "the connection keeps the handler's context");
    let fields = app.fields().await;
    let socket = fields.iter().find(|fields| fields.starts_with("echo:")).unwrap();
    assert!(
        socket.ends_with(
            "socket.name=echo http.request.method=GET url.path=/socket/7 http.route=/socket/{room}"
        )
    );
    assert_eq!(WEBSOCKET.name(), "axum.websocket");
    let ended: Vec<_> = fields.iter().map(|fields| fields.split(':').next().unwrap()).collect();
    assert_eq!(ended, ["upgrade", "req", "echo"], "the request ends with the upgrade");
}

#[tokio::test]
async fn bodies_pass_through_unchanged() {
    let app = App::serve(router()).await;
    assert_eq!(app.ask("GET /fixed").await.body, "fixed");
    let mut service = router().into_service();
    let request = axum::extract::Request::builder().uri("/trailers").body(Body::empty()).unwrap();
    let response = tower_service::Service::call(&mut service, request).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-checksum"], "1");
    assert_eq!(collected.to_bytes(), "data");
}
