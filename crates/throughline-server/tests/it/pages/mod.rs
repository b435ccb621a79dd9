//! The pages as they come over HTTP.

mod analytics;
mod boundaries;
pub(crate) mod large;
mod layers;
pub(crate) mod shelf;
pub(crate) mod story;
mod unfinished;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use shelf::Shelf;
use story::Story;

use crate::captures::{captures, replay};
use crate::support::{Engine, Reply, TestServer};

/// A session id that tries to break out of wherever it is put.
const NASTY_ID: &str = "%22%3E%3Cscript%3Ealert%28%27id%27%29%3C%2Fscript%3E%2F..%2Fx%3Fy%23z";

async fn server(story: Story) -> TestServer {
    TestServer::with_store(Arc::new(Shelf::new(story.traces, story.events)), &[]).await
}

pub(crate) async fn page(server: &TestServer, path: &str) -> (StatusCode, String) {
    let reply = server.get(path).header("accept", "text/html").send().await;
    (reply.status, text(&reply))
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The values of an attribute, unescaped as far as addresses need it.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let marker = format!(" {name}=\"");
    let values = html.split(&marker).skip(1).filter_map(|rest| rest.split('"').next());
    values.map(|value| value.replace("&#38;", "&").replace("&amp;", "&")).collect()
}

fn links<'a>(html: &str, starts: &'a str) -> impl Iterator<Item = String> + use<'a> {
    attributes(html, "href").into_iter().filter(move |href| href.starts_with(starts))
}

/// The last trace of a session, by its own page.
async fn trace_of(server: &TestServer, session: &str) -> String {
    let (_, html) = page(server, &format!("/sessions/{session}")).await;
    links(&html, "/traces/").find(|href| !href.contains('?')).unwrap()
}

#[tokio::test]
async fn hostile_text_is_shown_and_never_run() {
    let server = server(story::everything()).await;
    let session = format!("/sessions/{NASTY_ID}");
    let trace = trace_of(&server, NASTY_ID).await;
    let (_, tree) = page(&server, &trace).await;
    let records = links(&tree, &trace).filter(|href| href.contains("observation=")).take(3);
    let views = ["", "?view=waterfall", "?view=events", "?view=json"].map(|view| format!("{session}{view}"));
    let export = format!("/api/v1{session}/export?format=html");
    let lists =
        ["/sessions", "/traces", "/events", "/sessions?filter=%3Cscript%3E%22", "/live?filter=%22%3E%3Cimg"]
            .map(str::to_owned);
    for path in views.into_iter().chain(lists).chain([trace.clone(), export]).chain(records) {
        let (status, html) = page(&server, &path).await;
        assert!(status.is_success() || status == StatusCode::BAD_REQUEST, "{path}: {status}");
        for forbidden in [
            "<script>",
            "<img",
            "javascript:alert(1)\"",
            "href=\"javascript",
            " style=\"",
            " onclick",
            "\u{202e}",
            "\u{1b}",
            "\u{200b}",
        ] {
            assert!(!html.contains(forbidden), "{path} holds {forbidden:?}");
        }
        assert!(html.len() < 400_000, "{path} has {} bytes", html.len());
    }
    server.stop().await;
}

#[tokio::test]
async fn every_session_is_on_exactly_one_page_of_the_list() {
    let server = server(story::everything()).await;
    let mut path = "/sessions?sort=-totalTokens".to_owned();
    let mut seen = BTreeSet::new();
    let mut pages = 0;
    loop {
        let (status, html) = page(&server, &path).await;
        assert_eq!(status, StatusCode::OK);
        let on_page: BTreeSet<String> = links(&html, "/sessions/").collect();
        assert!(seen.is_disjoint(&on_page), "a session twice: {on_page:?}");
        seen.extend(on_page);
        pages += 1;
        match links(&html, "/sessions?").find(|href| href.contains("after=")) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (2, 68));
    server.stop().await;
}

#[tokio::test]
async fn a_filter_chooses_and_a_wrong_one_is_marked_where_it_is_wrong() {
    let server = server(story::everything()).await;
    let (_, html) = page(&server, "/sessions?filter=user:dana+state:ended").await;
    assert!(links(&html, "/sessions/").all(|href| href == "/sessions/conversation-long"));
    assert_eq!(html.matches("data-row").count(), 1);
    assert!(html.contains("value=\"user:dana state:ended\""));

    let (status, html) = page(&server, "/sessions?filter=user:dana+cost:%3Eten&sort=-totalCost").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(html.contains("user:dana cost:&#62;<mark>ten</mark>"), "{html}");
    assert!(html.contains("name=\"sort\" value=\"-totalCost\""));
    assert!(links(&html, "/sessions/").next().is_none());

    let (status, html) = page(&server, "/events?from=yesterday").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(html.contains("not a time: yesterday"));
    server.stop().await;
}

#[tokio::test]
async fn nothing_yet_and_nothing_like_this_are_told_apart() {
    let empty = server(Story::default()).await;
    let host = empty.addresses.http;
    for path in ["/sessions", "/traces", "/events"] {
        let (_, html) = page(&empty, path).await;
        assert!(html.contains("Waiting for the first session"));
        assert!(
            html.contains(&format!("OTEL_EXPORTER_OTLP_ENDPOINT&#34;] = &#34;http://{host}"))
                || html.contains(&format!("= \"http://{host}\"")),
            "{html}"
        );
    }
    let at_default = empty.get("/sessions").header("host", "localhost:4318").send().await;
    assert!(text(&at_default).contains("there is nothing to configure"));
    assert!(!text(&at_default).contains("os.environ"));
    empty.stop().await;

    let full = server(story::everything()).await;
    let (status, html) = page(&full, "/sessions?filter=user:nobody").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("No session matches") && !html.contains("Waiting for"));
    full.stop().await;
}

#[tokio::test]
async fn a_turn_shows_only_what_is_new_in_it() {
    let server = server(story::everything()).await;
    let (_, html) = page(&server, "/sessions/conversation-1003").await;
    let turns: Vec<&str> = html.split("<article").skip(1).collect();
    assert_eq!(turns.len(), 4);
    let question = "What does the warranty cover";
    let conversation = |turn: &str| turn.split("class=\"waterfall\"").next().unwrap().to_owned();
    assert_eq!(conversation(turns[0]).matches(question).count(), 1, "{}", turns[0]);
    assert!(!conversation(turns[1]).contains(question));
    assert!(conversation(turns[1]).contains("5 earlier messages"));
    assert!(conversation(turns[2]).contains("look_up_order result"));
    // The tool's answer once, though the next call repeats it.
    assert_eq!(conversation(turns[2]).matches("<details class=\"fold result\">").count(), 1);
    assert!(html.contains("23m 00s idle"));
    server.stop().await;
}

#[tokio::test]
async fn long_sessions_come_in_pages_that_know_what_was_said_before() {
    let server = server(story::everything()).await;
    let (_, first) = page(&server, "/sessions/conversation-long").await;
    assert_eq!(first.matches("<article").count(), 10);
    // The rail and the chart show the whole of it.
    assert_eq!(first.matches("class=\"turn-link\"").count(), 36);
    let next = links(&first, "/sessions/conversation-long?turn=11").next().unwrap();
    let (_, second) = page(&server, &next).await;
    assert!(second.contains("id=\"turn-11\"") && !second.contains("id=\"turn-10\""));
    // The system prompt and all ten turns before are history.
    let conversation = second.split("<article").nth(1).unwrap();
    assert!(!conversation.contains("fold system"), "{conversation}");
    assert!(second.contains("feedback.given") || first.contains("feedback.given"));
    server.stop().await;
}

#[tokio::test]
async fn ten_thousand_observations_are_a_page_like_any_other() {
    let server = server(story::everything()).await;
    let trace = trace_of(&server, "crawl-2024-05-14").await;
    let (_, session) = page(&server, "/sessions/crawl-2024-05-14").await;
    let (_, html) = page(&server, &trace).await;
    assert!(session.len() < 200_000 && html.len() < 700_000, "{} and {} bytes", session.len(), html.len());
    assert_eq!(html.matches("class=\"w-row").count(), 500);
    let later = links(&html, &trace).find(|href| href.ends_with("row=500")).unwrap();
    let (_, second) = page(&server, &later).await;
    assert!(second.contains("Rows 501–1000") && second.contains("fetch page 500"));

    // Where it went wrong is one click away, on whatever page that is.
    let error =
        links(&html, &trace).find(|href| href.contains("#o-") && href.contains("observation=")).unwrap();
    let (_, at_error) = page(&server, error.split('#').next().unwrap()).await;
    assert!(at_error.contains("w-row failed selected") && at_error.contains("timed out"));

    // A closed batch hides its pages.
    let close = links(&html, &trace).filter(|href| href.contains("toggled=")).nth(1).unwrap();
    let (_, closed) = page(&server, close.split('#').next().unwrap()).await;
    assert!(!closed.contains("<bdi>fetch page 0</bdi>") && closed.contains("<bdi>fetch page 99</bdi>"));
    let (_, folded) = page(&server, &format!("{trace}?fold=all")).await;
    assert_eq!(folded.matches("class=\"w-row").count(), 101);
    server.stop().await;
}

#[tokio::test]
async fn long_texts_are_cut_until_they_are_asked_for() {
    let server = server(story::everything()).await;
    let trace = trace_of(&server, NASTY_ID).await;
    let (_, html) = page(&server, &trace).await;
    let full = links(&html, &trace).find(|href| href.contains("full=1")).unwrap();
    let (_, everything) = page(&server, full.split('#').next().unwrap()).await;
    assert!(!html.contains(&"A".repeat(50_000)) && everything.contains(&"A".repeat(999_000)));
    server.stop().await;
}

#[tokio::test]
async fn a_record_is_shown_with_everything_it_says() {
    let server = server(story::everything()).await;
    let (_, html) = page(&server, "/sessions/conversation-1002").await;
    let failed = links(&html, "/traces/").filter(|href| href.contains("observation=")).last().unwrap();
    let (_, html) = page(&server, failed.split('#').next().unwrap()).await;
    for said in [
        "ContextLengthExceeded (context_length_exceeded)",
        "/srv/app/assistant.py:118",
        "First token after",
        "tokens/s",
        "gpt-4o-2024-08-06",
        "temperature",
        "server.address",
        "Cache read",
    ] {
        assert!(html.contains(said), "{said} is missing");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_a_page_with_the_request_id() {
    let server = server(Story::default()).await;
    for path in ["/sessions/nobody", "/traces/4bf92f3577b34da6a3ce929d0e0e4736", "/traces/short", "/nowhere"]
    {
        let request = server.get(path).header("accept", "text/html").header("x-request-id", "asked-once");
        let reply = request.send().await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert!(text(&reply).contains("asked-once") && text(&reply).contains("</html>"), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_an_error_page() {
    let server = server(Story::default()).await;
    for path in ["/sessions?filter=a&filter=b", "/sessions/%FF", "/events?filter=%FF%FE&filter=x"] {
        let (status, html) = page(&server, path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(html.contains("That did not work") && html.contains("</html>"), "{path}: {html}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_session_of_events_alone_shows_them() {
    let server = server(story::everything()).await;
    let (_, html) = page(&server, "/sessions/sess_01hxcheckout").await;
    assert_eq!(html.matches("data-row").count(), 7);
    assert!(html.contains("SmtpError") && html.contains("organization org_acme"));
    assert!(!html.contains(">Conversation<"));
    let (_, again) = page(&server, "/sessions/conversation-long?view=events&events_after=0.evt").await;
    assert!(again.contains("36</text>"), "the chart is about the turns, wherever the list of events is");
    server.stop().await;
}

#[tokio::test]
async fn traces_without_a_session_are_not_lost() {
    let mut story = story::everything();
    story.traces.truncate(3);
    for detail in &mut story.traces {
        detail.trace.session_id = None;
    }
    story.events.clear();
    let server = server(story).await;
    let (_, html) = page(&server, "/sessions").await;
    assert!(html.contains("none of them names a session") && html.contains("href=\"/traces\""));
    let (status, html) = page(&server, "/traces?filter=-session:*&sort=-duration").await;
    assert_eq!((status, html.matches("data-row").count()), (StatusCode::OK, 3));
    let trace = links(&html, "/traces/").next().unwrap();
    assert_eq!(page(&server, &trace).await.0, StatusCode::OK);
    let (status, html) = page(&server, "/traces?filter=turns:3").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(html.contains("<mark>turns</mark>"), "{html}");
    server.stop().await;
}

#[tokio::test]
async fn the_theme_is_kept_in_a_cookie() {
    let server = server(Story::default()).await;
    let request = server.post("/theme").header("content-type", "application/x-www-form-urlencoded");
    let reply = request.body("theme=dark&back=%2Fevents").send().await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!(reply.headers["location"], "/events");
    let cookie = reply.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let reply = server.get("/events").header("cookie", &cookie).send().await;
    assert!(text(&reply).contains("<html lang=\"en\" data-theme=\"dark\">"));
    let request = server.get("/sessions/none?observation=1").header("accept", "text/html");
    let reply = request.header("cookie", "theme=dark").send().await;
    assert_eq!(reply.status, 404);
    assert!(text(&reply).contains("<html lang=\"en\" data-theme=\"dark\">"), "error pages too");
    assert!(text(&reply).contains("name=\"back\" value=\"/sessions/none?observation=1\""));
    server.stop().await;
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_an_address_that_changes_with_them() {
    let server = server(Story::default()).await;
    let (_, html) = page(&server, "/live").await;
    let assets: Vec<String> = links(&html, "/assets/")
        .chain(attributes(&html, "src").into_iter().filter(|src| src.starts_with("/assets/")))
        .collect();
    assert!(assets.len() >= 4, "{assets:?}");
    for asset in &assets {
        let reply = server.get(asset).send().await;
        assert_eq!(reply.status, StatusCode::OK, "{asset}");
        assert_eq!(reply.headers["cache-control"], "public, max-age=31536000, immutable");
    }
    let stale = server.get("/assets/000000000000/app.css").send().await;
    assert_eq!((stale.status, stale.headers["cache-control"].as_bytes()), (StatusCode::OK, &b"no-store"[..]));
    assert_eq!(server.get("/assets/000000000000/secrets").send().await.status, StatusCode::NOT_FOUND);
    server.stop().await;
}

/// A page's text as a reader sees it.
fn read(html: &str) -> String {
    let without_tags: String =
        html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    let entities = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    entities.into_iter().fold(without_tags, |text, (entity, character)| text.replace(entity, character))
}

#[tokio::test]
async fn what_real_clients_sent_reads_as_the_conversation_it_was() {
    for capture in captures() {
        let (server, store) = TestServer::on(Engine::Memory).await;
        for request in &capture.requests {
            replay(&server, request).await;
        }
        store.settle().await.unwrap();
        let id = capture.expected["session_id"].as_str().unwrap();
        let (_, list) = page(&server, "/sessions").await;
        assert!(list.contains(&format!("href=\"/sessions/{id}\"")), "{}", capture.name);
        let (status, html) = page(&server, &format!("/sessions/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{}", capture.name);
        let turns: Vec<String> = html.split("<article").skip(1).map(read).collect();
        let expected = capture.expected["per_trace"].as_array().unwrap();
        assert_eq!(turns.len(), expected.len(), "{}", capture.name);
        for (turn, expected) in turns.iter().zip(expected) {
            for field in ["input_contains", "output_contains"] {
                if let Some(said) = expected[field].as_str() {
                    assert!(turn.contains(said), "{}: no {said:?} in {turn}", capture.name);
                }
            }
        }
        for trace in links(&html, "/traces/").filter(|href| href.contains("observation=")) {
            let (status, _) = page(&server, trace.split('#').next().unwrap()).await;
            assert_eq!(status, StatusCode::OK, "{}: {trace}", capture.name);
        }
        server.stop().await;
    }
}
