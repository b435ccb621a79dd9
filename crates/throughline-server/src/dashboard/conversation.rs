//! What was said in a turn: only what is new in it, with tool calls and reasoning where they happened.
//!
//! Most clients send the whole history with every call. A message is history if the conversation so far holds it at
//! least as often as the call's input has repeated it up to there, except that what follows the last answer in the
//! first input of a turn is what the turn is about, even if it was said before.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use throughline_model::{Observation, ObservationType};

use super::address::Address;
use super::event_list::Failure;
use super::notation;
use super::passage::{self, JsonText, Passage};
use super::said::{self, Part, Role, Said};
use crate::domain::query::TraceDetail;

/// One entry of a turn's conversation.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// So many messages of the input were said in earlier turns.
    Earlier {
        count: usize,
        href: String,
    },
    Message(Message),
    Failed {
        failure: Failure,
        href: String,
    },
    /// So many entries are left out.
    More {
        count: usize,
        href: String,
    },
}

/// A message as the page shows it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `user`, `assistant`, `system` or `tool`.
    pub role: &'static str,
    pub who: &'static str,
    /// Model, tokens, time to first token.
    pub figures: Vec<String>,
    /// The observation it comes from.
    pub href: String,
    pub pieces: Vec<Piece>,
}

/// A piece of a message.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// `prose`, `data`, or one that is folded: `system`, `reasoning`, `call`, `result`.
    pub kind: &'static str,
    pub label: String,
    pub brief: String,
    pub body: Body,
}

/// Text or JSON.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    pub prose: Option<Passage>,
    pub json: Option<JsonText>,
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
        let given = wanted.min(self.each).min(self.left.max(LEAST));
        self.left = self.left.saturating_sub(given);
        given
    }

    fn passage(&mut self, text: &str) -> Passage {
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
            Value::String(text) => Body { prose: Some(self.passage(text)), json: None },
            other => Body { prose: None, json: Some(self.json(other)) },
        }
    }
}

/// The conversation so far: how often each message occurred.
#[derive(Debug, Clone, Default)]
pub(super) struct History(HashMap<u64, usize>);

impl History {
    /// Takes in a turn that is not shown itself.
    pub(super) fn remember(&mut self, detail: &TraceDetail) {
        drop(turn(detail, self, &mut Room::new(0, 0)));
    }

    /// Adds the message unless this is an occurrence already known.
    fn is_known(&mut self, said: &Said, occurrence: usize) -> bool {
        let known = self.0.entry(fingerprint(said)).or_default();
        if occurrence <= *known {
            return true;
        }
        *known = occurrence;
        false
    }
}

/// Messages with the same fingerprint say the same. Ids of tool calls and reasoning do not count: sources leave them out
/// when they repeat a message.
fn fingerprint(said: &Said) -> u64 {
    let mut hasher = DefaultHasher::new();
    said.role.hash(&mut hasher);
    for part in &said.parts {
        match part {
            Part::Text(text) => text.trim().hash(&mut hasher),
            Part::Call { name, arguments, .. } => (name, canonical(arguments)).hash(&mut hasher),
            Part::Result { content, .. } => canonical(content).hash(&mut hasher),
            Part::Media(what) => what.hash(&mut hasher),
            Part::Other(value) => value.to_string().hash(&mut hasher),
            Part::Reasoning(_) => {}
        }
    }
    hasher.finish()
}

/// JSON written as text is the same as the JSON.
fn canonical(value: &Value) -> String {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => inner.to_string(),
            _ => text.trim().to_owned(),
        },
        other => other.to_string(),
    }
}

/// The entries of a turn.
pub(super) fn turn(detail: &TraceDetail, history: &mut History, room: &mut Room) -> Vec<Entry> {
    const MOST: usize = 80;
    let mut teller = Teller { history, room, entries: Vec::new(), said_anything: false };
    let mut steps: Vec<&Observation> = detail
        .observations
        .iter()
        .filter(|observation| matches!(observation.kind, ObservationType::Generation | ObservationType::Tool))
        .collect();
    steps.sort_by_key(|step| step.start_time);
    for step in steps {
        match step.kind {
            ObservationType::Generation => teller.generation(step),
            _ => teller.tool(step),
        }
    }
    if !teller.said_anything {
        teller.whole_trace(detail);
    }
    let mut entries = teller.entries;
    if entries.len() > MOST {
        let count = entries.len() - MOST;
        entries.truncate(MOST);
        entries.push(Entry::More { count, href: Address::trace(detail.trace.id).to_string() });
    }
    entries
}

struct Teller<'a> {
    history: &'a mut History,
    room: &'a mut Room,
    entries: Vec<Entry>,
    said_anything: bool,
}

impl Teller<'_> {
    fn generation(&mut self, call: &Observation) {
        let href = observation_href(call);
        let input = call.input.as_ref().map(|input| said::read(input, Role::User)).unwrap_or_default();
        self.input(&input, &href);
        let mut output =
            call.output.as_ref().map(|output| said::read(output, Role::Assistant)).unwrap_or_default();
        if output.is_empty()
            && let Some(output_value) = call.output.as_ref().filter(|_| !input.is_empty())
        {
            output.push(plain(Role::Assistant, output_value));
        }
        let mut seen = HashMap::new();
        for said in &output {
            // A wrapper around the call repeats its answer.
            let occurrence = occurrence(&mut seen, said);
            let known = self.history.0.get(&fingerprint(said)).copied().unwrap_or_default();
            if self.already_shown(said) {
                continue;
            }
            self.history.is_known(said, known + occurrence);
            self.message(said, figures(call), &href);
        }
        if let Some(failure) = failure(call) {
            self.entries.push(Entry::Failed { failure, href });
        }
    }

    /// Whether the turn's last answer is this very message.
    fn already_shown(&self, said: &Said) -> bool {
        let text = text_of(said);
        !text.is_empty()
            && self
                .entries
                .iter()
                .rev()
                .find_map(|entry| match entry {
                    Entry::Message(message) if message.role == "assistant" => Some(message),
                    _ => None,
                })
                .is_some_and(|last| {
                    last.pieces
                        .iter()
                        .any(|piece| piece.kind == "prose" && piece.brief == notation::line(&text, 160))
                })
    }

    fn input(&mut self, input: &[Said], href: &str) {
        let first_of_turn = !self.said_anything;
        let last_answer = input.iter().rposition(|said| said.role == Role::Assistant);
        let mut seen = HashMap::new();
        let mut earlier = 0;
        let mut fresh = Vec::new();
        for (i, said) in input.iter().enumerate() {
            let occurrence = occurrence(&mut seen, said);
            let own = first_of_turn && said.role == Role::User && last_answer.is_none_or(|last| i > last);
            if self.history.is_known(said, occurrence) && !own {
                earlier += 1;
            } else {
                fresh.push(said);
            }
        }
        if first_of_turn && earlier > 0 {
            self.entries.push(Entry::Earlier { count: earlier, href: href.to_owned() });
        }
        for said in fresh {
            self.message(said, Vec::new(), href);
        }
    }

    fn tool(&mut self, call: &Observation) {
        let href = observation_href(call);
        let tool = call.tool.as_ref();
        let name = tool.and_then(|tool| tool.name.clone()).unwrap_or_else(|| call.name.clone());
        let id = tool.and_then(|tool| tool.call_id.clone());
        let arguments = tool.and_then(|tool| tool.arguments.clone()).or_else(|| call.input.clone());
        let result = tool.and_then(|tool| tool.result.clone()).or_else(|| call.output.clone());
        let asked = self.entries.iter().any(|entry| match entry {
            Entry::Message(message) => message
                .pieces
                .iter()
                .any(|piece| piece.kind == "call" && piece.label == notation::line(&name, 80)),
            _ => false,
        });
        let mut parts = Vec::new();
        if !asked {
            parts.push(Part::Call {
                id: id.clone(),
                name: name.clone(),
                arguments: arguments.unwrap_or_default(),
            });
        }
        if let Some(content) = result {
            parts.push(Part::Result { id, name: Some(name), content });
        }
        let said = Said { role: Role::Tool, parts };
        // The next call's input repeats the result; it is shown here, where it happened.
        let only_result = Said {
            parts: said.parts.iter().filter(|part| matches!(part, Part::Result { .. })).cloned().collect(),
            ..said
        };
        let known = self.history.0.get(&fingerprint(&only_result)).copied().unwrap_or_default();
        self.history.is_known(&only_result, known + 1);
        let as_text = only_result.parts.first().and_then(|part| match part {
            Part::Result { content: Value::String(text), .. } => Some(plain_text(Role::Tool, text)),
            _ => None,
        });
        if let Some(as_text) = as_text {
            self.history.is_known(&as_text, known + 1);
        }
        if !said.parts.is_empty() {
            self.message(&said, vec![notation::duration(call.duration)], &href);
        }
        if let Some(failure) = failure(call) {
            self.entries.push(Entry::Failed { failure, href });
        }
    }

    /// A trace without model calls that say anything: its own input and output.
    fn whole_trace(&mut self, detail: &TraceDetail) {
        let href = Address::trace(detail.trace.id).to_string();
        let sides = [(&detail.trace.input, Role::User), (&detail.trace.output, Role::Assistant)];
        for (value, role) in sides {
            let Some(value) = value.as_ref().filter(|value| !is_blank(value)) else { continue };
            let mut messages = said::read(value, role);
            if messages.is_empty() {
                messages.push(plain(role, value));
            }
            if role == Role::User {
                self.input(&messages, &href);
            } else {
                messages.iter().for_each(|said| self.message(said, Vec::new(), &href));
            }
        }
        for failed in detail.observations.iter().filter(|observation| observation.is_error()) {
            if let Some(failure) = failure(failed)
                && !self.entries.iter().any(|entry| matches!(entry, Entry::Failed { failure: known, .. } if known.message == failure.message))
            {
                self.entries.push(Entry::Failed { failure, href: observation_href(failed) });
            }
        }
    }

    fn message(&mut self, said: &Said, figures: Vec<String>, href: &str) {
        let pieces: Vec<Piece> =
            said.parts.iter().filter_map(|part| piece(part, said.role, self.room)).collect();
        if pieces.is_empty() {
            return;
        }
        self.said_anything = true;
        let (role, who) = match said.role {
            Role::System => ("system", "Instructions"),
            Role::User => ("user", "User"),
            Role::Assistant => ("assistant", "Assistant"),
            Role::Tool => ("tool", "Tool"),
        };
        self.entries.push(Entry::Message(Message { role, who, figures, href: href.to_owned(), pieces }));
    }
}

/// The messages of one input or output, all of them; for the panel of one observation.
pub(super) fn messages(value: &Value, role: Role, room: &mut Room) -> Vec<Message> {
    let mut history = History::default();
    let mut teller = Teller { history: &mut history, room, entries: Vec::new(), said_anything: false };
    for said in said::read(value, role) {
        teller.message(&said, Vec::new(), "");
    }
    let message = |entry| if let Entry::Message(message) = entry { Some(message) } else { None };
    teller.entries.into_iter().filter_map(message).collect()
}

fn occurrence(seen: &mut HashMap<u64, usize>, said: &Said) -> usize {
    let times = seen.entry(fingerprint(said)).or_default();
    *times += 1;
    *times
}

fn plain(role: Role, value: &Value) -> Said {
    match value {
        Value::String(text) => plain_text(role, text),
        other => Said { role, parts: vec![Part::Other(other.clone())] },
    }
}

fn plain_text(role: Role, text: &str) -> Said {
    Said { role, parts: vec![Part::Text(text.to_owned())] }
}

fn text_of(said: &Said) -> String {
    let texts = said
        .parts
        .iter()
        .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None });
    texts.collect::<Vec<_>>().join("\n")
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn piece(part: &Part, role: Role, room: &mut Room) -> Option<Piece> {
    Some(match part {
        Part::Text(text) if text.trim().is_empty() => return None,
        Part::Text(text) if role == Role::System => folded("system", "Instructions", text, room),
        Part::Text(text) if role == Role::Tool => {
            let value = Value::String(text.clone());
            Piece {
                kind: "result",
                label: "Result".to_owned(),
                brief: notation::line(text, 160),
                body: room.body(&value),
            }
        }
        Part::Text(text) => {
            let body = Body { prose: Some(room.passage(text)), json: None };
            Piece { kind: "prose", label: String::new(), brief: notation::line(text, 160), body }
        }
        Part::Reasoning(text) if text.trim().is_empty() => return None,
        Part::Reasoning(text) => folded("reasoning", "Reasoning", text, room),
        Part::Call { name, arguments, .. } => Piece {
            kind: "call",
            label: notation::line(name, 80),
            brief: brief_of(arguments),
            body: room.body(arguments),
        },
        Part::Result { name, content, .. } => Piece {
            kind: "result",
            label: name
                .as_deref()
                .map_or_else(|| "Result".to_owned(), |name| format!("{} result", notation::line(name, 80))),
            brief: brief_of(content),
            body: room.body(content),
        },
        Part::Media(what) => Piece {
            kind: "prose",
            label: String::new(),
            brief: String::new(),
            body: Body { prose: Some(Passage::plain(&format!("[{what}]"), 400)), json: None },
        },
        Part::Other(value) => {
            Piece { kind: "data", label: String::new(), brief: String::new(), body: room.body(value) }
        }
    })
}

fn folded(kind: &'static str, label: &str, text: &str, room: &mut Room) -> Piece {
    let body = Body { prose: Some(room.passage(text)), json: None };
    Piece { kind, label: label.to_owned(), brief: notation::line(text, 160), body }
}

fn brief_of(value: &Value) -> String {
    passage::brief(value, 160)
}

fn figures(call: &Observation) -> Vec<String> {
    let model = call.model.as_deref().map(|model| notation::line(model, 60));
    let tokens =
        call.completion_tokens.filter(|n| *n > 0).map(|n| format!("{} tokens", notation::compact(n)));
    let first = call.time_to_first_token.map(|ms| format!("first token {}", notation::duration(ms)));
    let cost = call.cost.or(call.given_cost).map(notation::money);
    let took = (call.duration > 0.0).then(|| notation::duration(call.duration));
    model.into_iter().chain(tokens).chain(took).chain(first).chain(cost).collect()
}

/// What an observation says went wrong in it.
pub(super) fn failure(observation: &Observation) -> Option<Failure> {
    if !observation.is_error() {
        return None;
    }
    let said = observation.error.as_ref().map(|error| Failure::new(error, passage::SHORT));
    said.or_else(|| {
        let message = observation.status_message.as_deref().unwrap_or("failed without saying why");
        let message = notation::visible(&message.chars().take(4_000).collect::<String>());
        Some(Failure { name: notation::line(&observation.name, 120), message, stack: None })
    })
}

fn observation_href(observation: &Observation) -> String {
    Address::trace(observation.trace_id)
        .with("observation", observation.id.to_string())
        .at("record")
        .to_string()
}
