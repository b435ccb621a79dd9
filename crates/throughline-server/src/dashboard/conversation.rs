//! What was said in a turn: only what is new in it, with tool calls and reasoning where they happened.
//!
//! Most clients send the whole history with every call. A message is history if the conversation so far holds it at
//! least as often as the call's input has repeated it up to there, except that what follows the last answer in the
//! first input of a turn is what the turn is about, even if it was said before.

use std::collections::HashMap;

use serde_json::Value;
use throughline_model::message::{self, Message as Said, Part};
use throughline_model::{Observation, ObservationType};

use super::address::Address;
use super::documents;
use super::event_list::Failure;
use super::history::{History, fingerprint};
use super::message::{Message, Moment, Room, piece};
use super::notation;
use super::passage;
use super::turn_reader::ReadTurn;

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
        moment: Moment,
    },
    /// So many entries are left out.
    More {
        count: usize,
        href: String,
    },
}

/// The entries of a turn, as far as it was read.
pub(super) fn turn(read: &ReadTurn, history: &mut History, room: &mut Room) -> Vec<Entry> {
    // Most steps are an entry or two; one whose input is a long history that was not told before may be hundreds.
    let most = 80 + 2 * read.steps.len();
    Teller::new(history, &mut Room::new(0, 0)).steps(read.before());
    let mut teller = Teller::new(history, room);
    teller.steps(read.told());
    if !teller.told && read.steps.start == 0 {
        teller.whole_trace(read);
    }
    let mut entries = teller.entries;
    if entries.len() > most {
        let count = entries.len() - most;
        entries.truncate(most);
        entries.push(Entry::More { count, href: Address::trace(read.trace().id).to_string() });
    }
    entries
}

/// Takes a turn into the history without showing it.
pub(super) fn remember(read: &ReadTurn, history: &mut History) {
    drop(turn(read, history, &mut Room::new(0, 0)));
}

/// The messages of one input or output, all of them, for the panel of one record; none if it is only a text or only
/// data.
pub(super) fn messages(input: Option<&Value>, output: Option<&Value>, room: &mut Room) -> Vec<Message> {
    let said = message::conversation(input, output);
    let is_text =
        input.or(output).is_some_and(Value::is_string) && said.iter().all(|said| said.parts.len() == 1);
    let is_data = said.iter().flat_map(|said| &said.parts).all(|part| matches!(part, Part::Other(_)));
    if is_data || said.len() == 1 && is_text {
        return Vec::new();
    }
    let mut history = History::default();
    let mut teller = Teller::new(&mut history, room);
    said.iter().for_each(|said| teller.message(said, Vec::new(), ""));
    let message = |entry| if let Entry::Message(message) = entry { Some(message) } else { None };
    teller.entries.into_iter().filter_map(message).collect()
}

struct Teller<'a> {
    history: &'a mut History,
    room: &'a mut Room,
    entries: Vec<Entry>,
    /// Whether anything was said yet.
    told: bool,
    /// The tools that were called, by the id of the call.
    tools: HashMap<String, String>,
    /// When what is told now was said.
    moment: Moment,
    /// The last answer's text, which what surrounds the call may repeat.
    answer: String,
}

impl<'a> Teller<'a> {
    fn new(history: &'a mut History, room: &'a mut Room) -> Self {
        Self {
            history,
            room,
            entries: Vec::new(),
            told: false,
            tools: HashMap::new(),
            moment: Moment::default(),
            answer: String::new(),
        }
    }

    fn steps<'s>(&mut self, steps: impl Iterator<Item = &'s Observation>) {
        for step in steps {
            match step.kind {
                ObservationType::Generation => self.generation(step),
                ObservationType::Retriever => self.retrieval(step),
                _ => self.tool(step),
            }
        }
    }

    fn generation(&mut self, call: &Observation) {
        let href = observation_href(call);
        self.moment = Moment::at(call.start_time);
        self.input(&message::conversation(call.input.as_ref(), None), &href);
        self.moment = Moment::given_by(call);
        let mut output = message::conversation(None, call.output.as_ref());
        output.retain(|said| !is_blank(said));
        for said in &output {
            let text = said.text();
            // A wrapper around the call repeats its answer.
            if !text.is_empty() && text == self.answer {
                continue;
            }
            self.answer = text;
            self.history.add(fingerprint(said));
            self.message(said, figures(call, said), &href);
            // Told once, however many messages there are.
            (self.moment.tokens, self.moment.cost) = (0, None);
        }
        if let Some(failure) = failure(call) {
            self.entries.push(Entry::Failed { failure, href, moment: Moment::at(call.end_time) });
        }
    }

    fn input(&mut self, input: &[Said], href: &str) {
        let first = !self.told;
        let last_answer = input.iter().rposition(|said| said.role == "assistant");
        let mut repeated = History::default();
        let mut earlier = 0;
        let mut fresh = Vec::new();
        for (i, said) in input.iter().enumerate().filter(|(_, said)| !is_blank(said)) {
            let print = fingerprint(said);
            repeated.add(print);
            let own = first && said.role == "user" && last_answer.is_none_or(|last| i > last);
            let known = repeated.count(print) <= self.history.count(print);
            if !known {
                self.history.add(print);
            }
            if known && !own {
                earlier += 1;
            } else {
                fresh.push(said);
            }
        }
        if first && earlier > 0 {
            self.entries.push(Entry::Earlier { count: earlier, href: href.to_owned() });
        }
        fresh.into_iter().for_each(|said| self.message(said, Vec::new(), href));
    }

    fn tool(&mut self, call: &Observation) {
        let href = observation_href(call);
        self.moment = Moment::given_by(call);
        let tool = call.tool.as_ref();
        let name = tool.and_then(|tool| tool.name.clone()).unwrap_or_else(|| call.name.clone());
        let id = tool.and_then(|tool| tool.call_id.clone());
        let arguments = tool.and_then(|tool| tool.arguments.clone()).or_else(|| call.input.clone());
        let result = tool.and_then(|tool| tool.result.clone()).or_else(|| call.output.clone());
        let asked = self.tools.values().any(|asked| *asked == name);
        let mut parts = Vec::new();
        if !asked {
            let arguments = arguments.unwrap_or_default();
            parts.push(Part::ToolCall { id: id.clone(), name: name.clone(), arguments });
        }
        if let Some(result) = result {
            if let Some(id) = &id {
                self.tools.insert(id.clone(), name.clone());
            }
            // The next call's input repeats the result; it is shown here, where it happened.
            let part = Part::ToolResult { id, result };
            let said =
                Said { role: "tool".to_owned(), name: None, parts: vec![part.clone()], finish_reason: None };
            self.history.add(fingerprint(&said));
            parts.push(part);
        }
        if !parts.is_empty() {
            let said = Said { role: "tool".to_owned(), name: Some(name), parts, finish_reason: None };
            self.message(&said, vec![notation::duration(call.duration)], &href);
        }
        if let Some(failure) = failure(call) {
            self.entries.push(Entry::Failed { failure, href, moment: Moment::at(call.end_time) });
        }
    }

    /// What was looked up: the documents found, where the output tells them apart.
    fn retrieval(&mut self, look_up: &Observation) {
        let href = observation_href(look_up);
        self.moment = Moment::given_by(look_up);
        if let Some(piece) = documents::piece(look_up, self.room) {
            let mut message = Message::retrieval(piece, notation::duration(look_up.duration), &href);
            message.moment = Some(self.moment.clone());
            self.told = true;
            self.entries.push(Entry::Message(message));
        }
        if let Some(failure) = failure(look_up) {
            self.entries.push(Entry::Failed { failure, href, moment: Moment::at(look_up.end_time) });
        }
    }

    /// A trace without model calls that say anything: its own input and output.
    fn whole_trace(&mut self, read: &ReadTurn) {
        let trace = read.trace();
        let href = Address::trace(trace.id).to_string();
        self.moment = Moment::at(trace.start_time);
        self.input(&message::conversation(trace.input.as_ref(), None), &href);
        self.moment = Moment { to: trace.end_time, ..Moment::at(trace.start_time) };
        for said in message::conversation(None, trace.output.as_ref()) {
            self.message(&said, Vec::new(), &href);
        }
        let failed = read.observations().iter().filter(|observation| observation.is_error());
        let mut told: Vec<String> = self.entries.iter().filter_map(told_failure).collect();
        for observation in failed {
            if let Some(failure) = failure(observation)
                && !told.contains(&failure.message)
            {
                told.push(failure.message.clone());
                let moment = Moment::at(observation.end_time);
                self.entries.push(Entry::Failed { failure, href: observation_href(observation), moment });
            }
        }
    }

    fn message(&mut self, said: &Said, figures: Vec<String>, href: &str) {
        for part in &said.parts {
            if let Part::ToolCall { id, name, .. } = part {
                self.tools.insert(id.clone().unwrap_or_else(|| name.clone()), name.clone());
            }
        }
        let tool = |id: Option<&String>| id.and_then(|id| self.tools.get(id)).or(said.name.as_ref());
        let pieces = said.parts.iter().filter_map(|part| {
            let name = if let Part::ToolResult { id, .. } = part { tool(id.as_ref()) } else { None };
            piece(part, &said.role, name.map(String::as_str), self.room)
        });
        let mut message = Message::new(said, pieces.collect(), figures, href);
        message.moment = Some(self.moment.clone());
        if !message.pieces.is_empty() {
            self.told = true;
            self.entries.push(Entry::Message(message));
        }
    }
}

fn told_failure(entry: &Entry) -> Option<String> {
    if let Entry::Failed { failure, .. } = entry { Some(failure.message.clone()) } else { None }
}

fn is_blank(said: &Said) -> bool {
    said.parts.iter().all(|part| match part {
        Part::Text(text) | Part::Reasoning(text) => text.trim().is_empty(),
        Part::Other(Value::Null) => true,
        Part::Other(Value::Array(items)) => items.is_empty(),
        Part::Other(Value::Object(fields)) => fields.is_empty(),
        _ => false,
    })
}

fn figures(call: &Observation, said: &Said) -> Vec<String> {
    let model = call.model.as_deref().map(|model| notation::line(model, 60));
    let tokens =
        call.completion_tokens.filter(|n| *n > 0).map(|n| format!("{} tokens", notation::compact(n)));
    let took = (call.duration > 0.0).then(|| notation::duration(call.duration));
    let first = call.time_to_first_token.map(|ms| format!("first token {}", notation::duration(ms)));
    let cost = call.cost.or(call.given_cost).map(notation::money);
    let usual = ["stop", "end_turn", "tool_call", "tool_calls", "tool-calls", "tool_use", "function_call"];
    let stopped =
        said.finish_reason.as_deref().filter(|reason| !usual.contains(&reason.to_ascii_lowercase().as_str()));
    let stopped = stopped.map(|reason| format!("stopped: {}", notation::line(reason, 40)));
    model.into_iter().chain(tokens).chain(took).chain(first).chain(cost).chain(stopped).collect()
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
    let address = Address::trace(observation.trace_id).with("observation", observation.id.to_string());
    address.at("record").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample;
    use super::super::turn_reader::Wanted;
    use super::*;
    use crate::domain::query::TraceDetail;

    fn whole(detail: TraceDetail) -> ReadTurn {
        ReadTurn::of(detail, Wanted { first: Some(0), steps: 100, before: 0, rows: 0 })
    }

    /// A turn with one model call; what is told of it, in short.
    fn told(history: &mut History, input: Value, output: Value) -> Vec<String> {
        let mut detail = sample::trace("turn", 0);
        let mut call = sample::observation(1, None, "chat", 0, 1);
        call.kind = ObservationType::Generation;
        (call.input, call.output) = (Some(input), Some(output));
        detail.observations = vec![call];
        let entries = turn(&whole(detail), history, &mut Room::new(1_000_000, 10_000));
        let short = |entry: &Entry| match entry {
            Entry::Earlier { count, .. } => format!("{count} earlier"),
            Entry::Message(message) => {
                let pieces: Vec<&str> = message.pieces.iter().map(|piece| piece.brief.as_str()).collect();
                format!("{}: {}", message.role, pieces.join("|"))
            }
            Entry::Failed { failure, .. } => format!("failed: {}", failure.message),
            Entry::More { count, .. } => format!("{count} more"),
        };
        entries.iter().map(short).collect()
    }

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    fn assistant(text: &str) -> Value {
        json!({"role": "assistant", "content": text})
    }

    #[test]
    fn history_that_is_sent_along_is_not_told_again() {
        let mut history = History::default();
        let first = told(&mut history, json!([user("hi")]), assistant("hello"));
        assert_eq!(first, ["user: hi", "assistant: hello"]);
        let second =
            told(&mut history, json!([user("hi"), assistant("hello"), user("bye")]), assistant("see you"));
        assert_eq!(second, ["2 earlier", "user: bye", "assistant: see you"]);
    }

    #[test]
    fn what_is_said_twice_is_told_twice() {
        let mut history = History::default();
        told(&mut history, json!([user("yes")]), assistant("sure?"));
        let with_history =
            told(&mut history, json!([user("yes"), assistant("sure?"), user("yes")]), assistant("done"));
        assert_eq!(with_history, ["2 earlier", "user: yes", "assistant: done"]);
        // A client that sends no history.
        assert_eq!(
            told(&mut history, json!([user("yes")]), assistant("again?")),
            ["user: yes", "assistant: again?"]
        );
    }

    #[test]
    fn plain_texts_are_a_conversation_too() {
        let mut history = History::default();
        assert_eq!(told(&mut history, json!("hi"), json!("hello")), ["user: hi", "assistant: hello"]);
    }

    #[test]
    fn a_call_around_a_call_does_not_tell_the_answer_again() {
        let mut detail = sample::trace("turn", 0);
        detail.observations = [1, 2]
            .map(|id| {
                let mut call = sample::observation(id, (id == 2).then_some(1), "chat", id as i64, 9);
                call.kind = ObservationType::Generation;
                (call.input, call.output) = (Some(json!([user("hi")])), Some(assistant("hello")));
                call
            })
            .into();
        let entries = turn(&whole(detail), &mut History::default(), &mut Room::new(1_000, 1_000));
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn a_failed_request_says_so_once() {
        let mut detail = sample::trace("request", 0);
        for id in 1..=3 {
            let mut layer = sample::observation(id, (id > 1).then(|| id - 1), "layer", 0, 1);
            layer.status = throughline_model::Status::Error;
            layer.status_message = Some("no such order".to_owned());
            detail.observations.push(layer);
        }
        let entries = turn(&whole(detail), &mut History::default(), &mut Room::new(1_000, 1_000));
        assert!(
            matches!(&entries[..], [Entry::Failed { failure, .. }] if failure.message == "no such order")
        );
    }
}
