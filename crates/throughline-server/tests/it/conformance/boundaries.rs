//! Where sessions are split, and what forms one where nobody names any.

use throughline_model::{Event, ProjectId, Session, SessionState, SplitCause, Timestamp};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::Target;

use super::requests::{Spec, at, event_in, request, span, trace_id};
use super::{TestStore, matching};

/// A project whose sessions are split after half an hour.
fn split() -> ProjectId {
    ProjectId::from("half hours")
}

fn minutes(minutes: i64) -> i64 {
    minutes * 60_000
}

/// A turn in that project, from minute to minute.
fn turn(n: u64, from: i64, to: i64) -> Spec {
    span(n, n * 100).during(minutes(from), minutes(to))
}

async fn append(store: &TestStore, content: BatchContent, received: Timestamp) {
    store.append(Batch { project: split(), received, content }).await.unwrap();
    store.settle().await.unwrap();
}

async fn put(store: &TestStore, spans: &[Spec]) {
    append(store, BatchContent::Traces(request(spans)), at(0)).await;
}

async fn put_event(store: &TestStore, event: Event) {
    append(store, BatchContent::Events(vec![event]), at(0)).await;
}

async fn session_at(store: &TestStore, id: &str, minute: i64) -> Session {
    store.session(&split(), &id.into(), at(minutes(minute))).await.unwrap().expect("the session is there")
}

/// Id, beginning and end in minutes, traces and cause of every part.
fn parts(session: &Session) -> Vec<(&str, i64, i64, u64, Option<SplitCause>)> {
    assert_eq!(session.part_count, session.parts.len() as u64);
    let minute = |time: Timestamp| time.nanos_since(at(0)) / 60_000_000_000;
    let parts = session.parts.iter();
    let shown = parts.map(|part| {
        let (from, to) = (minute(part.start_time), minute(part.end_time));
        (part.id.as_str(), from, to, part.trace_count, part.split_cause)
    });
    shown.collect()
}

pub(crate) async fn pauses_and_ends_split_a_session_where_that_is_on(store: &TestStore) {
    let turn = |n, from, to| turn(n, from, to).in_session("s");
    put(store, &[turn(3, 70, 71)]).await;
    put(store, &[turn(1, 0, 2)]).await;
    let two = session_at(store, "s", 72).await;
    assert_eq!(parts(&two), [("s#1", 0, 2, 1, None), ("s#2", 70, 71, 1, Some(SplitCause::Inactivity))]);
    assert_eq!((two.id.as_str(), two.trace_count, two.reopened), ("s", 2, true));
    assert_eq!(two.state, SessionState::Live);

    // A late span of a late turn bridges the pause.
    put(store, &[turn(2, 30, 31)]).await;
    put(store, &[span(2, 201).below(200).during(minutes(31), minutes(45))]).await;
    let one = session_at(store, "s", 72).await;
    assert_eq!((parts(&one), one.reopened), (vec![("s#1", 0, 71, 3, None)], false));

    append(store, BatchContent::EndSession("s".into()), at(minutes(72))).await;
    let ended = session_at(store, "s", 72).await;
    assert_eq!((ended.state, ended.reopened, ended.part_count), (SessionState::Ended, false, 1));
    put_event(store, event_in("again", minutes(73), Some("s"), None)).await;
    let again = session_at(store, "s", 73).await;
    assert_eq!((again.state, again.reopened), (SessionState::Live, true));
    assert_eq!(parts(&again)[1], ("s#2", 73, 73, 0, Some(SplitCause::Ended)));
    append(store, BatchContent::EndSession("s".into()), at(minutes(31))).await;
    assert_eq!(parts(&session_at(store, "s", 73).await).len(), 3, "an end splits whenever it is told");

    let unsplit = Batch {
        project: "whole".into(),
        received: at(0),
        content: BatchContent::Traces(request(&[turn(1, 0, 2), turn(3, 70, 71)])),
    };
    store.append(unsplit).await.unwrap();
    store.settle().await.unwrap();
    let whole = store.session(&"whole".into(), &"s".into(), at(minutes(72))).await.unwrap().unwrap();
    assert_eq!((whole.part_count, whole.parts, whole.reopened), (0, Vec::new(), false));
}

pub(crate) async fn traces_of_a_user_that_name_no_session_form_one(store: &TestStore) {
    put(store, &[turn(1, 0, 1).of_user("alice"), turn(2, 50, 51).of_user("alice"), turn(3, 0, 1)]).await;
    put(store, &[turn(4, 2, 3).of_user("alice").in_session("named")]).await;
    let formed = session_at(store, "synthetic:alice", 52).await;
    assert_eq!((formed.synthetic, formed.user_id.as_deref()), (true, Some("alice")));
    assert_eq!(
        parts(&formed),
        [
            ("synthetic:alice#1", 0, 1, 1, None),
            ("synthetic:alice#2", 50, 51, 1, Some(SplitCause::Inactivity)),
        ]
    );
    assert!(!session_at(store, "named", 52).await.synthetic);
    let trace = store.trace(&split(), &trace_id(1)).await.unwrap().unwrap();
    assert_eq!(trace.trace.session_id, Some("synthetic:alice".into()));
    assert_eq!(trace.observations[0].session_id, Some("synthetic:alice".into()));
    assert!(trace.trace.flags.iter().any(|flag| flag == "session_synthetic"));
    let nobody = store.trace(&split(), &trace_id(3)).await.unwrap().unwrap();
    assert_eq!(nobody.trace.session_id, None);

    // What names one after all goes there.
    put(store, &[span(1, 101).below(100).during(0, 1).in_session("late")]).await;
    assert_eq!(session_at(store, "synthetic:alice", 52).await.trace_count, 1);
    let late = session_at(store, "late", 52).await;
    assert_eq!((late.trace_count, late.synthetic, late.flags), (1, false, Vec::new()));

    append(store, BatchContent::DeleteSession("synthetic:alice".into()), at(minutes(52))).await;
    assert!(store.trace(&split(), &trace_id(2)).await.unwrap().is_none());
}

pub(crate) async fn what_splits_and_forms_sessions_can_be_asked_for(store: &TestStore) {
    let twice = [turn(1, 0, 1).in_session("twice"), turn(2, 60, 61).in_session("twice")];
    put(store, &twice).await;
    put(store, &[turn(3, 0, 1).in_session("once"), turn(4, 60, 61).of_user("bob")]).await;
    let now = at(minutes(65));
    for (filter, expected) in [
        ("parts:>1", "twice"),
        ("parts:1", "once synthetic:bob"),
        ("parts:0", ""),
        ("reopened:true", "twice"),
        ("reopened:false", "once synthetic:bob"),
        ("synthetic:true", "synthetic:bob"),
        ("synthetic:false state:ended", "once"),
        ("state:live", "synthetic:bob twice"),
    ] {
        let query = throughline_server::domain::query::ListQuery { now, ..matching(filter, Target::Session) };
        let found = store.sessions(&split(), &query).await.unwrap().rows;
        let mut found: Vec<&str> = found.iter().map(|session| session.id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), expected, "{filter}");
    }
    let formed = store.traces(&split(), &matching("synthetic:true", Target::Trace)).await.unwrap().rows;
    assert_eq!(formed.iter().map(|trace| trace.id).collect::<Vec<_>>(), [trace_id(4)]);
}
