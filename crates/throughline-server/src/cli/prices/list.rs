//! `throughline prices list`.

use clap::Args;

use crate::app;
use crate::cli::failure::Failure;
use crate::cli::terminal::{plain, table};
use crate::domain::price::{PriceRule, Prices, Source};

use super::{circumstances, name, price};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only models whose name has this in it.
    part: Option<String>,
    /// Also rules that hold no longer, or not yet.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(prices: &Prices, list: &List) -> Result<(), Failure> {
    let now = app::system_clock().now();
    let part = list.part.as_deref().unwrap_or_default().to_lowercase().replace('.', "-");
    let holds = |rule: &PriceRule| {
        rule.from.is_none_or(|from| from <= now) && rule.before.is_none_or(|before| now < before)
    };
    let rows: Vec<Vec<String>> = prices
        .rules()
        .filter(|rule| rule.model.contains(&part) && (list.all || holds(rule)))
        .map(row)
        .collect();
    if rows.is_empty() {
        return Err(Failure::new(format!("no model with a price has {:?} in its name", plain(&part))));
    }
    print!("{}", table(&["model", "input", "cached", "output", "table", ""], &rows));
    Ok(())
}

fn row(rule: &PriceRule) -> Vec<String> {
    let table = match rule.source {
        Source::Builtin => "built in",
        Source::File => "own",
    };
    vec![
        plain(&name(rule)).into_owned(),
        price(rule.rates.input),
        rule.rates.cache_read.map_or_else(String::new, price),
        price(rule.rates.output),
        table.to_owned(),
        circumstances(rule).join(", "),
    ]
}
