//! Token usage of a session over its turns, as stacked bars.

use throughline_model::{Trace, Usage};

use super::notation;

/// The chart's drawing height in pixels, without its axis.
const HEIGHT: f64 = 72.0;

/// The usage of a run of turns.
#[derive(Debug, Clone)]
pub(super) struct TokenChart {
    pub columns: Vec<Column>,
    /// The buckets that occur, for the legend.
    pub legend: Vec<(&'static str, &'static str, String)>,
    /// The highest turn, at the top of the axis.
    pub most: String,
    pub summary: String,
}

/// One turn.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub href: String,
    pub x: String,
    pub width: String,
    pub title: String,
    /// The turn's number, where there is room for it, and its place.
    pub label: String,
    pub middle: String,
    pub error: bool,
    pub segments: Vec<Segment>,
}

/// One bucket of a turn.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub class: &'static str,
    pub y: String,
    pub height: String,
}

/// The buckets as the chart stacks them, from the bottom: name, class, tokens.
pub(super) fn buckets(usage: &Usage) -> [(&'static str, &'static str, u64); 5] {
    [
        ("Cache read", "u-read", usage.cache_read),
        ("Cache write", "u-write", usage.cache_write + usage.cache_write_1h),
        ("Input", "u-input", usage.input_uncached + usage.input_audio),
        ("Reasoning", "u-reasoning", usage.reasoning),
        ("Output", "u-output", usage.output + usage.output_audio),
    ]
}

impl TokenChart {
    /// The chart over these turns; `None` if they used no tokens. `first` is the number of the first one.
    pub(super) fn draw(turns: &[Trace], first: usize, href: impl Fn(usize) -> String) -> Option<Self> {
        let most = turns.iter().map(|turn| turn.usage.total()).max().filter(|most| *most > 0)?;
        let width = 1.0 / turns.len() as f64;
        // Few turns make slim columns, not slabs.
        let bar = width.min(0.06) * if turns.len() > 60 { 0.9 } else { 0.7 };
        let labelled = turns.len().div_ceil(40);
        let columns = turns
            .iter()
            .enumerate()
            .map(|(i, turn)| Column {
                href: href(first + i),
                x: notation::percentage((i as f64 + 0.5) * width - bar / 2.0),
                width: notation::percentage(bar),
                title: column_title(turn, first + i),
                label: if i % labelled == 0 { (first + i).to_string() } else { String::new() },
                middle: notation::percentage((i as f64 + 0.5) * width),
                error: turn.error_count > 0,
                segments: stack(&turn.usage, most),
            })
            .collect();
        let mut total = Usage::default();
        turns.iter().for_each(|turn| total += turn.usage);
        let legend: Vec<_> = buckets(&total)
            .into_iter()
            .filter(|(_, _, tokens)| *tokens > 0)
            .map(|(name, class, tokens)| (name, class, notation::compact(tokens)))
            .collect();
        let summary = format!(
            "{} tokens over {}; the most in one turn: {}",
            notation::count(total.total()),
            notation::plural(turns.len() as u64, "turn"),
            notation::count(most)
        );
        Some(Self { columns, legend, most: notation::compact(most), summary })
    }
}

fn column_title(turn: &Trace, number: usize) -> String {
    let mut title = format!("Turn {number}: {} tokens", notation::count(turn.usage.total()));
    for (name, _, tokens) in buckets(&turn.usage).into_iter().filter(|(_, _, tokens)| *tokens > 0) {
        title.push_str(&format!("\n{name} {}", notation::count(tokens)));
    }
    if let Some(cost) = turn.total_cost {
        title.push_str(&format!("\nCost {}", notation::money(cost)));
    }
    title
}

fn stack(usage: &Usage, most: u64) -> Vec<Segment> {
    let mut below = 0.0;
    buckets(usage)
        .into_iter()
        .filter(|(_, _, tokens)| *tokens > 0)
        .map(|(_, class, tokens)| {
            let height = tokens as f64 / most as f64 * HEIGHT;
            below += height;
            Segment { class, y: format!("{:.2}", HEIGHT - below), height: format!("{height:.2}") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn columns_stack_to_the_turns_total() {
        let mut turns = vec![sample::trace("a", 0).trace, sample::trace("b", 60).trace];
        turns[0].usage = Usage { input_uncached: 50, output: 50, ..Usage::default() };
        turns[1].usage = Usage { cache_read: 100, output: 100, ..Usage::default() };
        let chart = TokenChart::draw(&turns, 1, |n| format!("#{n}")).unwrap();
        let heights: Vec<Vec<&str>> =
            chart.columns.iter().map(|c| c.segments.iter().map(|s| s.height.as_str()).collect()).collect();
        assert_eq!(heights, [["18.00", "18.00"], ["36.00", "36.00"]]);
        assert_eq!(chart.columns[1].segments[1].y, "0.00");
        assert_eq!(chart.most, "200");
        assert!(chart.columns[0].title.starts_with("Turn 1: 100 tokens"));
    }

    #[test]
    fn turns_without_tokens_make_no_chart() {
        let mut turn = sample::trace("a", 0).trace;
        turn.usage = Usage::default();
        assert!(TokenChart::draw(&[turn], 1, |_| String::new()).is_none());
    }
}
