//! How the ways in are described. The `ingest` room answers them; nothing here is ever called or built.
#![expect(dead_code, reason = "types and functions that only describe")]

use serde::Serialize;
use throughline_model::Event;
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::errors::{ErrorBody, WriteFailed};

/// The operations of the `ingest` room.
#[derive(OpenApi)]
#[openapi(
    paths(send_traces, send_logs, send_metrics, send_events, give_scores),
    components(schemas(RpcStatus))
)]
pub(super) struct Ingest;

/// The message of the same name, in protobuf.
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = String, format = Binary)]
struct Protobuf(Vec<u8>);

/// Why OTLP refused a request: a `google.rpc.Status`, in the format of the request.
#[derive(Debug, Serialize, ToSchema)]
struct RpcStatus {
    /// A gRPC status code.
    code: i32,
    /// For people.
    message: String,
}

#[derive(IntoResponses)]
enum Refused {
    #[response(
        status = 400,
        description = "The body cannot be read; the message says what is wrong and where"
    )]
    Malformed(RpcStatus),
    #[response(status = 413, description = "The body is larger than allowed, packed or unpacked")]
    TooLarge(RpcStatus),
    #[response(
        status = 415,
        description = "Not a format or encoding that is understood; `Accept` and `Accept-Encoding` name those that are"
    )]
    Unsupported(ErrorBody),
    #[response(status = 429, description = "Too much is waiting; try again after `Retry-After`")]
    Busy(RpcStatus),
    #[response(
        status = 503,
        description = "The store cannot be written to now; try again after `Retry-After`"
    )]
    Unavailable(RpcStatus),
}

#[derive(IntoResponses)]
enum EventsRefused {
    #[response(status = 400, description = "The body cannot be cut into events")]
    Malformed(ErrorBody),
    #[response(status = 413, description = "The body is larger than allowed, packed or unpacked")]
    TooLarge(ErrorBody),
    #[response(
        status = 415,
        description = "Not a format or encoding that is understood; `Accept` and `Accept-Encoding` name those that are"
    )]
    Unsupported(ErrorBody),
    #[response(status = 429, description = "Too much is waiting; try again after `Retry-After`")]
    Busy(ErrorBody),
}

/// `ExportTraceServiceResponse`: empty if every span was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TracesTaken {
    /// Given if some spans were not taken. Sending those again does not help.
    partial_success: Option<RejectedSpans>,
}

/// What was not taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RejectedSpans {
    /// How many spans were not, as a text.
    rejected_spans: String,
    /// Why the first of them was not.
    error_message: String,
}

/// `ExportLogsServiceResponse`: empty if every log record was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LogsTaken {
    /// Given if some log records were not taken. Sending those again does not help.
    partial_success: Option<RejectedLogRecords>,
}

/// What was not taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RejectedLogRecords {
    /// How many log records were not, as a text.
    rejected_log_records: String,
    /// Why the first of them was not.
    error_message: String,
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
struct EventsTaken {
    /// How many are stored.
    accepted: usize,
    /// Those that are not. Sending them again does not help.
    rejected: Vec<RejectedEvent>,
}

/// An event that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedEvent {
    /// Its place in the array, or among the lines that are not blank; from 0.
    index: usize,
    /// For programs: `malformed`, `unknown_field`, `invalid_time`, `too_large`, ...
    code: String,
    /// For people.
    message: String,
}

/// Feedback on a session, a trace or an observation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GivenScore {
    /// Of two scores with the same id the later counts.
    id: Option<String>,
    /// What is judged: `helpful`, `accuracy`.
    name: String,
    /// A number, `true` or `false`, or a text.
    value: serde_json::Value,
    /// `NUMERIC`, `BOOLEAN` (then 1 and 0 are `true` and `false`), `CATEGORICAL` or `TEXT`.
    data_type: Option<String>,
    /// Why.
    comment: Option<String>,
    /// The session it is on; this or a trace must be named.
    session_id: Option<String>,
    /// The trace it is on.
    trace_id: Option<String>,
    /// The observation of that trace.
    observation_id: Option<String>,
    /// The environment it is given in.
    environment: Option<String>,
    /// When it was given: RFC 3339, now if not said.
    timestamp: Option<String>,
    /// What else is to be said of it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Value>,
}

/// Send traces
///
/// An OTLP `ExportTraceServiceRequest`, plain or packed with gzip, deflate or zstd. A span that is not sound is left
/// out, and the rest taken; a span that is stored already changes nothing. Answered once everything is durable. Also
/// at `/api/public/otel/v1/traces` and `/otel/v1/traces`.
#[utoipa::path(
    post,
    path = "/v1/traces",
    tag = "ingest",
    request_body(
        content((serde_json::Value = "application/json", example = json!({ "resourceSpans": [] })), (Protobuf = "application/x-protobuf")),
        description = "In protobuf, or in OTLP's JSON"
    ),
    responses(
        (status = 200, description = "Taken, wholly or in part", content((TracesTaken = "application/json"), (Protobuf = "application/x-protobuf"))),
        Refused
    )
)]
fn send_traces() {}

/// Send logs
///
/// An OTLP `ExportLogsServiceRequest`, as for traces. A log record becomes an event, or, where it tells of a model
/// call, an observation. Also at `/api/public/otel/v1/logs` and `/otel/v1/logs`.
#[utoipa::path(
    post,
    path = "/v1/logs",
    tag = "ingest",
    request_body(
        content((serde_json::Value = "application/json", example = json!({ "resourceLogs": [] })), (Protobuf = "application/x-protobuf")),
        description = "In protobuf, or in OTLP's JSON"
    ),
    responses(
        (status = 200, description = "Taken, wholly or in part", content((LogsTaken = "application/json"), (Protobuf = "application/x-protobuf"))),
        Refused
    )
)]
fn send_logs() {}

/// Send metrics
///
/// An OTLP `ExportMetricsServiceRequest`. Metrics are counted and dropped, so that exporters that send all signals to
/// one place need no other set-up. Also at `/api/public/otel/v1/metrics` and `/otel/v1/metrics`.
#[utoipa::path(
    post,
    path = "/v1/metrics",
    tag = "ingest",
    request_body(
        content((serde_json::Value = "application/json", example = json!({ "resourceMetrics": [] })), (Protobuf = "application/x-protobuf")),
        description = "In protobuf, or in OTLP's JSON"
    ),
    responses(
        (status = 200, description = "Counted", content((serde_json::Value = "application/json"), (Protobuf = "application/x-protobuf"))),
        Refused
    )
)]
fn send_metrics() {}

/// Send events
///
/// Event envelopes: one object, an array of them, or one per line. Only `name` is needed; an event without an `id` gets
/// one made of what it says, one without a `time` happens now. What is wrong with single events is said in the answer,
/// and the rest is taken. Answered once everything is durable.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "ingest",
    request_body(
        content(
            (Vec<Event> = "application/json", example = json!([{ "name": "order.shipped", "sessionId": "s1", "attributes": { "items": 3 } }])),
            (String = "application/x-ndjson")
        ),
        description = "An object, an array, or lines"
    ),
    responses(
        (status = 200, description = "What was taken and what not", body = EventsTaken),
        EventsRefused,
        WriteFailed
    )
)]
fn send_events() {}

/// Give scores
///
/// One score or an array of them. They are kept as OpenTelemetry's event `gen_ai.evaluation.result`, and those that come
/// as log records count alike. Langfuse's clients send theirs to `/api/public/scores` or `/api/public/ingestion`.
#[utoipa::path(
    post,
    path = "/api/v1/scores",
    tag = "scores",
    request_body(
        content((Vec<GivenScore> = "application/json", example = json!([{ "name": "helpful", "value": true, "sessionId": "s1" }]))),
        description = "An object or an array"
    ),
    responses(
        (status = 200, description = "What was taken and what not", body = EventsTaken),
        EventsRefused,
        WriteFailed
    )
)]
fn give_scores() {}
