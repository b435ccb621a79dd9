//! What model calls cost: the command line about it, a table of one's own, and what the API then says.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use throughline_server::app;
use throughline_server::domain::price::Prices;
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};
use throughline_server::store::memory::MemoryStore;

use crate::captures::{captures, replay};
use crate::cli::{ask, run};
use crate::support::otlp::{attribute, request, span, text};
use crate::support::{Engine, TestServer, config};

/// A table in a directory that stays as long as it is needed.
fn table(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prices.csv");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn check_says_every_mistake_and_where() {
    let (_directory, path) = table("model, input, output\ngpt-4o, 2, x\n\nmy-model, , 1\n");
    let ran = run(&["prices", "check", &path]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    for expected in [format!("{path}:2:12: output: must be dollars"), format!("{path}:4:11: input: missing")]
    {
        assert!(ran.err.contains(&expected), "{expected}: {}", ran.err);
    }
    let missing = run(&["prices", "check", "/nowhere/prices.csv"]);
    assert!(missing.code == 2 && missing.err.contains("/nowhere/prices.csv"), "{}", missing.err);
}

#[test]
fn check_says_what_a_table_changes() {
    let own = "model, provider, input, cache_read, output\n\
               gpt-4o, , 2, 1.25, 10\n\
               my-model, azure, 0.003625, , 1\n\
               claude-haiku*, , 1, 0.1, 5\n\
               gpt-4o, , 9, 9, 9\n";
    let (_directory, path) = table(own);
    let ran = run(&["prices", "check", &path]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "4 rules, nothing wrong: 2 new, 2 changed, 0 as built in; 1 behind another line",
            "line 2    gpt-4o: input $2.00 instead of $2.50",
            "line 3    my-model, at azure: new, input $0.003625, output $1.00",
            "line 4    claude-haiku*: new, input $1.00, cache_read $0.10, output $5.00; goes before the built-in \
             claude-haiku-4-5",
            "line 5    gpt-4o: input $9.00 instead of $2.50, cache_read $9.00 instead of $1.25, output $9.00 instead \
             of $10.00; never used, line 2 says it first",
        ]
    );
    let told = run(&["prices", "check", &path, "--json"]).json();
    assert_eq!(told["rules"][0]["changes"], json!([{"price": "input", "old": "2.50", "new": "2.00"}]));
    assert_eq!(told["rules"][3]["hiddenBy"], json!({"line": 2, "wholly": true}));
}

#[test]
fn show_works_out_a_call() {
    let call = ["--input", "1000", "--cached", "64", "--output", "3", "--at", "2026-11-20"];
    let ran = run(&[&["prices", "show", "openai/gpt-4o-2024-08-06"], &call[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    // 1000 x 2.5 + 64 x 1.25 + 3 x 10 dollars per million
    assert!(ran.out.starts_with("gpt-4o\n") && ran.out.contains("\ncost $0.00261\n"), "{}", ran.out);
    let told = run(&[&["prices", "show", "gpt-4o", "--json"], &call[..]].concat()).json();
    assert_eq!((&told["costPicodollars"], &told["estimated"]), (&json!("2610000000"), &json!(false)));
    assert_eq!(
        told["parts"][1],
        json!({"bucket": "cacheRead", "tokens": 64, "perMillion": "1.25", "cost": 0.00008, "listed": true})
    );

    let before = run(&["prices", "show", "o3", "--at", "2025-06-01"]);
    assert!(
        before.out.contains("before 2025-06-10") && before.out.contains("input $10.00"),
        "{}",
        before.out
    );
    let (_directory, path) = table("model, input, output\ngpt-4o, 2, 8\n");
    let own = run(&["prices", "show", "gpt-4o", "--prices-file", &path]);
    assert!(own.out.contains(&format!("{path}:2")) && own.out.contains("input $2.00"), "{}", own.out);
    let guessed = run(&["prices", "show", "gpt-5", "--tier", "batch", "--input", "1"]);
    assert!(guessed.out.contains("estimated"), "{}", guessed.out);
}

#[test]
fn show_says_what_it_does_not_know() {
    let ran = run(&["prices", "show", "gpt4o-mini"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no price is known for gpt4o-mini"), "{}", ran.err);
    assert!(ran.err.contains("the nearest that has one is gpt-4o-mini"), "{}", ran.err);
    let shortened = run(&["prices", "show", "sonet-4-5"]);
    assert!(shortened.err.contains("the nearest that has one is claude-sonnet-4-5"), "{}", shortened.err);
    let elsewhere = run(&["prices", "show", "deepseek-v4-pro", "--provider", "openrouter"]);
    assert!(elsewhere.err.contains("at deepseek; at fireworks"), "{}", elsewhere.err);
    let stranger = run(&["prices", "show", "zzz", "--json"]);
    assert_eq!((stranger.code, stranger.json()), (1, json!({"model": "zzz", "rule": null, "cost": null})));
    assert_eq!(run(&["prices", "show", "o3", "--tier", "slow"]).code, 2);
}

#[test]
fn list_shows_what_holds_today() {
    let (_directory, path) = table("model, input, output\nmy-gpt-4o, 2, 8\n");
    let ran = run(&["prices", "list", "gpt-4o", "--prices-file", &path]);
    let models: Vec<&str> =
        ran.out.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(models.contains(&"my-gpt-4o") && models.contains(&"gpt-4o-mini"), "{}", ran.out);
    assert_eq!(run(&["prices", "list", "nobody-has-this"]).code, 1);
}

#[test]
fn a_server_does_not_start_with_a_bad_table() {
    let (_directory, path) = table("model, input, output\ngpt-4o, 2, x\ngpt-4o, y, x\n");
    for command in ["check", "serve"] {
        let ran = run(&[command, "--store-engine", "memory", "--prices-file", &path]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(&format!("{path}:2:12: output: must be dollars")), "{}", ran.err);
        assert!(ran.err.contains("2 more mistakes") && ran.err.contains("prices check"), "{}", ran.err);
    }
}

/// One call of 100 input and 10 output tokens.
fn call(model: &str) -> Span {
    let mut call = span(1);
    call.attributes = vec![
        text("gen_ai.response.model", model),
        attribute("gen_ai.usage.input_tokens", any_value::Value::IntValue(100)),
        attribute("gen_ai.usage.output_tokens", any_value::Value::IntValue(10)),
        text("session.id", "s"),
    ];
    call
}

#[tokio::test]
async fn calls_cost_what_the_own_table_says() {
    let (_directory, path) =
        table("model, from, input, output\nour-model, , 3, 7\ngpt-4o, 2099-01-01, 1, 1\n");
    let prices = app::prices(&config(&[("prices.file", &path)]).prices).unwrap();
    for (model, picodollars) in [("our-model", 370_000_000.0), ("gpt-4o", 350_000_000.0)] {
        let store = Arc::new(MemoryStore::new(prices.clone()));
        let server = TestServer::with_store(store, &[]).await;
        let body = request(vec![call(model)]).encode_to_vec();
        assert_eq!(server.post("/v1/traces").protobuf().body(body).send().await.status, 200);
        let session: Value = server.get("/api/v1/sessions/s").send().await.json();
        assert_eq!(session["totalCost"], json!(picodollars / 1e12), "{model}");
        server.stop().await;
    }
}

#[tokio::test]
async fn models_without_a_price_are_listed_and_shown() {
    let (server, store) = TestServer::on(Engine::Memory).await;
    let body = request(vec![call("my-model")]).encode_to_vec();
    assert_eq!(server.post("/v1/traces").protobuf().body(body).send().await.status, 200);
    store.settle().await.unwrap();
    let told: Value = server.get("/api/v1/analytics/unpriced?from=-24h").send().await.json();
    let row = &told["data"][0];
    assert_eq!(
        (&row["model"], &row["observationCount"], &row["totalTokens"]),
        (&json!("my-model"), &json!(1), &json!(110))
    );
    let cost: Value = server.get("/api/v1/sessions/s/cost").send().await.json();
    assert_eq!((&cost["cost"], &cost["unpricedCount"]), (&Value::Null, &json!(1)));
    let earlier: Value = server.get("/api/v1/analytics/unpriced?to=2026-11-01").send().await.json();
    assert_eq!(earlier, json!({"data": [], "others": null}));
    let elsewhere = server.get("/api/v1/analytics/unpriced?filter=-session:s").send().await.json();
    assert_eq!(elsewhere, json!({"data": [], "others": null}));
    for (path, named) in
        [("/analytics", true), ("/sessions/s", true), ("/analytics?filter=turns:%3E9", false)]
    {
        let (_, html) = crate::pages::page(&server, path).await;
        let found = html.contains("No price is known for") && html.contains("throughline prices");
        assert_eq!(found, named, "{path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_priced_afresh_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let open = |table: &str| {
        let prices = Prices::parse(table).unwrap();
        Arc::new(EmbeddedStore::open(&EmbeddedConfig::new(directory.path()), prices).unwrap())
    };
    let server = TestServer::with_store(open("model, input, output\nnobody, 1, 1\n"), &[]).await;
    let body = request(vec![call("our-model")]).encode_to_vec();
    assert_eq!(server.post("/v1/traces").protobuf().body(body).send().await.status, 200);
    server.stop().await;

    let store = open("model, input, output\nour-model, 3, 7\n");
    let server = TestServer::with_store(store, &[]).await;
    let preview = ask(&server, &["prices", "reprice", "--from", "-24h"]).await;
    assert_eq!(preview.code, 0, "{}", preview.err);
    let row = "our-model  1 of 1         -    $0.0004";
    assert!(preview.out.contains(row) && preview.out.contains("--apply"), "{}", preview.out);
    let cost = async || server.get("/api/v1/sessions/s").send().await.json()["totalCost"].clone();
    assert_eq!(cost().await, Value::Null, "it was only asked");
    let applied = ask(&server, &["prices", "reprice", "--apply", "--json"]).await.json();
    let counts =
        ["traceCount", "changedCount", "appliedCount", "remainingCount"].map(|name| applied[name].clone());
    assert_eq!((counts, &applied["newCost"]), ([json!(1), json!(1), json!(1), json!(0)], &json!(0.00037)));
    assert_eq!(cost().await, json!(0.00037));
    let again = ask(&server, &["prices", "reprice", "--apply"]).await;
    assert!(again.out.starts_with("Nothing changes"), "{}", again.out);
    let wrong = ask(&server, &["prices", "reprice", "--from", "someday"]).await;
    assert_eq!(wrong.code, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_cost_is_taken_apart() {
    for engine in [Engine::Memory, Engine::Embedded] {
        let (server, store) = TestServer::on(engine).await;
        let capture = captures().into_iter().find(|capture| capture.name == "opentelemetry-rust").unwrap();
        for request in &capture.requests {
            replay(&server, request).await;
        }
        store.settle().await.unwrap();
        let id = capture.expected["session_id"].as_str().unwrap();
        let cost: Value = server.get(&format!("/api/v1/sessions/{id}/cost")).send().await.json();
        assert_eq!(cost["cost"], json!(0.01104));
        // 350 + 200 input at 3 and 900 at 1, 2300 read at 0.3, 1300 written at 3.75, 160 out at 15 and 30 at 5
        let buckets = json!({
            "inputUncached": 0.00255, "cacheRead": 0.00069, "cacheWrite": 0.004875, "output": 0.00255, "reasoning": 0.000375
        });
        assert_eq!(cost["buckets"], buckets);
        // 2300 x 2.7 - 1300 x 0.75
        assert_eq!((&cost["savedByCaching"], &cost["unexplainedCost"]), (&json!(0.005235), &json!(0.0)));
        let cumulative: Vec<&Value> =
            cost["turns"].as_array().unwrap().iter().map(|turn| &turn["cumulativeCost"]).collect();
        assert_eq!(cumulative, [&json!(0.0084), &json!(0.00999), &json!(0.01104)]);
        assert_eq!(cost["models"][0]["model"], "claude-sonnet-4-5-20250929");
        let (_, html) = crate::pages::page(&server, &format!("/sessions/{id}?view=cost")).await;
        for told in ["caching saved $0.0052", "claude-haiku-4-5-20251001", "Turn 3</a>", "<b>$0.0110</b>"] {
            assert!(html.contains(told), "{told} is missing: {html}");
        }
        assert_eq!(server.get("/api/v1/sessions/nobody/cost").send().await.status, 404);
        server.stop().await;
    }
}
