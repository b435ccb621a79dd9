//! `throughline prices`.

mod check;
mod list;
mod reprice;
mod show;

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, Subcommand};
use throughline_model::{Money, Timestamp};

use crate::app;
use crate::config::{PricesConfig, Values};
use crate::domain::price::{PriceRule, Source, Tier, per_million};

use super::client::Client;
use super::failure::Failure;

/// Check a price table of your own, and see what model calls cost and why.
///
/// Cost is usage times the price rule that was valid when the call began. Rules come from the table that ships with
/// the program and, before those, from a file of your own (the setting prices.file).
#[derive(Debug, Args)]
#[command(after_long_help = FORM)]
pub(super) struct PricesCommand {
    /// The table whose rules go before the built-in ones [env: THROUGHLINE_PRICES_FILE].
    #[arg(long, global = true, value_name = "FILE")]
    prices_file: Option<String>,
    #[command(subcommand)]
    pub(super) action: Action,
}

const FORM: &str =
    "A price table has one rule a line, comma-separated; prices are US dollars per million tokens:

  # ours, from the contract of May
  model      , provider, tier, above , from      , before, input, cache_read, output
  gpt-4o     ,         ,     ,       , 2026-05-01,       ,     2,          1,      8
  gpt-4o     , azure   ,     ,       ,           ,       ,  2.20,       1.10,   8.80
  our-llama* ,         ,     ,       ,           ,       ,  0.15,           ,   0.15

  model     a name without date and vendor, as `throughline prices show` prints it; with `*` at the
            end every name that begins so
  provider  only calls served by this one
  tier      flex, fast (also called priority) or batch
  above     more input tokens than this, cached ones included: then it holds for the whole call
  from      the first day (UTC) that the rule holds; before: the first day that it no longer does

model, input and output must be there; further prices are cache_read, cache_write,
cache_write_1h, reasoning, input_audio and output_audio. One that is left empty falls back: the
cache for an hour to the cache, caches and audio to input, reasoning and audio to output.";

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Say what is wrong with a price table, line by line, and what it changes against the built-in one.
    Check(check::Check),
    /// Show which price holds for a model, and how a call's cost comes about.
    Show(show::Show),
    /// List the models that have a price, with the price of today.
    List(list::List),
    /// Compute the costs of a running server afresh after its price table changed, or say what that would change.
    Reprice(reprice::RepriceCommand),
}

impl PricesCommand {
    /// The settings that were given as flags.
    pub(super) fn flags(&self) -> BTreeMap<&'static str, String> {
        let mut flags = match &self.action {
            Action::Reprice(reprice) => reprice.client.0.clone(),
            Action::Check(_) | Action::Show(_) | Action::List(_) => BTreeMap::new(),
        };
        flags.extend(self.prices_file.iter().map(|file| ("prices.file", file.clone())));
        flags
    }
}

pub(super) fn run(values: &Values, action: Action) -> Result<(), Failure> {
    let config = PricesConfig::from_values(values)?;
    match action {
        Action::Check(check) => check::run(&check),
        Action::Show(show) => show::run(&app::prices(&config)?, config.file.as_deref(), &show),
        Action::Reprice(reprice) => reprice::run(&Client::from_values(values)?, &reprice),
        Action::List(list) => list::run(&app::prices(&config)?, &list),
    }
}

/// What a bucket is called where people read it, in the words of a table's columns.
fn column(bucket: &'static str) -> &'static str {
    match bucket {
        "inputUncached" => "input",
        "cacheRead" => "cache_read",
        "cacheWrite" => "cache_write",
        "cacheWrite1h" => "cache_write_1h",
        "inputAudio" => "input_audio",
        "outputAudio" => "output_audio",
        other => other,
    }
}

/// Which calls a rule is for, besides its model: `azure, fast, above 200000 tokens, from 2026-05-01`.
fn circumstances(rule: &PriceRule) -> Vec<String> {
    let mut all: Vec<String> = rule.provider.iter().map(|provider| format!("at {provider}")).collect();
    if rule.tier != Tier::Default {
        all.push(rule.tier.as_str().to_owned());
    }
    if rule.above > 0 {
        all.push(format!("above {} input tokens", rule.above));
    }
    all.extend(rule.from.map(|from| format!("from {}", day(from))));
    all.extend(rule.before.map(|before| format!("before {}", day(before))));
    all
}

/// The model as the table writes it.
fn name(rule: &PriceRule) -> String {
    format!("{}{}", rule.model, if rule.is_prefix { "*" } else { "" })
}

fn place(rule: &PriceRule, file: Option<&Path>) -> String {
    match (rule.source, file) {
        (Source::File, Some(file)) => format!("{}:{}", file.display(), rule.line),
        (Source::File, None) => format!("line {}", rule.line),
        (Source::Builtin, _) => format!("built-in table, line {}", rule.line),
    }
}

fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

/// Dollars per million tokens.
fn price(price: Money) -> String {
    format!("${}", per_million(price))
}

fn read_time(text: &str) -> Result<Timestamp, String> {
    let whole_day = format!("{text}T00:00:00Z");
    text.parse()
        .or_else(|_| whole_day.parse())
        .map_err(|_| "expected a day like 2026-08-31 or a time like 2026-08-31T12:00:00Z".to_owned())
}
