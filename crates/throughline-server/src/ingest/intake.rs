//! What happens to a body once it is here, whatever it came through: unpack, check, make durable, count.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use throughline_model::{ProjectId, Timestamp, otlp};

use crate::domain::arrival::{Batch, BatchContent};
use crate::http::{Error, State};

use super::content::{self, Encoding, Format};
use super::room::Lease;

/// Bodies above this many bytes are unpacked and checked off the async threads.
const INLINE: usize = 16 << 10;

/// What OTLP carries, each with a service and a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// A body as it came, with the budget it holds until it is stored.
pub(super) struct Parcel {
    pub(super) bytes: Bytes,
    pub(super) encoding: Encoding,
    pub(super) lease: Lease,
}

/// What became of a request's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) accepted: usize,
    pub(super) rejected: usize,
    /// Why the first of them was rejected.
    pub(super) reason: Option<String>,
}

/// Checks and stores one OTLP request.
pub(super) async fn take_otlp(
    state: &State,
    project: ProjectId,
    kind: (Signal, Format),
    parcel: Parcel,
) -> Result<Outcome, Error> {
    let now = state.clock.now();
    let ((content, outcome), lease) = unpacked(state, parcel, move |bytes| decode(kind, bytes, now)).await?;
    if let Some(content) = content {
        append(state, project, content).await?;
    }
    drop(lease);
    count(state, kind.0, &outcome);
    Ok(outcome)
}

/// Unpacks a body and hands it to `read`, off the async threads if it is large.
pub(super) async fn unpacked<T: Send + 'static>(
    state: &State,
    mut parcel: Parcel,
    read: impl FnOnce(Bytes) -> Result<T, Error> + Send + 'static,
) -> Result<(T, Lease), Error> {
    let cap = state.limits.unpacked_bytes;
    let large = parcel.bytes.len() > INLINE;
    let _waits = state.store.senders().one_waits();
    let work = move || {
        let bytes = content::unpack(parcel.bytes, parcel.encoding, cap, &mut parcel.lease)?;
        Ok((read(bytes)?, parcel.lease))
    };
    if large { tokio::task::spawn_blocking(work).await.map_err(Error::internal)? } else { work() }
}

/// Makes records durable.
pub(super) async fn append(state: &State, project: ProjectId, content: BatchContent) -> Result<(), Error> {
    let batch = Batch { project, received: state.clock.now(), content };
    state.store.append(batch).await.map_err(|error| {
        state.metrics.batches_refused.add(1);
        error.into()
    })
}

fn decode(
    (signal, format): (Signal, Format),
    bytes: Bytes,
    now: Timestamp,
) -> Result<(Option<BatchContent>, Outcome), Error> {
    let check = match (signal, format) {
        (Signal::Traces, Format::Protobuf) => otlp::check_traces,
        (Signal::Traces, _) => otlp::check_traces_json,
        (Signal::Logs, Format::Protobuf) => otlp::check_logs,
        (Signal::Logs, _) => otlp::check_logs_json,
        (Signal::Metrics, _) => {
            let accepted = metric_points(format, &bytes)?;
            return Ok((None, Outcome { accepted, ..Outcome::default() }));
        }
    };
    let checked = check(&bytes, now).map_err(malformed)?;
    let outcome = Outcome {
        accepted: checked.accepted as usize,
        rejected: checked.rejected as usize,
        reason: checked.first_reason,
    };
    let bytes = checked.body.map_or(bytes, Bytes::from);
    let content = (outcome.accepted > 0).then(|| match signal {
        Signal::Logs => BatchContent::Logs(bytes),
        _ => BatchContent::Traces(bytes),
    });
    Ok((content, outcome))
}

pub(super) fn malformed(error: impl std::fmt::Display) -> Error {
    Error::bad_request(error.to_string()).code("malformed_body")
}

/// Metrics are read only to be counted: they are no part of a session.
fn metric_points(format: Format, bytes: &[u8]) -> Result<usize, Error> {
    let request: ExportMetricsServiceRequest = match format {
        Format::Protobuf => ExportMetricsServiceRequest::decode(bytes).map_err(malformed)?,
        _ => serde_json::from_slice(bytes).map_err(malformed)?,
    };
    let metrics = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let points = metrics.flat_map(|scope| &scope.metrics).filter_map(|metric| metric.data.as_ref());
    Ok(points
        .map(|data| match data {
            Data::Gauge(gauge) => gauge.data_points.len(),
            Data::Sum(sum) => sum.data_points.len(),
            Data::Histogram(histogram) => histogram.data_points.len(),
            Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
            Data::Summary(summary) => summary.data_points.len(),
        })
        .sum())
}

fn count(state: &State, signal: Signal, outcome: &Outcome) {
    let metrics = &state.metrics;
    match signal {
        Signal::Traces => {
            metrics.spans_accepted.add(outcome.accepted);
            metrics.spans_rejected.add(outcome.rejected);
        }
        Signal::Logs => {
            metrics.log_records_accepted.add(outcome.accepted);
            metrics.log_records_rejected.add(outcome.rejected);
        }
        Signal::Metrics => metrics.metric_points_dropped.add(outcome.accepted),
    }
    if let Some(reason) = &outcome.reason {
        tracing::debug!(?signal, rejected = outcome.rejected, "records rejected, the first: {reason}");
    }
}
