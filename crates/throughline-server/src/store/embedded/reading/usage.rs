//! Usage of billable observations, grouped: exact sums over columns, a segment at a time.
//!
//! What a call says itself is summed over the calls; by its trace's name or tags, over the documents of traces, which
//! have their calls summed up already.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{DocId, Searcher, SegmentReader, TantivyError};
use throughline_model::{Money, Timestamp, Usage, millis};

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
    durations: Vec<i64>,
    series: FxHashMap<i64, UsagePoint>,
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
        let mut groups: FxHashMap<String, Group> = FxHashMap::default();
        for (name, more) in self.sum_usage(searcher, &*query, summing)?.into_iter().flatten() {
            groups.entry(name).or_default().add(more);
        }
        let mut rows: Vec<_> = groups.into_iter().map(|(name, group)| group.row(name)).collect();
        rows.sort_by(|a, b| b.usage.total().cmp(&a.usage.total()).then_with(|| a.group.cmp(&b.group)));
        Ok(rows)
    }

    fn sum_usage(
        &self,
        searcher: &Searcher,
        query: &dyn Query,
        summing: Summing,
    ) -> Result<Vec<Vec<(String, Group)>>, IndexError> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let sum = |segment: &SegmentReader| sum_segment(segment, &*weight, summing);
        Ok(self.executor.map(sum, searcher.segment_readers().iter())?)
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
    /// `None` if it does not count.
    fn read(columns: &Columns, doc: DocId, summing: Summing) -> Option<Self> {
        let number = |column: &Option<Column<u64>>| column.as_ref().and_then(|column| column.first(doc));
        let value = |column: &Option<Column<i64>>| column.as_ref().and_then(|column| column.first(doc));
        let start = Timestamp::from_nanos(columns.start.first(doc).unwrap_or_default());
        let duration = columns.duration.first(doc).unwrap_or_default();
        let (from, to) = summing.times;
        let is_over = from.is_some_and(|from| start.plus_nanos(duration) < from);
        let count = if summing.of_traces { number(&columns.calls).unwrap_or_default() } else { 1 };
        if is_over || count == 0 || to.is_some_and(|to| start >= to) {
            return None;
        }
        let mut buckets = [0; 8];
        for (bucket, column) in &columns.buckets {
            buckets[*bucket] = column.first(doc).unwrap_or_default();
        }
        let cost = value(&columns.cost).filter(|cost| !summing.of_traces || *cost != -1);
        Some(Self {
            start,
            duration,
            count,
            failed: number(&columns.failed).unwrap_or_default(),
            buckets,
            cost: cost.or_else(|| value(&columns.given_cost)),
        })
    }

    fn tokens(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, tokens| sum.saturating_add(*tokens))
    }
}

fn sum_segment(
    segment: &SegmentReader,
    weight: &dyn Weight,
    summing: Summing,
) -> Result<Vec<(String, Group)>, TantivyError> {
    let columns = Columns::open(segment, summing)?;
    let names = columns.group.as_ref().map_or(0, |group| group.dictionary().num_terms());
    // The last one is for what has no name.
    let mut groups = vec![Group::default(); names + 1];
    let alive = segment.alive_bitset();
    weight.for_each_no_score(segment, &mut |docs| {
        for &doc in docs.iter().filter(|doc| alive.is_none_or(|alive| alive.is_alive(**doc))) {
            let Some(calls) = Calls::read(&columns, doc, summing) else { continue };
            let mut named = false;
            for name in columns.group.iter().flat_map(|group| group.ords().values_for_doc(doc)) {
                groups[name as usize].add_calls(&calls, summing.interval);
                named = true;
            }
            if !named {
                groups[names].add_calls(&calls, summing.interval);
            }
        }
    })?;
    let used: Vec<usize> = (0..names).filter(|name| groups[*name].observations > 0).collect();
    let mut named = Vec::new();
    if let Some(column) = &columns.group {
        // One pass over the dictionary: looked up one by one, each name would unpack a block of it.
        let ords: Vec<u64> = used.iter().map(|name| *name as u64).collect();
        let mut used = used.into_iter();
        column.dictionary().sorted_ords_to_term_cb(&ords, |name| {
            let group = used.next().map(|name| std::mem::take(&mut groups[name]));
            named.extend(group.map(|group| (String::from_utf8_lossy(name).into_owned(), group)));
        })?;
    }
    if let Some(nameless) = groups.pop().filter(|group| group.observations > 0) {
        named.push((String::new(), nameless));
    }
    Ok(named)
}

impl Group {
    fn add_calls(&mut self, calls: &Calls, interval: Option<Interval>) {
        self.observations += calls.count;
        self.errors += calls.failed;
        self.durations.push(calls.duration);
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

    fn add(&mut self, mut more: Self) {
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
        if self.durations.is_empty() {
            self.durations = more.durations;
        } else {
            self.durations.append(&mut more.durations);
        }
    }

    fn row(mut self, group: String) -> UsageRow {
        let mut series: Vec<UsagePoint> = self.series.into_values().collect();
        series.sort_unstable_by_key(|point| point.time);
        UsageRow {
            group,
            observation_count: self.observations,
            error_count: self.errors,
            usage: Usage::from_buckets(self.buckets),
            cost: self.priced.then(|| Money::from_picodollars(self.picodollars)),
            duration_p50: percentile(&mut self.durations, 50),
            duration_p95: percentile(&mut self.durations, 95),
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
