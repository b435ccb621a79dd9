//! The spans of a checked request, one after the other.

use super::context::Context;
use super::facts::SpanFacts;
use super::wire::{self, Fields, Malformed, Wire, WireError};
use crate::SpanId;

/// One span of a request with the resource and scope it came under, as bytes.
///
/// ```
/// use throughline_model::otlp::{each_span, traces_from_json};
///
/// let body = traces_from_json(br#"{"resourceSpans":[{"resource":{"attributes":[
///     {"key":"service.name","value":{"stringValue":"shop"}}]},
///     "scopeSpans":[{"spans":[{"name":"one"},{"name":"two"}]}]}]}"#)?;
/// let (mut kept, mut names) = (Vec::new(), Vec::new());
/// each_span(&body, |span| span.write_single(&mut kept))?;
/// each_span(&kept, |span| {
///     let facts = span.facts();
///     names.push(format!("{} of {}", facts.name, facts.service.unwrap_or_default()));
/// })?;
/// assert_eq!(names, ["one of shop", "two of shop"]);
/// # Ok::<(), throughline_model::otlp::wire::Malformed>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RawSpan<'a> {
    /// The `Resource` message.
    pub resource: &'a [u8],
    /// The `InstrumentationScope` message.
    pub scope: &'a [u8],
    /// The `Span` message.
    pub span: &'a [u8],
    resource_schema: &'a [u8],
    scope_schema: &'a [u8],
    pub(super) context: &'a Context<'a>,
}

/// Calls `f` with each span of `body`, an `ExportTraceServiceRequest` or `TracesData` that
/// [`check_traces`](super::check_traces) has found sound. What spans share (their resource and scope) is read once.
///
/// # Errors
/// When the message is not well-formed; `f` has been called for the spans before.
///
/// ```
/// # let body = Vec::new();
/// throughline_model::otlp::each_span(&body, |span| {
///     let facts = span.facts();
///     println!("{} took {} ns", facts.name, facts.end.nanos_since(facts.start));
/// })?;
/// # Ok::<(), throughline_model::otlp::wire::Malformed>(())
/// ```
pub fn each_span(body: &[u8], mut f: impl FnMut(RawSpan<'_>)) -> Result<(), Malformed> {
    walk(body, &mut f).map_err(|error| error.within(body))
}

fn walk(body: &[u8], f: &mut impl FnMut(RawSpan<'_>)) -> Result<(), WireError> {
    for resource_spans in messages(body, 1) {
        let resource_spans = resource_spans?;
        if messages(resource_spans, 2).next().is_none() {
            // Millions of empty resources fit into a request.
            continue;
        }
        let (resource, resource_schema) = heading(resource_spans);
        let of_resource = Context::of_resource(resource);
        for scope_spans in messages(resource_spans, 2) {
            let scope_spans = scope_spans?;
            let (scope, scope_schema) = heading(scope_spans);
            let context = of_resource.with_scope(scope);
            for span in messages(scope_spans, 2) {
                f(RawSpan { resource, scope, span: span?, resource_schema, scope_schema, context: &context });
            }
        }
    }
    Ok(())
}

/// The length-delimited fields of this number.
pub(super) fn messages(bytes: &[u8], wanted: u32) -> impl Iterator<Item = Result<&[u8], WireError>> {
    Fields::new(bytes).filter_map(move |field| match field {
        Ok((number, Wire::Bytes(message))) if number == wanted => Some(Ok(message)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// The resource or scope (field 1) and the schema URL (field 3); they may come after the spans.
pub(super) fn heading(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (mut head, mut schema) = (&[][..], &[][..]);
    for field in wire::checked(bytes) {
        match field {
            (1, Wire::Bytes(message)) => head = message,
            (3, Wire::Bytes(url)) => schema = url,
            _ => {}
        }
    }
    (head, schema)
}

impl<'a> RawSpan<'a> {
    /// What the span says, in our words.
    pub fn facts(&self) -> SpanFacts<'a> {
        super::reader::read(self)
    }

    /// The span's parent, read without anything else of it.
    pub fn parent_id(&self) -> Option<SpanId> {
        wire::checked(self.span).find_map(|field| match field {
            (4, Wire::Bytes(id)) => SpanId::from_slice(id),
            _ => None,
        })
    }

    /// Appends the span with its resource and scope as one `ResourceSpans` field: a complete `TracesData` (or
    /// `ExportTraceServiceRequest`) by itself, and any number of them appended to each other are one again.
    pub fn write_single(&self, out: &mut Vec<u8>) {
        let optional = |bytes: &[u8]| match bytes.len() {
            0 => 0,
            n => wire::bytes_field_length(n),
        };
        let scope_spans =
            optional(self.scope) + wire::bytes_field_length(self.span.len()) + optional(self.scope_schema);
        let resource_spans =
            optional(self.resource) + wire::bytes_field_length(scope_spans) + optional(self.resource_schema);
        out.reserve(wire::bytes_field_length(resource_spans));
        let put = |out: &mut Vec<u8>, number, bytes: &[u8]| {
            if !bytes.is_empty() {
                wire::put_bytes(out, number, bytes);
            }
        };
        wire::put_length(out, 1, resource_spans);
        put(out, 1, self.resource);
        wire::put_length(out, 2, scope_spans);
        put(out, 1, self.scope);
        wire::put_bytes(out, 2, self.span);
        put(out, 3, self.scope_schema);
        put(out, 3, self.resource_schema);
    }
}
