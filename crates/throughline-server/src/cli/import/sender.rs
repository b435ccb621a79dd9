//! Sends what a file holds, in batches, and keeps count of what was not taken.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde::Deserialize;
use throughline_model::Timestamp;
use throughline_model::otlp::wire::Malformed;
use throughline_model::otlp::{self, Checked};
use ureq::http::header::RETRY_AFTER;

use crate::app::system_clock;

use super::super::client::{self, Client};
use super::super::failure::Failure;
use super::super::terminal::plain;
use super::batch::cut;
use super::source::{Item, Signal};

/// Bytes of one request, about.
const BATCH: usize = 1 << 20;
/// Reasons kept; the rest is only counted.
const REASONS: usize = 20;
const TRIES: u32 = 12;
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A cap on answers; a batch of bad events is told one by one.
const LARGEST_ANSWER: u64 = 64 << 20;

/// Cuts out of a request what the server would not take.
type Check = fn(&[u8], Timestamp) -> Result<Checked, Malformed>;

/// What became of everything.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) spans: u64,
    pub(super) log_records: u64,
    pub(super) events: u64,
    /// Requests of metrics, which are no part of sessions.
    pub(super) metrics: u64,
    pub(super) skipped: u64,
    /// Why things were skipped: the first ones.
    pub(super) reasons: Vec<String>,
}

/// Collects events into batches, cuts large OTLP requests into small ones, and sends both.
pub(super) struct Sender {
    client: Client,
    bar: ProgressBar,
    file: String,
    now: Timestamp,
    events: Vec<(String, String)>,
    event_bytes: usize,
    tally: Tally,
}

#[derive(Deserialize)]
struct EventsAnswer {
    accepted: u64,
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    index: usize,
    message: String,
}

impl Sender {
    pub(super) fn new(client: Client, bar: ProgressBar) -> Self {
        let (now, tally) = (system_clock().now(), Tally::default());
        Self { client, bar, file: String::new(), now, events: Vec::new(), event_bytes: 0, tally }
    }

    /// From here on everything comes from this file.
    pub(super) fn begin(&mut self, file: &Path) {
        self.file = plain(&file.display().to_string()).into_owned();
    }

    pub(super) fn into_tally(self) -> Tally {
        self.tally
    }

    pub(super) fn take(&mut self, item: Item) -> Result<(), Failure> {
        match item {
            Item::Event { json, place } => {
                self.event_bytes += json.len();
                self.events.push((place, json));
                if self.event_bytes >= BATCH { self.flush() } else { Ok(()) }
            }
            Item::OtlpJson { signal, json, place } => {
                self.otlp(signal, json.as_bytes(), (otlp::check_traces_json, otlp::check_logs_json), &place)
            }
            Item::Protobuf { signal, bytes, place } => {
                self.otlp(signal, &bytes, (otlp::check_traces, otlp::check_logs), &place)
            }
            Item::Unknown { place, reason } => {
                self.skip(1, &place, &reason);
                Ok(())
            }
        }
    }

    /// Sends the events collected so far.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let events = std::mem::take(&mut self.events);
        self.event_bytes = 0;
        if events.is_empty() {
            return Ok(());
        }
        let array: Vec<&str> = events.iter().map(|(_, json)| json.as_str()).collect();
        let body = format!("[{}]", array.join(","));
        let answer = match self.post("/api/v1/events", "application/json", body.as_bytes())? {
            Ok(answer) => answer,
            Err(reason) => {
                self.skip(events.len() as u64, "events", &reason);
                return Ok(());
            }
        };
        let answer: EventsAnswer = serde_json::from_slice(&answer).map_err(not_understood)?;
        self.tally.events += answer.accepted;
        for rejected in &answer.rejected {
            let place = events.get(rejected.index).map_or("", |(place, _)| place.as_str());
            self.skip(1, place, &rejected.message);
        }
        Ok(())
    }

    /// Checks here what the server would check, so that what is cut out can be told with its place.
    fn otlp(
        &mut self,
        signal: Signal,
        bytes: &[u8],
        (check_traces, check_logs): (Check, Check),
        place: &str,
    ) -> Result<(), Failure> {
        let checked = match signal {
            Signal::Traces => check_traces(bytes, self.now),
            Signal::Logs => check_logs(bytes, self.now),
            Signal::Metrics => {
                self.tally.metrics += 1;
                return Ok(());
            }
        };
        let Checked { rejected, first_reason, body, .. } = match checked {
            Ok(checked) => checked,
            Err(error) => {
                self.skip(1, place, &error.to_string());
                return Ok(());
            }
        };
        if rejected > 0 {
            self.skip(rejected, place, &first_reason.unwrap_or_default());
        }
        let bytes = body.as_deref().unwrap_or(bytes);
        match signal {
            Signal::Logs => self.logs(bytes, place),
            _ => self.traces(bytes, place),
        }
    }

    fn traces(&mut self, bytes: &[u8], place: &str) -> Result<(), Failure> {
        let request = match ExportTraceServiceRequest::decode(bytes) {
            Ok(request) => request,
            Err(error) => {
                self.skip(1, place, &error.to_string());
                return Ok(());
            }
        };
        for batch in cut(request.resource_spans, BATCH) {
            let body = ExportTraceServiceRequest { resource_spans: batch.resources }.encode_to_vec();
            let answer = self.post("/v1/traces", "application/x-protobuf", &body)?;
            let partial = answer.map(|answer| {
                let answer = ExportTraceServiceResponse::decode(answer.as_slice()).map_err(not_understood)?;
                let partial = answer.partial_success.unwrap_or_default();
                Ok((partial.rejected_spans, partial.error_message))
            });
            self.tally.spans += self.taken(partial, batch.items, place)?;
        }
        Ok(())
    }

    fn logs(&mut self, bytes: &[u8], place: &str) -> Result<(), Failure> {
        let request = match ExportLogsServiceRequest::decode(bytes) {
            Ok(request) => request,
            Err(error) => {
                self.skip(1, place, &error.to_string());
                return Ok(());
            }
        };
        for batch in cut(request.resource_logs, BATCH) {
            let body = ExportLogsServiceRequest { resource_logs: batch.resources }.encode_to_vec();
            let answer = self.post("/v1/logs", "application/x-protobuf", &body)?;
            let partial = answer.map(|answer| {
                let answer = ExportLogsServiceResponse::decode(answer.as_slice()).map_err(not_understood)?;
                let partial = answer.partial_success.unwrap_or_default();
                Ok((partial.rejected_log_records, partial.error_message))
            });
            self.tally.log_records += self.taken(partial, batch.items, place)?;
        }
        Ok(())
    }

    /// How many of `items` were taken, by the server's answer about a batch: the number it rejected and why, or why
    /// it refused them all.
    fn taken(
        &mut self,
        answer: Result<Result<(i64, String), Failure>, String>,
        items: u64,
        place: &str,
    ) -> Result<u64, Failure> {
        let (rejected, reason) = match answer {
            Ok(partial) => partial?,
            Err(reason) => (i64::MAX, reason),
        };
        let rejected = u64::try_from(rejected).unwrap_or_default().min(items);
        if rejected > 0 {
            self.skip(rejected, place, &reason);
        }
        Ok(items - rejected)
    }

    /// Posts a batch and tries again while the server asks for time. The inner error is the server's reason for
    /// refusing this batch for good.
    fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Result<Vec<u8>, String>, Failure> {
        let mut wait = FIRST_WAIT;
        for attempt in 1..=TRIES {
            let response = self
                .client
                .post(path, content_type, body)
                .map_err(|error| self.client.unreachable(&error))?;
            let status = response.status();
            if status.is_success() {
                let mut answer = Vec::new();
                response.into_body().into_reader().take(LARGEST_ANSWER).read_to_end(&mut answer)?;
                return Ok(Ok(answer));
            }
            let asked =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let text = client::text(response);
            match status.as_u16() {
                429 | 503 if attempt < TRIES => {
                    self.bar.set_message("the server asks for time");
                    std::thread::sleep(asked.map_or(wait, Duration::from_secs).min(LONGEST_WAIT));
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                400 | 413 | 415 => return Ok(Err(client::refused(status, &text).to_string())),
                _ => return Err(client::refused(status, &text)),
            }
        }
        Err(Failure::new("the server is too busy")
            .next("try again later; sending a file again changes nothing"))
    }

    fn skip(&mut self, count: u64, place: &str, reason: &str) {
        self.tally.skipped += count;
        if self.tally.reasons.len() < REASONS {
            let what = if count > 1 { format!(" ({count} records)") } else { String::new() };
            let reason = format!("{}, {place}{what}: {}", self.file, plain(reason));
            self.bar.suspend(|| eprintln!("skipped {reason}"));
            self.tally.reasons.push(reason);
        }
    }
}

fn not_understood(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the server's answer is not understood: {error}"))
}
