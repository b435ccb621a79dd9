//! Traces whose beginning was told, and whose end has not come yet or never will.

use throughline_model::{Event, ObservationType, ProjectId, Status};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::Target;
use throughline_server::domain::query::{ListQuery, SpanOutline};

use super::requests::{Spec, at, event_in, generation, request, span, span_id, start, start_in, trace_id};
use super::{
    TestStore, all_sessions, batch, event_ids, everything, matching, project, put, put_events, session,
    session_ids, trace, trace_numbers,
};

/// The root of that trace, once it has ended.
fn root() -> Spec {
    span(1, 1).named("turn").during(10, 500).in_session("s").of_user("alice")
}

pub(crate) async fn a_trace_that_began_is_shown_until_its_span_replaces_the_word(store: &TestStore) {
    put_events(store, &[start_in(1, 1, "s", "alice")]).await;
    let begun = trace(store, 1).await.unwrap();
    assert_eq!((begun.trace.name.as_str(), begun.trace.user_id.as_deref()), ("turn", Some("alice")));
    assert_eq!((begun.trace.observation_count, begun.trace.event_count), (0, 0));
    assert_eq!((begun.trace.start_time, begun.trace.end_time), (at(10), at(10)));
    assert_eq!((begun.trace.flags, begun.events), (vec!["unfinished".to_owned()], Vec::new()));
    assert_eq!(begun.trace.services, ["shop"]);
    let [shown] = &begun.observations[..] else { panic!("one observation, not {:?}", begun.observations) };
    assert_eq!((shown.id, shown.kind, shown.unfinished), (span_id(1), ObservationType::Agent, true));
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.trace_count, found.event_count, found.title.as_deref()), (1, 0, Some("turn")));
    assert_eq!((found.user_id.as_deref(), found.flags), (Some("alice"), vec!["unfinished".to_owned()]));
    assert_eq!(event_ids(store, &everything()).await, [""; 0]);

    // What ends in it meanwhile.
    put(store, &[generation(1, 2, 30, 10).below(1)]).await;
    let going_on = trace(store, 1).await.unwrap();
    assert_eq!((going_on.trace.end_time, going_on.trace.total_tokens), (at(25), 40));
    assert_eq!(going_on.trace.flags, ["unfinished"], "its root is known, though not its end");
    assert_eq!(going_on.observations[0].end_time, at(25));
    let outline = store.trace_outline(&project(), &trace_id(1)).await.unwrap().unwrap();
    assert_eq!(outline.spans, going_on.observations.iter().map(SpanOutline::of).collect::<Vec<_>>());
    assert_eq!(outline.events, []);
    let asked = store.observations(&project(), &trace_id(1), &[span_id(1)]).await.unwrap();
    assert_eq!(asked, going_on.observations[..1]);
    let items = store.timeline(&project(), &"s".into(), None, 10).await.unwrap().rows;
    assert_eq!(items.len(), 2, "the trace and what ended in it: {items:?}");

    put(store, &[root().saying("hello", "bye")]).await;
    let ended = trace(store, 1).await.unwrap();
    assert_eq!((ended.trace.end_time, ended.trace.observation_count), (at(500), 2));
    assert_eq!((ended.trace.flags, ended.events), (Vec::<String>::new(), Vec::new()));
    assert!(ended.observations.iter().all(|observation| !observation.unfinished));
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.trace_count, found.observation_count, found.flags), (1, 2, Vec::new()));

    put_events(store, &[Event { environment: String::new(), ..start(2, 2, "somewhere") }]).await;
    assert_eq!(trace(store, 2).await.unwrap().trace.environment, None, "nothing is said of it");
}

pub(crate) async fn whatever_comes_first_the_end_is_the_same(store: &TestStore) {
    let (root, child) = (root(), generation(1, 2, 30, 10).below(1));
    let word = || BatchContent::Events(vec![start_in(1, 1, "other", "bob")]);
    let spans = |spans: &[&Spec]| {
        let spans: Vec<Spec> = spans.iter().map(|span| (*span).clone()).collect();
        BatchContent::Traces(request(&spans))
    };
    let orders: [(&str, Vec<BatchContent>); 5] = [
        ("never told", vec![spans(&[&root, &child])]),
        ("told first", vec![word(), spans(&[&child]), spans(&[&root])]),
        ("told late", vec![spans(&[&root]), spans(&[&child]), word()]),
        ("told between", vec![spans(&[&child]), word(), word(), spans(&[&root])]),
        ("told with the rest", vec![word(), spans(&[&root, &child])]),
    ];
    let mut ends = Vec::new();
    for (settles, (order, contents)) in orders.iter().flat_map(|order| [(true, order), (false, order)]) {
        let project = ProjectId::from(format!("{order}, {settles}"));
        for content in contents {
            store.append(Batch { project: project.clone(), ..batch(content.clone()) }).await.unwrap();
            if settles {
                store.settle().await.unwrap();
            }
        }
        store.settle().await.unwrap();
        let detail = store.trace(&project, &trace_id(1)).await.unwrap().unwrap();
        let session = store.session(&project, &"s".into(), at(1000)).await.unwrap();
        let other = store.session(&project, &"other".into(), at(1000)).await.unwrap();
        assert_eq!(other, None, "{order}");
        ends.push((order, format!("{detail:#?} {session:#?}")));
    }
    for (order, end) in &ends {
        assert_eq!(end, &ends[0].1, "{order}");
    }
}

pub(crate) async fn what_began_decides_where_its_trace_belongs(store: &TestStore) {
    // Spans and events of the trace that name no session, or another.
    put(store, &[span(1, 2).below(1), span(2, 4).below(3).in_session("child says")]).await;
    put_events(store, &[event_in("said", 15, None, Some(1))]).await;
    put_events(store, &[start_in(1, 1, "s", "alice"), start_in(2, 3, "s", "alice")]).await;
    let found = session(store, "s").await.unwrap();
    assert_eq!((found.trace_count, found.observation_count, found.event_count), (2, 2, 1));
    assert_eq!(session(store, "child says").await, None);
    let observations = trace(store, 1).await.unwrap().observations;
    assert!(observations.iter().all(|one| one.session_id == Some("s".into())), "{observations:?}");
    assert_eq!(session_ids(store, &matching("user:alice type:event", Target::Session)).await, ["s"]);
    // A root that says otherwise is right in the end.
    put(store, &[span(1, 1).in_session("turned out").failing("no")]).await;
    let moved = session(store, "turned out").await.unwrap();
    assert_eq!((moved.trace_count, moved.observation_count, moved.event_count), (1, 2, 1));
    assert_eq!(trace(store, 1).await.unwrap().trace.status, Status::Error);
    assert_eq!(session(store, "s").await.unwrap().trace_count, 1);
}

pub(crate) async fn silence_makes_a_trace_abandoned(store: &TestStore) {
    const HOUR: i64 = 3_600_000;
    put_events(store, &[start_in(1, 1, "silent", "alice"), start(2, 2, "busy")]).await;
    put(store, &[span(2, 3).below(2).during(1000, HOUR), span(3, 4).in_session("done")]).await;
    let traces = async |filter: &str, millis: i64| {
        let mut found =
            trace_numbers(store, &ListQuery { now: at(millis), ..matching(filter, Target::Trace) }).await;
        found.sort_unstable();
        found
    };
    assert_eq!(traces("unfinished:true", 0).await, [1, 2]);
    assert_eq!(traces("unfinished:false", 0).await, [3]);
    assert_eq!(traces("abandoned:true", HOUR).await, [0; 0]);
    assert_eq!(traces("abandoned:true", HOUR + 10).await, [1], "nothing was heard of it for an hour");
    assert_eq!(traces("unfinished:true abandoned:false", HOUR + 10).await, [2]);
    assert_eq!(traces("abandoned:true", 2 * HOUR).await, [1, 2]);
    assert_eq!(traces("name:busy", 0).await, [2]);
    assert_eq!(traces("started OR throughline", 0).await, [0; 0], "the word itself is not found");
    let sessions = async |filter: &str, millis: i64| {
        let mut found =
            session_ids(store, &ListQuery { now: at(millis), ..matching(filter, Target::Session) }).await;
        found.sort_unstable();
        found
    };
    assert_eq!(sessions("unfinished:true", 0).await, ["silent"]);
    assert_eq!(sessions("unfinished:false", 0).await, ["done"]);
    assert_eq!(
        sessions("abandoned:true", HOUR).await,
        ["silent"],
        "it is over, and its last turn never ended"
    );
}

pub(crate) async fn beginnings_go_with_their_session(store: &TestStore) {
    put_events(store, &[start_in(1, 1, "s", "alice"), start_in(2, 2, "kept", "alice")]).await;
    put_events(store, &[event_in("elsewhere", 20, Some("kept"), Some(1))]).await;
    let content = BatchContent::DeleteSession("s".into());
    store.append(Batch { received: at(100), ..batch(content) }).await.unwrap();
    store.settle().await.unwrap();
    assert!(trace(store, 1).await.is_none() && session(store, "s").await.is_none());
    assert_eq!(all_sessions(store).await.len(), 1);
    assert_eq!(event_ids(store, &everything()).await, ["elsewhere"]);
    put_events(store, &[start_in(1, 1, "s", "alice")]).await;
    assert_eq!(session(store, "s").await.unwrap().trace_count, 1, "what was deleted may come again");
}
