//! Exports, in every format.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use http_body_util::BodyExt;
use insta::assert_snapshot;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::served::{Served, shop_event, span, text};
use crate::pages::{large, shelf::Shelf, story};

const SHOP: &str = "/api/v1/sessions/chat%2F1/export";

fn names(values: &Value) -> Vec<&str> {
    values.as_array().unwrap().iter().map(|value| value["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn json_holds_the_session_its_traces_and_its_events() {
    let served = Served::with_shop().await;
    let mut inside = shop_event("inside", None);
    inside.trace_id = Some("02".repeat(16).parse().unwrap());
    let mut of_another = shop_event("of.another", Some("sess_bob"));
    of_another.trace_id = inside.trace_id;
    served.events(&[inside, of_another]).await;
    let answer = served.get(SHOP).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"session-chat-1.json\"");
    let export = answer.json();
    assert_eq!(export["session"], served.json("/api/v1/sessions?filter=user:alice").await["data"][0]);
    assert_eq!(export["traces"].as_array().unwrap().len(), 2);
    let trace = served.json(&format!("/api/v1/traces/{}", "02".repeat(16))).await;
    assert_eq!(export["traces"][1]["observations"], trace["observations"]);
    assert_eq!(names(&export["traces"][1]["events"]), ["inside"]);
    assert_eq!(names(&export["events"]), ["order.shipped", "refund.asked"]);
}

#[tokio::test]
async fn ndjson_is_the_timeline_line_by_line() {
    let served = Served::with_shop().await;
    let answer = served.get(&format!("{SHOP}?format=ndjson")).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = lines.iter().map(|line| format!("{} {}", line["kind"], line["id"])).collect();
    assert_snapshot!(shown.join("\n"), @r#"
"session" "chat/1"
"trace" "01010101010101010101010101010101"
"observation" "1010101010101010"
"observation" "1111111111111111"
"event" "evt_order.shipped"
"event" "evt_refund.asked"
"trace" "02020202020202020202020202020202"
"observation" "2020202020202020"
"observation" "2121212121212121"
"observation" "2222222222222222"
"#);
}

#[tokio::test]
async fn otlp_is_what_was_received() {
    let served = Served::with_shop().await;
    let answer = served.get(&format!("{SHOP}?format=otlp")).await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"session-chat-1.otlp.pb\"");
    let data = TracesData::decode(answer.body.clone()).unwrap();
    let spans = |data: &TracesData| -> Vec<String> {
        let scopes = data.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
    };
    assert_eq!(
        spans(&data),
        ["chat-turn", "chat gpt-4o", "chat-turn", "chat gpt-4o", "execute_tool refund_order"]
    );
    let json = served.get(&format!("{SHOP}?format=otlp&encoding=json")).await;
    assert_eq!(json.header("content-type"), "application/json");
    let first = &json.json()["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(first["traceId"], "01".repeat(16));
    assert_eq!(first["startTimeUnixNano"], "1705312800000000000");
    let read: TracesData = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(spans(&read), spans(&data));
}

#[tokio::test]
async fn chat_tells_what_was_said() {
    let served = Served::with_shop().await;
    let answer = served.get(&format!("{SHOP}?format=chat")).await;
    let export = answer.json();
    let shown: Vec<String> = export["turns"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|turn| turn["messages"].as_array().unwrap())
        .map(|message| format!("{}: {}", message["role"], message["content"]))
        .collect();
    assert_eq!(
        shown,
        [
            r#""user": "I want a refund""#,
            r#""assistant": "Which order?""#,
            r#""user": "Order 789 <script>""#,
            r#""tool": """#,
            r#""assistant": "Done.""#
        ]
    );
    assert_eq!(export["turns"][1]["messages"][1]["toolCalls"][0]["name"], "refund_order");
    assert_eq!(export["turns"][1]["errors"][0], "card expired");
}

#[tokio::test]
async fn html_is_a_page_in_which_nothing_but_the_player_runs() {
    let served = Served::with_shop().await;
    let answer = served.get(&format!("{SHOP}?format=html")).await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    );
    let page = answer.text();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("I want a refund") && page.contains("card expired"));
    assert!(page.contains("&#60;script&#62;"), "{page}");
    // One script, and that by its hash.
    assert_eq!(page.matches("<script").count(), 1);
    let script = page.split_once("<script type=\"module\">").unwrap().1.split_once("</script>").unwrap().0;
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    let policy = format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'");
    assert!(unescaped(page).contains(&format!("content=\"{policy}\"")), "{page}");
}

fn unescaped(html: &str) -> String {
    html.replace("&#39;", "'").replace("&#x27;", "'")
}

#[tokio::test]
async fn file_names_are_safe() {
    let served = Served::new();
    let id = format!("../{}\"\r\n;é", "x".repeat(200));
    served.spans(vec![span(1, 1, 0, "2024-01-15T11:00:00Z", vec![text("session.id", &id)])]).await;
    let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = served.get(&format!("/api/v1/sessions/{encoded}/export")).await;
    assert_eq!(
        answer.header("content-disposition"),
        format!("attachment; filename=\"session-..-{}.json\"", "x".repeat(77))
    );
}

#[tokio::test]
async fn an_export_comes_as_fast_as_it_is_read() {
    let served = Served::new();
    let text_of = |n: usize| "lorem ipsum ".repeat(8000 + n);
    let spans = (1..=50).map(|n| {
        let mut span = span(n, n, 0, "2024-01-15T11:00:00Z", vec![text("session.id", "big")]);
        span.attributes.push(text("input.value", &text_of(n.into())));
        span
    });
    served.spans(spans.collect()).await;
    let mut body = served.send(Method::GET, "/api/v1/sessions/big/export").await.into_body();
    let mut whole = Vec::new();
    let mut chunks = 0;
    while let Some(frame) = body.frame().await {
        let chunk = frame.unwrap().into_data().unwrap();
        assert!(chunk.len() < 256 * 1024, "a chunk of {} bytes", chunk.len());
        whole.extend_from_slice(&chunk);
        chunks += 1;
    }
    let export: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(export["traces"].as_array().unwrap().len(), 50);
    assert!(chunks > 20, "{} bytes in {chunks} chunks", whole.len());
}

/// One trace of ten thousand observations is never in memory as a whole, whatever the format.
#[tokio::test]
async fn a_turn_of_any_size_is_exported_piece_by_piece() {
    const CRAWL: &str = "/api/v1/sessions/crawl-2024-05-14/export";
    let story = story::everything();
    let shelf = Arc::new(Shelf::new(story.traces, story.events));
    let served = Served::over(shelf.clone());
    let json = served.json(CRAWL).await;
    let observations = json["traces"][0]["observations"].as_array().unwrap();
    assert_eq!(observations.len(), 10_001);
    let starts: Vec<&str> = observations.iter().map(|one| one["startTime"].as_str().unwrap()).collect();
    assert!(starts.is_sorted());
    let received = served.get(&format!("{CRAWL}?format=otlp")).await;
    assert_eq!(received.body.len(), 10_001 * 16, "every span once");
    let chat = served.json(&format!("{CRAWL}?format=chat")).await;
    assert_eq!(chat["turns"][0]["messages"].as_array().unwrap().len(), 800, "every tool once");
    assert_eq!(chat["turns"][0]["errors"][0], "timed out");
    let html = served.get(&format!("{CRAWL}?format=html")).await;
    assert_eq!(html.text().matches("class=\"frame tool\"").count(), 800);
    assert!(html.text().contains("timed out"));
    served.get(&format!("{CRAWL}?format=ndjson")).await;
    let most = shelf.most_read.load(Ordering::Relaxed);
    assert!(most <= 500, "{most} records at once");
}

#[tokio::test]
async fn what_was_thought_and_looked_up_is_exported_where_it_happened() {
    let story = large::agent(3);
    let served = Served::over(Arc::new(Shelf::new(story.traces, story.events)));
    let chat = served.json("/api/v1/sessions/agent-run/export?format=chat").await;
    let messages = chat["turns"][0]["messages"].as_array().unwrap();
    let told = |message: &Value| {
        let thought = message["reasoning"].as_str().map(|_| " thinks").unwrap_or_default();
        format!("{}{thought}", message["role"].as_str().unwrap())
    };
    let told: Vec<String> = messages.iter().map(told).collect();
    let round = ["assistant thinks", "tool"];
    assert_eq!(told, [&["user"][..], &round, &round, &round, &["assistant"]].concat());
    assert_eq!(messages[1]["reasoning"], "Part 0 may run out; the sales of last spring tell.");
    let html = served.get("/api/v1/sessions/agent-run/export?format=html").await;
    for said in ["Part 2 may run out", "sales of part 2 last spring", "Part 2: 12 in March, 31 in April."] {
        assert!(html.text().contains(said), "{said} is missing");
    }
}
