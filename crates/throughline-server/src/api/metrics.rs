//! What the server counts about itself, for Prometheus.

use std::fmt::Write;

use axum::extract::State as Extract;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::http::{Metrics, Sample, State};
use crate::store::StoreStatus;

/// Read the server's counters
///
/// In Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((status = 200, description = "Counters and gauges", content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(Extract(state): Extract<State>) -> impl IntoResponse {
    let text = exposition(&state.metrics, &state.store.status().await);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn exposition(metrics: &Metrics, status: &StoreStatus) -> String {
    let mut page = Page::default();
    for sample in metrics.samples() {
        page.add("counter", &sample);
    }
    for (kind, sample) in store_samples(status) {
        page.add(kind, &sample);
    }
    page.text
}

fn store_samples(status: &StoreStatus) -> Vec<(&'static str, Sample)> {
    let sample = |name, help, value| Sample { name, help, label: None, value };
    vec![
        ("gauge", sample("throughline_store_spans", "Spans stored.", status.spans_stored)),
        ("gauge", sample("throughline_store_events", "Events stored.", status.events_stored)),
        (
            "counter",
            sample(
                "throughline_store_duplicates_total",
                "Records dropped because they were stored already.",
                status.duplicates_dropped,
            ),
        ),
        (
            "gauge",
            sample(
                "throughline_store_queue_batches",
                "Durable batches not yet searchable.",
                status.batches_waiting,
            ),
        ),
        ("gauge", sample("throughline_store_queue_bytes", "Bytes of those batches.", status.bytes_waiting)),
        (
            "gauge",
            sample("throughline_store_log_bytes", "Bytes of the append log on disk.", status.log_bytes),
        ),
        (
            "gauge",
            sample("throughline_store_index_bytes", "Bytes of the indexes on disk.", status.index_bytes),
        ),
        (
            "gauge",
            sample(
                "throughline_store_writable",
                "Whether the store can write: 1 or 0.",
                u64::from(status.write_error.is_none()),
            ),
        ),
    ]
}

#[derive(Default)]
struct Page {
    text: String,
    last: &'static str,
}

impl Page {
    /// Samples of one name must follow each other: the name is described once.
    fn add(&mut self, kind: &str, sample: &Sample) {
        let Sample { name, help, label, value } = sample;
        let text = &mut self.text;
        let mut write = |line: std::fmt::Arguments<'_>| text.write_fmt(line).is_ok();
        if self.last != *name {
            write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            self.last = name;
        }
        match label {
            Some((key, label)) => write(format_args!("{name}{{{key}=\"{label}\"}} {value}\n")),
            None => write(format_args!("{name} {value}\n")),
        };
    }
}
