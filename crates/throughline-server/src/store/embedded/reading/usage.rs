//! Usage of billable observations, grouped: exact sums over columns, a segment at a time.
//!
//! What a call says itself is summed over the calls; by its trace's name or tags, over the documents of traces, which
//! have their calls summed up already.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tantivy::columnar::{Cardinality, Column, StrColumn};
use tantivy::{DocId, SegmentReader, TantivyError};
use throughline_model::{Money, Timestamp, Usage, millis};

use super::columns::{BATCH, values};
use super::references::ReferenceSet;
use super::scan::Scan;
use super::{Reading, Times};
use crate::domain::analytics::Interval;
use crate::domain::filter::{Filter, Target};
use crate::domain::query::{UsageGroup, UsagePoint, UsageQuery, UsageRow};
use crate::store::embedded::snapshot::IndexError;
use crate::store::embedded::span_index::USAGE_COLUMNS;

#[derive(Debug, Clone, Default)]
struct Group {
    observations: u64,
    errors: u64,
    buckets: [u64; 8],
    picodollars: i128,
    priced: bool,
    series: FxHashMap<i64, UsagePoint>,
}

/// The groups of one segment, and of each call or trace the number of its group and how long it took.
#[derive(Default)]
struct OfSegment {
    groups: Vec<(String, Group)>,
    durations: Vec<(u32, i64)>,
}

impl Reading {
    pub(crate) fn usage(&self, asked: &UsageQuery) -> Result<Vec<UsageRow>, IndexError> {
        let target = asked.group.target();
        let mut conditions = Vec::new();
        if let Some(sessions) = self.session_references(&asked.sessions, asked.now)? {
            conditions.push(Scan::one_of("session_ref", sessions));
        }
        let query = self.translator(target, asked.now).list(&asked.filter, conditions, None)?;
        let summing = Summing {
            times: (asked.from, asked.to),
            column: column(asked.group),
            interval: asked.interval,
            of_traces: target == Target::Trace,
        };
        let searcher = if summing.of_traces { &self.snapshot.derived } else { &self.snapshot.spans };
        let of_segments =
            self.fold(searcher, &*query, |segment, docs| sum_segment(segment, docs, summing))?;
        let mut rows = self.rows(of_segments)?;
        rows.sort_by(|a, b| b.usage.total().cmp(&a.usage.total()).then_with(|| a.group.cmp(&b.group)));
        Ok(rows)
    }

    /// Puts the groups of all segments together.
    fn rows(&self, of_segments: Vec<OfSegment>) -> Result<Vec<UsageRow>, IndexError> {
        let mut numbers: FxHashMap<String, u32> = FxHashMap::default();
        let mut groups: Vec<Group> = Vec::new();
        let mut durations: Vec<Vec<i64>> = Vec::new();
        for segment in of_segments {
            let mut number_of = Vec::with_capacity(segment.groups.len());
            for (name, more) in segment.groups {
                let number = *numbers.entry(name).or_insert(groups.len() as u32);
                match groups.get_mut(number as usize) {
                    Some(group) => group.add(more),
                    None => groups.push(more),
                }
                number_of.push(number);
            }
            durations.resize_with(groups.len(), Vec::new);
            for (group, duration) in segment.durations {
                durations[number_of[group as usize] as usize].push(duration);
            }
        }
        let mut parts: Vec<(String, Group, Vec<i64>)> = Vec::with_capacity(groups.len());
        for (name, number) in numbers {
            let number = number as usize;
            parts.push((name, std::mem::take(&mut groups[number]), std::mem::take(&mut durations[number])));
        }
        let row = |(name, group, durations): (String, Group, Vec<i64>)| Ok(group.row(name, durations));
        // Handing a small one to another thread takes longer than it does.
        let (large, small): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.2.len() > 10_000);
        let mut rows = self.executor.map(row, large.into_iter())?;
        rows.extend(small.into_iter().map(|(name, group, durations)| group.row(name, durations)));
        Ok(rows)
    }

    /// The sessions that the filter finds; nothing if it finds all.
    pub(super) fn session_references(
        &self,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Option<Arc<ReferenceSet>>, IndexError> {
        if *filter == Filter::All {
            return Ok(None);
        }
        let found = self.derived(Target::Session, filter, (None, None), now)?;
        let sessions = self.translator(Target::Session, now).references_of(found)?;
        Ok(Some(Arc::new(sessions)))
    }
}

fn column(group: UsageGroup) -> &'static str {
    match group {
        UsageGroup::Model => "model",
        UsageGroup::User => "user",
        UsageGroup::Service => "service",
        UsageGroup::Environment => "environment",
        UsageGroup::Name | UsageGroup::Trace => "name",
        UsageGroup::Type => "kind",
        UsageGroup::Tag => "tag",
    }
}

/// The columns of one segment that are summed.
struct Columns {
    group: Option<StrColumn>,
    start: Column<i64>,
    duration: Column<i64>,
    cost: Option<Column<i64>>,
    given_cost: Option<Column<i64>>,
    calls: Option<Column<u64>>,
    failed: Option<Column<u64>>,
    /// Only buckets that occur in the segment.
    buckets: Vec<(usize, Column<u64>)>,
}

impl Columns {
    fn open(segment: &SegmentReader, summing: Summing) -> Result<Self, TantivyError> {
        let columns = segment.fast_fields();
        let mut buckets = Vec::new();
        for (bucket, name) in USAGE_COLUMNS.into_iter().enumerate() {
            if let Some(column) = columns.column_opt(name)? {
                buckets.push((bucket, column));
            }
        }
        Ok(Self {
            group: columns.str(summing.column)?,
            start: columns.i64("start")?,
            duration: columns.i64("duration")?,
            cost: columns.column_opt("cost")?,
            given_cost: columns.column_opt("given_cost")?,
            calls: columns.column_opt("calls")?,
            failed: columns.column_opt(if summing.of_traces { "failed_calls" } else { "failed" })?,
            buckets,
        })
    }
}

/// What is summed up, and by what.
#[derive(Clone, Copy)]
struct Summing {
    times: Times,
    column: &'static str,
    interval: Option<Interval>,
    /// Documents are traces with their calls, not calls.
    of_traces: bool,
}

/// What one document says: a call, or a trace with its calls.
struct Calls {
    start: Timestamp,
    duration: i64,
    count: u64,
    failed: u64,
    buckets: [u64; 8],
    /// Picodollars.
    cost: Option<i64>,
}

impl Calls {
    fn tokens(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, tokens| sum.saturating_add(*tokens))
    }
}

/// What the columns say of some documents, in their order.
struct Batch {
    start: Vec<i64>,
    duration: Vec<i64>,
    cost: Vec<i64>,
    given_cost: Vec<i64>,
    calls: Vec<u64>,
    failed: Vec<u64>,
    buckets: Vec<(usize, Vec<u64>)>,
}

/// What stands for a cost that is not there.
const NO_COST: i64 = i64::MIN;

impl Batch {
    fn read(columns: &Columns, docs: &[DocId], summing: Summing) -> Self {
        let cost = values(columns.cost.as_ref(), docs, NO_COST);
        // Traces have -1 where it is not known.
        let known = |cost: i64| if summing.of_traces && cost == -1 { NO_COST } else { cost };
        let bucket = |(bucket, column): &(usize, Column<u64>)| (*bucket, values(Some(column), docs, 0));
        Self {
            start: values(Some(&columns.start), docs, 0),
            duration: values(Some(&columns.duration), docs, 0),
            cost: cost.into_iter().map(known).collect(),
            given_cost: values(columns.given_cost.as_ref(), docs, NO_COST),
            calls: values(columns.calls.as_ref(), docs, if summing.of_traces { 0 } else { 1 }),
            failed: values(columns.failed.as_ref(), docs, 0),
            buckets: columns.buckets.iter().map(bucket).collect(),
        }
    }

    /// `None` if it does not count.
    fn calls(&self, at: usize, summing: Summing) -> Option<Calls> {
        let (start, duration, count) =
            (Timestamp::from_nanos(self.start[at]), self.duration[at], self.calls[at]);
        let (from, to) = summing.times;
        let is_over = from.is_some_and(|from| start.plus_nanos(duration) < from);
        if is_over || count == 0 || to.is_some_and(|to| start >= to) {
            return None;
        }
        let mut buckets = [0; 8];
        for (bucket, tokens) in &self.buckets {
            buckets[*bucket] = tokens[at];
        }
        let known = |cost: i64| Some(cost).filter(|cost| *cost != NO_COST);
        let cost = known(self.cost[at]).or_else(|| known(self.given_cost[at]));
        Some(Calls { start, duration, count, failed: self.failed[at], buckets, cost })
    }
}

fn sum_segment(segment: &SegmentReader, docs: &[DocId], summing: Summing) -> Result<OfSegment, TantivyError> {
    let columns = Columns::open(segment, summing)?;
    let names = columns.group.as_ref().map_or(0, |group| group.dictionary().num_terms());
    // The last one is for what has no name.
    let mut groups = vec![Group::default(); names + 1];
    let mut durations: Vec<(u32, i64)> = Vec::with_capacity(docs.len());
    let mut add = |name: u64, calls: &Calls| {
        let name = (name as usize).min(names);
        groups[name].add_calls(calls, summing.interval);
        durations.push((name as u32, calls.duration));
    };
    for docs in docs.chunks(BATCH) {
        let batch = Batch::read(&columns, docs, summing);
        let names = columns.group.as_ref().map(|column| column.ords());
        let several = names.is_some_and(|names| names.get_cardinality() == Cardinality::Multivalued);
        let first = values(names.filter(|_| !several), docs, u64::MAX);
        for (at, &doc) in docs.iter().enumerate() {
            let Some(calls) = batch.calls(at, summing) else { continue };
            let mut all =
                names.filter(|_| several).into_iter().flat_map(|names| names.values_for_doc(doc)).peekable();
            if all.peek().is_none() {
                add(first[at], &calls);
            }
            all.for_each(|name| add(name, &calls));
        }
    }
    named(columns.group.as_ref(), groups, durations)
}

/// Spells the names of the groups that are not empty.
fn named(
    names: Option<&StrColumn>,
    mut groups: Vec<Group>,
    mut durations: Vec<(u32, i64)>,
) -> Result<OfSegment, TantivyError> {
    let nameless = groups.len() - 1;
    let used: Vec<usize> = (0..groups.len()).filter(|group| groups[*group].observations > 0).collect();
    let mut spelt: Vec<String> = Vec::with_capacity(used.len());
    if let Some(names) = names {
        // One pass over the dictionary: looked up one by one, each name would unpack a block of it.
        let ords: Vec<u64> =
            used.iter().filter(|group| **group != nameless).map(|group| *group as u64).collect();
        names.dictionary().sorted_ords_to_term_cb(&ords, |name| {
            spelt.push(String::from_utf8_lossy(name).into_owned());
        })?;
    }
    spelt.resize(used.len(), String::new());
    let mut renumbered = vec![0; groups.len()];
    for (number, group) in (0..).zip(&used) {
        renumbered[*group] = number;
    }
    durations.iter_mut().for_each(|(group, _)| *group = renumbered[*group as usize]);
    let groups = used.into_iter().map(|group| std::mem::take(&mut groups[group]));
    Ok(OfSegment { groups: spelt.into_iter().zip(groups).collect(), durations })
}

impl Group {
    fn add_calls(&mut self, calls: &Calls, interval: Option<Interval>) {
        self.observations += calls.count;
        self.errors += calls.failed;
        for (sum, tokens) in self.buckets.iter_mut().zip(calls.buckets) {
            *sum = sum.saturating_add(tokens);
        }
        if let Some(interval) = interval {
            let time = interval.floor(calls.start);
            let cost = calls.cost.map(|cost| Money::from_picodollars(cost.into()));
            let point = UsagePoint { time, observation_count: calls.count, tokens: calls.tokens(), cost };
            self.series.entry(time.as_nanos()).or_insert_with(|| UsagePoint::empty(time)).add(&point);
        }
        if let Some(cost) = calls.cost {
            self.picodollars += i128::from(cost);
            self.priced = true;
        }
    }

    fn add(&mut self, more: Self) {
        self.observations += more.observations;
        self.errors += more.errors;
        for (sum, tokens) in self.buckets.iter_mut().zip(more.buckets) {
            *sum = sum.saturating_add(tokens);
        }
        self.picodollars += more.picodollars;
        self.priced |= more.priced;
        for (nanos, point) in more.series {
            self.series.entry(nanos).or_insert_with(|| UsagePoint::empty(point.time)).add(&point);
        }
    }

    fn row(self, group: String, mut durations: Vec<i64>) -> UsageRow {
        let mut series: Vec<UsagePoint> = self.series.into_values().collect();
        series.sort_unstable_by_key(|point| point.time);
        UsageRow {
            group,
            observation_count: self.observations,
            error_count: self.errors,
            usage: Usage::from_buckets(self.buckets),
            cost: self.priced.then(|| Money::from_picodollars(self.picodollars)),
            duration_p50: percentile(&mut durations, 50),
            duration_p95: percentile(&mut durations, 95),
            series,
        }
    }
}

/// The smallest of the durations that so many in a hundred do not exceed, in milliseconds.
fn percentile(durations: &mut [i64], percent: usize) -> f64 {
    let rank = (durations.len() * percent).div_ceil(100).max(1);
    if rank > durations.len() {
        return 0.0;
    }
    let (_, nanos, _) = durations.select_nth_unstable(rank - 1);
    millis(*nanos)
}
