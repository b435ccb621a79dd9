//! What a session cost, as tables: by model and by turn, bucket by bucket.

use throughline_model::{Money, TraceId};

use super::notation;
use crate::domain::session_cost::{CallCosts, SessionCost};

/// Turns in the table at once.
pub(super) const TURNS: usize = 100;

/// Name and buckets of a column, which sums them up.
type Column = (&'static str, &'static [&'static str]);

/// The columns that there may be.
const COLUMNS: [Column; 5] = [
    ("Input", &["inputUncached", "inputAudio"]),
    ("Cache read", &["cacheRead"]),
    ("Cache write", &["cacheWrite", "cacheWrite1h"]),
    ("Reasoning", &["reasoning"]),
    ("Output", &["output", "outputAudio"]),
];

/// What a session cost.
#[derive(Debug, Clone, Default)]
pub(super) struct CostView {
    /// Those in which anything is known.
    pub columns: Vec<&'static str>,
    pub total: CostRow,
    pub models: Vec<CostRow>,
    pub turns: Vec<CostRow>,
    /// Which turns these are, of how many; empty if all.
    pub part: String,
    /// What to know about the figures.
    pub notes: Vec<String>,
}

/// Calls that are summed up.
#[derive(Debug, Clone, Default)]
pub(super) struct CostRow {
    pub name: String,
    pub href: Option<String>,
    pub calls: String,
    pub tokens: String,
    /// As the columns; empty where nothing is known.
    pub buckets: Vec<String>,
    pub saved: String,
    pub cost: String,
    pub estimated: bool,
    /// Of turns: the cost of this one and all before it.
    pub so_far: String,
}

impl CostView {
    /// `first` is the place of the first turn in the table; `turn` tells the number of a turn and where it is shown.
    pub(super) fn new(
        cost: &SessionCost,
        first: usize,
        turn: impl Fn(&TraceId) -> Option<(usize, String)>,
    ) -> Self {
        let first = first.min(cost.turns.len());
        let columns: Vec<Column> =
            COLUMNS.into_iter().filter(|column| bucket(column, &cost.total).is_some()).collect();
        let row = |name, costs: &CallCosts| row(name, costs, &columns);
        let (before, rest) = cost.turns.split_at(first);
        let mut so_far: Money = before.iter().filter_map(|(_, costs)| costs.cost).sum();
        let mut turns = Vec::new();
        for (trace, costs) in rest.iter().take(TURNS) {
            so_far += costs.cost.unwrap_or(Money::ZERO);
            let (name, href) = match turn(trace) {
                Some((number, href)) => (format!("Turn {number}"), href),
                None => (trace.to_string(), format!("/traces/{trace}")),
            };
            let row = CostRow { href: Some(href), so_far: notation::money(so_far), ..row(name, costs) };
            turns.push(row);
        }
        let model = |(name, costs): &(String, CallCosts)| {
            let name = if name.is_empty() { "no model named".to_owned() } else { notation::line(name, 80) };
            row(name, costs)
        };
        let (from, to, all) = (first + 1, first + turns.len(), cost.turns.len());
        Self {
            part: if turns.len() < all {
                format!("{from}–{to} of {}", notation::count(all as u64))
            } else {
                String::new()
            },
            columns: columns.iter().map(|(name, _)| *name).collect(),
            total: row("All".to_owned(), &cost.total),
            models: cost.models.iter().map(model).collect(),
            turns,
            notes: notes(cost),
        }
    }
}

/// What is known of a column.
fn bucket((_, buckets): &Column, costs: &CallCosts) -> Option<Money> {
    let known: Vec<Money> = buckets.iter().filter_map(|bucket| costs.buckets.get(bucket).copied()).collect();
    (!known.is_empty()).then(|| known.into_iter().sum())
}

fn row(name: String, costs: &CallCosts, columns: &[Column]) -> CostRow {
    let money = |column| bucket(column, costs).map(notation::money).unwrap_or_default();
    CostRow {
        name,
        href: None,
        calls: notation::count(costs.calls),
        tokens: notation::compact(costs.usage.total()),
        buckets: columns.iter().map(money).collect(),
        saved: if costs.saved == Money::ZERO { String::new() } else { notation::money(costs.saved) },
        cost: costs.cost.map_or_else(|| "—".to_owned(), notation::money),
        estimated: costs.estimated > 0,
        so_far: String::new(),
    }
}

fn notes(cost: &SessionCost) -> Vec<String> {
    let total = &cost.total;
    let mut notes = Vec::new();
    if total.unpriced > 0 {
        notes.push(format!(
            "No price is known for {}: give the model one in a table of your own (prices.file); `throughline prices \
             --help` shows how.",
            notation::plural(total.unpriced, "call")
        ));
    }
    if total.estimated > 0 {
        notes.push(format!(
            "The price table does not say exactly what {} cost; those sums are marked with ≈.",
            notation::plural(total.estimated, "call")
        ));
    }
    if total.unexplained() != Money::ZERO {
        notes.push(format!(
            "{} are not taken apart by bucket: the source gave them, or prices have changed since.",
            notation::money(total.unexplained())
        ));
    }
    notes
}
