//! What a conversation holds so far, to tell new messages from repeated ones.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use throughline_model::message::{Message, Part};

/// How often each message occurred.
#[derive(Debug, Clone, Default)]
pub(super) struct History(HashMap<u64, usize>);

impl History {
    pub(super) fn add(&mut self, print: u64) {
        *self.0.entry(print).or_default() += 1;
    }

    pub(super) fn count(&self, print: u64) -> usize {
        self.0.get(&print).copied().unwrap_or_default()
    }
}

/// Messages with the same fingerprint say the same. Ids of tool calls, names and reasoning do not count: sources leave
/// them out when they repeat a message.
pub(super) fn fingerprint(said: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    said.role.hash(&mut hasher);
    for part in &said.parts {
        match part {
            Part::Text(text) => canonical(text).hash(&mut hasher),
            Part::ToolCall { name, arguments, .. } => (name, canonical_value(arguments)).hash(&mut hasher),
            Part::ToolResult { result, .. } => canonical_value(result).hash(&mut hasher),
            Part::Media { kind, url, .. } => (kind, url).hash(&mut hasher),
            Part::Other(value) => value.to_string().hash(&mut hasher),
            Part::Reasoning(_) => {}
        }
    }
    hasher.finish()
}

/// JSON written as text is the same as the JSON.
fn canonical(text: &str) -> String {
    let text = text.trim();
    let looks_like_json = text.starts_with(['{', '[']);
    let parsed = if looks_like_json { serde_json::from_str::<Value>(text).ok() } else { None };
    parsed.map_or_else(|| text.to_owned(), |value| value.to_string())
}

fn canonical_value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), canonical)
}
