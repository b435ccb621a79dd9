//! Bar charts: SVG that follows the theme. Every bar is a link with its values as title.

use crate::dashboard::notation;

/// How high the tallest bar is, in pixels.
const HEIGHT: f64 = 88.0;

/// What one bar shows.
#[derive(Debug, Clone)]
pub(super) struct BarValues {
    /// Said of it on hover and by screen readers.
    pub title: String,
    /// Below it, where there is room; empty for none.
    pub label: String,
    pub href: String,
    /// From the bottom up: colour and value.
    pub parts: Vec<(&'static str, f64)>,
}

/// Colours of groups, the largest group's first; what is left is `c-rest`.
pub(super) const COLOURS: [&str; 6] = ["c-g1", "c-g2", "c-g3", "c-g4", "c-g5", "c-g6"];

/// A chart, drawn.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub title: &'static str,
    /// What it shows in one sentence.
    pub summary: String,
    /// Name and colour of the parts, if there are several.
    pub legend: Vec<(String, &'static str)>,
    pub bars: Vec<Bar>,
    /// The value of the tallest bar.
    pub most: String,
}

/// One bar, drawn.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub title: String,
    pub label: String,
    pub href: String,
    pub place: String,
    pub room: String,
    pub x: String,
    pub width: String,
    pub middle: String,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub class: &'static str,
    pub y: String,
    pub height: String,
}

impl Chart {
    /// `None` if there is nothing to show. `most` writes the tallest bar's value.
    pub(super) fn draw(
        title: &'static str,
        summary: String,
        values: Vec<BarValues>,
        most: impl Fn(f64) -> String,
    ) -> Option<Self> {
        let sum = |bar: &BarValues| bar.parts.iter().map(|(_, value)| value).sum::<f64>();
        let tallest = values.iter().map(sum).fold(0.0, f64::max);
        if tallest <= 0.0 {
            return None;
        }
        let room = 1.0 / values.len() as f64;
        // Few values make slim bars, not slabs.
        let width = room.min(0.09) * if values.len() > 40 { 0.86 } else { 0.72 };
        let labels = values.iter().filter(|bar| !bar.label.is_empty()).count();
        let every = labels.div_ceil(8);
        let mut passed = 0;
        let bar = |(index, mut bar): (usize, BarValues)| {
            if !bar.label.is_empty() {
                if passed % every != 0 {
                    bar.label.clear();
                }
                passed += 1;
            }
            let left = index as f64 * room;
            let middle = left + room / 2.0;
            Bar {
                place: notation::percentage(left),
                room: notation::percentage(room),
                x: notation::percentage(middle - width / 2.0),
                width: notation::percentage(width),
                middle: notation::percentage(middle),
                label: bar.label,
                parts: stack(&bar.parts, tallest),
                title: bar.title,
                href: bar.href,
            }
        };
        Some(Self {
            title,
            summary,
            legend: Vec::new(),
            bars: values.into_iter().enumerate().map(bar).collect(),
            most: most(tallest),
        })
    }

    #[must_use]
    pub(super) fn with_legend(mut self, legend: &[(&'static str, &'static str)]) -> Self {
        self.legend = legend.iter().map(|(name, colour)| ((*name).to_owned(), *colour)).collect();
        self
    }

    #[must_use]
    pub(super) fn with_groups(mut self, legend: Vec<(String, &'static str)>) -> Self {
        self.legend = legend;
        self
    }
}

fn stack(parts: &[(&'static str, f64)], tallest: f64) -> Vec<Part> {
    // What is there is seen.
    let height = |value: f64| (value / tallest * HEIGHT).max(1.5);
    let there = || parts.iter().filter(|(_, value)| *value > 0.0);
    let all: f64 = there().map(|(_, value)| height(*value)).sum();
    // Many small parts must not lift the whole above the chart.
    let fit = (HEIGHT / all).min(1.0);
    let mut below = 0.0;
    let part = |(class, value): &(&'static str, f64)| {
        let height = height(*value) * fit;
        below += height;
        Part { class, y: format!("{:.2}", (HEIGHT - below).max(0.0)), height: format!("{height:.2}") }
    };
    there().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(parts: Vec<(&'static str, f64)>) -> BarValues {
        BarValues { title: "t".to_owned(), label: "l".to_owned(), href: "/".to_owned(), parts }
    }

    #[test]
    fn parts_stack_from_the_bottom_and_small_ones_stay_visible() {
        let values = vec![values(vec![("a", 60.0), ("b", 40.0)]), values(vec![("a", 0.001)]), values(vec![])];
        let chart = Chart::draw("", String::new(), values, |most| most.to_string()).unwrap();
        let bars: Vec<Vec<(&str, &str)>> = chart
            .bars
            .iter()
            .map(|bar| bar.parts.iter().map(|part| (part.y.as_str(), part.height.as_str())).collect())
            .collect();
        assert_eq!(bars[0], [("35.20", "52.80"), ("0.00", "35.20")]);
        assert_eq!((bars[1].as_slice(), bars[2].len()), (&[("86.50", "1.50")][..], 0));
        assert_eq!(chart.most, "100");
    }

    #[test]
    fn many_small_parts_stay_within_the_chart() {
        let parts = vec![("a", 1000.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)];
        let chart = Chart::draw("", String::new(), vec![values(parts)], |most| most.to_string()).unwrap();
        let top = chart.bars[0].parts.last().unwrap();
        assert_eq!(top.y, "0.00");
        assert!(top.height.parse::<f64>().unwrap() > 1.4);
    }

    #[test]
    fn labels_are_thinned_out_where_there_are_many() {
        let labels = |labels: Vec<&str>| {
            let bar = |label: &str| BarValues { label: label.to_owned(), ..values(vec![("a", 1.0)]) };
            let bars = labels.into_iter().map(bar).collect();
            let chart = Chart::draw("", String::new(), bars, |most| most.to_string()).unwrap();
            chart.bars.into_iter().map(|bar| bar.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(vec!["", "x", "", "y"]), ["", "x", "", "y"]);
        assert_eq!(labels(vec!["x"; 17]).iter().filter(|label| !label.is_empty()).count(), 6);
    }

    #[test]
    fn nothing_makes_no_chart() {
        assert!(Chart::draw("", String::new(), vec![values(vec![("a", 0.0)])], |_| String::new()).is_none());
        assert!(Chart::draw("", String::new(), Vec::new(), |_| String::new()).is_none());
    }
}
