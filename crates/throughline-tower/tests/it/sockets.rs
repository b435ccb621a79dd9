//! WebSockets, asked by a client of another make.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use throughline::testing::Memory;
use throughline::{ObservationType, Telemetry};
use throughline_tower::routing::get;
use throughline_tower::{LayerExporter, Router, traced_socket};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::App;

/// Answers every message with itself, until the client leaves.
async fn chat(upgraded: Upgraded) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            socket.send(message).await.unwrap();
        }
    }
}

async fn upgrade(mut request: Request) -> Response {
    let accept = derive_accept_key(request.headers()[SEC_WEBSOCKET_KEY].as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    let socket = traced_socket(chat);
    tokio::spawn(async move { socket(upgraded.await.unwrap()).await });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(CONNECTION, "upgrade");
    response.header(UPGRADE, "websocket").header(SEC_WEBSOCKET_ACCEPT, accept).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_websocket_is_a_trace_of_its_own_that_lasts_as_long_as_it_does() {
    let memory = Memory::new();
    let telemetry = Telemetry::builder("shop").transport(memory.clone()).build().unwrap();
    let app = App::serve(Router::new().route("/chat/{room}", get(upgrade))).await;
    let _export = LayerExporter::new(&telemetry).start();

    let (mut client, answer) = client_async("ws://test/chat/7?secret=1", app.connect().await).await.unwrap();
    assert_eq!(answer.status().as_u16(), 101);
    for said in ["one", "two"] {
        client.send(said.into()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap().to_text().unwrap(), said);
    }
    telemetry.flush(Duration::from_secs(5));
    let before: Vec<_> = memory.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(before, ["handler upgrade", "GET /chat/{room}"], "the request is over, the socket is not");
    client.close(None).await.unwrap();
    while client.next().await.is_some() {}
    app.events().await;
    telemetry.flush(Duration::from_secs(5));

    let spans = memory.spans();
    let [_, request, socket] = &spans[..] else { panic!("three spans: {spans:?}") };
    assert_eq!(
        (request.attributes["http.response.status_code"].as_u64(), request.kind),
        (Some(101), ObservationType::Span)
    );
    assert_eq!((socket.name.as_str(), socket.parent_id), ("socket chat", None));
    assert_ne!(socket.trace_id, request.trace_id);
    assert_eq!(socket.attributes["link.trace_id"], request.trace_id.to_string());
    assert_eq!(socket.attributes["link.span_id"], request.span_id.to_string());
    assert_eq!(
        (&socket.attributes["url.path"], &socket.attributes["http.route"]),
        (&"/chat/7".into(), &"/chat/{room}".into())
    );
    assert!(socket.end_time > request.end_time);
}
