//! Distributions as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::analytics::Distribution;

/// How values are spread.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Spread {
    /// How many values there are.
    count: u64,
    /// All of them together.
    sum: f64,
    /// The sum over the count; 0 of none.
    mean: f64,
    /// Half of the values are at most this.
    p50: f64,
    /// Nine in ten of the values are at most this.
    p90: f64,
    /// All but one in twenty of the values are at most this.
    p95: f64,
    /// The largest value.
    max: f64,
    /// How many values are in which range, from the smallest up; empty ranges at the ends are left out.
    histogram: Vec<Bar>,
}

/// The values from `from` to below `to`.
#[derive(Debug, Serialize, ToSchema)]
struct Bar {
    /// The least value that counts here.
    from: f64,
    /// `null` if there is no limit.
    to: Option<f64>,
    /// How many values are there.
    count: u64,
}

/// What a unit is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Count,
    /// Of nanoseconds.
    Milliseconds,
    /// Of picodollars.
    Dollars,
}

impl Spread {
    pub(super) fn of(spread: &Distribution, unit: Unit) -> Self {
        let parts = match unit {
            Unit::Count => 1.0,
            Unit::Milliseconds => 1e6,
            Unit::Dollars => 1e12,
        };
        let value = |value: i64| value as f64 / parts;
        let bars = spread.histogram.iter();
        Self {
            count: spread.count,
            sum: spread.sum as f64 / parts,
            mean: spread.mean() / parts,
            p50: value(spread.p50),
            p90: value(spread.p90),
            p95: value(spread.p95),
            max: value(spread.max),
            histogram: bars
                .map(|bar| Bar { from: value(bar.from), to: bar.to.map(value), count: bar.count })
                .collect(),
        }
    }
}
