//! Series over time, cut into as many columns as a chart has room for.

use throughline_model::Timestamp;

use super::Asked;
use crate::domain::analytics::Interval;

/// The most columns of a chart.
const COLUMNS: u64 = 60;

/// A stretch of time with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch<P> {
    pub from: Timestamp,
    pub to: Timestamp,
    pub points: Vec<P>,
}

impl<P> Stretch<P> {
    pub(super) fn sum(&self, value: impl Fn(&P) -> u64) -> u64 {
        self.points.iter().map(value).sum()
    }

    /// For the axis.
    pub(super) fn label(&self, interval: Interval) -> String {
        let text = self.from.to_string();
        match interval {
            Interval::Hour => text.get(11..16).unwrap_or_default().to_owned(),
            Interval::Day => text.get(5..10).unwrap_or_default().to_owned(),
        }
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
    let nanos = i128::from(interval.nanos());
    let count = (i128::from(end.as_nanos()) - i128::from(begin.as_nanos())) / nanos + 1;
    let count = u64::try_from(count).unwrap_or(1);
    let each = count.div_ceil(COLUMNS).max(1);
    let columns = count.div_ceil(each);
    let at = |column: u64| {
        let nanos = i128::from(begin.as_nanos()) + i128::from(column * each) * nanos;
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    };
    let mut stretches: Vec<Stretch<P>> = (0..columns)
        .map(|column| Stretch { from: at(column), to: at(column + 1), points: Vec::new() })
        .collect();
    for point in points {
        let column = stretches.partition_point(|stretch| stretch.to <= time(point));
        if let Some(stretch) = stretches.get_mut(column).filter(|stretch| stretch.from <= time(point)) {
            stretch.points.push(*point);
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::super::{Parameters, SESSIONS};
    use super::*;

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
