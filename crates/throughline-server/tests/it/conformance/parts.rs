//! Spans that come in parts: whatever the order and the pieces, everything reads as if they had come whole.

use bytes::Bytes;
use fastrand::Rng;
use serde_json::json;
use throughline_model::ObservationType;
use throughline_model::otlp::PartialSpan;
use throughline_server::domain::arrival::BatchContent;
use throughline_server::domain::query::{UsageGroup, UsageQuery};

use super::requests::{at, event_in, request, span, span_id, trace_id};
use super::{TestStore, all_pages, batch, project, session, session_ids, trace};

fn part(id: u64) -> PartialSpan {
    PartialSpan::new(trace_id(1), span_id(id))
}

/// A turn, a model call in it and what became of both, bit by bit.
fn parts() -> Vec<PartialSpan> {
    let (mut turn, mut named, mut moved) = (part(1), part(1), part(1));
    turn.start(at(0), at(0));
    named.name(at(10), "turn");
    named.say(at(10), "session.id", "first-thought".into());
    named.say(at(10), "throughline.tags", json!(["b"]));
    moved.say(at(20), "session.id", "s".into());
    moved.say(at(20), "throughline.tags", json!(["a"]));
    moved.say(at(20), "user.id", "alice".into());
    let (mut began, mut ended, mut corrected) = (part(2), part(2), part(2));
    began.name(at(30), "answer");
    began.start(at(30), at(30));
    began.parent(at(30), span_id(1));
    began.say(at(30), "langfuse.observation.type", "generation".into());
    began.say(at(30), "langfuse.observation.model.name", "gpt-4o".into());
    began.say(at(30), "langfuse.observation.input", "Where is it?".into());
    ended.end(at(60), at(55));
    ended.say(at(60), "langfuse.observation.output", "Lost.".into());
    ended.say(at(60), "langfuse.observation.usage_details", r#"{"input":9,"output":9}"#.into());
    corrected.say(at(70), "langfuse.observation.output", "On its way.".into());
    corrected.say(at(70), "langfuse.observation.usage_details", r#"{"input":100,"output":20}"#.into());
    vec![turn, named, moved, began, ended, corrected]
}

/// All of it in random order and pieces, some of it twice, with a span that came whole and an event between.
async fn deliver(store: &TestStore, rng: &mut Rng) {
    let mut contents: Vec<BatchContent> = Vec::new();
    let mut parts = parts();
    let again = parts.clone();
    parts.extend(again.into_iter().filter(|_| rng.u32(0..3) == 0));
    rng.shuffle(&mut parts);
    while !parts.is_empty() {
        let piece = parts.split_off(parts.len() - rng.usize(1..=parts.len().min(4)));
        let body: Vec<u8> = piece.iter().flat_map(PartialSpan::to_body).collect();
        contents.push(BatchContent::Traces(Bytes::from(body)));
    }
    contents.push(BatchContent::Traces(request(&[span(1, 3).below(2).kind("TOOL")])));
    contents.push(BatchContent::Events(vec![event_in("e1", 40, None, Some(1))]));
    rng.shuffle(&mut contents);
    for content in contents {
        store.append(batch(content)).await.unwrap();
        if rng.bool() {
            store.settle().await.unwrap();
        }
    }
    store.settle().await.unwrap();
}

async fn told(store: &TestStore) -> String {
    let usage = store.usage(&project(), &UsageQuery::by(UsageGroup::Model, at(0))).await.unwrap().rows;
    let id = "s".into();
    let spans = [span_id(1), span_id(2), span_id(3)];
    let otlp = store.received_spans(&project(), &trace_id(1), &spans).await.unwrap();
    let timeline = all_pages(async |after| store.timeline(&project(), &id, after.as_ref(), 9).await.unwrap());
    let lengths: Vec<usize> = otlp.iter().map(Bytes::len).collect();
    format!(
        "{:#?}\n{:#?}\n{usage:#?}\n{lengths:?}\n{:#?}",
        trace(store, 1).await,
        session(store, "s").await,
        timeline.await
    )
}

pub(crate) async fn spans_may_come_in_parts(store: &TestStore) {
    let reference = TestStore::memory();
    let whole: Vec<u8> = parts().iter().flat_map(PartialSpan::to_body).collect();
    for content in [
        BatchContent::Traces(whole.into()),
        BatchContent::Traces(request(&[span(1, 3).below(2).kind("TOOL")])),
        BatchContent::Events(vec![event_in("e1", 40, None, Some(1))]),
    ] {
        reference.append(batch(content)).await.unwrap();
    }
    let expected = told(&reference).await;
    for seed in 0..12 {
        deliver(store, &mut Rng::with_seed(seed)).await;
        assert_eq!(told(store).await, expected, "seed {seed}");
        assert_eq!(session_ids(store, &super::everything()).await, ["s"], "seed {seed}");
        if seed % 2 == 0 {
            let delete = BatchContent::DeleteSession("s".into());
            store.append(batch(delete)).await.unwrap();
            store.settle().await.unwrap();
            assert!(trace(store, 1).await.is_none());
        }
    }

    let found = trace(store, 1).await.unwrap();
    assert_eq!((found.trace.name.as_str(), found.trace.user_id.as_deref()), ("turn", Some("alice")));
    assert_eq!((found.trace.tags.join(" "), found.trace.total_tokens), ("a b".to_owned(), 120));
    let call = &found.observations[1];
    assert_eq!((call.kind, call.duration), (ObservationType::Generation, 25.0));
    assert_eq!(call.output, Some(json!("On its way.")));
    // 100 x 2.50 + 20 x 10 millionths of a dollar.
    assert_eq!(call.cost.unwrap().picodollars(), 450_000_000);
}
