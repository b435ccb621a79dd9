//! Spans as OTLP.

use super::request::{AttributeWriter, Request};
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
    let mut request = Request::default();
    request.begin(origin);
    for span in spans {
        request.put_span(&span, |_| {});
    }
    request.finish().to_vec()
}

fn put_time(out: &mut Vec<u8>, field: u32, time: Timestamp) {
    wire::put_fixed64(out, field, time.as_nanos().max(0).cast_unsigned());
}

pub(super) fn put_span(
    span: &OutgoingSpan<'_>,
    out: &mut Vec<u8>,
    attributes: impl FnOnce(&mut AttributeWriter<'_>),
) {
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
    let mut writer = AttributeWriter { out, field: 9 };
    writer.text(keys::OBSERVATION_TYPE, span.kind.as_str());
    span.attributes.iter().for_each(|(key, value)| writer.json(key, value));
    attributes(&mut writer);
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
    AttributeWriter { out, field: 3 }.error(error);
}
