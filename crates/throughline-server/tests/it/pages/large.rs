//! Sessions of ten thousand observations, in one turn and in many: their pages come in pieces and lose nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use throughline_model::{ErrorInfo, ObservationType, Status, Tool, Usage};

use super::shelf::Shelf;
use super::story::{Story, ago, trace_id};
use super::{links, page, read, server};
use crate::support::TestServer;

/// An agent at work: one turn of so many rounds, each of a call to a model that thinks, a look-up and a tool.
pub(crate) fn agent(rounds: usize) -> Story {
    let mut story = Story::default();
    let id = trace_id(77);
    let begin = ago(3_000.0);
    let later = |s: f64| begin.plus_nanos((s * 1e9) as i64);
    let root = story.observation(id, None, "plan the stock for spring", (begin, rounds as f64 * 0.3));
    let parent = root.id;
    let mut observations = vec![root];
    let mut said =
        vec![json!({"role": "user", "content": "Plan the stock for spring: check every part we sell."})];
    for round in 0..rounds {
        let at = round as f64 * 0.3;
        let usage =
            Usage { input_uncached: 300, cache_read: 2_000, output: 40, reasoning: 25, ..Usage::default() };
        let answer = json!({"role": "assistant", "content": [
            {"type": "reasoning", "content": format!("Part {round} may run out; the sales of last spring tell.")},
            {"type": "tool_call", "id": format!("call_{round}"), "name": "count_stock", "arguments": {"part": round}},
        ]});
        // As agents do, with the last messages of the history.
        let input = json!(said[said.len().saturating_sub(6)..]);
        observations.push(story.generation(id, parent, (later(at), 0.1), (input, json!([answer])), usage));
        said.push(answer);
        let mut look_up = story.observation(id, Some(parent), "search sales", (later(at + 0.1), 0.05));
        look_up.kind = ObservationType::Retriever;
        look_up.input = Some(json!(format!("sales of part {round} last spring")));
        look_up.output = Some(json!([
            {"document": {"id": format!("sales-{round}.csv"), "content": format!("Part {round}: 12 in March, 31 in April.")}, "score": 0.87},
            {"document": {"id": "notes.md", "content": "Spring begins late in the mountains."}, "score": 0.41},
        ]));
        observations.push(look_up);
        let mut tool = story.observation(id, Some(parent), "count_stock", (later(at + 0.16), 0.1));
        tool.kind = ObservationType::Tool;
        let result = json!({"part": round, "left": round % 50});
        tool.tool = Some(Tool {
            name: Some("count_stock".to_owned()),
            call_id: Some(format!("call_{round}")),
            arguments: Some(json!({"part": round})),
            result: Some(result.clone()),
        });
        if round % 1_000 == 7 {
            tool.status = Status::Error;
            let message = format!("shelf {round} does not answer");
            tool.error =
                Some(ErrorInfo { name: "ShelfTimeout".to_owned(), message, code: None, stack: None });
        }
        observations.push(tool);
        said.push(json!({"role": "tool", "content": [{"type": "tool_call_response", "id": format!("call_{round}"), "response": result}]}));
    }
    story.trace(id, "agent-run", observations, |trace| {
        trace.input = Some(json!("Plan the stock for spring: check every part we sell."));
        trace.output = Some(json!("Order chains and bells; everything else lasts."));
        trace.user_id = Some("stock@example.com".to_owned());
    });
    story
}

async fn with_agent() -> (TestServer, Arc<Shelf>) {
    let story = agent(3_333);
    let shelf = Arc::new(Shelf::new(story.traces, story.events));
    (TestServer::with_store(shelf.clone(), &[]).await, shelf)
}

#[tokio::test]
async fn a_turn_of_ten_thousand_steps_is_read_and_told_in_pieces() {
    let (server, shelf) = with_agent().await;
    let (_, first) = page(&server, "/sessions/agent-run").await;
    assert!(first.len() < 250_000, "{} bytes", first.len());
    let most = shelf.most_read.load(Ordering::Relaxed);
    assert!(most < 200, "{most} observations for one page");
    assert_eq!(first.matches("class=\"w-row").count(), 40);
    assert!(first.contains("9960 more rows in the trace"), "all of ten thousand and a root");
    let text = read(&first);
    for said in [
        "Plan the stock for spring: check every part we sell.",
        "Part 3 may run out",
        "2 documents",
        "sales of part 3 last spring",
        "Part 3: 12 in March, 31 in April.",
        "sales-3.csv",
        "0.870",
        "ShelfTimeout shelf 7 does not answer",
        "Next: steps 41–80 of 9999",
    ] {
        assert!(text.contains(said), "{said} is missing");
    }
    assert!(!text.contains("earlier messages"));

    // The rest follows by links, and what was sent along before is not told again.
    let next = links(&first, "/sessions/agent-run?").find(|href| href.contains("step=41")).unwrap();
    let (_, second) = page(&server, next.split('#').next().unwrap()).await;
    let text = read(&second);
    assert!(text.contains("Part 14 may run out") && !text.contains("Part 12 may run out"));
    assert!(text.contains("Earlier: steps 1–40 of 9999") && text.contains("Next: steps 81–120 of 9999"));
    let (_, last) = page(&server, "/sessions/agent-run?turn=1&step=9961").await;
    let text = read(&last);
    assert!(text.contains("Part 3332 may run out") && !text.contains("Next: steps"));
    assert!(
        !text.contains("Order chains and bells"),
        "the turn's own texts go without calls that say something"
    );
    let most = shelf.most_read.load(Ordering::Relaxed);
    assert!(most < 200, "{most} observations for one page");
    server.stop().await;
}

#[tokio::test]
async fn a_turn_of_ten_thousand_steps_is_played_in_parts() {
    let (server, shelf) = with_agent().await;
    let mut path = "/sessions/agent-run/replay".to_owned();
    for part in 0..3 {
        let (_, html) = page(&server, &path).await;
        assert!(html.len() < 700_000, "{} bytes", html.len());
        let text = read(&html);
        for round in [part * 200 / 3 + 1, (part + 1) * 200 / 3 - 1] {
            assert_eq!(
                text.matches(&format!("Part {round} may run out")).count(),
                2,
                "{round}: in short and in full"
            );
        }
        assert!(!html.contains("more in the trace"));
        path = links(&html, "/sessions/agent-run/replay?").next().unwrap();
        assert_eq!(path, format!("/sessions/agent-run/replay?step={}", (part + 1) * 200 + 1));
    }
    let (_, last) = page(&server, "/sessions/agent-run/replay?step=9801").await;
    assert!(read(&last).contains("Part 3332 may run out") && !last.contains("Next part"));
    let most = shelf.most_read.load(Ordering::Relaxed);
    assert!(most <= 240, "{most} observations for one page");
    server.stop().await;
}

#[tokio::test]
async fn many_turns_are_played_in_parts_that_follow_each_other() {
    let mut story = Story::default();
    story.conversation("many", "dana", ago(50_000.0), &[("And now?", "Now this."); 230]);
    let server = server(story).await;
    let (mut path, mut played) = (Some("/sessions/many/replay".to_owned()), Vec::new());
    while let Some(part) = path {
        let (_, html) = page(&server, &part).await;
        played
            .extend(html.split("id=\"turn-").skip(1).map(|turn| turn.split('"').next().unwrap().to_owned()));
        path = links(&html, "/sessions/many/replay?after=").next();
    }
    assert_eq!(played, (1..=230).map(|n| n.to_string()).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn the_costs_of_hundreds_of_turns_come_in_pages_that_add_up() {
    let mut story = Story::default();
    story.conversation("many", "dana", ago(50_000.0), &[("And now?", "Now this."); 230]);
    let server = server(story).await;
    let mut path = "/sessions/many?view=cost".to_owned();
    let mut turns = Vec::new();
    loop {
        let (_, html) = page(&server, &path).await;
        let table = html.split("id=\"turn-costs\"").nth(1).unwrap().split("</tbody>").next().unwrap();
        for row in table.split("<tr>").skip(1) {
            let href = links(row, "/sessions/many").next().unwrap();
            let number = read(row).trim().split_once(' ').unwrap().1.to_owned();
            let number: String = number.chars().take_while(char::is_ascii_digit).collect();
            if turns.len() % 60 == 0 {
                let (_, turn) = page(&server, href.split('#').next().unwrap()).await;
                assert!(turn.contains(&format!("id=\"turn-{}\"", turns.len() + 1)), "{href}");
            }
            turns.push(number);
        }
        let more = html.split("data-more=\"#turn-costs\"").next().filter(|before| before.len() < html.len());
        match more.and_then(|before| links(before, "/sessions/many?view=cost").last()) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(turns.len(), 230);
    server.stop().await;
}

#[tokio::test]
async fn the_chart_goes_on_counting_what_a_session_cost() {
    let mut story = Story::default();
    story.conversation("many", "dana", ago(50_000.0), &[("And now?", "Now this."); 230]);
    let total: throughline_model::Money = story.traces.iter().filter_map(|turn| turn.trace.total_cost).sum();
    let server = server(story).await;
    let (_, html) = page(&server, "/sessions/many").await;
    assert!(html.contains("Cost by turn 200"));
    let later = links(&html, "/sessions/many?after=").find(|href| href.contains("first=201")).unwrap();
    let (_, html) = page(&server, &later).await;
    let said = format!("Cost by turn 230 ${:.2}", total.dollars());
    assert!(read(&html).contains(&said), "{said}");
    server.stop().await;
}
