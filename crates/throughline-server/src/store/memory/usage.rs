//! Usage of billable observations, grouped.

use std::collections::BTreeMap;

use throughline_model::{Money, SessionId, Timestamp, Trace, Usage, millis};

use super::snapshot::{Snapshot, WholeObservation, add, is_within, with_facts};
use crate::domain::analytics::Interval;
use crate::domain::filter::Target;
use crate::domain::price::{CallRange, Prices, Repricing, RepricingGatherer};
use crate::domain::query::{OtherUsage, UsageGroup, UsagePoint, UsageQuery, UsageReport, UsageRow};
use crate::domain::session_cost::Call;
use crate::domain::trace_summary::TraceSummary;

pub(super) fn group(snapshot: &Snapshot, asked: &UsageQuery) -> UsageReport {
    let sessions = snapshot.sessions_found(&asked.sessions, asked.now);
    let is_selected = |session: Option<&SessionId>, times| {
        is_within(times, asked.from, asked.to)
            && sessions.as_ref().is_none_or(|sessions| session.is_some_and(|id| sessions.contains(id)))
    };
    let mut groups: BTreeMap<String, Vec<Calls>> = BTreeMap::new();
    for whole in snapshot.traces.values() {
        let trace = &whole.summary.trace;
        if asked.group.target() == Target::Trace {
            let is_found = is_selected(trace.session_id.as_ref(), (trace.start_time, trace.end_time))
                && whole.summary.calls > 0
                && asked.filter.matches(&snapshot.trace_record(whole, asked.now));
            for name in names_of_trace(trace, asked.group).into_iter().filter(|_| is_found) {
                groups.entry(name).or_default().push(Calls::of_trace(&whole.summary));
            }
            continue;
        }
        for call in whole.observations.iter().filter(|call| call.billable) {
            let observation = &call.observation;
            let times = (observation.start_time, observation.end_time);
            if is_selected(trace.session_id.as_ref(), times) && asked.filter.matches(observation) {
                groups.entry(group_of(call, asked.group)).or_default().push(Calls::of(call));
            }
        }
    }
    let mut rows: Vec<UsageRow> =
        groups.into_iter().map(|(name, members)| row(name, &members, asked.interval)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(asked.order.rank(row.usage.total(), row.cost)));
    let others = rows.split_off(rows.len().min(asked.limit));
    UsageReport { rows, others: (!others.is_empty()).then(|| sum(&others)) }
}

fn sum(rows: &[UsageRow]) -> OtherUsage {
    let mut usage = Usage::default();
    rows.iter().for_each(|row| usage += row.usage);
    OtherUsage {
        groups: rows.len() as u64,
        observation_count: rows.iter().map(|row| row.observation_count).sum(),
        error_count: rows.iter().map(|row| row.error_count).sum(),
        usage,
        cost: rows.iter().fold(None, |sum, row| add(sum, row.cost)),
        series: together(rows.iter().flat_map(|row| &row.series)),
    }
}

/// A call, or a trace with its calls.
struct Calls {
    start: Timestamp,
    end: Timestamp,
    count: u64,
    failed: u64,
    usage: Usage,
    cost: Option<Money>,
}

impl Calls {
    fn of(call: &WholeObservation) -> Self {
        let observation = &call.observation;
        Self {
            start: observation.start_time,
            end: observation.end_time,
            count: 1,
            failed: u64::from(observation.is_error()),
            usage: observation.usage.unwrap_or_default(),
            cost: call.cost,
        }
    }

    fn of_trace(summary: &TraceSummary) -> Self {
        let trace = &summary.trace;
        Self {
            start: trace.start_time,
            end: trace.end_time,
            count: summary.calls,
            failed: summary.failed_calls,
            usage: trace.usage,
            cost: trace.total_cost,
        }
    }
}

fn names_of_trace(trace: &Trace, group: UsageGroup) -> Vec<String> {
    match group {
        UsageGroup::Tag if !trace.tags.is_empty() => trace.tags.clone(),
        UsageGroup::Tag => vec![String::new()],
        _ => vec![trace.name.clone()],
    }
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
        UsageGroup::Trace | UsageGroup::Tag => None,
    };
    name.unwrap_or_default().to_owned()
}

fn row(group: String, members: &[Calls], interval: Option<Interval>) -> UsageRow {
    let mut usage = Usage::default();
    let mut durations = Vec::with_capacity(members.len());
    for calls in members {
        usage += calls.usage;
        durations.push(calls.end.nanos_since(calls.start));
    }
    durations.sort_unstable();
    UsageRow {
        group,
        observation_count: members.iter().map(|calls| calls.count).sum(),
        error_count: members.iter().map(|calls| calls.failed).sum(),
        usage,
        cost: members.iter().fold(None, |sum, calls| add(sum, calls.cost)),
        duration_p50: percentile(&durations, 50),
        duration_p95: percentile(&durations, 95),
        series: interval.map(|interval| series(members, interval)).unwrap_or_default(),
    }
}

fn series(members: &[Calls], interval: Interval) -> Vec<UsagePoint> {
    let point = |calls: &Calls| UsagePoint {
        time: interval.floor(calls.start),
        observation_count: calls.count,
        tokens: calls.usage.total(),
        cost: calls.cost,
    };
    together(members.iter().map(point).collect::<Vec<_>>().iter())
}

/// These points with those of the same time added up, in order.
fn together<'a>(points: impl Iterator<Item = &'a UsagePoint>) -> Vec<UsagePoint> {
    let mut series: BTreeMap<Timestamp, UsagePoint> = BTreeMap::new();
    for point in points {
        series.entry(point.time).or_insert_with(|| UsagePoint::empty(point.time)).add(point);
    }
    series.into_values().collect()
}

/// The smallest of the sorted durations that so many in a hundred do not exceed, in milliseconds.
fn percentile(sorted: &[i64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |nanos| millis(*nanos))
}
