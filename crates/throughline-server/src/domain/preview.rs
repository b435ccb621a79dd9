//! Texts shortened for lists, and what was said in them.

use serde_json::Value;
use throughline_model::otlp::shown;
use throughline_model::{Actor, Attributes, Scope};

/// What a list shows of a trace's input or output, in bytes at most.
const TEXT_BYTES: usize = 2048;

/// What a title or a last answer shows, in characters at most.
const LINE_CHARS: usize = 200;

/// What a summary keeps of an actor's or scope's tags, in bytes at most.
const TAGS_BYTES: usize = 2048;

/// Longer texts are not searched for what was said in them.
const PARSED_BYTES: usize = 256 * 1024;

/// How deep one thing said may be wrapped in others.
const MAX_DEPTH: usize = 8;

/// Which of the texts in a conversation a line is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// What the user said first.
    First,
    /// What was answered last.
    Last,
}

/// What is kept of a text that may be a trace's input or output.
#[derive(Debug, Clone)]
pub struct Preview {
    text: Box<str>,
    /// `None` while the text is whole: then it can still be told.
    line: Option<Box<str>>,
    said: Said,
}

impl Preview {
    pub fn new(text: &str, said: Said) -> Self {
        if text.len() <= TEXT_BYTES {
            return Self { text: text.into(), line: None, said };
        }
        let value = (text.len() <= PARSED_BYTES).then(|| shown(text));
        let line = value.and_then(|value| said_in(&value, said)).unwrap_or_else(|| one_line(text));
        let mut shortened = String::from(cut(text, TEXT_BYTES));
        shortened.push('…');
        Self { text: shortened.into(), line: Some(line.into()), said }
    }

    /// The text as the API shows it, and one line of what was said in it.
    pub fn show(&self) -> (Value, Option<String>) {
        if let Some(line) = &self.line {
            return (Value::from(&*self.text), Some(line.to_string()));
        }
        let value = shown(&self.text);
        let line = said_in(&value, self.said).or_else(|| Some(one_line(&self.text)));
        (value, line.filter(|line| !line.is_empty()))
    }

    pub fn size_bytes(&self) -> usize {
        self.text.len() + self.line.as_ref().map_or(0, |line| line.len())
    }
}

/// One line of what was said, whitespace collapsed, shortened.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE_CHARS + 8));
    let mut chars = 0;
    for word in text.split_whitespace() {
        if chars > 0 {
            line.push(' ');
            chars += 1;
        }
        for char in word.chars() {
            if chars >= LINE_CHARS - 1 {
                line.push('…');
                return line;
            }
            line.push(char);
            chars += 1;
        }
    }
    line
}

/// The longest beginning of `text` that has at most `bytes` bytes and ends between characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The value itself if its JSON is at most about so many bytes, else the beginning of its text.
pub fn shortened(value: Value, bytes: usize) -> Value {
    if fits(&value, &mut { bytes }) {
        return value;
    }
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Value::String(format!("{}…", cut(&text, bytes)))
}

/// The actor, without tags if they are beyond all reason.
pub fn actor(actor: &Actor) -> Actor {
    if map_fits(&actor.tags, TAGS_BYTES) {
        return actor.clone();
    }
    Actor { kind: actor.kind.clone(), id: actor.id.clone(), tags: Attributes::new() }
}

/// The scope, without tags if they are beyond all reason.
pub fn scope(scope: &Scope) -> Scope {
    if map_fits(&scope.tags, TAGS_BYTES) {
        return scope.clone();
    }
    Scope { kind: scope.kind.clone(), id: scope.id.clone(), tags: Attributes::new() }
}

/// Whether a map's JSON is at most about so many bytes.
fn map_fits(map: &Attributes, bytes: usize) -> bool {
    let mut left = bytes;
    map.iter().all(|(key, value)| take(&mut left, key.len() + 4) && fits(value, &mut left))
}

fn fits(value: &Value, left: &mut usize) -> bool {
    match value {
        Value::String(text) => take(left, text.len() + 2),
        Value::Array(items) => take(left, 2) && items.iter().all(|item| fits(item, left)),
        Value::Object(map) => {
            take(left, 2) && map.iter().all(|(key, value)| take(left, key.len() + 4) && fits(value, left))
        }
        _ => take(left, 8),
    }
}

fn take(left: &mut usize, bytes: usize) -> bool {
    left.checked_sub(bytes).map(|rest| *left = rest).is_some()
}

fn said_in(value: &Value, said: Said) -> Option<String> {
    let mut text = String::new();
    find_said(value, said, MAX_DEPTH, &mut text);
    let line = one_line(&text);
    (!line.is_empty()).then_some(line)
}

/// Finds the message that counts in whatever shape a conversation has.
fn find_said(value: &Value, said: Said, depth: usize, text: &mut String) {
    if depth == 0 {
        return;
    }
    match value {
        Value::String(own) => text.push_str(own),
        Value::Array(messages) => {
            let role = if said == Said::First { "user" } else { "assistant" };
            let with_role = |message: &&Value| is_said_by(message, role);
            let found = match said {
                Said::First => messages.iter().find(with_role).or_else(|| messages.first()),
                Said::Last => messages.iter().rev().find(with_role).or_else(|| messages.last()),
            };
            if let Some(message) = found {
                find_said(message, said, depth - 1, text);
            }
        }
        Value::Object(message) => {
            let inner = WRAPPERS.iter().find_map(|key| message.get(*key).filter(|value| !value.is_null()));
            match inner {
                Some(Value::Array(parts)) if message.contains_key("role") => {
                    parts.iter().for_each(|part| append_part(part, text));
                }
                Some(inner) => find_said(inner, said, depth - 1, text),
                None => {}
            }
        }
        _ => {}
    }
}

/// Where clients put messages and their text, the outermost first.
const WRAPPERS: [&str; 14] = [
    "messages", "choices", "message", "parts", "content", "text", "input", "prompt", "question", "query",
    "output", "answer", "result", "response",
];

fn is_said_by(message: &Value, role: &str) -> bool {
    let named = message.get("role").or_else(|| message.get("type")).and_then(Value::as_str);
    match named {
        Some("human") => role == "user",
        Some("ai" | "model") => role == "assistant",
        other => other == Some(role),
    }
}

fn append_part(part: &Value, text: &mut String) {
    let own = part
        .as_str()
        .or_else(|| ["text", "content"].iter().find_map(|key| part.get(*key).and_then(Value::as_str)));
    if let Some(own) = own {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(own);
    }
}
