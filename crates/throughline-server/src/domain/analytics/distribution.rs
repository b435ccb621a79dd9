//! How values are spread: mean, percentiles, histogram.

/// How values are spread. Of no values, everything is zero and there are no bars.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    pub count: u64,
    pub sum: i128,
    /// Half of the values are at most this, and so on: the smallest value that so many in a hundred do not exceed.
    pub p50: i64,
    pub p90: i64,
    pub p95: i64,
    pub max: i64,
    /// From the smallest up, those at the ends that hold nothing left out.
    pub histogram: Vec<Bar>,
}

/// How many values are at least `from` and below `to` (no limit in the last bar).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    pub from: i64,
    pub to: Option<i64>,
    pub count: u64,
}

impl Distribution {
    /// Over these values, with bars that begin at these `bounds` (in order; what is below the first counts there).
    pub fn of(mut values: Vec<i64>, bounds: &[i64]) -> Self {
        let mut counts = vec![0_u64; bounds.len()];
        for value in &values {
            let bar = bounds.partition_point(|bound| bound <= value).saturating_sub(1);
            if let Some(count) = counts.get_mut(bar) {
                *count += 1;
            }
        }
        Self {
            count: values.len() as u64,
            sum: values.iter().map(|value| i128::from(*value)).sum(),
            max: values.iter().copied().max().unwrap_or_default(),
            histogram: bars(bounds, &counts),
            // The largest first: what is beyond is already in its place then.
            p95: percentile(&mut values, 95),
            p90: percentile(&mut values, 90),
            p50: percentile(&mut values, 50),
        }
    }

    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

fn bars(bounds: &[i64], counts: &[u64]) -> Vec<Bar> {
    let Some(first) = counts.iter().position(|count| *count > 0) else { return Vec::new() };
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(first);
    let bar = |index| Bar { from: bounds[index], to: bounds.get(index + 1).copied(), count: counts[index] };
    (first..=last).map(bar).collect()
}

fn percentile(values: &mut [i64], percent: usize) -> i64 {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    if rank > values.len() {
        return 0;
    }
    *values.select_nth_unstable(rank - 1).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spread_over_bars_and_percentiles() {
        let spread = Distribution::of((1..=100).rev().collect(), &[0, 10, 50, 200, 500]);
        assert_eq!((spread.count, spread.sum, spread.mean()), (100, 5050, 50.5));
        assert_eq!((spread.p50, spread.p90, spread.p95, spread.max), (50, 90, 95, 100));
        let bars: Vec<_> = spread.histogram.iter().map(|bar| (bar.from, bar.to, bar.count)).collect();
        assert_eq!(bars, [(0, Some(10), 9), (10, Some(50), 40), (50, Some(200), 51)]);
    }

    #[test]
    fn what_is_below_the_first_bound_or_beyond_the_last_still_counts() {
        let spread = Distribution::of(vec![-5, 700], &[0, 500]);
        let bars: Vec<_> = spread.histogram.iter().map(|bar| (bar.to, bar.count)).collect();
        assert_eq!(bars, [(Some(500), 1), (None, 1)]);
        assert_eq!(Distribution::of(Vec::new(), &[0]), Distribution::default());
        assert_eq!(Distribution::of(vec![7], &[0]).p95, 7);
    }
}
