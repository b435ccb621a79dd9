//! Costs computed afresh, by another price table than the one they were computed by.

use std::path::Path;

use tempfile::TempDir;
use throughline_model::{Money, SessionId, TraceId};
use throughline_server::domain::arrival::BatchContent;
use throughline_server::domain::price::{CallRange, Prices, Reprice, Repricing};
use throughline_server::domain::query::{UsageGroup, UsageQuery};
use throughline_server::store::Store;
use throughline_server::store::embedded::EmbeddedStore;

use super::config;
use crate::conformance::requests::{at, generation, request, span, trace_id};
use crate::conformance::{batch, now, project};

fn open_with(dir: &Path, table: &str) -> EmbeddedStore {
    EmbeddedStore::open(&config(dir), Prices::parse(table).unwrap()).unwrap()
}

fn dollars(micros: i128) -> Option<Money> {
    Some(Money::from_picodollars(micros * 1_000_000))
}

async fn preview(store: &EmbeddedStore, range: CallRange) -> Repricing {
    store.repricing(&project(), range).await.unwrap()
}

async fn reprice(store: &EmbeddedStore, range: CallRange, traces: Vec<TraceId>) {
    store.append(batch(BatchContent::Reprice(Reprice { range, traces }))).await.unwrap();
}

/// What the session, its traces and the usage report say the calls cost together.
async fn told(store: &EmbeddedStore) -> [Option<Money>; 3] {
    let session = store.session(&project(), &SessionId::from("s"), now()).await.unwrap().unwrap();
    let traces = store.session_traces(&project(), &session.id, None, 100).await.unwrap().rows;
    let in_traces = traces.iter().filter_map(|trace| trace.total_cost).sum();
    let usage = store.usage(&project(), &UsageQuery::by(UsageGroup::Model, at(0))).await.unwrap().rows;
    let in_usage = usage.iter().filter_map(|row| row.cost).sum();
    [session.total_cost, Some(in_traces), Some(in_usage)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_is_priced_afresh_and_the_rest_stays() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), "model, input, output\ngpt-4o, 1, 1\n");
    let unpriced = span(2, 4).below(3).kind("LLM").text("gen_ai.response.model", "new-model");
    let spans = [
        span(1, 1).in_session("s").kind("AGENT").number("gen_ai.usage.input_tokens", 100),
        generation(1, 2, 100, 0).below(1).during(20, 30),
        span(2, 3).in_session("s"),
        unpriced.number("gen_ai.usage.output_tokens", 10).during(1000, 1010),
        generation(2, 5, 7, 0).below(3).during(2000, 2010),
    ];
    store.append(batch(BatchContent::Traces(request(&spans)))).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(told(&store).await, [dollars(107); 3]);
    store.shutdown().await;
    drop(store);

    let table = "model, input, output\ngpt-4o, 2, 1\nnew-model, 5, 5\n";
    let store = open_with(dir.path(), table);
    assert_eq!(told(&store).await, [dollars(107); 3], "a new table alone changes nothing");
    let early = CallRange { from: None, to: Some(at(2000)) };
    let found = preview(&store, early).await;
    let models: Vec<_> =
        found.models.iter().map(|m| (m.model.as_str(), m.calls, m.changed, m.old, m.new)).collect();
    let expected = [("gpt-4o", 1, 1, dollars(100), dollars(200)), ("new-model", 1, 1, None, dollars(50))];
    assert_eq!((models, &*found.traces), (expected.to_vec(), &[trace_id(1), trace_id(2)][..]));
    // More of a trace that is being computed afresh, and a trace that is not there.
    reprice(&store, early, [found.traces, vec![trace_id(9), trace_id(1)]].concat()).await;
    let late = generation(2, 6, 1, 0).below(3).during(3000, 3010);
    store.append(batch(BatchContent::Traces(request(&[late])))).await.unwrap();
    store.settle().await.unwrap();
    // 100 x 2 + 10 x 5 + 7 x 1 as before + 1 x 2
    assert_eq!(told(&store).await, [dollars(259); 3]);
    assert!(preview(&store, early).await.traces.is_empty());
    let rest = preview(&store, CallRange::default()).await.traces;
    assert_eq!(rest, [trace_id(2)]);
    reprice(&store, CallRange::default(), rest.clone()).await;
    reprice(&store, CallRange::default(), rest).await;
    store.settle().await.unwrap();
    store.shutdown().await;
    drop(store);
    let store = open_with(dir.path(), table);
    assert_eq!(told(&store).await, [dollars(266); 3], "it stays so");
    store.shutdown().await;
}
