//! Events as OTLP log records, and back.

use std::borrow::Cow;

use super::mapping::{Field, INDEX};
use super::record::Record;
use super::request::{AttributeWriter, OutgoingLog, put_log};
use super::usage::object;
use super::value::RawValue;
use super::wire;
use crate::{Actor, Attributes, ErrorInfo, Event, EventId, Level, Scope, SessionId, Source, keys};

/// Attributes that are fields of the envelope. An event's own attribute of such a name travels in a map beside them.
const ENVELOPE: [&str; 17] = [
    keys::EVENT_ID,
    keys::EVENT_ATTRIBUTES,
    keys::SESSION_ID,
    keys::ACTOR_TYPE,
    keys::ACTOR_ID,
    keys::ACTOR_TAGS,
    keys::SCOPE_TYPE,
    keys::SCOPE_ID,
    keys::SCOPE_TAGS,
    keys::EXCEPTION_TYPE,
    keys::EXCEPTION_MESSAGE,
    keys::EXCEPTION_STACKTRACE,
    keys::ERROR_CODE,
    keys::SOURCE_CAUSER,
    keys::SOURCE_FILE,
    keys::SOURCE_LINE,
    "body",
];

/// The events as an `ExportLogsServiceRequest` in protobuf bytes, from which [`each_log`](super::each_log) reads the
/// same events again.
///
/// Two things OTLP cannot hold: integers above `i64::MAX` in attributes become floats, and a source that says nothing
/// becomes none.
pub fn events_to_logs(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let origin = |event: &Event| (event.service.clone(), event.environment.clone(), event.version.clone());
    for events in events.chunk_by(|a, b| origin(a) == origin(b)) {
        wire::put_message(&mut out, 1, |out| {
            wire::put_message(out, 1, |out| put_resource(&events[0], out));
            wire::put_message(out, 2, |out| {
                wire::put_message(out, 1, |out| wire::put_bytes(out, 1, b"throughline"));
                for event in events {
                    wire::put_message(out, 2, |out| put_record(event, out));
                }
            });
        });
    }
    out
}

fn put_resource(event: &Event, out: &mut Vec<u8>) {
    put_text(out, 1, keys::SERVICE_NAME, Some(&event.service));
    put_text(out, 1, keys::ENVIRONMENT, Some(&event.environment));
    put_text(out, 1, keys::SERVICE_VERSION, event.version.as_deref());
}

fn put_text(out: &mut Vec<u8>, field: u32, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        AttributeWriter { out, field }.text(key, text);
    }
}

pub(super) fn put_record(event: &Event, out: &mut Vec<u8>) {
    let source = event.source.as_ref();
    let log = OutgoingLog {
        id: event.id.as_str(),
        name: &event.name,
        time: event.time,
        level: event.level,
        trace_id: event.trace_id,
        span_id: event.span_id,
        error: event.error.as_ref(),
        source: (
            source.and_then(|source| source.causer.as_deref()),
            source.and_then(|source| source.file.as_deref()),
            source.and_then(|source| source.line),
        ),
    };
    put_log(&log, out, |writer| {
        if let Some(id) = &event.session_id {
            writer.text(keys::SESSION_ID, id.as_str());
        }
        if let Some(actor) = &event.actor {
            writer.actor(actor);
        }
        if let Some(scope) = &event.scope {
            writer.scope(scope);
        }
        let (reserved, plain): (Vec<_>, Vec<_>) =
            event.attributes.iter().partition(|(key, _)| is_reserved(key));
        for (key, value) in plain {
            writer.json(key, value);
        }
        let reserved = reserved.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        writer.object(keys::EVENT_ATTRIBUTES, &reserved);
    });
}

/// Whether an attribute of this name in a log record would be read as something else than an event's own attribute.
pub fn is_reserved(key: &str) -> bool {
    ENVELOPE.contains(&key) || INDEX.rules(key.as_bytes()).iter().any(|rule| rule.field == Field::Session)
}

/// The event that a record is.
pub(super) fn read(record: &Record<'_>, id: String) -> Event {
    let (name, from_attribute) = record.name();
    let shared = |field| record.shared.value(field).and_then(RawValue::to_text).map(Cow::into_owned);
    let error = error(record);
    Event {
        id: EventId::from(id),
        time: record.time(),
        level: match error {
            // Records of libraries that log exceptions without a severity.
            Some(_) if record.says_no_level() => Level::Error,
            _ => record.level(),
        },
        service: shared(Field::Service).unwrap_or_default(),
        environment: shared(Field::Environment).unwrap_or_default(),
        version: shared(Field::Version),
        session_id: record.session().map(|id| SessionId::from(id.into_owned())),
        trace_id: record.trace_id,
        span_id: record.span_id,
        actor: actor(record),
        scope: scope(record),
        attributes: attributes(record, &name, from_attribute),
        error,
        source: source(record),
        name: name.into_owned(),
    }
}

fn owned(record: &Record<'_>, key: &str) -> Option<String> {
    record.text(key).map(Cow::into_owned)
}

fn tags(record: &Record<'_>, key: &str, field: Field) -> Attributes {
    record.attribute(key).or_else(|| record.shared.value(field)).and_then(object).unwrap_or_default()
}

fn shared_text(record: &Record<'_>, key: &str, field: Field) -> Option<String> {
    owned(record, key).or_else(|| Some(record.shared.value(field)?.to_text()?.into_owned()))
}

fn actor(record: &Record<'_>) -> Option<Actor> {
    Some(Actor {
        kind: shared_text(record, keys::ACTOR_TYPE, Field::ActorType)?,
        id: shared_text(record, keys::ACTOR_ID, Field::ActorId),
        tags: tags(record, keys::ACTOR_TAGS, Field::ActorTags),
    })
}

fn scope(record: &Record<'_>) -> Option<Scope> {
    Some(Scope {
        kind: shared_text(record, keys::SCOPE_TYPE, Field::ScopeType)?,
        id: shared_text(record, keys::SCOPE_ID, Field::ScopeId)?,
        tags: tags(record, keys::SCOPE_TAGS, Field::ScopeTags),
    })
}

fn error(record: &Record<'_>) -> Option<ErrorInfo> {
    let (name, message) = (owned(record, keys::EXCEPTION_TYPE), owned(record, keys::EXCEPTION_MESSAGE));
    if name.is_none() && message.is_none() {
        return None;
    }
    Some(ErrorInfo {
        name: name.unwrap_or_else(|| "error".to_owned()),
        message: message.unwrap_or_default(),
        code: owned(record, keys::ERROR_CODE),
        stack: owned(record, keys::EXCEPTION_STACKTRACE),
    })
}

fn source(record: &Record<'_>) -> Option<Source> {
    let line = record.attribute(keys::SOURCE_LINE).and_then(RawValue::to_count);
    let source = Source {
        causer: owned(record, keys::SOURCE_CAUSER),
        file: owned(record, keys::SOURCE_FILE),
        line: line.and_then(|line| u32::try_from(line).ok()),
    };
    (source != Source::default()).then_some(source)
}

fn attributes(record: &Record<'_>, name: &str, named_by_attribute: bool) -> Attributes {
    let mut attributes = Attributes::new();
    match record.body {
        RawValue::Empty => {}
        RawValue::Text(text) if text == name.as_bytes() => {}
        body => {
            attributes.insert("body".to_owned(), body.to_json());
        }
    }
    for (key, value) in &record.attributes {
        let key = wire::text(key);
        let taken = ENVELOPE.contains(&&*key) && key != "body" || named_by_attribute && key == "event.name";
        if !taken {
            attributes.insert(key.into_owned(), value.to_json());
        }
    }
    if let Some(reserved) = record.attribute(keys::EVENT_ATTRIBUTES).and_then(object) {
        attributes.extend(reserved);
    }
    attributes
}
