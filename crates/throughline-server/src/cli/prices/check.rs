//! `throughline prices check`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::app::{self, PricesError};
use crate::cli::failure::Failure;
use crate::cli::terminal::plain;
use crate::domain::price::{Effect, Prices, RateChange, RuleEffect, per_million};

use super::{circumstances, column, name, price};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The price table to check.
    file: PathBuf,
    /// Print JSON: the rules with what each of them changes.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(check: &Check) -> Result<(), Failure> {
    let own = app::price_table(&check.file).map_err(all_mistakes)?;
    let builtin = Prices::builtin();
    let effects = own.compare(&builtin, app::system_clock().now());
    if check.json {
        let rules: Vec<Value> = effects.iter().map(as_json).collect();
        println!("{:#}", json!({ "file": check.file.display().to_string(), "rules": rules }));
        return Ok(());
    }
    println!("{}", summary(&effects));
    for told in &effects {
        println!("  line {:<4} {}", told.rule.line, plain(&line(told)));
    }
    Ok(())
}

/// Every mistake, each on its own line and with its place as editors understand it.
fn all_mistakes(error: PricesError) -> Failure {
    match error {
        PricesError::Invalid { path, source } => {
            let mistakes: Vec<String> = source
                .mistakes
                .iter()
                .map(|mistake| plain(&format!("{path}:{mistake}")).into_owned())
                .collect();
            let plural = if mistakes.len() == 1 { "one mistake" } else { "mistakes" };
            Failure::new(format!("{plural} in {path}\n{}", mistakes.join("\n")))
                .next("`throughline prices --help` shows the form of a table")
        }
        error => error.into(),
    }
}

fn summary(effects: &[RuleEffect<'_>]) -> String {
    let count = |wanted: fn(&RuleEffect<'_>) -> bool| effects.iter().filter(|told| wanted(told)).count();
    let new = count(|told| told.effect == Effect::New);
    let changed = count(|told| matches!(told.effect, Effect::Changed(_)));
    let same = count(|told| told.effect == Effect::Same);
    let hidden = count(|told| told.hidden.is_some());
    let rules = if effects.len() == 1 { "1 rule".to_owned() } else { format!("{} rules", effects.len()) };
    let mut text = format!("{rules}, nothing wrong: {new} new, {changed} changed, {same} as built in");
    if hidden > 0 {
        text += &format!("; {hidden} behind another line");
    }
    text
}

fn line(told: &RuleEffect<'_>) -> String {
    let mut text = name(told.rule);
    for circumstance in circumstances(told.rule) {
        text += &format!(", {circumstance}");
    }
    text += &match &told.effect {
        Effect::New => format!(": new, {}", rates(told)),
        Effect::Same => ": as built in".to_owned(),
        Effect::Changed(changes) => {
            format!(": {}", changes.iter().map(change).collect::<Vec<_>>().join(", "))
        }
    };
    if !told.covers.is_empty() {
        text += &format!("; goes before the built-in {}", told.covers.join(", "));
    }
    match told.hidden {
        Some((line, true)) => text += &format!("; never used, line {line} says it first"),
        Some((line, false)) => text += &format!("; on the days they share, line {line} goes before it"),
        None => {}
    }
    text
}

fn rates(told: &RuleEffect<'_>) -> String {
    let listed = told.rule.rates.listed();
    let rates: Vec<String> =
        listed.into_iter().map(|(bucket, rate)| format!("{} {}", column(bucket), price(rate))).collect();
    rates.join(", ")
}

fn change(change: &RateChange) -> String {
    let shown = |rate: Option<_>| rate.map_or_else(|| "not set".to_owned(), price);
    format!("{} {} instead of {}", column(change.bucket), shown(change.new), shown(change.old))
}

fn as_json(told: &RuleEffect<'_>) -> Value {
    let effect = match told.effect {
        Effect::New => "new",
        Effect::Changed(_) => "changed",
        Effect::Same => "same",
    };
    let changes: Vec<Value> = match &told.effect {
        Effect::Changed(changes) => changes
            .iter()
            .map(|change| {
                let (old, new) = (change.old.map(per_million), change.new.map(per_million));
                json!({"price": column(change.bucket), "old": old, "new": new})
            })
            .collect(),
        Effect::New | Effect::Same => Vec::new(),
    };
    json!({
        "line": told.rule.line,
        "model": name(told.rule),
        "effect": effect,
        "changes": changes,
        "covers": told.covers,
        "hiddenBy": told.hidden.map(|(line, wholly)| json!({"line": line, "wholly": wholly})),
    })
}
