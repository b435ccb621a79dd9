//! Texts shortened for lists, and what was said in them.

use serde_json::Value;
use throughline_model::message::{Part, answer_text, conversation, first_user_text};
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
        let line = match text.len() {
            0..=PARSED_BYTES => said_in(&shown(text), text, said),
            _ => one_line(text),
        };
        let mut shortened = String::from(cut(text, TEXT_BYTES));
        shortened.push('…');
        Self { text: shortened.into(), line: Some(line.into()), said }
    }

    /// Whether there is more of the text than this.
    pub fn is_cut(&self) -> bool {
        self.line.is_some()
    }

    /// The text as the API shows it, and one line of what was said in it.
    pub fn show(&self) -> (Value, Option<String>) {
        if let Some(line) = &self.line {
            return (Value::from(&*self.text), Some(line.to_string()).filter(|line| !line.is_empty()));
        }
        let value = shown(&self.text);
        let line = said_in(&value, &self.text, self.said);
        (value, Some(line).filter(|line| !line.is_empty()))
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

/// One line of what was said; of what is no conversation, the text itself.
fn said_in(value: &Value, text: &str, said: Said) -> String {
    let (messages, line) = match said {
        Said::First => {
            let messages = conversation(Some(value), None);
            let line = first_user_text(&messages);
            (messages, line)
        }
        Said::Last => {
            let messages = conversation(None, Some(value));
            let line = answer_text(&messages);
            (messages, line)
        }
    };
    let is_conversation = || messages.iter().flat_map(|message| &message.parts).any(|part| !is_other(part));
    match line {
        Some(line) => one_line(&line),
        None if is_conversation() => String::new(),
        None => one_line(text),
    }
}

fn is_other(part: &Part) -> bool {
    matches!(part, Part::Other(_))
}
