//! What the calls of one group come to.

use rustc_hash::FxHashMap;
use throughline_model::{Money, Timestamp, Usage, millis};

use super::calls::Calls;
use crate::domain::analytics::Interval;
use crate::domain::query::UsagePoint;

/// What every call adds to comes first, so that it is near when there are many groups.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Sums {
    picodollars: i128,
    pub(super) observations: u64,
    pub(super) errors: u64,
    is_priced: bool,
    /// While a segment is summed, the buckets that occur in it; else in the order of [`Usage::buckets`].
    pub(super) buckets: [u64; 8],
}

impl Sums {
    pub(super) fn add_calls(&mut self, calls: &Calls) {
        self.observations += calls.count;
        self.errors += calls.failed;
        self.add_buckets(calls.buckets());
        if let Some(cost) = calls.cost {
            self.picodollars += i128::from(cost);
            self.is_priced = true;
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.observations += more.observations;
        self.errors += more.errors;
        self.add_buckets(&more.buckets);
        self.picodollars += more.picodollars;
        self.is_priced |= more.is_priced;
    }

    pub(super) fn with_buckets(self, buckets: [u64; 8]) -> Self {
        Self { buckets, ..self }
    }

    fn add_buckets(&mut self, more: &[u64]) {
        for (sum, tokens) in self.buckets.iter_mut().zip(more) {
            *sum = sum.saturating_add(*tokens);
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::from_buckets(self.buckets)
    }

    pub(super) fn cost(&self) -> Option<Money> {
        self.is_priced.then(|| Money::from_picodollars(self.picodollars))
    }
}

/// What is told of a group beyond its sums.
#[derive(Debug, Default)]
pub(super) struct Detail {
    pub(super) series: Series,
    durations: Vec<i64>,
}

/// Sums by interval, by when it begins in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Series(FxHashMap<i64, Point>);

/// Wide enough to be taken away again.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    observations: u64,
    priced: u64,
    tokens: u128,
    picodollars: i128,
}

impl Series {
    pub(super) fn add_calls(&mut self, calls: &Calls, interval: Interval) {
        let point = self.0.entry(interval.floor(calls.start).as_nanos()).or_default();
        point.observations += calls.count;
        point.tokens += u128::from(calls.tokens());
        if let Some(cost) = calls.cost {
            point.priced += 1;
            point.picodollars += i128::from(cost);
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        for (begin, more) in &more.0 {
            let point = self.0.entry(*begin).or_default();
            point.observations += more.observations;
            point.priced += more.priced;
            point.tokens += more.tokens;
            point.picodollars += more.picodollars;
        }
    }

    /// Takes away what was added before.
    pub(super) fn subtract(&mut self, part: &Self) {
        for (begin, part) in &part.0 {
            let point = self.0.entry(*begin).or_default();
            point.observations -= part.observations;
            point.priced -= part.priced;
            point.tokens -= part.tokens;
            point.picodollars -= part.picodollars;
        }
        self.0.retain(|_, point| point.observations > 0);
    }

    /// In order of time.
    pub(super) fn points(&self) -> Vec<UsagePoint> {
        let point = |(begin, point): (&i64, &Point)| UsagePoint {
            time: Timestamp::from_nanos(*begin),
            observation_count: point.observations,
            tokens: u64::try_from(point.tokens).unwrap_or(u64::MAX),
            cost: (point.priced > 0).then(|| Money::from_picodollars(point.picodollars)),
        };
        let mut points: Vec<UsagePoint> = self.0.iter().map(point).collect();
        points.sort_unstable_by_key(|point| point.time);
        points
    }
}

impl Detail {
    pub(super) fn add_calls(&mut self, calls: &Calls, interval: Option<Interval>) {
        self.durations.push(calls.duration);
        if let Some(interval) = interval {
            self.series.add_calls(calls, interval);
        }
    }

    /// How many durations there are.
    pub(super) fn durations(&self) -> usize {
        self.durations.len()
    }

    /// These put together.
    pub(super) fn all(parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        parts.for_each(|more| all.add(more));
        all
    }

    pub(super) fn add(&mut self, mut more: Self) {
        self.durations.append(&mut more.durations);
        self.series.add(&more.series);
    }

    /// The smallest of the durations that 50 and that 95 in a hundred do not exceed, in milliseconds.
    pub(super) fn percentiles(&mut self) -> (f64, f64) {
        let rank = |percent: usize| (self.durations.len() * percent).div_ceil(100).max(1) - 1;
        let (middle, high) = (rank(50), rank(95));
        if self.durations.is_empty() {
            return (0.0, 0.0);
        }
        let (below, p95, _) = self.durations.select_nth_unstable(high);
        let p95 = *p95;
        let p50 = if middle == high { p95 } else { *below.select_nth_unstable(middle).1 };
        (millis(p50), millis(p95))
    }
}
