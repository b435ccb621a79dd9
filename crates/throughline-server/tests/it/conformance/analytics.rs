//! What sessions say together: statistics, journeys, goals.

use throughline_model::Money;
use throughline_server::domain::analytics::{Goal, Interval, Selection, StepKind};
use throughline_server::domain::filter::{Filter, Target};

use super::requests::{Spec, at, generation, span};
use super::{TestStore, matching, project, put, session_ids};

const MINUTE: i64 = 60_000;
/// An hour after the last session began, all are over.
const LATER: i64 = 3 * 60 * MINUTE;

pub(crate) fn selection(filter: &str) -> Selection {
    let filter = matching(filter, Target::Session).filter;
    Selection { filter, from: None, to: None, now: at(LATER) }
}

/// A turn of a session: a call within a trace, which is named and tagged.
fn turn(trace: u64, session: &str, name: &str, start: i64, tokens: i64) -> [Spec; 2] {
    let id = trace * 10;
    let root = span(trace, id).named(name).during(start, start + MINUTE).in_session(session);
    [root, generation(trace, id + 1, tokens, 0).below(id).during(start, start + 1000)]
}

/// `alice` chats twice, pays and chats again; `bob` chats and fails to pay; `carol` chats, two hours later.
async fn put_all(store: &TestStore) {
    let mut spans = Vec::new();
    spans.extend(turn(1, "alice", "chat", 0, 1000));
    spans.extend(turn(2, "alice", "chat", 2 * MINUTE, 3000));
    let [pay, call] = turn(3, "alice", "checkout", 20 * MINUTE, 500);
    spans.extend([pay.tags(&["checkout", "conversion"]), call]);
    spans.extend(turn(4, "alice", "chat", 22 * MINUTE, 4000));
    spans.extend(turn(5, "bob", "chat", MINUTE, 2000));
    let [pay, call] = turn(6, "bob", "checkout", 3 * MINUTE, 100);
    spans.extend([pay.tags(&["checkout"]).failing("card declined"), call]);
    spans.extend(turn(7, "carol", "chat", 2 * 60 * MINUTE, 10));
    // Order and pieces make no difference.
    for piece in spans.rchunks(3) {
        put(store, piece).await;
    }
}

pub(crate) async fn sessions_are_counted_and_spread(store: &TestStore) {
    put_all(store).await;
    let all = store.session_statistics(&project(), &selection(""), Interval::Hour).await.unwrap();
    assert_eq!((all.sessions, all.with_errors, all.abandoned), (3, 1, 1));
    assert_eq!((all.turns.sum, all.turns.p50, all.turns.max), (7, 2, 4));
    let minutes = |nanos: i64| nanos / 1_000_000 / MINUTE;
    assert_eq!((minutes(all.duration.max), minutes(all.active_duration.max)), (23, 6));
    assert_eq!((all.tokens.sum, all.cost.count, all.cost.sum), (10_610, 3, 10_610 * 2_500_000));
    let points: Vec<_> =
        all.series.iter().map(|point| (point.time, point.sessions, point.turns, point.abandoned)).collect();
    assert_eq!(points, [(at(0), 2, 6, 1), (at(2 * 60 * MINUTE), 1, 1, 0)]);
    let turns: Vec<_> = all.tokens_by_turn.iter().map(|turn| (turn.turn, turn.sessions, turn.p50)).collect();
    assert_eq!(turns, [(1, 3, 1000), (2, 2, 100), (3, 1, 500), (4, 1, 4000)]);

    let some = Selection { from: Some(at(21 * MINUTE)), to: Some(at(60 * MINUTE)), ..selection("") };
    let some = store.session_statistics(&project(), &some, Interval::Hour).await.unwrap();
    assert_eq!((some.sessions, some.series[0].time), (1, at(0)), "only alice is still there");
    let none = store.session_statistics(&project(), &selection("user:nobody"), Interval::Day).await.unwrap();
    assert_eq!((none.sessions, none.series.len(), none.turns.histogram.len()), (0, 0, 0));
}

pub(crate) async fn an_abandoned_session_is_over_and_its_last_turn_failed(store: &TestStore) {
    put_all(store).await;
    let listed = async |filter, now| {
        let query = matching(filter, Target::Session);
        session_ids(store, &super::ListQuery { now, ..query }).await
    };
    assert_eq!(listed("abandoned:true", at(LATER)).await, ["bob"]);
    assert_eq!(listed("abandoned:false", at(LATER)).await, ["alice", "carol"]);
    assert_eq!(listed("abandoned:true", at(5 * MINUTE)).await, [""; 0], "it may go on");
    put(store, &turn(8, "bob", "checkout", 6 * MINUTE, 100)).await;
    assert_eq!(listed("abandoned:true", at(LATER)).await, [""; 0], "it did");
}

pub(crate) async fn journeys_tell_where_sessions_go_and_end(store: &TestStore) {
    put_all(store).await;
    let funnel = ["chat", "checkout", "chat"].map(str::to_owned);
    let journeys = store.journeys(&project(), &selection(""), StepKind::Name, &funnel).await.unwrap();
    let paths: Vec<_> =
        journeys.paths.iter().map(|path| (path.steps.join(" "), path.totals.abandoned)).collect();
    let expected = [("chat", 0), ("chat checkout", 1), ("chat checkout chat", 0)];
    assert_eq!(paths, expected.map(|(path, abandoned)| (path.to_owned(), abandoned)));
    assert_eq!(journeys.paths[0].totals.cost, Some(Money::from_picodollars(10 * 2_500_000)));
    let tree: Vec<_> = journeys
        .tree
        .iter()
        .map(|node| (node.depth, node.step.as_str(), node.sessions, node.ended))
        .collect();
    assert_eq!(tree, [(0, "chat", 3, 1), (1, "checkout", 2, 1), (2, "chat", 1, 1)]);
    assert_eq!(journeys.funnel.iter().map(|step| step.sessions).collect::<Vec<_>>(), [3, 2, 1]);

    let tags = store.journeys(&project(), &selection(""), StepKind::Tag, &[]).await.unwrap();
    let paths: Vec<_> = tags.paths.iter().map(|path| path.steps.join(" ")).collect();
    assert_eq!((paths, tags.sessions), (vec!["checkout".to_owned(), "checkout conversion".to_owned()], 2));
}

pub(crate) async fn goals_tell_how_many_reach_them_how_soon_and_at_what_cost(store: &TestStore) {
    put_all(store).await;
    let goal = async |text: &str, filter: &str| {
        let goal = Goal::parse("it", text, at(0)).unwrap();
        store.goal(&project(), &selection(filter), &goal, Interval::Hour).await.unwrap()
    };
    let bought = goal("tag:conversion", "").await;
    assert_eq!((bought.sessions, bought.reached), (3, 1));
    assert_eq!(bought.time.sum, i128::from(21 * MINUTE * 1_000_000));
    assert_eq!((bought.turns.sum, bought.cost.sum), (3, 4500 * 2_500_000));
    let points: Vec<_> =
        bought.series.iter().map(|point| (point.time, point.sessions, point.reached)).collect();
    assert_eq!(points, [(at(0), 2, 1), (at(2 * 60 * MINUTE), 1, 0)]);

    let tried = goal("name:checkout", "user:nobody OR abandoned:true").await;
    assert_eq!((tried.sessions, tried.reached, tried.turns.sum), (1, 1, 2));
    let talked = goal("turns:>1", "").await;
    assert_eq!((talked.reached, talked.time.count), (2, 0), "no turn tells it");
    let nothing = goal("tag:never", "").await;
    assert_eq!((nothing.sessions, nothing.reached, nothing.time.count), (3, 0, 0));
}

/// Everything of this room as text, for comparisons.
pub(crate) async fn told(
    store: &dyn super::Store,
    project: &throughline_model::ProjectId,
    filter: Filter,
) -> String {
    let mut told = String::new();
    for (from, to) in [(None, None), (Some(at(50_000)), Some(at(300_000)))] {
        for now in [at(300_000), at(9_000_000)] {
            let selection = Selection { filter: filter.clone(), from, to, now };
            let statistics = store.session_statistics(project, &selection, Interval::Hour).await.unwrap();
            told.push_str(&format!("{statistics:#?}\n"));
            let scores = store.score_statistics(project, &selection, Interval::Hour).await.unwrap();
            told.push_str(&format!("{scores:#?}\n"));
            for by in [StepKind::Name, StepKind::Tag] {
                let funnel = ["late", "refund"].map(str::to_owned);
                let journeys = store.journeys(project, &selection, by, &funnel).await.unwrap();
                told.push_str(&format!("{journeys:#?}\n"));
            }
            for goal in ["tag:late", "model:gpt-4o", "turns:>2", "error:true -user:bob", "refund"] {
                let goal = Goal::parse(goal, goal, at(0)).unwrap();
                let report = store.goal(project, &selection, &goal, Interval::Day).await.unwrap();
                told.push_str(&format!("{}: {report:#?}\n", goal.name));
            }
        }
    }
    told
}
