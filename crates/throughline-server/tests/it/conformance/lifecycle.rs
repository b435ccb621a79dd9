use throughline_model::{ProjectId, SessionId, SessionState};
use throughline_server::domain::arrival::{ArrivalRecord, Batch, BatchContent};
use throughline_server::store::AppendError;

use super::requests::{at, event_in, generation, request, span, trace_id};
use super::{
    TestStore, all_sessions, batch, event_ids, everything, now, project, put, put_events, session, trace,
    trace_numbers,
};

async fn command(store: &TestStore, content: BatchContent, millis: i64) {
    let batch = Batch { received: at(millis), ..batch(content) };
    store.append(batch).await.unwrap();
    store.settle().await.unwrap();
}

pub(crate) async fn an_ended_session_reopens_when_more_begins(store: &TestStore) {
    let id = || SessionId::from("s");
    put(store, &[span(1, 1).in_session("s")]).await;
    assert_eq!(session(store, "s").await.unwrap().state, SessionState::Live);
    let state = async |millis| store.session(&project(), &id(), at(millis)).await.unwrap().unwrap().state;
    assert_eq!(state(6 * 60_000).await, SessionState::Idle);
    assert_eq!(state(31 * 60_000).await, SessionState::Ended);
    command(store, BatchContent::EndSession(id()), 100).await;
    assert_eq!(session(store, "s").await.unwrap().state, SessionState::Ended);
    put(store, &[span(1, 2).below(1).during(50, 200)]).await;
    assert_eq!(session(store, "s").await.unwrap().state, SessionState::Ended, "it had begun before the end");
    put(store, &[span(2, 3).during(300, 301).in_session("s")]).await;
    assert_eq!(session(store, "s").await.unwrap().state, SessionState::Live);
    command(store, BatchContent::EndSession(id()), 400).await;
    command(store, BatchContent::EndSession(id()), 200).await;
    assert_eq!(session(store, "s").await.unwrap().state, SessionState::Ended, "the last word counts");
}

pub(crate) async fn a_deleted_session_is_gone_and_may_come_again(store: &TestStore) {
    let first = [generation(1, 1, 10, 1).in_session("s"), span(1, 2).below(1)];
    let events = [event_in("own", 1, Some("s"), None), event_in("inherited", 2, None, Some(1))];
    let other = event_in("other", 3, Some("kept"), Some(1));
    put(store, &first).await;
    put(store, &[span(2, 3).in_session("kept")]).await;
    put_events(store, &events).await;
    put_events(store, &[other]).await;
    command(store, BatchContent::DeleteSession(SessionId::from("s")), 100).await;
    assert!(session(store, "s").await.is_none() && trace(store, 1).await.is_none());
    assert_eq!(trace_numbers(store, &everything()).await, [2]);
    assert_eq!(event_ids(store, &everything()).await, ["other"]);
    assert_eq!(session(store, "kept").await.unwrap().event_count, 1);
    let traces = store.session_traces(&project(), &SessionId::from("s"), None, 10).await.unwrap();
    assert_eq!(traces.rows.len(), 0);
    assert!(store.trace_outline(&project(), &trace_id(1)).await.unwrap().is_none());

    put(store, &first[..1]).await;
    put_events(store, &events[..1]).await;
    let again = session(store, "s").await.unwrap();
    assert_eq!((again.observation_count, again.event_count, again.total_tokens), (1, 1, 11));
    command(store, BatchContent::DeleteSession(SessionId::from("unknown")), 100).await;
    assert_eq!(all_sessions(store).await.len(), 2);
}

pub(crate) async fn projects_know_nothing_of_each_other(store: &TestStore) {
    let theirs = ProjectId::from("theirs");
    let content = BatchContent::Traces(request(&[span(1, 1).in_session("s"), span(1, 2).below(1)]));
    put(store, &[span(1, 1).in_session("s")]).await;
    put_events(store, &[event_in("e", 1, Some("s"), None)]).await;
    let there = |content| Batch { project: theirs.clone(), received: now(), content };
    store.append(there(content)).await.unwrap();
    store.append(there(BatchContent::Events(vec![event_in("e", 1, Some("s"), None)]))).await.unwrap();
    store.settle().await.unwrap();
    let id = SessionId::from("s");
    assert_eq!(session(store, "s").await.unwrap().observation_count, 1);
    let found = store.session(&theirs, &id, now()).await.unwrap().unwrap();
    assert_eq!((found.observation_count, found.event_count), (2, 1));
    store.append(there(BatchContent::DeleteSession(id.clone()))).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(store.session(&theirs, &id, now()).await.unwrap(), None);
    assert!(store.trace(&theirs, &trace_id(1)).await.unwrap().is_none());
    let kept = session(store, "s").await.unwrap();
    assert_eq!((kept.observation_count, kept.event_count), (1, 1));
    assert!(store.trace(&ProjectId::from("unknown"), &trace_id(1)).await.unwrap().is_none());
}

pub(crate) async fn what_is_shut_down_takes_nothing(store: &TestStore) {
    put(store, &[span(1, 1)]).await;
    store.shutdown().await;
    let refused = store.append(batch(BatchContent::Traces(request(&[span(1, 2)])))).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
}

pub(crate) async fn arrivals_are_told_once(store: &TestStore) {
    let mut arrivals = store.subscribe();
    put(store, &[span(1, 1).in_session("s"), span(1, 2).below(1), span(1, 1)]).await;
    put_events(store, &[event_in("e", 1, Some("s"), None), event_in("e", 1, Some("s"), None)]).await;
    let mut told = Vec::new();
    while let Ok(arrival) = arrivals.try_recv() {
        assert_eq!(arrival.project, project());
        told.push(match arrival.record {
            ArrivalRecord::Observation(observation) => observation.name,
            ArrivalRecord::Event(event) => event.id.to_string(),
        });
    }
    told.sort();
    assert_eq!(told, ["e", "span 1", "span 2"]);
}
