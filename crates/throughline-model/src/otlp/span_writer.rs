//! Spans as OTLP.

use super::value::{put_any_value, put_attribute};
use super::wire;
use crate::{Attributes, ErrorInfo, ObservationType, SpanId, Status, Timestamp, TraceId, keys};

/// Who the spans of a request are from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The service.
    pub service: &'a str,
    /// Where it runs.
    pub environment: &'a str,
    /// Its version.
    pub version: Option<&'a str>,
}

/// A span to be written. What it says beyond these fields is among its attributes, under the names of [`keys`] and
/// OpenTelemetry's.
#[derive(Debug, Clone)]
pub struct OutgoingSpan<'a> {
    /// The trace it is part of.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span it happened in.
    pub parent_id: Option<SpanId>,
    /// The `tracestate` of the trace; may be empty.
    pub trace_state: &'a str,
    /// What kind of work it is.
    pub kind: ObservationType,
    /// What it is called.
    pub name: &'a str,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// How it ended.
    pub status: Status,
    /// What is said about how it ended.
    pub status_message: Option<&'a str>,
    /// What went wrong: becomes an `exception` event at the end.
    pub error: Option<&'a ErrorInfo>,
    /// Everything else.
    pub attributes: Attributes,
}

/// The spans as an `ExportTraceServiceRequest` in protobuf bytes.
///
/// ```
/// use throughline_model::otlp::{Origin, OutgoingSpan, each_span, spans_to_traces};
/// use throughline_model::{Attributes, ObservationType, Status, Timestamp};
///
/// let span = OutgoingSpan {
///     trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse()?,
///     span_id: "00f067aa0ba902b7".parse()?,
///     parent_id: None,
///     trace_state: "",
///     kind: ObservationType::Tool,
///     name: "find orders",
///     start_time: Timestamp::from_nanos(1_000_000_000),
///     end_time: Timestamp::from_nanos(2_000_000_000),
///     status: Status::Ok,
///     status_message: None,
///     error: None,
///     attributes: Attributes::new(),
/// };
/// let body = spans_to_traces(Origin { service: "shop", environment: "test", version: None }, [span]);
/// each_span(&body, |span| {
///     let facts = span.facts();
///     assert_eq!((facts.kind, facts.service.as_deref()), (ObservationType::Tool, Some("shop")));
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn spans_to_traces<'a>(origin: Origin<'_>, spans: impl IntoIterator<Item = OutgoingSpan<'a>>) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put_message(&mut out, 1, |out| {
        wire::put_message(out, 1, |out| {
            put_text(out, 1, keys::SERVICE_NAME, origin.service);
            put_text(out, 1, keys::ENVIRONMENT, origin.environment);
            if let Some(version) = origin.version {
                put_text(out, 1, keys::SERVICE_VERSION, version);
            }
        });
        wire::put_message(out, 2, |out| {
            wire::put_message(out, 1, |out| wire::put_bytes(out, 1, b"throughline"));
            for span in spans {
                wire::put_message(out, 2, |out| put_span(&span, out));
            }
        });
    });
    out
}

fn put_text(out: &mut Vec<u8>, field: u32, key: &str, text: &str) {
    put_attribute(out, field, key, |out| wire::put_bytes(out, 1, text.as_bytes()));
}

fn put_time(out: &mut Vec<u8>, field: u32, time: Timestamp) {
    wire::put_fixed64(out, field, time.as_nanos().max(0).cast_unsigned());
}

fn put_span(span: &OutgoingSpan<'_>, out: &mut Vec<u8>) {
    wire::put_bytes(out, 1, span.trace_id.as_bytes());
    wire::put_bytes(out, 2, span.span_id.as_bytes());
    if !span.trace_state.is_empty() {
        wire::put_bytes(out, 3, span.trace_state.as_bytes());
    }
    if let Some(parent) = span.parent_id {
        wire::put_bytes(out, 4, parent.as_bytes());
    }
    wire::put_bytes(out, 5, span.name.as_bytes());
    // SPAN_KIND_CLIENT for calls of a model elsewhere, SPAN_KIND_INTERNAL for the rest.
    wire::put_varint(out, 6, if span.kind.is_model_call() { 3 } else { 1 });
    put_time(out, 7, span.start_time);
    put_time(out, 8, span.end_time);
    put_text(out, 9, keys::OBSERVATION_TYPE, span.kind.as_str());
    for (key, value) in &span.attributes {
        put_attribute(out, 9, key, |out| put_any_value(out, value));
    }
    if let Some(error) = span.error {
        wire::put_message(out, 11, |out| put_exception(error, span.end_time, out));
    }
    wire::put_message(out, 15, |out| {
        if let Some(message) = span.status_message {
            wire::put_bytes(out, 2, message.as_bytes());
        }
        match span.status {
            Status::Unset => {}
            Status::Ok => wire::put_varint(out, 3, 1),
            Status::Error => wire::put_varint(out, 3, 2),
        }
    });
}

fn put_exception(error: &ErrorInfo, time: Timestamp, out: &mut Vec<u8>) {
    put_time(out, 1, time);
    wire::put_bytes(out, 2, b"exception");
    put_text(out, 3, keys::EXCEPTION_TYPE, &error.name);
    put_text(out, 3, keys::EXCEPTION_MESSAGE, &error.message);
    for (key, text) in [(keys::ERROR_CODE, &error.code), (keys::EXCEPTION_STACKTRACE, &error.stack)] {
        if let Some(text) = text {
            put_text(out, 3, key, text);
        }
    }
}
