//! `throughline prices show`.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};
use throughline_model::{Money, Timestamp, Usage};

use crate::app;
use crate::cli::failure::Failure;
use crate::cli::terminal::{plain, short, table};
use crate::config::distance;
use crate::domain::price::{Explanation, PricedCall, Prices, Tier, model_name, per_million};

use super::{circumstances, column, name, place, price, read_time};

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The model, by any of its names: `gpt-4o-2024-08-06`, `anthropic/claude-sonnet-4.5`.
    model: String,
    /// Who serves it: `openai`, `azure`, `bedrock`, `deepseek`.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The service tier: flex, fast (or priority) or batch.
    #[arg(long, value_parser = tier)]
    tier: Option<String>,
    /// When the call began: a day (UTC) or a time; now if not given.
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    at: Option<Timestamp>,
    /// Input tokens of the call, without those read from or written to a cache.
    #[arg(long, value_name = "N", default_value_t = 0)]
    input: u64,
    /// Input tokens read from a cache.
    #[arg(long, value_name = "N", default_value_t = 0)]
    cached: u64,
    /// Input tokens written to a cache.
    #[arg(long, value_name = "N", default_value_t = 0)]
    cache_write: u64,
    /// Output tokens, without reasoning.
    #[arg(long, value_name = "N", default_value_t = 0)]
    output: u64,
    /// Reasoning tokens.
    #[arg(long, value_name = "N", default_value_t = 0)]
    reasoning: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn tier(text: &str) -> Result<String, String> {
    Tier::from_name(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| "expected default, flex, fast, priority or batch".to_owned())
}

pub(super) fn run(prices: &Prices, file: Option<&Path>, show: &Show) -> Result<(), Failure> {
    let usage = Usage {
        input_uncached: show.input,
        cache_read: show.cached,
        cache_write: show.cache_write,
        output: show.output,
        reasoning: show.reasoning,
        ..Usage::default()
    };
    let call = PricedCall {
        provider: show.provider.as_deref(),
        model: &show.model,
        service_tier: show.tier.as_deref(),
        start: show.at.unwrap_or_else(|| app::system_clock().now()),
        usage: &usage,
    };
    match prices.explain(&call) {
        Some(explanation) if show.json => println!("{:#}", as_json(&call, &explanation, file)),
        Some(explanation) => print!("{}", as_text(&call, &explanation, file)),
        None if show.json => {
            println!("{:#}", json!({"model": model_name(&show.model), "rule": null, "cost": null}));
            return Err(unknown(prices, &call));
        }
        None => return Err(unknown(prices, &call)),
    }
    Ok(())
}

/// What to say of a model without a price, with what may have been meant.
fn unknown(prices: &Prices, call: &PricedCall<'_>) -> Failure {
    let name = model_name(call.model);
    let mut of_model = prices.rules().filter(|rule| rule.names(&name)).peekable();
    if of_model.peek().is_some() {
        let known: Vec<String> = of_model.map(|rule| circumstances(rule).join(", ")).collect();
        return Failure::new(format!("{} has no price under these circumstances", plain(&name)))
            .next(format!("there are prices for it: {}", known.join("; ")));
    }
    let failure = Failure::new(format!("no price is known for {}", plain(&name)));
    match nearest(&name, prices) {
        Some(nearest) => failure.next(format!("the nearest that has one is {nearest}")),
        None => failure.next("give it one in a table of your own: `throughline prices --help` shows how"),
    }
}

/// The model that is most likely meant. What the name leaves out (`sonnet-4-5`) weighs less than what it has wrong.
fn nearest<'a>(name: &str, prices: &'a Prices) -> Option<&'a str> {
    let length = name.chars().count();
    let apart = |known: &str| {
        let left_out = known.chars().count().abs_diff(length);
        (distance(name, known) - left_out, left_out)
    };
    let models = prices.models().into_iter().map(|known| (apart(known), known));
    models.filter(|((wrong, _), _)| *wrong <= length / 4).min().map(|(_, known)| known)
}

fn as_text(call: &PricedCall<'_>, explanation: &Explanation<'_>, file: Option<&Path>) -> String {
    let rule = explanation.rule;
    let mut text = format!("{}\n", short(&model_name(call.model), 120));
    let mut add = |head: &str, says: &str| text += &format!("  {head:<8}{says}\n");
    add("rule", &plain(&place(rule, file)));
    let circumstances = circumstances(rule);
    if rule.is_prefix {
        add("for", &format!("every model named {}", plain(&name(rule))));
    }
    add("holds", &if circumstances.is_empty() { "always".to_owned() } else { circumstances.join(", ") });
    let rates: Vec<String> = rule
        .rates
        .listed()
        .into_iter()
        .map(|(bucket, rate)| format!("{} {}", column(bucket), price(rate)))
        .collect();
    add("prices", &format!("{} per million tokens", rates.join(", ")));
    if explanation.parts.is_empty() {
        return text;
    }
    let row = |part: &crate::domain::price::Part| {
        let note = if part.listed { "" } else { "not listed: estimated" };
        let cells = [
            column(part.bucket),
            &part.tokens.to_string(),
            &price(part.per_token),
            &exact(part.cost()),
            note,
        ];
        cells.map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = explanation.parts.iter().map(row).collect();
    text += &format!("\n{}", table(&["bucket", "tokens", "per million", "cost", ""], &rows));
    text += &format!("\ncost {}", exact(explanation.cost));
    if explanation.estimated {
        text += ", estimated: the table does not say exactly this";
    }
    text + "\n"
}

fn as_json(call: &PricedCall<'_>, explanation: &Explanation<'_>, file: Option<&Path>) -> Value {
    let rule = explanation.rule;
    let listed = rule.rates.listed().into_iter();
    let rates: serde_json::Map<String, Value> =
        listed.map(|(bucket, rate)| (bucket.to_owned(), per_million(rate).into())).collect();
    let part = |part: &crate::domain::price::Part| {
        json!({
            "bucket": part.bucket,
            "tokens": part.tokens,
            "perMillion": per_million(part.per_token),
            "cost": part.cost(),
            "listed": part.listed,
        })
    };
    json!({
        "model": model_name(call.model),
        "at": call.start,
        "rule": {
            "place": place(rule, file),
            "model": name(rule),
            "provider": rule.provider,
            "tier": rule.tier.as_str(),
            "above": rule.above,
            "from": rule.from,
            "before": rule.before,
            "perMillion": rates,
        },
        "parts": explanation.parts.iter().map(part).collect::<Vec<_>>(),
        "cost": explanation.cost,
        "costPicodollars": explanation.cost.picodollars().to_string(),
        "estimated": explanation.estimated,
    })
}

/// Dollars with every place that counts.
fn exact(cost: Money) -> String {
    let picodollars = cost.picodollars().unsigned_abs();
    let places = format!("{:012}", picodollars % 1_000_000_000_000);
    let places = places.trim_end_matches('0');
    format!("${}.{places:0<2}", picodollars / 1_000_000_000_000)
}
