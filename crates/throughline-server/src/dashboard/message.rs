//! A message as a page shows it, in pieces of text, calls, results and data.

use serde_json::Value;
use throughline_model::message::{Message as Said, Part};
use throughline_model::{Money, Observation, Timestamp};

use super::documents::Document;
use super::notation;
use super::passage::{self, JsonText, Passage};

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `user`, `assistant`, `system` or `tool`.
    pub role: &'static str,
    pub who: String,
    /// Model, tokens, time to first token.
    pub figures: Vec<String>,
    /// The observation it comes from.
    pub href: String,
    /// When it was said, as far as an observation tells.
    pub moment: Option<Moment>,
    pub pieces: Vec<Piece>,
}

/// When something was said, from its first word to its last, and what it took.
#[derive(Debug, Clone, Default)]
pub(super) struct Moment {
    pub from: Timestamp,
    pub to: Timestamp,
    pub tokens: u64,
    pub cost: Option<Money>,
}

impl Moment {
    /// Nothing takes time here.
    pub(super) fn at(time: Timestamp) -> Self {
        Self { from: time, to: time, tokens: 0, cost: None }
    }

    /// What a call gives, from its first token on if that is known.
    pub(super) fn given_by(call: &Observation) -> Self {
        let first = call.time_to_first_token.filter(|ms| ms.is_finite() && *ms > 0.0).unwrap_or_default();
        Self {
            from: call.start_time.plus_nanos((first * 1e6) as i64).min(call.end_time),
            to: call.end_time,
            tokens: call.total_tokens.unwrap_or_default(),
            cost: call.cost.or(call.given_cost),
        }
    }
}

/// A piece of a message.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// `prose`, `data`, or one that is folded: `system`, `reasoning`, `call`, `result`, `documents`.
    pub kind: &'static str,
    pub label: String,
    pub brief: String,
    pub body: Body,
}

/// Text, JSON or documents.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    pub prose: Option<Passage>,
    pub json: Option<JsonText>,
    pub documents: Vec<Document>,
}

impl Message {
    pub(super) fn new(said: &Said, pieces: Vec<Piece>, figures: Vec<String>, href: &str) -> Self {
        let (role, who) = match said.role.as_str() {
            "system" | "developer" => ("system", "Instructions"),
            "user" => ("user", "User"),
            "tool" => ("tool", "Tool"),
            "assistant" => ("assistant", "Assistant"),
            other => ("assistant", other),
        };
        let name = said
            .name
            .as_deref()
            .filter(|_| role != "tool")
            .map(|name| format!(" {}", notation::line(name, 60)));
        let who = format!("{}{}", notation::line(who, 40), name.unwrap_or_default());
        Self { role, who, figures, href: href.to_owned(), moment: None, pieces }
    }
}

impl Message {
    /// What was looked up.
    pub(super) fn retrieval(piece: Piece, took: String, href: &str) -> Self {
        let figures = vec![took];
        Self {
            role: "tool",
            who: String::new(),
            figures,
            href: href.to_owned(),
            moment: None,
            pieces: vec![piece],
        }
    }

    /// Whether it tells that a tool ran.
    pub(super) fn is_tool(&self) -> bool {
        self.role == "tool" && self.pieces.iter().any(|piece| piece.kind != "documents")
    }
}

/// What is shown of a text even when the page has no room left.
const LEAST: usize = 600;

/// How much text a page may still show. When it is used up, texts are cut short instead of the page growing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    left: usize,
    each: usize,
}

impl Room {
    pub(super) const fn new(total: usize, each: usize) -> Self {
        Self { left: total, each }
    }

    fn take(&mut self, wanted: usize) -> usize {
        let given = wanted.min(self.left.max(LEAST)).min(self.each);
        self.left = self.left.saturating_sub(given);
        given
    }

    pub(super) fn passage(&mut self, text: &str) -> Passage {
        Passage::new(text, self.take(text.len()))
    }

    fn json(&mut self, value: &Value) -> JsonText {
        let json = JsonText::new(value, self.left.max(LEAST).min(self.each));
        self.take(json.tokens.iter().map(|token| token.text.len()).sum());
        json
    }

    /// A value that may be text, or JSON, or JSON written as text.
    pub(super) fn body(&mut self, value: &Value) -> Body {
        let parsed;
        let value = match value {
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                parsed = serde_json::from_str(text).unwrap_or_else(|_| value.clone());
                &parsed
            }
            _ => value,
        };
        match value {
            Value::String(text) => Body { prose: Some(self.passage(text)), ..Body::default() },
            other => Body { json: Some(self.json(other)), ..Body::default() },
        }
    }
}

/// A part of a message said in this role; `tool` is the name of the tool that answers. Nothing for empty text.
pub(super) fn piece(part: &Part, role: &str, tool: Option<&str>, room: &mut Room) -> Option<Piece> {
    const BRIEF: usize = 160;
    Some(match part {
        Part::Text(text) | Part::Reasoning(text) if text.trim().is_empty() => return None,
        Part::Text(text) | Part::Reasoning(text) => {
            let (kind, label) = match (part, role) {
                (Part::Reasoning(_), _) => ("reasoning", "Reasoning"),
                (_, "system" | "developer") => ("system", "Instructions"),
                (_, "tool") => ("result", "Result"),
                _ => ("prose", ""),
            };
            let body = if kind == "result" {
                room.body(&Value::String(text.clone()))
            } else {
                Body { prose: Some(room.passage(text)), ..Body::default() }
            };
            Piece { kind, label: label.to_owned(), brief: notation::line(text, BRIEF), body }
        }
        Part::ToolCall { name, arguments, .. } => Piece {
            kind: "call",
            label: notation::line(name, 80),
            brief: passage::brief(arguments, BRIEF),
            body: room.body(arguments),
        },
        Part::ToolResult { result, .. } => Piece {
            kind: "result",
            label: tool
                .map_or_else(|| "Result".to_owned(), |tool| format!("{} result", notation::line(tool, 80))),
            brief: passage::brief(result, BRIEF),
            body: room.body(result),
        },
        Part::Media { kind, mime_type, url } => {
            let details: Vec<&str> = mime_type.as_deref().into_iter().chain(url.as_deref()).collect();
            let text = format!("{kind} {}", details.join(" "));
            let body = Body { prose: Some(Passage::plain(text.trim(), 400)), ..Body::default() };
            Piece { kind: "data", label: String::new(), brief: String::new(), body }
        }
        Part::Other(value) => {
            Piece { kind: "data", label: String::new(), brief: String::new(), body: room.body(value) }
        }
    })
}
