//! `throughline import`.

mod batch;
mod sender;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::sender::{Sender, Tally};
use super::client::Client;
use super::failure::{Failure, SKIPPED};
use super::settings::ForClient;
use super::terminal::plain;

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    pub(super) client: ForClient,
    #[command(flatten)]
    pub(super) options: Options,
}

/// Sending the same file again changes nothing.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Files to send; what is in them is found out by looking: OTLP JSON (one document, or a line per request as the
    /// OpenTelemetry Collector's file exporter writes), OTLP protobuf, or event envelopes as NDJSON or an array; plain,
    /// gzip or zstd.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print what was sent and skipped as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(client: Client, options: &Options) -> Result<ExitCode, Failure> {
    let started = std::time::Instant::now();
    let bar = progress(&options.files)?;
    let mut sender = Sender::new(client, bar.clone());
    for file in &options.files {
        bar.set_message(plain(&file.display().to_string()).into_owned());
        sender.begin(file);
        source::read(file, &bar, &mut |item| sender.take(item))?;
        sender.flush()?;
    }
    bar.finish_and_clear();
    let tally = sender.into_tally();
    if options.json {
        println!("{}", as_json(&tally));
    } else {
        println!("{} in {:.1} s", summary(&tally), started.elapsed().as_secs_f64());
    }
    Ok(if tally.skipped > 0 { ExitCode::from(SKIPPED) } else { ExitCode::SUCCESS })
}

/// A bar over the bytes of all files; drawn only on a terminal.
fn progress(files: &[PathBuf]) -> Result<ProgressBar, Failure> {
    let mut bytes = 0;
    for file in files {
        let metadata = std::fs::metadata(file)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
        bytes += metadata.len();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {eta} left  {msg}")
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(ProgressBar::new(bytes).with_style(style))
}

fn summary(tally: &Tally) -> String {
    let Tally { spans, log_records, events, metrics, .. } = tally;
    let mut text = format!("imported {spans} spans, {log_records} log records and {events} events");
    if *metrics > 0 {
        text += &format!("; left out {metrics} requests of metrics, which are no part of sessions");
    }
    if tally.skipped > 0 {
        text += &format!("; skipped {}", tally.skipped);
    }
    text
}

fn as_json(tally: &Tally) -> serde_json::Value {
    let Tally { spans, log_records, events, metrics, reasons, .. } = tally;
    json!({
        "spans": spans, "logRecords": log_records, "events": events, "metricRequests": metrics,
        "skipped": tally.skipped, "reasons": reasons,
    })
}
