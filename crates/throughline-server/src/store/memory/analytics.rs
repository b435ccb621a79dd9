//! What many sessions say together, from each of them.

use std::collections::{BTreeMap, BTreeSet};

use throughline_model::{Money, Session, SessionId, SessionState, Timestamp};

use super::snapshot::{Snapshot, add, is_within};
use crate::domain::analytics::{
    Goal, GoalGatherer, GoalReport, Interval, Journeys, PathGatherer, PathTotals, ScoreGatherer,
    ScoreStatistics, Selection, SessionFacts, SessionStatistics, StatisticsGatherer, StepKind, StepPath,
};
use crate::domain::filter::Filter;
use crate::domain::score::{Score, ScoreValue};
use crate::domain::session_summary::SessionSummary;

pub(super) fn statistics(
    snapshot: &Snapshot,
    selection: &Selection,
    interval: Interval,
) -> SessionStatistics {
    let mut gatherer = StatisticsGatherer::new(interval);
    for (summary, session) in selected(snapshot, selection) {
        let tokens = summary.first_turns().iter().map(|turn| i64::try_from(turn.tokens).unwrap_or(i64::MAX));
        gatherer.add(&facts(summary, &session, selection), tokens);
    }
    gatherer.finish()
}

pub(super) fn journeys(
    snapshot: &Snapshot,
    selection: &Selection,
    by: StepKind,
    funnel: &[String],
) -> Journeys {
    let mut gatherer = PathGatherer::default();
    for (summary, session) in selected(snapshot, selection) {
        let turns = summary.first_turns();
        let steps: Vec<u32> = match by {
            StepKind::Name => turns.iter().map(|turn| gatherer.number(&turn.name)).collect(),
            StepKind::Tag => summary.first_tags().into_iter().map(|tag| gatherer.number(tag)).collect(),
        };
        gatherer.add(StepPath::of(steps), &PathTotals::of(&facts(summary, &session, selection)));
    }
    gatherer.finish(funnel)
}

pub(super) fn goal(
    snapshot: &Snapshot,
    selection: &Selection,
    goal: &Goal,
    interval: Interval,
) -> GoalReport {
    let mut gatherer = GoalGatherer::new(interval);
    for (_, session) in selected(snapshot, selection) {
        let time = selection.counts_at(session.start_time);
        gatherer.count(time);
        if !goal.filter.matches(&snapshot.session_record(&session)) {
            continue;
        }
        gatherer.count_reached(time);
        if let Some(turn) = &goal.turn {
            let turns = turns_that_match(snapshot, &session, turn, selection.now);
            reached(snapshot, &session, turns, &mut gatherer);
        }
    }
    gatherer.finish()
}

pub(super) fn scores(snapshot: &Snapshot, selection: &Selection, interval: Interval) -> Vec<ScoreStatistics> {
    let times: BTreeMap<SessionId, Timestamp> = selected(snapshot, selection)
        .map(|(_, session)| (session.id.clone(), selection.counts_at(session.start_time)))
        .collect();
    let mut names: BTreeMap<String, (ScoreGatherer, BTreeSet<SessionId>)> = BTreeMap::new();
    for event in snapshot.found_events() {
        let Some((session, time)) = event.session_id.as_ref().and_then(|id| times.get_key_value(id)) else {
            continue;
        };
        let Some(score) = Score::of(event) else { continue };
        let empty = || (ScoreGatherer::new(interval), BTreeSet::new());
        let (gatherer, sessions) = names.entry(score.name).or_insert_with(empty);
        sessions.insert(session.clone());
        match score.value {
            ScoreValue::Number(number) => gatherer.number(*time, number),
            ScoreValue::Flag(yes) => gatherer.label(*time, if yes { "true" } else { "false" }, 1),
            ScoreValue::Category(label) => gatherer.label(*time, &label, 1),
            ScoreValue::Text(_) => gatherer.texts(*time, 1),
        }
    }
    let finish = |(name, (gatherer, sessions)): (String, (ScoreGatherer, BTreeSet<SessionId>))| {
        gatherer.finish(name, sessions.len() as u64)
    };
    let mut scores: Vec<ScoreStatistics> = names.into_iter().map(finish).collect();
    scores.sort_by_key(|score| std::cmp::Reverse(score.scores));
    scores
}

/// From when to when each turn of the session went that matches.
fn turns_that_match<'a>(
    snapshot: &'a Snapshot,
    session: &'a Session,
    filter: &'a Filter,
    now: Timestamp,
) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let turns = snapshot.traces_in(&session.id);
    let matching = turns.filter(move |whole| filter.matches(&snapshot.trace_record(whole, now)));
    matching.map(|whole| (whole.summary.trace.start_time, whole.summary.trace.end_time))
}

/// Notes the first of these turns of the session.
fn reached(
    snapshot: &Snapshot,
    session: &Session,
    times: impl Iterator<Item = (Timestamp, Timestamp)>,
    gatherer: &mut GoalGatherer,
) {
    let Some((start, end)) = times.min() else { return };
    let (mut turns, mut cost) = (0, None);
    for whole in snapshot.traces_in(&session.id).filter(|whole| whole.summary.trace.start_time <= start) {
        turns += 1;
        cost = add(cost, whole.summary.trace.total_cost);
    }
    gatherer.reached(end.nanos_since(session.start_time), turns, cost.map(picodollars));
}

fn selected<'a>(
    snapshot: &'a Snapshot,
    selection: &'a Selection,
) -> impl Iterator<Item = (&'a SessionSummary, Session)> {
    snapshot.sessions_at(selection.now).filter(|(_, session)| {
        is_within((session.start_time, session.end_time), selection.from, selection.to)
            && selection.filter.matches(&snapshot.session_record(session))
    })
}

fn facts(summary: &SessionSummary, session: &Session, selection: &Selection) -> SessionFacts {
    let is_over = session.state == SessionState::Ended;
    SessionFacts {
        time: selection.counts_at(session.start_time),
        duration: session.end_time.nanos_since(session.start_time),
        active: summary.active_nanos(),
        turns: session.trace_count,
        tokens: session.total_tokens,
        cost: session.total_cost.map(picodollars),
        errors: session.error_count,
        abandoned: is_over && summary.last_turn_failed(),
    }
}

fn picodollars(cost: Money) -> i64 {
    i64::try_from(cost.picodollars()).unwrap_or(i64::MAX)
}
