//! The names of OTLP's fields in JSON, beside the numbers that [`schema`](super::schema) gives a meaning to.

use super::schema::Message;

/// How a field looks in JSON, where its wire kind does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// By the wire kind: texts, base64 for bytes, objects for messages, numbers.
    Plain,
    /// A 64-bit integer: a text of digits.
    Integer64,
    /// A trace or span id: hexadecimal digits.
    Id,
    Double,
    Bool,
    /// A number, or one of these names, which have the numbers from 0 on.
    Enum(&'static [&'static str]),
    /// Any number of these, in an array.
    Repeated,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) format: Format,
}

const fn field(number: u32, name: &'static str, format: Format) -> Named {
    Named { number, name, format }
}

use Format::{Bool, Double, Enum, Id, Integer64, Plain, Repeated};

const SPAN_KINDS: Format = Enum(&[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
]);
const STATUS_CODES: Format = Enum(&["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]);
const SEVERITIES: Format = Enum(&[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
]);

static NAMES: &[(Message, &[Named])] = &[
    (Message::TracesData, &[field(1, "resourceSpans", Repeated)]),
    (
        Message::ResourceSpans,
        &[field(1, "resource", Plain), field(2, "scopeSpans", Repeated), field(3, "schemaUrl", Plain)],
    ),
    (
        Message::ScopeSpans,
        &[field(1, "scope", Plain), field(2, "spans", Repeated), field(3, "schemaUrl", Plain)],
    ),
    (Message::LogsData, &[field(1, "resourceLogs", Repeated)]),
    (
        Message::ResourceLogs,
        &[field(1, "resource", Plain), field(2, "scopeLogs", Repeated), field(3, "schemaUrl", Plain)],
    ),
    (
        Message::ScopeLogs,
        &[field(1, "scope", Plain), field(2, "logRecords", Repeated), field(3, "schemaUrl", Plain)],
    ),
    (
        Message::Resource,
        &[
            field(1, "attributes", Repeated),
            field(2, "droppedAttributesCount", Plain),
            field(3, "entityRefs", Repeated),
        ],
    ),
    (
        Message::EntityRef,
        &[
            field(1, "schemaUrl", Plain),
            field(2, "type", Plain),
            field(3, "idKeys", Repeated),
            field(4, "descriptionKeys", Repeated),
        ],
    ),
    (
        Message::Scope,
        &[
            field(1, "name", Plain),
            field(2, "version", Plain),
            field(3, "attributes", Repeated),
            field(4, "droppedAttributesCount", Plain),
        ],
    ),
    (
        Message::Span,
        &[
            field(1, "traceId", Id),
            field(2, "spanId", Id),
            field(3, "traceState", Plain),
            field(4, "parentSpanId", Id),
            field(5, "name", Plain),
            field(6, "kind", SPAN_KINDS),
            field(7, "startTimeUnixNano", Integer64),
            field(8, "endTimeUnixNano", Integer64),
            field(9, "attributes", Repeated),
            field(10, "droppedAttributesCount", Plain),
            field(11, "events", Repeated),
            field(12, "droppedEventsCount", Plain),
            field(13, "links", Repeated),
            field(14, "droppedLinksCount", Plain),
            field(15, "status", Plain),
            field(16, "flags", Plain),
        ],
    ),
    (
        Message::SpanEvent,
        &[
            field(1, "timeUnixNano", Integer64),
            field(2, "name", Plain),
            field(3, "attributes", Repeated),
            field(4, "droppedAttributesCount", Plain),
        ],
    ),
    (
        Message::Link,
        &[
            field(1, "traceId", Id),
            field(2, "spanId", Id),
            field(3, "traceState", Plain),
            field(4, "attributes", Repeated),
            field(5, "droppedAttributesCount", Plain),
            field(6, "flags", Plain),
        ],
    ),
    (Message::Status, &[field(2, "message", Plain), field(3, "code", STATUS_CODES)]),
    (Message::KeyValue, &[field(1, "key", Plain), field(2, "value", Plain)]),
    (
        Message::AnyValue,
        &[
            field(1, "stringValue", Plain),
            field(2, "boolValue", Bool),
            field(3, "intValue", Integer64),
            field(4, "doubleValue", Double),
            field(5, "arrayValue", Plain),
            field(6, "kvlistValue", Plain),
            field(7, "bytesValue", Plain),
        ],
    ),
    (Message::ArrayValue, &[field(1, "values", Repeated)]),
    (Message::KeyValueList, &[field(1, "values", Repeated)]),
    (
        Message::LogRecord,
        &[
            field(1, "timeUnixNano", Integer64),
            field(11, "observedTimeUnixNano", Integer64),
            field(2, "severityNumber", SEVERITIES),
            field(3, "severityText", Plain),
            field(5, "body", Plain),
            field(6, "attributes", Repeated),
            field(7, "droppedAttributesCount", Plain),
            field(8, "flags", Plain),
            field(9, "traceId", Id),
            field(10, "spanId", Id),
            field(12, "eventName", Plain),
        ],
    ),
];

impl Message {
    /// The fields of this message that JSON has a name for.
    pub(super) fn names(self) -> &'static [Named] {
        NAMES.iter().find(|(message, _)| *message == self).map(|(_, fields)| *fields).unwrap_or_default()
    }

    /// The field with this name in JSON; names in snake case, which the protocol's own files use, are understood too.
    pub(super) fn named(self, name: &str) -> Option<Named> {
        let found = |name: &str| self.names().iter().find(|field| field.name == name).copied();
        found(name).or_else(|| match name.contains('_') {
            true => found(&camel_case(name)),
            false => None,
        })
    }
}

fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match (letter, upper) {
            ('_', _) => upper = true,
            (letter, true) => {
                out.push(letter.to_ascii_uppercase());
                upper = false;
            }
            (letter, false) => out.push(letter),
        }
    }
    out
}
