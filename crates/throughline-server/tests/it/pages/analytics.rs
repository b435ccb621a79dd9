//! Analytics: what the figures say is what the lists behind them hold.

use throughline_server::domain::arrival::BatchContent;

use super::{StatusCode, attributes, page};
use crate::captures::{captures, replay};
use crate::conformance::batch;
use crate::conformance::requests::{generation, request};
use crate::support::{Engine, TestServer};

/// The bars of charts: their title and where they lead.
fn bars(html: &str) -> Vec<(String, String)> {
    let marker = "<a href=\"/sessions?";
    let bar = |rest: &str| {
        let tag = rest.split('>').next()?;
        let href = attributes(&format!(" href=\"/sessions?{tag}"), "href").pop()?;
        Some((attributes(tag, "aria-label").pop()?, href))
    };
    html.split(marker).skip(1).filter_map(bar).collect()
}

/// The first number in front of `word`.
fn number_before(text: &str, word: &str) -> Option<usize> {
    text[..text.find(word)?].split_whitespace().last()?.parse().ok()
}

#[tokio::test]
async fn every_bar_leads_to_as_many_sessions_as_it_counts() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    for request in captures().iter().flat_map(|capture| &capture.requests) {
        replay(&server, request).await;
    }
    store.settle().await.unwrap();
    let (status, html) = page(&server, "/analytics").await;
    assert_eq!(status, StatusCode::OK);
    let mut checked = 0;
    for (title, href) in bars(&html) {
        let Some(expected) = number_before(&title, " session") else { continue };
        let query = href.strip_prefix("/sessions?").unwrap().split("&sort").next().unwrap();
        let reply = server.get(&format!("/api/v1/sessions?limit=1000&{query}")).send().await;
        let found =
            reply.json()["data"].as_array().unwrap_or_else(|| panic!("{href}: {}", reply.text())).len();
        // Bars by turn count the sessions that came as far, of which only the first turns are known.
        assert_eq!(found, expected, "{title}: {href}");
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} bars were checked: {html}");
    for (path, words) in [
        ("/analytics/goals?goal=error:false", "completed"),
        ("/analytics/journeys?by=tag&funnel=a%20%3E%20b", "Funnel"),
        ("/analytics/journeys", "Most frequent paths"),
        ("/analytics/usage", "gpt-4o"),
        ("/analytics/usage?group=environment", "Environment"),
        ("/analytics/usage?group=trace", "p50 and p95 are of traces"),
        ("/analytics/usage?group=tag", "with each of its tags"),
        ("/analytics/users?sort=-totalCost", "Last seen"),
    ] {
        let (status, html) = page(&server, path).await;
        assert!(status == StatusCode::OK && html.contains(words), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn groups_that_are_not_listed_are_summed_up() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    let call = |n: u64| generation(n, n, 1000 * n as i64, 0).of_user(&format!("user {n:03}"));
    let calls: Vec<_> = (1..=104).map(call).collect();
    store.append(batch(BatchContent::Traces(request(&calls)))).await.unwrap();
    store.settle().await.unwrap();
    let (_, html) = page(&server, "/analytics/usage?group=user").await;
    assert!(html.contains("user 104") && html.contains("user 005") && !html.contains("user 004"), "{html}");
    let others = html.split("<tr>").find(|row| row.contains("4 others, not listed")).unwrap();
    assert!(others.contains(">4<") && others.contains(">10k<") && others.contains("$0.025"), "{others}");
    assert!(html.contains("98 more"), "in the charts: {html}");
    server.stop().await;
}

#[tokio::test]
async fn nothing_and_wrong_filters_say_what_to_do() {
    let (server, _) = TestServer::on(Engine::Memory).await;
    for (path, status, words) in [
        ("/analytics", 200, "No session to count"),
        ("/analytics/journeys?by=tag", 200, "No journey to follow"),
        ("/analytics/usage?group=user", 200, "No usage"),
        ("/analytics/scores", 200, "No scores"),
        ("/analytics/scores?filter=tga:x", 400, "did you mean tag?"),
        ("/analytics/users", 200, "No users"),
        ("/analytics/usage?filter=tga:x", 400, "did you mean tag?"),
        ("/analytics/goals", 200, "What should a session achieve?"),
        ("/analytics/goals?goal=tga:x", 400, "did you mean tag?"),
        ("/analytics?filter=tga:x", 400, "did you mean tag?"),
        ("/analytics/goals?goal=%3Cscript%3Ealert(1)%3C/script%3E", 200, "&#60;script&#62;"),
    ] {
        let (found, html) = page(&server, path).await;
        assert_eq!(found.as_u16(), status, "{path}");
        assert!(html.contains(words) && !html.contains("<script>alert"), "{path}: {html}");
    }
    server.stop().await;
}
