//! Usage of billable observations, grouped: exact sums over columns, a segment at a time.

use rustc_hash::FxHashMap;
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocId, SegmentReader, TantivyError};
use throughline_model::{Money, Timestamp, Usage, millis};

use super::{Reading, Times};
use crate::domain::analytics::Interval;
use crate::domain::filter::{Filter, Target};
use crate::domain::query::{UsageGroup, UsagePoint, UsageRow};
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
    pub(crate) fn usage(
        &self,
        filter: &Filter,
        times: Times,
        group: UsageGroup,
        interval: Option<Interval>,
    ) -> Result<Vec<UsageRow>, IndexError> {
        let searcher = &self.snapshot.spans;
        // No field of an observation depends on what time it is.
        let translator = self.translator(Target::Observation, Timestamp::default());
        let query = translator.list(filter, Vec::new())?;
        let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let summing = Summing { times, column: column(group), interval };
        let sum = |segment: &SegmentReader| sum_segment(segment, &*weight, summing);
        let segments = self.executor.map(sum, searcher.segment_readers().iter())?;
        let mut groups: FxHashMap<String, Group> = FxHashMap::default();
        for (name, more) in segments.into_iter().flatten() {
            groups.entry(name).or_default().add(more);
        }
        let mut rows: Vec<_> = groups.into_iter().map(|(name, group)| group.row(name)).collect();
        rows.sort_by(|a, b| b.usage.total().cmp(&a.usage.total()).then_with(|| a.group.cmp(&b.group)));
        Ok(rows)
    }
}

fn column(group: UsageGroup) -> &'static str {
    match group {
        UsageGroup::Model => "model",
        UsageGroup::User => "user",
        UsageGroup::Service => "service",
        UsageGroup::Environment => "environment",
        UsageGroup::Name => "name",
        UsageGroup::Type => "kind",
    }
}

/// The columns of one segment that are summed.
struct Columns {
    group: Option<StrColumn>,
    start: Column<i64>,
    duration: Column<i64>,
    cost: Option<Column<i64>>,
    given_cost: Option<Column<i64>>,
    failed: Option<Column<u64>>,
    /// Only buckets that occur in the segment.
    buckets: Vec<(usize, Column<u64>)>,
}

impl Columns {
    fn open(segment: &SegmentReader, group: &str) -> Result<Self, TantivyError> {
        let columns = segment.fast_fields();
        let mut buckets = Vec::new();
        for (bucket, name) in USAGE_COLUMNS.into_iter().enumerate() {
            if let Some(column) = columns.column_opt(name)? {
                buckets.push((bucket, column));
            }
        }
        Ok(Self {
            group: columns.str(group)?,
            start: columns.i64("start")?,
            duration: columns.i64("duration")?,
            cost: columns.column_opt("cost")?,
            given_cost: columns.column_opt("given_cost")?,
            failed: columns.column_opt("failed")?,
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
}

fn sum_segment(
    segment: &SegmentReader,
    weight: &dyn Weight,
    summing: Summing,
) -> Result<Vec<(String, Group)>, TantivyError> {
    let columns = Columns::open(segment, summing.column)?;
    let names = columns.group.as_ref().map_or(0, |group| group.dictionary().num_terms());
    // The last one is for observations without a name.
    let mut groups = vec![Group::default(); names + 1];
    let alive = segment.alive_bitset();
    weight.for_each_no_score(segment, &mut |docs| {
        for &doc in docs.iter().filter(|doc| alive.is_none_or(|alive| alive.is_alive(**doc))) {
            let name = columns.group.as_ref().and_then(|group| group.ords().first(doc));
            let group = name.map_or(names, |name| name as usize);
            groups[group].add_document(&columns, doc, summing);
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
    fn add_document(&mut self, columns: &Columns, doc: DocId, summing: Summing) {
        let duration = columns.duration.first(doc).unwrap_or_default();
        let (from, to) = summing.times;
        let start = || Timestamp::from_nanos(columns.start.first(doc).unwrap_or_default());
        if from.is_some() || to.is_some() {
            let start = start();
            let is_over = from.is_some_and(|from| start.plus_nanos(duration) < from);
            if is_over || to.is_some_and(|to| start >= to) {
                return;
            }
        }
        self.observations += 1;
        self.durations.push(duration);
        let mut all_tokens = 0_u64;
        for (bucket, column) in &columns.buckets {
            let tokens = column.first(doc).unwrap_or_default();
            self.buckets[*bucket] = self.buckets[*bucket].saturating_add(tokens);
            all_tokens = all_tokens.saturating_add(tokens);
        }
        let value = |column: &Option<Column<i64>>| column.as_ref().and_then(|column| column.first(doc));
        let cost = value(&columns.cost).or_else(|| value(&columns.given_cost));
        if let Some(interval) = summing.interval {
            let time = interval.floor(start());
            let cost = cost.map(|cost| Money::from_picodollars(cost.into()));
            let point = UsagePoint { time, observation_count: 1, tokens: all_tokens, cost };
            self.series.entry(time.as_nanos()).or_insert_with(|| UsagePoint::empty(time)).add(&point);
        }
        if let Some(cost) = cost {
            self.picodollars += i128::from(cost);
            self.priced = true;
        }
        if columns.failed.as_ref().is_some_and(|failed| failed.first(doc).is_some()) {
            self.errors += 1;
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
