use throughline_model::{ProjectId, SessionId};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::query::{SpanOutline, TimelineItem};

use super::requests::{event_in, generation, span, trace_id};
use super::{TestStore, all_pages, now, number, project, put, put_events};

fn told(item: &TimelineItem) -> String {
    match item {
        TimelineItem::Trace(trace) => format!("trace {}", number(trace.id)),
        TimelineItem::Observation(observation) => observation.name.clone(),
        TimelineItem::Event(event) => event.id.to_string(),
    }
}

pub(crate) async fn a_timeline_is_in_order_and_paged(store: &TestStore) {
    let in_session = |trace, id, start| span(trace, id).during(start, start + 50).in_session("s");
    put_events(store, &[event_in("early", 0, Some("s"), None), event_in("same time", 100, Some("s"), None)])
        .await;
    put(store, &[in_session(2, 3, 100), span(2, 4).below(3).during(100, 120), in_session(1, 1, 10)]).await;
    put(store, &[span(1, 2).below(1).during(20, 30), span(3, 5).in_session("other")]).await;
    put_events(store, &[event_in("inside", 25, None, Some(1))]).await;
    let id = SessionId::from("s");
    let expected =
        ["early", "trace 1", "span 1", "span 2", "inside", "trace 2", "span 3", "span 4", "same time"];
    for limit in [1, 2, 4, 100] {
        let items = all_pages(async |after| {
            let page = store.timeline(&project(), &id, after.as_ref(), limit).await.unwrap();
            assert!(page.rows.len() <= limit);
            page
        })
        .await;
        assert_eq!(items.iter().map(told).collect::<Vec<_>>(), expected, "{limit} at a time");
        let traces = all_pages(async |after| {
            store.session_traces(&project(), &id, after.as_ref(), limit).await.unwrap()
        })
        .await;
        assert_eq!(traces.iter().map(|trace| number(trace.id)).collect::<Vec<_>>(), [1, 2]);
    }
    let unknown = store.timeline(&project(), &SessionId::from("unknown"), None, 10).await.unwrap();
    assert!(unknown.rows.is_empty() && unknown.next.is_none());
}

pub(crate) async fn what_is_exported_can_be_replayed(store: &TestStore) {
    for trace in 1..=5 {
        let root = span(trace, trace * 10).in_session("s").of_user("alice").from("shop", "test");
        let call = generation(trace, trace * 10 + 1, 100, 10).below(trace * 10).saying("in", "out");
        put(store, &[call.failing("no"), root]).await;
    }
    let id = SessionId::from("s");
    let mut bodies = Vec::new();
    for trace in 1..=5 {
        let outline = store.trace_outline(&project(), &trace_id(trace)).await.unwrap().unwrap();
        let ids: Vec<_> = outline.spans.iter().map(|span| span.id).collect();
        let received = store.received_spans(&project(), &trace_id(trace), &ids).await.unwrap();
        assert_eq!(received.len(), 2, "one message a span");
        bodies.extend(received);
    }
    let copy = ProjectId::from("copy");
    let content = BatchContent::Traces(bodies.concat().into());
    store.append(Batch { project: copy.clone(), received: now(), content }).await.unwrap();
    store.settle().await.unwrap();
    let original = store.session(&project(), &id, now()).await.unwrap();
    assert!(original.is_some());
    assert_eq!(store.session(&copy, &id, now()).await.unwrap(), original);
    let there = store.timeline(&copy, &id, None, 100).await.unwrap().rows;
    let here = store.timeline(&project(), &id, None, 100).await.unwrap().rows;
    assert_eq!(format!("{there:?}"), format!("{here:?}"));
}

pub(crate) async fn a_trace_can_be_read_piece_by_piece(store: &TestStore) {
    let long = "a long story ".repeat(1_000);
    let root = span(1, 1).in_session("s").of_user("alice").during(0, 900);
    let call = generation(1, 2, 100, 10).below(1).during(10, 400).saying(&long, "told");
    put(store, &[call, span(1, 3).below(2).during(20, 30).failing("no")]).await;
    put(store, &[root, generation(1, 4, 5, 1).below(1).during(500, 800).saying("and then?", &long)]).await;
    put(store, &[span(2, 5).during(0, 1)]).await;
    put_events(
        store,
        &[event_in("inside", 25, None, Some(1)), event_in("of another", 26, Some("t"), Some(1))],
    )
    .await;
    let whole = store.trace(&project(), &trace_id(1)).await.unwrap().unwrap();
    let outline = store.trace_outline(&project(), &trace_id(1)).await.unwrap().unwrap();
    assert_eq!(outline.trace, whole.trace, "with its whole texts");
    assert_eq!(outline.spans, whole.observations.iter().map(SpanOutline::of).collect::<Vec<_>>());
    assert_eq!(format!("{:?}", outline.events), format!("{:?}", whole.events));
    for wanted in [vec![0, 1, 2, 3], vec![3, 1], vec![]] {
        let ids: Vec<_> = wanted.iter().map(|&place: &usize| outline.spans[place].id).collect();
        let read = store.observations(&project(), &trace_id(1), &ids).await.unwrap();
        let expected = whole.observations.iter().filter(|observation| ids.contains(&observation.id));
        assert_eq!(read, expected.cloned().collect::<Vec<_>>());
        let received = store.received_spans(&project(), &trace_id(1), &ids).await.unwrap();
        assert_eq!(received.len(), ids.len());
    }
    let elsewhere = [whole.observations[0].id];
    assert_eq!(store.observations(&project(), &trace_id(2), &elsewhere).await.unwrap(), []);
    assert!(store.trace_outline(&project(), &trace_id(9)).await.unwrap().is_none());
}
