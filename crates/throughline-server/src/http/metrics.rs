//! What the server counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of the doors. What the store counts is in [`crate::store::StoreStatus`].
#[derive(Debug, Default)]
pub struct Metrics {
    pub spans_accepted: Counter,
    pub spans_rejected: Counter,
    pub log_records_accepted: Counter,
    pub log_records_rejected: Counter,
    pub events_accepted: Counter,
    pub events_rejected: Counter,
    pub metric_points_dropped: Counter,
    /// Request bodies as sent.
    pub received_bytes: Counter,
    /// Batches turned away because the store was busy or could not write.
    pub batches_refused: Counter,
    pub responses_ok: Counter,
    pub responses_client_error: Counter,
    pub responses_server_error: Counter,
}

/// One line of a metrics page: names and labels in Prometheus' style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub name: &'static str,
    pub help: &'static str,
    /// At most one label: its name and value.
    pub label: Option<(&'static str, &'static str)>,
    pub value: u64,
}

impl Metrics {
    /// Counts an answer by its class of status.
    pub fn count_response(&self, status: http::StatusCode) {
        let counter = match status.as_u16() {
            500.. => &self.responses_server_error,
            400.. => &self.responses_client_error,
            _ => &self.responses_ok,
        };
        counter.add(1);
    }

    /// Every counter, those of one name side by side.
    pub fn samples(&self) -> Vec<Sample> {
        const ACCEPTED: (&str, &str) =
            ("throughline_ingest_accepted_total", "Records accepted and made durable.");
        const REJECTED: (&str, &str) = ("throughline_ingest_rejected_total", "Records refused as invalid.");
        const RESPONSES: (&str, &str) =
            ("throughline_http_responses_total", "HTTP answers by class of status.");
        let sample =
            |(name, help), label, counter: &Counter| Sample { name, help, label, value: counter.get() };
        vec![
            sample(ACCEPTED, Some(("signal", "spans")), &self.spans_accepted),
            sample(ACCEPTED, Some(("signal", "logs")), &self.log_records_accepted),
            sample(ACCEPTED, Some(("signal", "events")), &self.events_accepted),
            sample(REJECTED, Some(("signal", "spans")), &self.spans_rejected),
            sample(REJECTED, Some(("signal", "logs")), &self.log_records_rejected),
            sample(REJECTED, Some(("signal", "events")), &self.events_rejected),
            sample(
                (
                    "throughline_ingest_metric_points_dropped_total",
                    "OTLP metric points accepted and dropped.",
                ),
                None,
                &self.metric_points_dropped,
            ),
            sample(
                ("throughline_ingest_received_bytes_total", "Bytes of request bodies, as sent."),
                None,
                &self.received_bytes,
            ),
            sample(
                ("throughline_ingest_batches_refused_total", "Batches turned away for want of room or disk."),
                None,
                &self.batches_refused,
            ),
            sample(RESPONSES, Some(("class", "ok")), &self.responses_ok),
            sample(RESPONSES, Some(("class", "client_error")), &self.responses_client_error),
            sample(RESPONSES, Some(("class", "server_error")), &self.responses_server_error),
        ]
    }
}
