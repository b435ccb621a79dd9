//! Scores counted: how many say what, and how that changes over time.

use std::collections::BTreeMap;

use throughline_model::Timestamp;

use super::Interval;

/// The most labels of one name that are told apart.
const MAX_LABELS: usize = 12;

/// About as many bars a histogram has.
const BARS: f64 = 10.0;

/// What the scores with one name say, in the sessions selected.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreStatistics {
    pub name: String,
    pub scores: u64,
    /// Sessions with such a score on them or on anything in them.
    pub sessions: u64,
    /// Of those that are numbers; `None` if none is.
    pub numbers: Option<NumberSpread>,
    /// Of those that are labels, `true` and `false` among them: the most frequent first.
    pub labels: Vec<(String, u64)>,
    /// Scores with labels too rare to be listed.
    pub other_labels: u64,
    /// In order of time; intervals without any are left out.
    pub series: Vec<ScorePoint>,
}

/// How numbers are spread.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberSpread {
    pub count: u64,
    pub mean: f64,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub max: f64,
    /// Bars of the same width, without gaps: each from its bound to before the next one.
    pub histogram: Vec<NumberBar>,
}

/// How many numbers are at least `from` and below `to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberBar {
    pub from: f64,
    pub to: f64,
    pub count: u64,
}

/// The scores of the sessions that count in one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorePoint {
    pub time: Timestamp,
    pub scores: u64,
    /// Of those that are numbers.
    pub mean: Option<f64>,
    /// As many as [`ScoreStatistics::labels`] and in that order.
    pub labels: Vec<u64>,
}

/// Takes in scores with the same name.
#[derive(Debug)]
pub struct ScoreGatherer {
    interval: Interval,
    numbers: Vec<f64>,
    labels: BTreeMap<String, u64>,
    series: BTreeMap<Timestamp, Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    scores: u64,
    numbers: u64,
    sum: f64,
    labels: BTreeMap<String, u64>,
}

impl ScoreGatherer {
    pub fn new(interval: Interval) -> Self {
        Self { interval, numbers: Vec::new(), labels: BTreeMap::new(), series: BTreeMap::new() }
    }

    /// A number in a session that counts at `time`.
    pub fn number(&mut self, time: Timestamp, number: f64) {
        self.numbers.push(number);
        let sums = self.series.entry(self.interval.floor(time)).or_default();
        sums.scores += 1;
        sums.numbers += 1;
        sums.sum += number;
    }

    /// So many scores with this label, in sessions that count at `time`.
    pub fn label(&mut self, time: Timestamp, label: &str, count: u64) {
        let sums = self.series.entry(self.interval.floor(time)).or_default();
        sums.scores += count;
        for labels in [&mut sums.labels, &mut self.labels] {
            match labels.get_mut(label) {
                Some(known) => *known += count,
                None => drop(labels.insert(label.to_owned(), count)),
            }
        }
    }

    /// So many scores that are free texts, in sessions that count at `time`. They are only counted.
    pub fn texts(&mut self, time: Timestamp, count: u64) {
        self.series.entry(self.interval.floor(time)).or_default().scores += count;
    }

    #[must_use]
    pub fn merge(mut self, more: Self) -> Self {
        self.numbers.extend(more.numbers);
        for (label, count) in more.labels {
            *self.labels.entry(label).or_default() += count;
        }
        for (time, sums) in more.series {
            let all = self.series.entry(time).or_default();
            all.scores += sums.scores;
            all.numbers += sums.numbers;
            all.sum += sums.sum;
            for (label, count) in sums.labels {
                *all.labels.entry(label).or_default() += count;
            }
        }
        self
    }

    /// `sessions` have such a score.
    pub fn finish(self, name: String, sessions: u64) -> ScoreStatistics {
        let mut labels: Vec<(String, u64)> = self.labels.into_iter().collect();
        // Stable: of equals the first in order of the alphabet.
        labels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rare = labels.split_off(labels.len().min(MAX_LABELS));
        let point = |(time, sums): (Timestamp, Sums)| ScorePoint {
            time,
            scores: sums.scores,
            mean: (sums.numbers > 0).then(|| sums.sum / sums.numbers as f64),
            labels: labels
                .iter()
                .map(|(label, _)| sums.labels.get(label).copied().unwrap_or_default())
                .collect(),
        };
        let series: Vec<ScorePoint> = self.series.into_iter().map(point).collect();
        ScoreStatistics {
            name,
            scores: series.iter().map(|point| point.scores).sum(),
            sessions,
            numbers: NumberSpread::of(self.numbers),
            other_labels: rare.iter().map(|(_, count)| count).sum(),
            labels,
            series,
        }
    }
}

impl NumberSpread {
    /// `None` of no numbers.
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        let min = numbers.iter().copied().reduce(f64::min)?;
        let max = numbers.iter().copied().reduce(f64::max)?;
        let sum: f64 = numbers.iter().sum();
        Some(Self {
            count: numbers.len() as u64,
            mean: sum / numbers.len() as f64,
            min,
            max,
            histogram: histogram(&numbers, min, max),
            // The larger first: what is beyond is already in its place then.
            p90: percentile(&mut numbers, 90),
            p50: percentile(&mut numbers, 50),
        })
    }
}

/// The smallest number that so many in a hundred do not exceed.
fn percentile(numbers: &mut [f64], percent: usize) -> f64 {
    let rank = (numbers.len() * percent).div_ceil(100).max(1);
    *numbers.select_nth_unstable_by(rank - 1, f64::total_cmp).1
}

fn histogram(numbers: &[f64], min: f64, max: f64) -> Vec<NumberBar> {
    let Some((step, places)) = step((max - min) / BARS) else { return Vec::new() };
    // As they would be written, so that who asks for what lies between two of them finds the same.
    let bound = |bar: f64| format!("{:.places$}", bar * step).parse::<f64>().unwrap_or(bar * step);
    let (first, last) = ((min / step).floor(), (max / step).floor());
    let bounds: Vec<f64> = (0..=(last - first) as usize + 1).map(|bar| bound(first + bar as f64)).collect();
    let mut counts = vec![0_u64; bounds.len() - 1];
    for number in numbers {
        let bar = bounds.partition_point(|bound| bound <= number).clamp(1, counts.len()) - 1;
        counts[bar] += 1;
    }
    let bar = |(bounds, count): (&[f64], u64)| NumberBar { from: bounds[0], to: bounds[1], count };
    bounds.windows(2).zip(counts).map(bar).collect()
}

/// The next larger of 1, 2 and 5 times a power of ten, and how many places it has behind the point. `None` for widths
/// that make no histogram.
fn step(width: f64) -> Option<(f64, usize)> {
    if width <= 0.0 {
        return Some((1.0, 0));
    }
    let exponent = width.log10().floor();
    if !(-12.0..=12.0).contains(&exponent) {
        return None;
    }
    let power = 10_f64.powi(exponent as i32);
    // What only rounding makes larger is not.
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| width <= times * power * (1.0 + 1e-9))?;
    let exponent = if times == 10.0 { exponent + 1.0 } else { exponent };
    let places = if exponent < 0.0 { -exponent as usize } else { 0 };
    Some((times * power, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_nanos(hour * 3_600_000_000_000)
    }

    #[test]
    fn numbers_are_spread_over_bars_with_round_bounds() {
        let mut gatherer = ScoreGatherer::new(Interval::Hour);
        for (n, number) in [0.0, 0.3, 0.3, 0.35, 1.0].into_iter().enumerate() {
            gatherer.number(hour(n as i64 / 3), number);
        }
        let accuracy = gatherer.finish("accuracy".to_owned(), 4);
        let numbers = accuracy.numbers.unwrap();
        assert_eq!(
            (numbers.count, numbers.min, numbers.p50, numbers.p90, numbers.max),
            (5, 0.0, 0.3, 1.0, 1.0)
        );
        assert!((numbers.mean - 0.39).abs() < 1e-12, "{}", numbers.mean);
        let bars: Vec<_> = numbers.histogram.iter().filter(|bar| bar.count > 0).collect();
        let told: Vec<_> = bars.iter().map(|bar| (bar.from, bar.to, bar.count)).collect();
        assert_eq!(told, [(0.0, 0.1, 1), (0.3, 0.4, 3), (1.0, 1.1, 1)]);
        let means: Vec<_> = accuracy.series.iter().map(|point| point.mean.unwrap()).collect();
        assert_eq!((accuracy.scores, accuracy.sessions, means.len()), (5, 4, 2));
        assert!((means[1] - 0.675).abs() < 1e-12, "{means:?}");
    }

    #[test]
    fn numbers_of_any_size_make_bars_or_none() {
        let bars = |numbers: &[f64]| NumberSpread::of(numbers.to_vec()).unwrap().histogram;
        let told = |numbers: &[f64]| {
            bars(numbers).iter().map(|bar| (bar.from, bar.to, bar.count)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[7.0, 7.0]), [(7.0, 8.0, 2)]);
        assert_eq!(told(&[1.0, 2.0, 5.0]).iter().map(|bar| bar.2).sum::<u64>(), 3);
        assert_eq!(told(&[-250.0, 990.0]).first(), Some(&(-400.0, -200.0, 1)));
        assert_eq!(bars(&[f64::MIN, f64::MAX]), Vec::new());
        assert!(NumberSpread::of(Vec::new()).is_none());
    }

    #[test]
    fn labels_are_counted_the_most_frequent_first() {
        let gather = |labels: &[(i64, &str)]| {
            let mut gatherer = ScoreGatherer::new(Interval::Hour);
            labels.iter().for_each(|(at, label)| gatherer.label(hour(*at), label, 1));
            gatherer
        };
        let all = [(0, "kind"), (0, "curt"), (2, "curt"), (2, "kind"), (2, "curt")];
        let tone = gather(&all[..2]).merge(gather(&all[2..])).finish("tone".to_owned(), 3);
        assert_eq!(tone.labels, [("curt".to_owned(), 3), ("kind".to_owned(), 2)]);
        let points: Vec<_> = tone.series.iter().map(|point| (point.scores, &point.labels[..])).collect();
        assert_eq!(points, [(2, &[1, 1][..]), (3, &[2, 1][..])]);
        let many: Vec<String> = (0..20).map(|n| format!("label {n}")).collect();
        let many: Vec<(i64, &str)> = many.iter().map(|label| (0, label.as_str())).collect();
        let texts = gather(&many).finish("text".to_owned(), 1);
        assert_eq!((texts.labels.len(), texts.other_labels, texts.scores), (12, 8, 20));
    }
}
