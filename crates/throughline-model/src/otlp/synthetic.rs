//! Spans made of log records: GenAI events and Claude Code's, which tell of model and tool calls without a span.

use serde_json::{Map, Value};

use super::digest::digest;
use super::record::{CLAUDE_CODE, Record};
use super::value::{RawValue, put_any_value, put_attribute};
use super::wire::{self, Wire};
use crate::{ObservationType, keys};

/// What kind of thing a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A message that goes into a model, from this role.
    Message(&'static str),
    /// A message that comes out of a model.
    Choice,
    /// A whole model call.
    Inference,
    ClaudePrompt,
    ClaudeRequest,
    ClaudeError,
    ClaudeTool,
}

/// What a record of this name tells of, if it tells of a span. Where Claude Code sends traces too, its records only
/// repeat the span that they were said in.
pub(super) fn recognise(record: &Record<'_>, name: &str) -> Option<What> {
    let what = named(name)?;
    (record.span_id.is_none() || !what.is_claude_code()).then_some(what)
}

fn named(name: &str) -> Option<What> {
    Some(match name {
        "claude_code.user_prompt" => What::ClaudePrompt,
        "claude_code.api_request" => What::ClaudeRequest,
        "claude_code.api_error" => What::ClaudeError,
        "claude_code.tool_result" => What::ClaudeTool,
        _ => match LoggedMessage::of(name)? {
            LoggedMessage::Input(role) => What::Message(role),
            LoggedMessage::Output => What::Choice,
            LoggedMessage::Call => What::Inference,
        },
    })
}

/// What a log record of OpenTelemetry's GenAI conventions tells of the model call that it was said in, by its name.
///
/// ```
/// use throughline_model::otlp::LoggedMessage;
/// assert_eq!(LoggedMessage::of("gen_ai.user.message"), Some(LoggedMessage::Input("user")));
/// assert_eq!(LoggedMessage::of("order.shipped"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedMessage {
    /// A message that goes into the model, from this role.
    Input(&'static str),
    /// A message that comes out of it.
    Output,
    /// All of the call at once.
    Call,
}

impl LoggedMessage {
    /// What a record of this name tells; nothing if it is none of these.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "gen_ai.system.message" => Self::Input("system"),
            "gen_ai.user.message" | "gen_ai.content.prompt" => Self::Input("user"),
            "gen_ai.assistant.message" => Self::Input("assistant"),
            "gen_ai.tool.message" => Self::Input("tool"),
            "gen_ai.choice" | "gen_ai.content.completion" => Self::Output,
            "gen_ai.client.inference.operation.details" => Self::Call,
            _ => return None,
        })
    }
}

impl What {
    fn is_claude_code(self) -> bool {
        matches!(self, Self::ClaudePrompt | Self::ClaudeRequest | Self::ClaudeError | Self::ClaudeTool)
    }

    fn kind(self, record: &Record<'_>) -> ObservationType {
        let calls_model = record.attributes.iter().any(|(key, _)| {
            key.starts_with(b"gen_ai.usage.")
                || matches!(*key, b"gen_ai.request.model" | b"gen_ai.response.model")
        });
        match self {
            Self::ClaudeRequest | Self::ClaudeError => ObservationType::Generation,
            Self::ClaudeTool => ObservationType::Tool,
            Self::ClaudePrompt => ObservationType::Event,
            Self::Inference | Self::Message(_) | Self::Choice if calls_model => ObservationType::Generation,
            Self::Inference | Self::Message(_) | Self::Choice => ObservationType::Event,
        }
    }
}

struct Ids {
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|index| hash[index])
}

/// Ids that are the same whenever the record is sent: in its span's trace if it was said in one. Claude Code's records
/// of one prompt make one trace with the prompt as its root; any other record has a trace of its own.
fn ids(record: &Record<'_>, what: What, identity: &[u8; 32]) -> Ids {
    let span = first(&digest(&[b"span", identity]));
    if let Some(trace) = record.trace_id {
        return Ids { trace: *trace.as_bytes(), span, parent: record.span_id.map(|id| *id.as_bytes()) };
    }
    let session = record.session().filter(|_| what.is_claude_code());
    let Some(session) = session else {
        return Ids { trace: first(&digest(&[b"trace", identity])), span, parent: None };
    };
    let prompt = record.text("prompt.id").unwrap_or_default();
    let trace = digest(&[CLAUDE_CODE, session.as_bytes(), prompt.as_bytes()]);
    let root = first(&digest(&[b"root", &trace]));
    match what {
        _ if prompt.is_empty() => Ids { trace: first(&trace), span, parent: None },
        What::ClaudePrompt => Ids { trace: first(&trace), span: root, parent: None },
        _ => Ids { trace: first(&trace), span, parent: Some(root) },
    }
}

/// A complete one-span `TracesData`.
pub(super) fn span(record: &Record<'_>, name: &str, what: What, identity: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put_message(&mut out, 1, |out| {
        wire::put_bytes(out, 1, record.resource);
        wire::put_message(out, 2, |out| {
            wire::put_message(out, 1, |out| put_scope(record, what, out));
            wire::put_message(out, 2, |out| put_span(record, name, what, identity, out));
        });
    });
    out
}

/// The record's scope; Claude Code's gets its name if it has another, because the table asks for it.
fn put_scope(record: &Record<'_>, what: What, out: &mut Vec<u8>) {
    if !what.is_claude_code() || record.scope_name.starts_with(CLAUDE_CODE) {
        return out.extend_from_slice(record.scope);
    }
    wire::put_bytes(out, 1, CLAUDE_CODE);
    for (number, wire) in wire::checked(record.scope).filter(|(number, _)| *number != 1) {
        wire::put_wire(out, number, wire);
    }
}

fn put_span(record: &Record<'_>, name: &str, what: What, identity: &[u8; 32], out: &mut Vec<u8>) {
    let ids = ids(record, what, identity);
    wire::put_bytes(out, 1, &ids.trace);
    wire::put_bytes(out, 2, &ids.span);
    if let Some(parent) = ids.parent {
        wire::put_bytes(out, 4, &parent);
    }
    wire::put_bytes(out, 5, name.as_bytes());
    wire::put_varint(out, 6, 1);
    // The record is written when the work is done.
    let end = record.time().as_nanos();
    let milliseconds = record.attribute("duration_ms").and_then(RawValue::to_number).filter(|ms| *ms >= 0.0);
    let start = end.saturating_sub((milliseconds.unwrap_or(0.0) * 1e6) as i64).max(0);
    wire::put_fixed64(out, 7, start.cast_unsigned());
    wire::put_fixed64(out, 8, end.cast_unsigned());
    for attribute in record.attribute_messages() {
        wire::put_bytes(out, 9, attribute);
    }
    put_extra(record, what, out);
    let failed = match what {
        What::ClaudeError => true,
        What::ClaudeTool => record.attribute("success").and_then(RawValue::to_flag) == Some(false),
        What::Inference => record.text("error.type").is_some(),
        _ => false,
    };
    if failed {
        wire::put_message(out, 15, |out| {
            let message = record.text("error").unwrap_or_default();
            wire::put_bytes(out, 2, message.as_bytes());
            wire::put_varint(out, 3, 2);
        });
    }
}

/// What the record says outside its attributes: its kind, its level, the message in its body.
fn put_extra(record: &Record<'_>, what: What, out: &mut Vec<u8>) {
    let text = |out: &mut Vec<u8>, key: &str, text: &str| {
        put_attribute(out, 9, key, |out| wire::put_bytes(out, 1, text.as_bytes()));
    };
    text(out, keys::OBSERVATION_TYPE, what.kind(record).as_str());
    text(out, keys::LEVEL, record.level().as_str());
    if let Some(session) = record.session().filter(|_| record.attribute(keys::SESSION_ID).is_none()) {
        text(out, keys::SESSION_ID, &session);
    }
    let key = match what {
        What::Message(_) => keys::INPUT,
        What::Choice => keys::OUTPUT,
        What::Inference => {
            if let Value::Object(details) = record.body.to_json() {
                for (key, value) in details {
                    put_attribute(out, 9, &key, |out| put_any_value(out, &value));
                }
            }
            return;
        }
        _ => return,
    };
    let role = if let What::Message(role) = what { role } else { "assistant" };
    if let Some(message) = message(record, role) {
        text(out, key, &message);
    }
}

/// The message of a record as a JSON array of one: in its body, or in its attributes.
fn message(record: &Record<'_>, role: &str) -> Option<String> {
    let mut fields = match record.body {
        RawValue::Empty => {
            let content =
                ["gen_ai.prompt", "gen_ai.completion", "content"].iter().find_map(|key| record.text(key))?;
            Map::from_iter([("content".to_owned(), Value::from(content))])
        }
        RawValue::Text(text) => match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::from_iter([("content".to_owned(), Value::from(wire::text(text)))]),
        },
        body => match body.to_json() {
            Value::Object(fields) => fields,
            other => Map::from_iter([("content".to_owned(), other)]),
        },
    };
    if let Some(Value::Object(inner)) = fields.get("message").cloned() {
        fields.remove("message");
        fields.extend(inner);
    }
    fields.entry("role").or_insert_with(|| Value::from(role));
    Some(Value::Array(vec![Value::Object(fields)]).to_string())
}

impl<'a> Record<'a> {
    /// The record's attributes as they lie in it.
    fn attribute_messages(&self) -> impl Iterator<Item = &'a [u8]> {
        wire::checked(self.bytes()).filter_map(|field| match field {
            (6, Wire::Bytes(attribute)) => Some(attribute),
            _ => None,
        })
    }
}
