//! Usage of billable observations, grouped.

use std::collections::BTreeMap;

use throughline_model::{SessionId, Timestamp, Usage, millis};

use super::snapshot::{Snapshot, WholeObservation, add, is_within, with_facts};
use crate::domain::analytics::Interval;
use crate::domain::filter::Filter;
use crate::domain::price::{CallRange, Prices, Repricing, RepricingGatherer};
use crate::domain::query::{UsageGroup, UsagePoint, UsageRow};
use crate::domain::session_cost::Call;

pub(super) fn group(
    snapshot: &Snapshot,
    filter: &Filter,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    group: UsageGroup,
    interval: Option<Interval>,
) -> Vec<UsageRow> {
    let mut groups: BTreeMap<String, Vec<&WholeObservation>> = BTreeMap::new();
    let all = snapshot.traces.values().flat_map(|trace| &trace.observations);
    for whole in all.filter(|whole| whole.billable) {
        let observation = &whole.observation;
        let times = (observation.start_time, observation.end_time);
        if is_within(times, from, to) && filter.matches(observation) {
            groups.entry(group_of(whole, group)).or_default().push(whole);
        }
    }
    let mut rows: Vec<UsageRow> =
        groups.into_iter().map(|(name, members)| row(name, &members, interval)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.usage.total()));
    rows
}

/// The billable calls of a session.
pub(super) fn calls(snapshot: &Snapshot, session: &SessionId) -> Vec<Call> {
    let mut calls = Vec::new();
    let all = snapshot.traces_in(session).flat_map(|trace| &trace.observations);
    for whole in all.filter(|whole| whole.billable) {
        with_facts(&whole.raw, |facts| calls.extend(Call::of(facts, whole.observation.cost)));
    }
    calls
}

/// Every call with what it costs, which is what it costs afresh.
pub(super) fn repricing(snapshot: &Snapshot, range: CallRange, prices: &Prices) -> Repricing {
    let mut gatherer = RepricingGatherer::default();
    for whole in snapshot.traces.values().flat_map(|trace| &trace.observations) {
        with_facts(&whole.raw, |facts| {
            if facts.usage.is_some() && range.contains(facts.start) {
                gatherer.add(facts, whole.billable, whole.observation.cost, prices.span_cost(facts));
            }
        });
    }
    gatherer.finish()
}

fn group_of(whole: &WholeObservation, group: UsageGroup) -> String {
    let observation = &whole.observation;
    let name = match group {
        UsageGroup::Model => observation.model.as_deref(),
        UsageGroup::User => observation.user_id.as_deref(),
        UsageGroup::Service => observation.service.as_deref(),
        UsageGroup::Environment => observation.environment.as_deref(),
        UsageGroup::Name => Some(observation.name.as_str()),
        UsageGroup::Type => Some(observation.kind.as_str()),
    };
    name.unwrap_or_default().to_owned()
}

fn row(group: String, members: &[&WholeObservation], interval: Option<Interval>) -> UsageRow {
    let mut usage = Usage::default();
    let mut durations = Vec::with_capacity(members.len());
    for whole in members {
        usage += whole.observation.usage.unwrap_or_default();
        durations.push(whole.observation.end_time.nanos_since(whole.observation.start_time));
    }
    durations.sort_unstable();
    UsageRow {
        group,
        observation_count: members.len() as u64,
        error_count: members.iter().filter(|whole| whole.observation.is_error()).count() as u64,
        usage,
        cost: members.iter().fold(None, |sum, whole| add(sum, whole.cost)),
        duration_p50: percentile(&durations, 50),
        duration_p95: percentile(&durations, 95),
        series: interval.map(|interval| series(members, interval)).unwrap_or_default(),
    }
}

fn series(members: &[&WholeObservation], interval: Interval) -> Vec<UsagePoint> {
    let mut series: BTreeMap<Timestamp, UsagePoint> = BTreeMap::new();
    for whole in members {
        let time = interval.floor(whole.observation.start_time);
        let tokens = whole.observation.usage.unwrap_or_default().total();
        let point = UsagePoint { time, observation_count: 1, tokens, cost: whole.cost };
        series.entry(time).or_insert_with(|| UsagePoint::empty(time)).add(&point);
    }
    series.into_values().collect()
}

/// The smallest of the sorted durations that so many in a hundred do not exceed, in milliseconds.
fn percentile(sorted: &[i64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |nanos| millis(*nanos))
}
