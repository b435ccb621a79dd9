//! Requests to be sent, written record by record into one buffer that is used again.

use serde_json::Value;

use super::sheet::Sheet;
use super::span_writer::{Origin, OutgoingSpan};
use super::template::{LogTemplate, RecordWriter};
use super::value::{put_any_value, put_attribute};
use super::{event, span_writer, wire};
use crate::{Actor, ErrorInfo, Event, Level, Scope, SpanId, Timestamp, TraceId, keys};

/// An `ExportLogsServiceRequest` or an `ExportTraceServiceRequest` on its way: they differ in their records only.
///
/// ```
/// use throughline_model::otlp::{Origin, Request, each_log};
/// # let event: throughline_model::Event = serde_json::from_str(r#"{"id":"evt_1","name":"order.shipped",
/// #     "time":"2024-01-15T10:30:00.000Z","level":"info","service":"shop","environment":"test"}"#)?;
///
/// let mut request = Request::default();
/// request.begin(Origin { service: "shop", environment: "test", version: None });
/// request.put_event(&event);
/// let mut seen = 0;
/// each_log(request.finish(), |_| seen += 1)?;
/// assert_eq!(seen, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// A gap for what stands before the records, whose length is known only after them, and the records.
    sheet: Sheet,
    /// Resource and scope: what stands before the records but for lengths.
    resource: Vec<u8>,
    gap: usize,
    /// A record on its way there, whose length is not known yet.
    record: Vec<u8>,
}

/// The scope that everything is from.
const SCOPE: &[u8] = b"\x0a\x0d\x0a\x0bthroughline";
/// The most bytes that a tag and a length take.
const MAX_HEAD: usize = 1 + wire::MAX_VARINT;

impl Request {
    /// Begins anew: what was there is forgotten, its memory is kept.
    pub fn begin(&mut self, origin: Origin<'_>) {
        self.resource.clear();
        wire::put_message(&mut self.resource, 1, |out| {
            let mut resource = AttributeWriter { out, field: 1 };
            resource.text(keys::SERVICE_NAME, origin.service);
            resource.text(keys::ENVIRONMENT, origin.environment);
            if let Some(version) = origin.version {
                resource.text(keys::SERVICE_VERSION, version);
            }
        });
        self.gap = self.resource.len() + SCOPE.len() + 2 * MAX_HEAD;
        self.sheet.begin(self.gap);
    }

    /// Whether there is no record in it.
    pub const fn is_empty(&self) -> bool {
        self.sheet.len() == self.gap
    }

    /// The request with all its records, in protobuf bytes.
    pub fn finish(&mut self) -> &[u8] {
        let scoped = SCOPE.len() + self.sheet.len() - self.gap;
        let mut head = Vec::with_capacity(self.gap);
        wire::put_length(&mut head, 1, self.resource.len() + wire::bytes_field_length(scoped));
        head.extend_from_slice(&self.resource);
        wire::put_length(&mut head, 2, scoped);
        head.extend_from_slice(SCOPE);
        let start = self.gap - head.len();
        self.sheet.written_mut()[start..self.gap].copy_from_slice(&head);
        &self.sheet.written()[start..]
    }

    /// Appends an event, as a log record.
    pub fn put_event(&mut self, event: &Event) {
        self.put_record(|out| event::put_record(event, out));
    }

    /// Appends a log record of these parts; `attributes` appends its attributes, which [`is_reserved`](super::is_reserved)
    /// must not hold for.
    pub fn put_log(&mut self, log: &OutgoingLog<'_>, attributes: impl FnOnce(&mut AttributeWriter<'_>)) {
        self.put_record(|out| put_log(log, out, attributes));
    }

    /// Appends a log record that begins like others, with its own time and id; `rest` appends the rest.
    #[inline]
    pub fn put_like(
        &mut self,
        template: &LogTemplate,
        time: Timestamp,
        id: &str,
        rest: impl FnOnce(&mut RecordWriter<'_>),
    ) {
        RecordWriter::write(&mut self.sheet, template, (time, id), rest);
    }

    /// Appends a span; `attributes` appends attributes to those that the span has.
    pub fn put_span(&mut self, span: &OutgoingSpan<'_>, attributes: impl FnOnce(&mut AttributeWriter<'_>)) {
        self.put_record(|out| span_writer::put_span(span, out, attributes));
    }

    #[inline]
    fn put_record(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.record.clear();
        write(&mut self.record);
        self.sheet.push_length(2, self.record.len());
        self.sheet.push(&self.record);
    }
}

/// An event to be written, from wherever its parts lie. Its session and everything else are among the attributes.
#[derive(Debug, Clone)]
pub struct OutgoingLog<'a> {
    /// Its id.
    pub id: &'a str,
    /// What happened.
    pub name: &'a str,
    /// When it happened.
    pub time: Timestamp,
    /// How serious it is.
    pub level: Level,
    /// The trace it was said in.
    pub trace_id: Option<TraceId>,
    /// The span it was said in.
    pub span_id: Option<SpanId>,
    /// What went wrong.
    pub error: Option<&'a ErrorInfo>,
    /// Where in the code it was said: module, file and line.
    pub source: (Option<&'a str>, Option<&'a str>, Option<u32>),
}

pub(super) fn put_log(
    log: &OutgoingLog<'_>,
    out: &mut Vec<u8>,
    attributes: impl FnOnce(&mut AttributeWriter<'_>),
) {
    let nanos = log.time.as_nanos().max(0).cast_unsigned();
    wire::put_fixed64(out, 1, nanos);
    wire::put_varint(out, 2, u64::from(log.level.severity_number().cast_unsigned()));
    wire::put_bytes(out, 3, severity_text(log.level));
    let mut writer = AttributeWriter { out, field: 6 };
    writer.text(keys::EVENT_ID, log.id);
    if let Some(error) = log.error {
        writer.error(error);
    }
    let (causer, file, line) = log.source;
    for (key, text) in [(keys::SOURCE_CAUSER, causer), (keys::SOURCE_FILE, file)] {
        if let Some(text) = text {
            writer.text(key, text);
        }
    }
    if let Some(line) = line {
        writer.int(keys::SOURCE_LINE, line.into());
    }
    attributes(&mut writer);
    if let Some(id) = log.trace_id {
        wire::put_bytes(out, 9, id.as_bytes());
    }
    if let Some(id) = log.span_id {
        wire::put_bytes(out, 10, id.as_bytes());
    }
    wire::put_fixed64(out, 11, nanos);
    wire::put_bytes(out, 12, log.name.as_bytes());
}

pub(super) const fn severity_text(level: Level) -> &'static [u8] {
    match level {
        Level::Debug => b"DEBUG",
        Level::Info => b"INFO",
        Level::Warn => b"WARN",
        Level::Error => b"ERROR",
        Level::Fatal => b"FATAL",
    }
}

/// Appends attributes to a record.
#[derive(Debug)]
pub struct AttributeWriter<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// The field that has the record's attributes.
    pub(super) field: u32,
}

/// Appends the tag and length of a pair whose value takes so many bytes, its key, and the tag and length of its value.
#[inline]
fn put_pair(out: &mut Vec<u8>, field: u32, key: &str, value: usize) {
    wire::put_length(out, field, wire::bytes_field_length(key.len()) + wire::bytes_field_length(value));
    wire::put_bytes(out, 1, key.as_bytes());
    wire::put_length(out, 2, value);
}

impl AttributeWriter<'_> {
    /// For a pair in which every length takes one byte: its tag and length, and the lengths of key and value.
    #[inline]
    fn short(&self, key: &str, value: usize) -> Option<((u8, u8), u8, u8)> {
        let pair = 4 + key.len() + value;
        (pair < 0x80).then_some((((self.field << 3 | 2) as u8, pair as u8), key.len() as u8, value as u8))
    }

    /// Appends a text.
    #[inline]
    pub fn text(&mut self, key: &str, text: &str) {
        if let Some((pair, key_length, value)) = self.short(key, 2 + text.len()) {
            self.out.extend_from_slice(&[pair.0, pair.1, 0x0a, key_length]);
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(&[0x12, value, 0x0a, value - 2]);
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        put_pair(self.out, self.field, key, wire::bytes_field_length(text.len()));
        wire::put_bytes(self.out, 1, text.as_bytes());
    }

    /// Appends yes or no.
    #[inline]
    pub fn bool(&mut self, key: &str, yes: bool) {
        if let Some((pair, key_length, value)) = self.short(key, 2) {
            self.out.extend_from_slice(&[pair.0, pair.1, 0x0a, key_length]);
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(&[0x12, value, 0x10, u8::from(yes)]);
            return;
        }
        put_pair(self.out, self.field, key, 2);
        wire::put_varint(self.out, 2, u64::from(yes));
    }

    /// Appends a whole number.
    #[inline]
    pub fn int(&mut self, key: &str, number: i64) {
        put_pair(self.out, self.field, key, 1 + wire::varint_length(number.cast_unsigned()));
        wire::put_varint(self.out, 3, number.cast_unsigned());
    }

    /// Appends a number.
    #[inline]
    pub fn float(&mut self, key: &str, number: f64) {
        if let Some((pair, key_length, value)) = self.short(key, 9) {
            self.out.extend_from_slice(&[pair.0, pair.1, 0x0a, key_length]);
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(&[0x12, value, 0x21]);
            self.out.extend_from_slice(&number.to_bits().to_le_bytes());
            return;
        }
        put_pair(self.out, self.field, key, 9);
        wire::put_fixed64(self.out, 4, number.to_bits());
    }

    /// Appends nothing under a key.
    pub fn null(&mut self, key: &str) {
        put_pair(self.out, self.field, key, 0);
    }

    /// Appends any JSON. Integers above `i64::MAX` become floats.
    pub fn json(&mut self, key: &str, value: &Value) {
        put_attribute(self.out, self.field, key, |out| put_any_value(out, value));
    }

    /// Appends what other writers for records of the same kind wrote.
    #[inline]
    pub fn written(&mut self, attributes: &[u8]) {
        self.out.extend_from_slice(attributes);
    }

    /// Appends who acts, as log records have it.
    pub fn actor(&mut self, actor: &Actor) {
        self.text(keys::ACTOR_TYPE, &actor.kind);
        if let Some(id) = &actor.id {
            self.text(keys::ACTOR_ID, id);
        }
        self.object(keys::ACTOR_TAGS, &actor.tags);
    }

    /// Appends in which context, as log records have it.
    pub fn scope(&mut self, scope: &Scope) {
        self.text(keys::SCOPE_TYPE, &scope.kind);
        self.text(keys::SCOPE_ID, &scope.id);
        self.object(keys::SCOPE_TAGS, &scope.tags);
    }

    /// Appends a map, unless it is empty.
    pub(super) fn object(&mut self, key: &str, object: &crate::Attributes) {
        if !object.is_empty() {
            put_attribute(self.out, self.field, key, |out| super::value::put_object(out, object));
        }
    }

    pub(super) fn error(&mut self, error: &ErrorInfo) {
        self.text(keys::EXCEPTION_TYPE, &error.name);
        self.text(keys::EXCEPTION_MESSAGE, &error.message);
        for (key, text) in [(keys::ERROR_CODE, &error.code), (keys::EXCEPTION_STACKTRACE, &error.stack)] {
            if let Some(text) = text {
                self.text(key, text);
            }
        }
    }
}

/// Attributes for log records (`true`) or for spans, to be [`written`](AttributeWriter::written) into many of them.
pub fn attributes_of(logs: bool, write: impl FnOnce(&mut AttributeWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut AttributeWriter { out: &mut out, field: if logs { 6 } else { 9 } });
    out
}
