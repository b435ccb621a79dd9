//! What the calls of one group come to.

use rustc_hash::FxHashMap;
use throughline_model::{Money, Usage, millis};

use super::calls::Calls;
use crate::domain::analytics::Interval;
use crate::domain::query::UsagePoint;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) observations: u64,
    pub(super) errors: u64,
    picodollars: i128,
    is_priced: bool,
    /// While a segment is summed, the buckets that occur in it; else in the order of [`Usage::buckets`].
    pub(super) buckets: [u64; 8],
}

impl Sums {
    pub(super) fn add_calls(&mut self, calls: &Calls) {
        self.observations += calls.count;
        self.errors += calls.failed;
        self.add_buckets(calls.buckets);
        if let Some(cost) = calls.cost {
            self.picodollars += i128::from(cost);
            self.is_priced = true;
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.observations += more.observations;
        self.errors += more.errors;
        self.add_buckets(more.buckets);
        self.picodollars += more.picodollars;
        self.is_priced |= more.is_priced;
    }

    pub(super) fn with_buckets(self, buckets: [u64; 8]) -> Self {
        Self { buckets, ..self }
    }

    fn add_buckets(&mut self, more: [u64; 8]) {
        for (sum, tokens) in self.buckets.iter_mut().zip(more) {
            *sum = sum.saturating_add(tokens);
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
    series: FxHashMap<i64, UsagePoint>,
    durations: Vec<i64>,
}

impl Detail {
    pub(super) fn add_calls(&mut self, calls: &Calls, interval: Option<Interval>) {
        self.durations.push(calls.duration);
        self.add_point(calls, interval);
    }

    pub(super) fn add_point(&mut self, calls: &Calls, interval: Option<Interval>) {
        let Some(interval) = interval else { return };
        let time = interval.floor(calls.start);
        let cost = calls.cost.map(|cost| Money::from_picodollars(cost.into()));
        let point = UsagePoint { time, observation_count: calls.count, tokens: calls.tokens(), cost };
        self.series.entry(time.as_nanos()).or_insert_with(|| UsagePoint::empty(time)).add(&point);
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
        self.add_series(more);
    }

    pub(super) fn add_series(&mut self, more: Self) {
        for (nanos, point) in more.series {
            self.series.entry(nanos).or_insert_with(|| UsagePoint::empty(point.time)).add(&point);
        }
    }

    /// In order of time.
    pub(super) fn series(&self) -> Vec<UsagePoint> {
        let mut series: Vec<UsagePoint> = self.series.values().copied().collect();
        series.sort_unstable_by_key(|point| point.time);
        series
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
