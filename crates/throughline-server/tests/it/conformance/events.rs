use throughline_model::{Event, Level};

use super::requests::{at, event, event_in, generation, span};
use super::{TestStore, event_ids, everything, project, put, put_events, session, trace};

pub(crate) async fn events_belong_where_they_say_else_where_their_trace_does(store: &TestStore) {
    put_events(
        store,
        &[
            event("alone", 1),
            event_in("own", 2, Some("s"), None),
            event_in("inherited", 3, None, Some(1)),
            Event { level: Level::Error, ..event_in("elsewhere", 4, Some("other"), Some(1)) },
        ],
    )
    .await;
    put(store, &[span(1, 1).in_session("s")]).await;
    put_events(store, &[Event { level: Level::Error, ..event_in("late", 5, None, Some(1)) }]).await;

    let found = session(store, "s").await.unwrap();
    assert_eq!((found.event_count, found.error_count, found.trace_count), (3, 1, 1));
    assert_eq!((found.start_time, found.end_time), (at(2), at(15)), "its own events and its traces");
    let other = session(store, "other").await.unwrap();
    assert_eq!((other.event_count, other.error_count, other.trace_count), (1, 1, 0));
    let detail = trace(store, 1).await.unwrap();
    assert_eq!((detail.trace.event_count, detail.trace.error_count), (2, 1));
    let said: Vec<_> = detail.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(said, ["inherited", "elsewhere", "late"]);

    let listed = store.events(&project(), &everything()).await.unwrap().rows;
    let sessions: Vec<_> = listed
        .iter()
        .map(|event| (event.id.as_str(), event.session_id.as_ref().map(|id| id.as_str())))
        .collect();
    assert_eq!(
        sessions,
        [
            ("alone", None),
            ("own", Some("s")),
            ("inherited", Some("s")),
            ("elsewhere", Some("other")),
            ("late", Some("s")),
        ]
    );
}

pub(crate) async fn events_alone_are_no_trace(store: &TestStore) {
    put_events(store, &[event_in("a", 1, None, Some(7)), event_in("b", 2, Some("s"), Some(7))]).await;
    assert!(trace(store, 7).await.is_none());
    assert_eq!(session(store, "s").await.unwrap().event_count, 1, "only the one that says so");
    put(store, &[span(7, 1)]).await;
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.event_count, found.trace_count), (2, 1), "now there is a trace to belong to");
}

pub(crate) async fn an_event_can_name_the_session_of_its_trace(store: &TestStore) {
    put(store, &[generation(1, 1, 10, 1)]).await;
    put_events(store, &[event_in("later", 9, Some("b"), Some(1))]).await;
    put_events(store, &[event_in("sooner", 8, Some("a"), Some(1))]).await;
    assert_eq!(session(store, "a").await.unwrap().total_tokens, 11);
    assert_eq!(session(store, "b").await.unwrap().total_tokens, 0);
    put(store, &[span(1, 2).below(1).in_session("c")]).await;
    assert_eq!(session(store, "c").await.unwrap().total_tokens, 11, "spans go before events");
    assert_eq!(session(store, "a").await.unwrap().event_count, 1, "it still belongs where it says");
}

pub(crate) async fn an_event_is_known_by_its_id(store: &TestStore) {
    let events = [event_in("a", 1, Some("s"), None), event_in("b", 2, None, Some(1)), event("c", 3)];
    put(store, &[span(1, 1).in_session("s")]).await;
    put_events(store, &events).await;
    put_events(store, &[events[0].clone(), events[0].clone()]).await;
    put_events(store, &events).await;
    assert_eq!(session(store, "s").await.unwrap().event_count, 2);
    assert_eq!(event_ids(store, &everything()).await, ["a", "b", "c"]);
    assert_eq!(store.status().await.events_stored, 3);
}
