//! Scores: found by what they say, replaced by later ones, and never lost.

use throughline_model::{Attributes, Event, SessionId, SessionState};
use throughline_server::domain::analytics::Interval;
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::Target;
use throughline_server::domain::score::{Score, ScoreValue};

use super::requests::{at, span, span_id, trace_id};
use super::{
    TestStore, all_sessions, analytics, batch, event_ids, matching, project, put, put_events, session,
    session_ids, trace_numbers,
};

/// A score of nothing yet.
pub(crate) fn score(id: &str, name: &str, value: ScoreValue, millis: i64) -> Score {
    Score {
        id: id.to_owned(),
        name: name.to_owned(),
        value,
        comment: None,
        session_id: None,
        trace_id: None,
        observation_id: None,
        environment: None,
        time: at(millis),
        metadata: Attributes::new(),
    }
}

fn on_session(session: &str, score: Score) -> Event {
    Score { session_id: Some(session.into()), ..score }.into_event()
}

fn on_trace(trace: u64, score: Score) -> Event {
    Score { trace_id: Some(trace_id(trace)), ..score }.into_event()
}

fn number(name: &str, number: f64, millis: i64) -> Score {
    score(name, name, ScoreValue::Number(number), millis)
}

fn label(name: &str, label: &str, millis: i64) -> Score {
    score(name, name, ScoreValue::Category(label.to_owned()), millis)
}

fn text(name: &str, words: &str, millis: i64) -> Score {
    score(words, name, ScoreValue::Text(words.to_owned()), millis)
}

fn flag(name: &str, yes: bool, millis: i64) -> Score {
    score(name, name, ScoreValue::Flag(yes), millis)
}

/// Three sessions of a trace each: a verdict on the session, on the trace and on an observation.
async fn put_all(store: &TestStore) {
    put(store, &[span(1, 1).in_session("s1"), span(2, 2).in_session("s2"), span(2, 22).below(2)]).await;
    let on_observation = Score { observation_id: Some(span_id(22)), ..number("accuracy", 0.25, 60) };
    put_events(
        store,
        &[
            on_session("s1", number("accuracy", 0.75, 50)),
            on_session("s1", flag("thumbs", true, 51)),
            on_trace(2, on_observation),
            on_trace(2, label("tone", "kind", 61)),
            on_trace(3, label("tone", "curt", 62)),
        ],
    )
    .await;
    // The trace comes after its score.
    put(store, &[span(3, 3).in_session("s3")]).await;
}

pub(crate) async fn scores_find_what_they_are_on(store: &TestStore) {
    put_all(store).await;
    for (filter, sessions, traces) in [
        ("score.accuracy:>0.5", &["s1"][..], &[][..]),
        ("score.accuracy:<=0.25", &["s2"], &[2]),
        ("score.accuracy:0.25", &["s2"], &[2]),
        ("score.accuracy:*", &["s1", "s2"], &[2]),
        ("score.thumbs:true", &["s1"], &[]),
        ("score.thumbs:false", &[], &[]),
        ("score.tone:kind,curt", &["s2", "s3"], &[2, 3]),
        ("score.tone:c*", &["s3"], &[3]),
        ("-score.tone:* score.accuracy:*", &["s1"], &[]),
        ("score.nothing:*", &[], &[]),
    ] {
        let mut found = session_ids(store, &matching(filter, Target::Session)).await;
        found.sort();
        assert_eq!(found, sessions, "{filter}");
        let mut found = trace_numbers(store, &matching(filter, Target::Trace)).await;
        found.sort_unstable();
        assert_eq!(found, traces, "{filter}");
    }
    let found = event_ids(store, &matching("score.accuracy:>0.1", Target::Event)).await;
    assert_eq!(found.len(), 2);
}

pub(crate) async fn of_scores_with_the_same_id_the_latest_stands(store: &TestStore) {
    put(store, &[span(1, 1).in_session("s")]).await;
    let by_trace = |score| on_trace(1, score);
    let by_session = |score| on_session("s", score);
    for (on, all) in [(&by_session as &dyn Fn(Score) -> Event, 1), (&by_trace, 2)] {
        let (first, second, third) =
            (on(flag("thumbs", true, 10)), on(flag("thumbs", false, 20)), on(flag("thumbs", true, 30)));
        let found = async |filter: &str| event_ids(store, &matching(filter, Target::Event)).await.len();
        put_events(store, std::slice::from_ref(&second)).await;
        put_events(store, std::slice::from_ref(&first)).await;
        assert_eq!(
            (found("score.thumbs:false").await, found("score.thumbs:*").await),
            (1, all),
            "an older one"
        );
        // One that comes with the next, and both in one commit.
        put_events(store, &[third.clone(), first, second]).await;
        assert_eq!(
            (found("score.thumbs:false").await, found("score.thumbs:*").await),
            (0, all),
            "a newer one"
        );
        assert_eq!(session_ids(store, &matching("score.thumbs:false", Target::Session)).await, [""; 0]);
        let replaced = "attr.gen_ai.evaluation.score.label:false";
        assert_eq!(found(replaced).await, 0, "what was replaced is not found by anything else");
    }
    assert_eq!(session(store, "s").await.unwrap().event_count, 6, "and yet it is kept");
    // The trace moves to another session: what stands there is still the same.
    put(store, &[span(1, 2).below(7), span(1, 7).in_session("other").during(0, 1)]).await;
    put(store, &[span(1, 9).in_session("other")]).await;
    let statistics =
        store.score_statistics(&project(), &analytics::selection(""), Interval::Hour).await.unwrap();
    assert_eq!((statistics[0].scores, &statistics[0].labels), (2, &vec![("true".to_owned(), 2)]));
}

pub(crate) async fn scores_stay_when_a_session_reopens(store: &TestStore) {
    put_all(store).await;
    let end = |millis| Batch { received: at(millis), ..batch(BatchContent::EndSession("s2".into())) };
    store.append(end(100)).await.unwrap();
    store.settle().await.unwrap();
    // One more while it is over: that does not open it again.
    put_events(store, &[on_session("s2", flag("thumbs", false, 5000))]).await;
    let state = async || {
        let found = store.session(&project(), &SessionId::from("s2"), at(200)).await.unwrap();
        found.unwrap().state
    };
    assert_eq!(state().await, SessionState::Ended);
    put(store, &[span(5, 5).during(150, 160).in_session("s2")]).await;
    assert_eq!(state().await, SessionState::Live);
    for filter in ["score.accuracy:0.25", "score.tone:kind", "score.thumbs:false"] {
        assert_eq!(session_ids(store, &matching(filter, Target::Session)).await, ["s2"], "{filter}");
    }
    let statistics =
        store.score_statistics(&project(), &analytics::selection("session:s2"), Interval::Day).await.unwrap();
    let told: Vec<_> = statistics.iter().map(|score| (score.name.as_str(), score.sessions)).collect();
    assert_eq!(told, [("accuracy", 1), ("thumbs", 1), ("tone", 1)]);
    assert_eq!(all_sessions(store).await.len(), 3);
}

pub(crate) async fn scores_are_counted_by_name(store: &TestStore) {
    put_all(store).await;
    put(store, &[span(4, 4).in_session("s4").during(7_200_000, 7_200_001), span(6, 6)]).await;
    put_events(
        store,
        &[
            on_trace(4, label("tone", "kind", 7_200_070)),
            on_trace(6, label("tone", "in no session", 70)),
            on_session("s4", number("accuracy", 1.0, 7_200_080)),
            on_session("s4", Score { id: "again".to_owned(), ..number("accuracy", 0.5, 7_200_080) }),
            on_trace(4, text("note", "took its time", 7_200_090)),
            on_session("s4", text("note", "and then some", 7_200_091)),
        ],
    )
    .await;
    let told = async |filter: &str| {
        store.score_statistics(&project(), &analytics::selection(filter), Interval::Hour).await.unwrap()
    };
    let all = told("").await;
    let names: Vec<_> = all.iter().map(|score| (score.name.as_str(), score.scores, score.sessions)).collect();
    assert_eq!(names, [("accuracy", 4, 3), ("tone", 3, 3), ("note", 2, 1), ("thumbs", 1, 1)]);
    let numbers = all[0].numbers.as_ref().unwrap();
    assert_eq!((numbers.count, numbers.mean, numbers.p50, numbers.max), (4, 0.625, 0.5, 1.0));
    let means: Vec<_> = all[0].series.iter().map(|point| (point.time, point.mean)).collect();
    assert_eq!(means, [(at(0), Some(0.5)), (at(7_200_000), Some(0.75))]);
    assert_eq!(all[1].labels, [("kind".to_owned(), 2), ("curt".to_owned(), 1)]);
    assert_eq!((&all[2].labels, all[2].other_labels), (&vec![], 0), "free texts are no labels");
    assert_eq!(all[3].labels, [("true".to_owned(), 1)]);
    let found = session_ids(store, &matching("score.note:\"took its time\"", Target::Session)).await;
    assert_eq!(found, ["s4"]);
    let some = told("score.tone:kind").await;
    let names: Vec<_> = some.iter().map(|score| (score.name.as_str(), score.scores)).collect();
    assert_eq!(names, [("accuracy", 3), ("note", 2), ("tone", 2)], "all scores of the sessions found");
    assert_eq!(told("user:nobody").await, []);
}
