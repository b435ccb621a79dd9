//! Sessions in parts, on the pages and through the API of a server whose configuration splits them.

use throughline_server::app;

use super::page;
use crate::support::otlp::{request, span, text};
use crate::support::{NOW, TestServer, config};

const MINUTE: u64 = 60_000_000_000;

/// A turn so many minutes ago.
fn turn(n: u8, minutes_ago: u64, names: &[(&str, &str)]) -> opentelemetry_proto::tonic::trace::v1::Span {
    let start = NOW.as_nanos() as u64 - minutes_ago * MINUTE;
    let mut span = span(n);
    (span.start_time_unix_nano, span.end_time_unix_nano) = (start, start + 1_000_000_000);
    span.attributes = names.iter().map(|(key, value)| text(key, value)).collect();
    span
}

#[tokio::test]
async fn parts_and_what_split_them_are_shown_and_a_reader_can_end_a_session() {
    let store = app::open_store(&config(&[("sessions.split", "off; default = on")])).unwrap();
    let server = TestServer::with_store(store, &[]).await;
    let chat = [("session.id", "chat"), ("user.id", "dana")];
    let spans =
        vec![turn(1, 100, &chat), turn(2, 99, &chat), turn(3, 40, &chat), turn(4, 4, &[("user.id", "eve")])];
    let body = prost::Message::encode_to_vec(&request(spans));
    let sent = server.post("/v1/traces").protobuf().body(body).send();
    assert_eq!(sent.await.status, 200);

    let (_, list) = page(&server, "/sessions").await;
    assert!(list.contains("2 parts") && list.contains(">synthetic</span>"), "{list}");
    let (_, html) = page(&server, "/sessions/chat").await;
    for said in [
        ">chat#1</th>",
        ">chat#2</th>",
        "<h2 class=\"part\">Part 1</h2>",
        "<h2 class=\"part\">Part 2 after a pause</h2>",
    ] {
        assert_eq!(html.matches(said).count(), 1, "{said} in {html}");
    }
    assert!(html.contains(">reopened</span>") && !html.contains("action=\"/sessions/chat/end\""));
    let (_, formed) = page(&server, "/sessions/synthetic:eve").await;
    assert!(formed.contains("No session is named here") && !formed.contains("class=\"part\""), "{formed}");

    let ended = server.post("/sessions/synthetic:eve/end").send().await;
    assert_eq!((ended.status.as_u16(), ended.header("location")), (303, "/sessions/synthetic%3Aeve"));
    let told = server.get("/api/v1/sessions/synthetic:eve").send().await.json();
    assert_eq!((&told["state"], &told["synthetic"]), (&"ended".into(), &true.into()));
    let told = server.get("/api/v1/sessions?filter=parts:%3E1+reopened:true").send().await.json();
    assert_eq!(told["data"][0]["parts"][1]["splitCause"], "inactivity");
    assert_eq!(server.post("/sessions/nobody/end").send().await.status, 404);
    server.stop().await;
}
