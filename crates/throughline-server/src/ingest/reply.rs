//! OTLP's answers, in the format of the request: protobuf to protobuf, JSON to JSON.

use ::http::header::CONTENT_TYPE;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::json;

use crate::http::Error;

use super::content::Format;
use super::intake::{Outcome, Signal};

/// The service's response message. A request taken as a whole is answered without `partial_success`, as OTLP asks.
pub(super) fn message(signal: Signal, outcome: &Outcome) -> Bytes {
    let rejected = i64::try_from(outcome.rejected).unwrap_or(i64::MAX);
    let error_message = outcome.reason.clone().unwrap_or_default();
    let partial = rejected > 0;
    match signal {
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: partial
                .then_some(ExportTracePartialSuccess { rejected_spans: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: partial
                .then_some(ExportLogsPartialSuccess { rejected_log_records: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceResponse::default().encode_to_vec(),
    }
    .into()
}

/// The answer to a request that was taken, wholly or in part.
pub(super) fn taken(signal: Signal, format: Format, outcome: &Outcome) -> Response {
    let (content_type, body) = match format {
        Format::Protobuf => ("application/x-protobuf", Body::from(message(signal, outcome))),
        _ => ("application/json", Body::from(json_message(signal, outcome))),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, ::http::HeaderValue::from_static(content_type));
    response
}

/// ProtoJSON: 64-bit numbers are strings.
fn json_message(signal: Signal, outcome: &Outcome) -> String {
    let count = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
    };
    let partial = json!({ count: outcome.rejected.to_string(), "errorMessage": outcome.reason });
    if outcome.rejected > 0 { json!({ "partialSuccess": partial }) } else { json!({}) }.to_string()
}

/// The answer to a request that was refused: a `google.rpc.Status`.
pub(super) fn refused(format: Format, error: &Error) -> Response {
    match format {
        Format::Protobuf => error.respond_protobuf(),
        _ => {
            let status = error.to_rpc_status();
            error.respond(
                "application/json",
                json!({ "code": status.code, "message": status.message }).to_string(),
            )
        }
    }
}
