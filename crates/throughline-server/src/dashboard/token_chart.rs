//! Token usage of a session over its turns, as stacked bars, with what the session had cost by then as a line.

use throughline_model::{Money, Trace, Usage};

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
    /// What the session had cost by each turn; `None` where no cost is known.
    pub cost: Option<CostLine>,
    pub summary: String,
}

/// Cost added up over the turns, drawn from the chart's left border (0) to its right one (100).
#[derive(Debug, Clone)]
pub(super) struct CostLine {
    /// Empty if there is only one turn: no line.
    pub path: String,
    pub name: String,
    pub total: String,
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
    /// Whether there is room only on a wide screen.
    pub minor: bool,
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
    /// The chart over these turns; `None` if they used no tokens. `first` is the number of the first one, and `spent` what
    /// those before it cost.
    pub(super) fn draw(
        turns: &[Trace],
        first: usize,
        spent: Money,
        href: impl Fn(usize) -> String,
    ) -> Option<Self> {
        let most = turns.iter().map(|turn| turn.usage.total()).max().filter(|most| *most > 0)?;
        let width = 1.0 / turns.len() as f64;
        // Few turns make slim columns, not slabs.
        let bar = width.min(0.06) * if turns.len() > 60 { 0.9 } else { 0.7 };
        let labelled = turns.len().div_ceil(40);
        let labels = turns.len().div_ceil(labelled);
        let sums = added_up(turns, spent);
        let columns = turns
            .iter()
            .enumerate()
            .map(|(i, turn)| Column {
                href: href(first + i),
                x: notation::percentage((i as f64 + 0.5) * width - bar / 2.0),
                width: notation::percentage(bar),
                title: column_title(turn, first + i, sums[i]),
                label: if i % labelled == 0 { (first + i).to_string() } else { String::new() },
                minor: labels > 10 && !(i / labelled).is_multiple_of(5),
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
        let cost = CostLine::draw(spent, &sums, first);
        let summary = format!(
            "{} tokens over {}; the most in one turn: {}{}",
            notation::count(total.total()),
            notation::plural(turns.len() as u64, "turn"),
            notation::count(most),
            cost.as_ref()
                .map(|cost| format!("; {}: {}", cost.name.to_lowercase(), cost.total))
                .unwrap_or_default()
        );
        Some(Self { columns, legend, most: notation::compact(most), cost, summary })
    }
}

/// What the session had cost at the end of each turn.
fn added_up(turns: &[Trace], spent: Money) -> Vec<Money> {
    let add = |sum: &mut Money, turn: &Trace| {
        *sum += turn.total_cost.unwrap_or(Money::ZERO);
        Some(*sum)
    };
    turns.iter().scan(spent, add).collect()
}

impl CostLine {
    fn draw(spent: Money, sums: &[Money], first: usize) -> Option<Self> {
        let total = sums.last().copied().filter(|total| *total > Money::ZERO)?;
        let share = |sum: Money| sum.picodollars() as f64 / total.picodollars() as f64;
        let y = |sum: Money| HEIGHT * (1.0 - share(sum).clamp(0.0, 1.0));
        let mut path = format!("M0 {:.2}", y(spent));
        for (i, sum) in sums.iter().enumerate() {
            // It rises where the turn's column stands.
            let x = (i as f64 + 0.5) / sums.len() as f64 * 100.0;
            path.push_str(&format!("H{x:.2}V{:.2}", y(*sum)));
        }
        path.push_str("H100");
        if sums.len() == 1 {
            path.clear();
        }
        let name = format!("Cost by turn {}", first + sums.len() - 1);
        Some(Self { path, name, total: notation::money(total) })
    }
}

fn column_title(turn: &Trace, number: usize, so_far: Money) -> String {
    let mut title = format!("Turn {number}: {} tokens", notation::count(turn.usage.total()));
    for (name, _, tokens) in buckets(&turn.usage).into_iter().filter(|(_, _, tokens)| *tokens > 0) {
        title.push_str(&format!("\n{name} {}", notation::count(tokens)));
    }
    if let Some(cost) = turn.total_cost {
        title.push_str(&format!("\nCost {}, so far {}", notation::money(cost), notation::money(so_far)));
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
        let chart = TokenChart::draw(&turns, 1, Money::ZERO, |n| format!("#{n}")).unwrap();
        let heights: Vec<Vec<&str>> =
            chart.columns.iter().map(|c| c.segments.iter().map(|s| s.height.as_str()).collect()).collect();
        assert_eq!(heights, [["18.00", "18.00"], ["36.00", "36.00"]]);
        assert_eq!(chart.columns[1].segments[1].y, "0.00");
        assert_eq!(chart.most, "200");
        assert!(chart.columns[0].title.starts_with("Turn 1: 100 tokens"));
    }

    #[test]
    fn cost_adds_up_from_what_was_spent_before() {
        let mut turns = vec![sample::trace("a", 0).trace, sample::trace("b", 60).trace];
        let cost = |cents: i128| Some(Money::from_picodollars(cents * 10_000_000_000));
        for turn in &mut turns {
            turn.usage = Usage { output: 5, ..Usage::default() };
        }
        let draw = |turns: &[Trace], spent| TokenChart::draw(turns, 3, spent, |_| String::new()).unwrap();
        assert!(draw(&turns, Money::ZERO).cost.is_none(), "nobody knows what it cost");
        (turns[0].total_cost, turns[1].total_cost) = (cost(10), cost(20));
        let chart = draw(&turns, cost(10).unwrap());
        let line = chart.cost.unwrap();
        assert_eq!(line.path, "M0 54.00H25.00V36.00H75.00V0.00H100");
        assert_eq!((line.name.as_str(), line.total.as_str()), ("Cost by turn 4", "$0.400"));
        assert!(chart.columns[1].title.ends_with("Cost $0.200, so far $0.400"), "{}", chart.columns[1].title);
    }

    #[test]
    fn turns_without_tokens_make_no_chart() {
        let mut turn = sample::trace("a", 0).trace;
        turn.usage = Usage::default();
        assert!(TokenChart::draw(&[turn], 1, Money::ZERO, |_| String::new()).is_none());
    }
}
