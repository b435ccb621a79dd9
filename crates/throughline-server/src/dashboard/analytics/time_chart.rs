//! Series over time, cut into as many columns as a chart has room for.

use throughline_model::Timestamp;

use super::Asked;
use crate::domain::analytics::Interval;

/// The most columns of a chart.
const COLUMNS: u64 = 60;

/// Parts of a day, in hours: columns and labels of so many fall on midnight.
const PARTS_OF_DAY: [u64; 8] = [1, 2, 3, 4, 6, 8, 12, 24];

/// The most labels below a chart by the hour.
const LABELS: u64 = 8;

/// A stretch of time with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch<P> {
    pub from: Timestamp,
    pub to: Timestamp,
    /// For the axis: the hour, and the day where it begins; empty where none is wanted.
    pub label: String,
    pub points: Vec<P>,
}

impl<P> Stretch<P> {
    pub(super) fn sum(&self, value: impl Fn(&P) -> u64) -> u64 {
        self.points.iter().map(value).sum()
    }

    /// For titles.
    pub(super) fn name(&self, interval: Interval) -> String {
        let text = |time: Timestamp| {
            let text = time.to_string().replace('T', " ");
            text.get(..if interval == Interval::Hour { 16 } else { 10 }).unwrap_or_default().to_owned()
        };
        let last = self.to.plus_nanos(-interval.nanos());
        match interval {
            _ if last > self.from => format!("{} to {}", text(self.from), text(last)),
            _ => text(self.from),
        }
    }
}

/// All the time from the first to the last point, or from where the range begins to where it ends, as equal stretches.
pub(super) fn stretches<P: Copy>(
    asked: &Asked,
    points: &[P],
    time: impl Fn(&P) -> Timestamp,
) -> Vec<Stretch<P>> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let interval = asked.interval;
    let begin = asked.selection.from.map_or_else(|| time(first), |from| interval.floor(from));
    let end = asked.selection.to.unwrap_or(asked.selection.now).max(time(last));
    let Scale { begin, each, columns, label_every } = Scale::of(interval, begin, end);
    let at = |column: u64| {
        let nanos = i128::from(begin.as_nanos()) + i128::from(column * each) * i128::from(interval.nanos());
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    };
    let stretch = |column: u64| {
        let from = at(column);
        let label = label(from, interval, label_every);
        Stretch { from, to: at(column + 1), label, points: Vec::new() }
    };
    let mut stretches: Vec<Stretch<P>> = (0..columns).map(stretch).collect();
    for point in points {
        let column = stretches.partition_point(|stretch| stretch.to <= time(point));
        if let Some(stretch) = stretches.get_mut(column).filter(|stretch| stretch.from <= time(point)) {
            stretch.points.push(*point);
        }
    }
    stretches
}

/// How time is cut into columns.
struct Scale {
    begin: Timestamp,
    /// How many intervals are one column.
    each: u64,
    columns: u64,
    /// By the hour: after how many hours a label is due.
    label_every: u64,
}

impl Scale {
    fn of(interval: Interval, begin: Timestamp, end: Timestamp) -> Self {
        let nanos = i128::from(interval.nanos());
        let count = |begin: Timestamp| {
            let count = (i128::from(end.as_nanos()) - i128::from(begin.as_nanos())) / nanos + 1;
            u64::try_from(count).unwrap_or(1)
        };
        let each = count(begin).div_ceil(COLUMNS).max(1);
        if interval == Interval::Day {
            return Self { begin, each, columns: count(begin).div_ceil(each), label_every: 1 };
        }
        let part = |least: u64, of: u64| {
            let fits = |part: &u64| *part >= least && part.is_multiple_of(of);
            PARTS_OF_DAY.into_iter().find(fits).unwrap_or(24.max(least))
        };
        let each = part(each, 1);
        let column = i64::try_from(each).map_or(i64::MAX, |each| each.saturating_mul(interval.nanos()));
        let begin = begin.plus_nanos(-begin.as_nanos().rem_euclid(column));
        let hours = count(begin);
        Self { begin, each, columns: hours.div_ceil(each), label_every: part(hours.div_ceil(LABELS), each) }
    }
}

fn label(from: Timestamp, interval: Interval, every: u64) -> String {
    let text = from.to_string();
    let (day, hour) = (text.get(5..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    let hours = from.as_nanos().div_euclid(interval.nanos());
    match interval {
        Interval::Day => day.to_owned(),
        Interval::Hour if hour == "00:00" => day.to_owned(),
        Interval::Hour if i64::try_from(every).is_ok_and(|every| hours.rem_euclid(every) == 0) => {
            hour.to_owned()
        }
        Interval::Hour => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Parameters, SESSIONS};
    use super::*;

    #[test]
    fn days_are_told_apart_where_hours_are_shown() {
        let labels = |hours: i64| {
            let end: Timestamp = "2024-03-31T12:30:00Z".parse().unwrap();
            let begin = Interval::Hour.floor(end.plus_nanos(-hours * 3_600_000_000_000));
            let scale = Scale::of(Interval::Hour, begin, end);
            assert!(scale.columns <= COLUMNS + 1);
            let column = |column: u64| {
                let hours = i64::try_from(column * scale.each).unwrap();
                let from = scale.begin.plus_nanos(hours * 3_600_000_000_000);
                label(from, Interval::Hour, scale.label_every)
            };
            (0..scale.columns).map(column).filter(|label| !label.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(labels(70), ["03-29", "12:00", "03-30", "12:00", "03-31", "12:00"]);
        assert_eq!(labels(5), ["07:00", "08:00", "09:00", "10:00", "11:00", "12:00"]);
        assert_eq!(labels(23), ["15:00", "18:00", "21:00", "03-31", "03:00", "06:00", "09:00", "12:00"]);
    }

    fn cut(range: &str, days: &[i64]) -> Vec<(String, usize)> {
        let now = "2024-03-31T12:00:00Z".parse().unwrap();
        let parameters = Parameters { range: range.to_owned(), ..Parameters::default() };
        let asked = Asked::read(&parameters, "/analytics", SESSIONS, now);
        let points: Vec<Timestamp> = days
            .iter()
            .map(|day| asked.interval.floor(now.plus_nanos(-day * 24 * 3_600_000_000_000)))
            .collect();
        let stretches = stretches(&asked, &points, |point| *point);
        stretches.iter().map(|stretch| (stretch.name(asked.interval), stretch.points.len())).collect()
    }

    #[test]
    fn empty_days_are_there_too() {
        let week = cut("7d", &[6, 0]);
        assert_eq!(week.len(), 8);
        assert_eq!(
            (week[0].clone(), week[1].clone()),
            (("2024-03-24".to_owned(), 0), ("2024-03-25".to_owned(), 1))
        );
        assert_eq!(week[7], ("2024-03-31".to_owned(), 1));
    }

    #[test]
    fn long_ranges_are_cut_into_longer_stretches_and_lose_nothing() {
        let years = cut("", &[1000, 500, 1, 0]);
        assert!(years.len() <= 60, "{}", years.len());
        assert_eq!(years.iter().map(|(_, points)| points).sum::<usize>(), 4);
        assert_eq!(years[0].0, "2021-07-05 to 2021-07-21");
        assert!(cut("", &[]).is_empty());
    }
}
