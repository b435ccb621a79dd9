//! `throughline prices reprice`.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use throughline_model::Money;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::settings::ForClient;
use crate::cli::terminal::{cost, short, table};

#[derive(Debug, Args)]
pub(in crate::cli) struct RepriceCommand {
    #[command(flatten)]
    pub(super) client: ForClient,
    /// Only calls begun at or after this time: a day, RFC 3339, or how long ago (`-24h`).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Only calls begun before this time: a day (its end), RFC 3339, or how long ago.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only say what would change. That is what happens anyway without --apply.
    #[arg(long, conflicts_with = "apply")]
    preview: bool,
    /// Compute the costs afresh, with the sums of their traces and sessions.
    #[arg(long)]
    apply: bool,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    data: Vec<Model>,
    trace_count: u64,
    changed_count: u64,
    old_cost: Option<Money>,
    new_cost: Option<Money>,
    applied_count: u64,
    remaining_count: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    model: String,
    observation_count: u64,
    changed_count: u64,
    old_cost: Option<Money>,
    new_cost: Option<Money>,
}

pub(super) fn run(client: &Client, command: &RepriceCommand) -> Result<(), Failure> {
    let range = [("from", &command.from), ("to", &command.to)];
    let query: Vec<(&str, &str)> =
        range.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
    let first: Value = if command.apply {
        client.post_json(&["repricing"], &query)?
    } else {
        client.get_json(&["repricing"], &query)?
    };
    if command.json {
        println!("{first:#}");
    }
    let report: Report = serde_json::from_value(first)
        .map_err(|error| Failure::new(format!("the server's answer is not what was expected: {error}")))?;
    if !command.json {
        print!("{}", summary(&report, command.apply));
    }
    let mut applied = report.applied_count;
    let mut remaining = report.remaining_count;
    while command.apply && remaining > 0 {
        eprintln!("{applied} traces done, {remaining} to go");
        let next: Report = client.post_json(&["repricing"], &query)?;
        applied += next.applied_count;
        remaining = next.remaining_count;
    }
    Ok(())
}

fn summary(report: &Report, applied: bool) -> String {
    if report.trace_count == 0 {
        return "Nothing changes: every cost is what the rules in force say.\n".to_owned();
    }
    let mut changed: Vec<&Model> = report.data.iter().filter(|model| model.changed_count > 0).collect();
    changed.sort_by_key(|model| std::cmp::Reverse(model.changed_count));
    let row = |model: &&Model| {
        let name = if model.model.is_empty() { "(none)".to_owned() } else { short(&model.model, 60) };
        let calls = format!("{} of {}", model.changed_count, model.observation_count);
        vec![name, calls, cost(model.old_cost), cost(model.new_cost)]
    };
    let rows: Vec<Vec<String>> = changed.iter().map(row).collect();
    let (old, new) = (cost(report.old_cost), cost(report.new_cost));
    let says = if applied { "changed" } else { "would change" };
    let mut text = table(&["model", "calls changed", "old", "new"], &rows);
    text += &format!(
        "\n{} calls in {} traces {says} their cost. All calls of the range together: {old}, then {new}.\n",
        report.changed_count, report.trace_count
    );
    if !applied {
        text += "Add --apply to do it.\n";
    }
    text
}
