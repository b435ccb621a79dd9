//! The shape of OTLP's trace and log messages: which field holds what. The one place that spells field numbers for
//! checking and repairing; opentelemetry-proto v1 (`trace.proto`, `logs.proto`, `common.proto`, `resource.proto`).

use super::wire::{self, Fields, Wire, WireError};

/// An attribute nested deeper than this many arrays and maps is replaced by a text. With it every body stays within
/// the 100 message levels that protobuf readers allow.
pub(super) const MAX_NESTING: usize = 31;

const TOO_DEEP: &str = "[nested too deeply]";

/// A message type of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Message {
    TracesData,
    ResourceSpans,
    ScopeSpans,
    LogsData,
    ResourceLogs,
    ScopeLogs,
    Resource,
    EntityRef,
    Scope,
    Span,
    SpanEvent,
    Link,
    Status,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
    LogRecord,
}

impl Message {
    /// Whether this is what requests are made to carry: a single bad one does not spoil the rest.
    pub(super) fn is_record(self) -> bool {
        matches!(self, Self::Span | Self::LogRecord)
    }
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Bytes,
    Varint,
    Fixed64,
    Fixed32,
    Message(Message),
    Unknown,
}

impl Message {
    #[inline(always)]
    pub(super) const fn field(self, number: u32) -> Kind {
        use Kind::{Bytes, Fixed32, Fixed64, Text, Unknown, Varint};
        const ATTRIBUTE: Kind = Kind::Message(Message::KeyValue);
        const VALUE: Kind = Kind::Message(Message::AnyValue);
        match (self, number) {
            (Self::TracesData, 1) => Kind::Message(Self::ResourceSpans),
            (Self::ResourceSpans, 2) => Kind::Message(Self::ScopeSpans),
            (Self::ScopeSpans, 2) => Kind::Message(Self::Span),
            (Self::LogsData, 1) => Kind::Message(Self::ResourceLogs),
            (Self::ResourceLogs, 2) => Kind::Message(Self::ScopeLogs),
            (Self::ScopeLogs, 2) => Kind::Message(Self::LogRecord),
            (Self::ResourceSpans | Self::ResourceLogs, 1) => Kind::Message(Self::Resource),
            (Self::ScopeSpans | Self::ScopeLogs, 1) => Kind::Message(Self::Scope),
            (Self::ResourceSpans | Self::ScopeSpans | Self::ResourceLogs | Self::ScopeLogs, 3) => Text,
            (Self::KeyValue, 1) => Text,
            (Self::KeyValue, 2) => VALUE,
            // An index into a profile's strings, which means nothing here: taken, and ignored.
            (Self::KeyValue, 3) | (Self::AnyValue, 8) => Varint,
            (Self::AnyValue, 1) => Text,
            (Self::AnyValue, 2 | 3) => Varint,
            (Self::AnyValue, 4) => Fixed64,
            (Self::AnyValue, 5) => Kind::Message(Self::ArrayValue),
            (Self::AnyValue, 6) => Kind::Message(Self::KeyValueList),
            (Self::AnyValue, 7) => Bytes,
            (Self::ArrayValue, 1) => VALUE,
            (Self::KeyValueList, 1) => ATTRIBUTE,
            (Self::Resource, 1) => ATTRIBUTE,
            (Self::Resource, 2) => Varint,
            (Self::Resource, 3) => Kind::Message(Self::EntityRef),
            (Self::EntityRef, 1..=4) => Text,
            (Self::Scope, 1 | 2) => Text,
            (Self::Scope, 3) => ATTRIBUTE,
            (Self::Scope, 4) => Varint,
            (Self::Span, 1 | 2 | 4) => Bytes,
            (Self::Span, 3 | 5) => Text,
            (Self::Span, 6 | 10 | 12 | 14) => Varint,
            (Self::Span, 7 | 8) => Fixed64,
            (Self::Span, 9) => ATTRIBUTE,
            (Self::Span, 11) => Kind::Message(Self::SpanEvent),
            (Self::Span, 13) => Kind::Message(Self::Link),
            (Self::Span, 15) => Kind::Message(Self::Status),
            (Self::Span, 16) => Fixed32,
            (Self::SpanEvent, 1) => Fixed64,
            (Self::SpanEvent, 2) => Text,
            (Self::SpanEvent, 3) => ATTRIBUTE,
            (Self::SpanEvent, 4) => Varint,
            (Self::Link, 1 | 2) => Bytes,
            (Self::Link, 3) => Text,
            (Self::Link, 4) => ATTRIBUTE,
            (Self::Link, 5) => Varint,
            (Self::Link, 6) => Fixed32,
            (Self::Status, 2) => Text,
            (Self::Status, 3) => Varint,
            (Self::LogRecord, 1 | 11) => Fixed64,
            (Self::LogRecord, 2 | 7) => Varint,
            (Self::LogRecord, 3 | 12) => Text,
            (Self::LogRecord, 5) => VALUE,
            (Self::LogRecord, 6) => ATTRIBUTE,
            (Self::LogRecord, 8) => Fixed32,
            (Self::LogRecord, 9 | 10) => Bytes,
            _ => Unknown,
        }
    }

    /// Whether the message in `bytes` can be kept as it is (`true`) or must go through [`Message::repair`] because a
    /// text is not UTF-8 or a value is nested too deeply. An error if it is not well-formed.
    pub(super) fn is_clean(self, bytes: &[u8]) -> Result<bool, WireError> {
        self.is_clean_at(bytes, 0)
    }

    fn is_clean_at(self, bytes: &[u8], nesting: usize) -> Result<bool, WireError> {
        // Nearly all that a request consists of is these two; they get code of their own.
        match self {
            Self::KeyValue => Self::KeyValue.are_fields_clean(bytes, nesting),
            Self::AnyValue => Self::AnyValue.are_fields_clean(bytes, nesting),
            other => other.are_fields_clean(bytes, nesting),
        }
    }

    #[inline(always)]
    fn are_fields_clean(self, bytes: &[u8], nesting: usize) -> Result<bool, WireError> {
        let nesting = nesting + usize::from(self == Self::AnyValue);
        if nesting > MAX_NESTING {
            return Ok(false);
        }
        let mut clean = true;
        for field in Fields::new(bytes) {
            let (number, wire) = field?;
            clean &= self.is_field_clean(number, wire, bytes, nesting)?;
        }
        Ok(clean)
    }

    /// The same for one field of the message in `bytes`, which lies in this many values.
    #[inline(always)]
    pub(super) fn is_field_clean(
        self,
        number: u32,
        wire: Wire<'_>,
        bytes: &[u8],
        nesting: usize,
    ) -> Result<bool, WireError> {
        match (self.field(number), wire) {
            (Kind::Text, Wire::Bytes(text)) => Ok(is_text(text)),
            (Kind::Message(message), Wire::Bytes(inner)) => message.is_clean_at(inner, nesting),
            (kind, wire) => kind.fits(wire, bytes),
        }
    }

    /// Appends the message in `bytes` to `out` with U+FFFD for what is not UTF-8, and a text in place of values that
    /// are nested too deeply.
    pub(super) fn repair(self, bytes: &[u8], out: &mut Vec<u8>) {
        self.repair_at(bytes, 0, out);
    }

    fn repair_at(self, bytes: &[u8], nesting: usize, out: &mut Vec<u8>) {
        let nesting = nesting + usize::from(self == Self::AnyValue);
        if nesting > MAX_NESTING {
            return wire::put_bytes(out, 1, TOO_DEEP.as_bytes());
        }
        for (number, wire) in wire::checked(bytes) {
            match (self.field(number), wire) {
                (Kind::Text, Wire::Bytes(text)) => {
                    wire::put_bytes(out, number, wire::text(text).as_bytes());
                }
                (Kind::Message(message), Wire::Bytes(inner)) => {
                    wire::put_message(out, number, |out| message.repair_at(inner, nesting, out));
                }
                (_, wire) => wire::put_wire(out, number, wire),
            }
        }
    }
}

/// Whether it is UTF-8. Most texts are ASCII, which is quicker told.
#[inline]
pub(super) fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

impl Kind {
    /// `true`, or an error when the bytes on the wire are not of this kind.
    #[inline]
    pub(super) fn fits(self, wire: Wire<'_>, message: &[u8]) -> Result<bool, WireError> {
        match (self, wire) {
            (Self::Unknown, _)
            | (Self::Text | Self::Bytes | Self::Message(_), Wire::Bytes(_))
            | (Self::Varint, Wire::Varint(_))
            | (Self::Fixed64, Wire::Fixed64(_))
            | (Self::Fixed32, Wire::Fixed32(_)) => Ok(true),
            _ => Err(WireError::new("a known field has the wrong wire type", message)),
        }
    }
}
