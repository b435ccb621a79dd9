//! The live stream.

use std::time::Duration;

use axum::body::Body;
use http::Method;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::served::{Served, shop_event, span, text};

/// Reads what has been sent so far, up to and including the message that contains `last`.
async fn read_until(body: &mut Body, last: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(last) {
        let frame =
            timeout(Duration::from_secs(5), body.frame()).await.unwrap_or_else(|_| panic!("only got {seen}"));
        let bytes = frame.unwrap().unwrap().into_data().unwrap();
        seen.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    seen
}

#[tokio::test]
async fn what_arrives_is_told_if_it_matches() {
    let served = Served::new();
    let answer = served.send(Method::GET, "/api/v1/stream?filter=session:s1+OR+name:order.*").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    assert_eq!(read_until(&mut body, "\n\n").await, ": watching\n\n");
    let in_session = |n, session| span(n, n, 0, "2024-01-15T11:00:00Z", vec![text("session.id", session)]);
    served.spans(vec![in_session(1, "s2"), in_session(2, "s1")]).await;
    served.events(&[shop_event("tick", None), shop_event("order.shipped", None)]).await;
    let seen = read_until(&mut body, "order.shipped").await;
    let messages: Vec<(&str, serde_json::Value)> = seen
        .split_terminator("\n\n")
        .map(|message| {
            let (name, data) = message.split_once('\n').unwrap();
            (name, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
        })
        .collect();
    let shown: Vec<_> = messages.iter().map(|(name, data)| (*name, data["name"].as_str().unwrap())).collect();
    assert_eq!(shown, [("event: observation", "chat-turn"), ("event: event", "order.shipped")]);
    assert_eq!(messages[0].1["sessionId"], "s1");
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let served = Served::new();
    let mut body = served.send(Method::GET, "/api/v1/stream").await.into_body();
    read_until(&mut body, "watching").await;
    let mut events = vec![shop_event("tick", None); 6000];
    for (n, event) in events.iter_mut().enumerate() {
        event.id = format!("evt_{n}").into();
    }
    served.events(&events).await;
    let seen = read_until(&mut body, "evt_5999").await;
    let missed = seen.strip_prefix("event: lag\ndata: {\"missed\":").and_then(|rest| rest.split_once('}'));
    let missed: usize = missed.expect("lag comes first").0.parse().unwrap();
    assert_eq!(missed + seen.matches("event: event").count(), 6000);
}

#[tokio::test]
async fn it_ends_when_the_server_closes() {
    let served = Served::new();
    let mut body = served.send(Method::GET, "/api/v1/stream").await.into_body();
    read_until(&mut body, "watching").await;
    served.closer.close();
    let end = timeout(Duration::from_secs(5), body.frame()).await.expect("the stream goes on");
    assert!(end.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_has_a_heartbeat() {
    let served = Served::new();
    let mut body = served.send(Method::GET, "/api/v1/stream").await.into_body();
    read_until(&mut body, "watching").await;
    let begun = tokio::time::Instant::now();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((&frame[..], begun.elapsed().as_secs()), (&b":\n\n"[..], 15));
}
