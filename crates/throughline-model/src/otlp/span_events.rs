//! What a span's events say: exceptions, messages, the first token.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::value::{RawValue, key_value};
use super::wire::{self, Wire};
use crate::keys;

/// A span's events, looked into only when asked.
#[derive(Debug, Clone, Default)]
pub(super) struct SpanEvents<'a>(Vec<Event<'a>>);

#[derive(Debug, Clone, Copy)]
struct Event<'a> {
    time: u64,
    name: &'a [u8],
    bytes: &'a [u8],
}

#[derive(Debug, Default)]
pub(super) struct Exception {
    pub(super) kind: Option<String>,
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    pub(super) stack: Option<String>,
}

const DETAILS: &[u8] = b"gen_ai.client.inference.operation.details";
const FIRST_CHUNKS: [&[u8]; 3] =
    [b"First Token Stream Event", b"gen_ai.content.completion.chunk", b"gen_ai.choice.chunk"];

impl<'a> Event<'a> {
    fn attributes(self) -> impl Iterator<Item = (&'a [u8], RawValue<'a>)> {
        wire::checked(self.bytes).filter_map(|field| match field {
            (3, Wire::Bytes(attribute)) => Some(key_value(attribute)),
            _ => None,
        })
    }

    fn attribute(self, name: &[u8]) -> Option<RawValue<'a>> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn text(self, name: &[u8]) -> Option<String> {
        self.attribute(name)?.to_text().map(Cow::into_owned)
    }
}

impl<'a> SpanEvents<'a> {
    pub(super) fn push(&mut self, bytes: &'a [u8]) {
        let mut event = Event { time: 0, name: &[], bytes };
        for field in wire::checked(bytes) {
            match field {
                (1, Wire::Fixed64(nanos)) => event.time = nanos,
                (2, Wire::Bytes(name)) => event.name = name,
                _ => {}
            }
        }
        self.0.push(event);
    }

    /// Attributes of the event that holds what newer conventions also put on the span itself.
    pub(super) fn details(&self) -> Vec<(&'a [u8], RawValue<'a>)> {
        let details = self.0.iter().filter(|event| event.name == DETAILS);
        details.flat_map(|event| event.attributes()).collect()
    }

    /// The last exception: with several, it is the one that was not caught.
    pub(super) fn exception(&self) -> Exception {
        let Some(event) = self.0.iter().rev().find(|event| event.name == b"exception") else {
            return Exception::default();
        };
        Exception {
            kind: event.text(keys::EXCEPTION_TYPE.as_bytes()),
            message: event.text(keys::EXCEPTION_MESSAGE.as_bytes()),
            code: event.text(keys::ERROR_CODE.as_bytes()),
            stack: event.text(keys::EXCEPTION_STACKTRACE.as_bytes()),
        }
    }

    /// When the first piece of the answer came.
    pub(super) fn first_chunk(&self) -> Option<u64> {
        self.0.iter().find(|event| FIRST_CHUNKS.contains(&event.name)).map(|event| event.time)
    }

    /// The messages that went in, as JSON text.
    pub(super) fn input(&self) -> Option<String> {
        if let Some(prompt) = self.of(b"gen_ai.content.prompt", b"gen_ai.prompt") {
            return Some(prompt);
        }
        let messages = self.0.iter().filter_map(|event| {
            let role = event.name.strip_prefix(b"gen_ai.")?.strip_suffix(b".message")?;
            Some(message(*event, &wire::text(role)))
        });
        text_of(messages.collect())
    }

    /// The messages that came out, as JSON text.
    pub(super) fn output(&self) -> Option<String> {
        if let Some(completion) = self.of(b"gen_ai.content.completion", b"gen_ai.completion") {
            return Some(completion);
        }
        let choices = self.0.iter().filter(|event| event.name == b"gen_ai.choice");
        text_of(choices.map(|event| message(*event, "assistant")).collect())
    }

    pub(super) fn finish_reason(&self) -> Option<Cow<'a, str>> {
        let choice = self.0.iter().rev().find(|event| event.name == b"gen_ai.choice")?;
        choice.attribute(b"finish_reason")?.to_text()
    }

    fn of(&self, name: &[u8], attribute: &[u8]) -> Option<String> {
        self.0.iter().find(|event| event.name == name)?.text(attribute)
    }
}

fn text_of(messages: Vec<Value>) -> Option<String> {
    (!messages.is_empty()).then(|| Value::Array(messages).to_string())
}

/// One message event as a message. A choice holds it under `message`, as JSON text or as a map.
fn message(event: Event<'_>, role: &str) -> Value {
    let attributes = event.attributes().filter(|(key, _)| !key.starts_with(b"gen_ai."));
    let parsed = |value: RawValue<'_>| match value {
        RawValue::Text(text) if matches!(text.first(), Some(b'{' | b'[')) => {
            serde_json::from_slice(text).unwrap_or_else(|_| value.to_json())
        }
        other => other.to_json(),
    };
    let mut fields: Map<String, Value> =
        attributes.map(|(key, value)| (wire::text(key).into_owned(), parsed(value))).collect();
    if let Some(Value::Object(inner)) = fields.get("message").cloned() {
        fields.remove("message");
        fields.extend(inner);
    }
    fields.entry("role").or_insert_with(|| json!(role));
    Value::Object(fields)
}
