//! Spans that come in parts: a client tells first that a call began, and later how it ended.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use super::span::RawSpan;
use super::value::{RawValue, entries, key_value, put_any_value, put_attribute};
use super::wire::{self, Wire};
use crate::{SpanId, Timestamp, TraceId, keys};

/// When each fact of a span was said: a map. Only spans that came in parts have it.
const TIMES: &str = "throughline.part.times";
// The fields of the span as they were said; in the span itself they are as they must be.
const NAME: &str = "throughline.part.name";
const PARENT: &str = "throughline.part.parent";
const START: &str = "throughline.part.start";
const END: &str = "throughline.part.end";
const REACH: &str = "throughline.part.reach";

/// What is known so far of a span that comes in parts.
///
/// Each fact is kept with the time at which it was said, so that parts may come in any order and any number of times:
/// of two words on the same fact the later counts. Only the start is the earliest that was ever said, how far it
/// reached is the latest, and tags are collected. Written as OTLP it is a span like any other, which can be read back and put together with further parts.
///
/// ```
/// use throughline_model::otlp::{PartialSpan, each_span};
/// use throughline_model::Timestamp;
///
/// let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736".parse()?, "00f067aa0ba902b7".parse()?);
/// let at = Timestamp::from_nanos;
/// let mut began = PartialSpan::new(trace, span);
/// began.name(at(1_000), "answer");
/// began.start(at(1_000), at(900));
/// let mut ended = PartialSpan::new(trace, span);
/// ended.end(at(2_000), at(1_900));
/// ended.say(at(2_000), "gen_ai.response.model", "gpt-4o".into());
///
/// ended.merge(began);
/// each_span(&ended.to_body(), |whole| {
///     let facts = whole.facts();
///     assert_eq!((&*facts.name, facts.end.nanos_since(facts.start)), ("answer", 1_000));
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PartialSpan {
    trace_id: TraceId,
    span_id: SpanId,
    said: BTreeMap<String, Said>,
}

#[derive(Debug, Clone, PartialEq)]
struct Said {
    at: Timestamp,
    value: Value,
}

impl PartialSpan {
    /// When a guess is said: anything else that is said of the fact counts before it, and when the span was it does not
    /// tell.
    pub const GUESS: Timestamp = Timestamp::from_nanos(0);

    /// A span of which nothing is known yet.
    pub fn new(trace_id: TraceId, span_id: SpanId) -> Self {
        Self { trace_id, span_id, said: BTreeMap::new() }
    }

    /// The trace it is part of.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Its own id.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Takes an attribute that was said `at` this time. Null says nothing; arrays and objects are kept as JSON text,
    /// but for tags.
    pub fn say(&mut self, at: Timestamp, key: &str, value: Value) {
        let value = match value {
            Value::Null => return,
            tags if key == keys::TAGS => joined(tags, Value::Array(Vec::new())),
            Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
            scalar => scalar,
        };
        self.offer(key.to_owned(), Said { at, value });
    }

    /// Takes the name.
    pub fn name(&mut self, at: Timestamp, name: &str) {
        self.offer(NAME.to_owned(), Said { at, value: name.into() });
    }

    /// Takes the span it happened in.
    pub fn parent(&mut self, at: Timestamp, parent: SpanId) {
        self.offer(PARENT.to_owned(), Said { at, value: parent.to_string().into() });
    }

    /// Takes when it began.
    pub fn start(&mut self, at: Timestamp, start: Timestamp) {
        self.offer(START.to_owned(), Said { at, value: start.as_nanos().into() });
    }

    /// Takes when it ended.
    pub fn end(&mut self, at: Timestamp, end: Timestamp) {
        self.offer(END.to_owned(), Said { at, value: end.as_nanos().into() });
    }

    /// Takes a time at which it was not yet over. It counts where no end is said.
    pub fn reach(&mut self, at: Timestamp, time: Timestamp) {
        self.offer(REACH.to_owned(), Said { at, value: time.as_nanos().into() });
    }

    /// Adds what another part of the same span says.
    pub fn merge(&mut self, other: Self) {
        for (key, said) in other.said {
            self.offer(key, said);
        }
    }

    fn offer(&mut self, key: String, said: Said) {
        match self.said.entry(key) {
            Entry::Vacant(unsaid) => drop(unsaid.insert(said)),
            Entry::Occupied(known) => {
                let rule = Rule::of(known.key());
                known.into_mut().hear(said, rule);
            }
        }
    }

    /// What a span says that came in parts; `None` for any other.
    pub fn read(raw: &RawSpan<'_>) -> Option<Self> {
        let (mut trace_id, mut span_id, mut times) = (None, None, None);
        let mut attributes = Vec::new();
        for field in wire::checked(raw.span) {
            match field {
                (1, Wire::Bytes(id)) => trace_id = TraceId::from_slice(id),
                (2, Wire::Bytes(id)) => span_id = SpanId::from_slice(id),
                (9, Wire::Bytes(attribute)) => match key_value(attribute) {
                    (key, RawValue::Map(map)) if key == TIMES.as_bytes() => times = Some(map),
                    attribute => attributes.push(attribute),
                },
                _ => {}
            }
        }
        let times: BTreeMap<_, _> = entries(times?)
            .filter_map(|(key, at)| match at {
                RawValue::Int(nanos) => Some((key, Timestamp::from_nanos(nanos))),
                _ => None,
            })
            .collect();
        let mut part = Self::new(trace_id?, span_id?);
        for (key, value) in attributes {
            if let Some(&at) = times.get(key) {
                part.offer(wire::text(key).into_owned(), Said { at, value: value.to_json() });
            }
        }
        Some(part)
    }

    /// The span as a complete one-span `TracesData`, with what is needed to add to it.
    pub fn to_body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::put_message(&mut out, 1, |out| {
            wire::put_message(out, 2, |out| wire::put_message(out, 2, |out| self.put_span(out)));
        });
        out
    }

    fn put_span(&self, out: &mut Vec<u8>) {
        let text = |key: &str| self.said.get(key).and_then(|said| said.value.as_str());
        let time = |key: &str| self.said.get(key).and_then(|said| said.value.as_i64());
        wire::put_bytes(out, 1, self.trace_id.as_bytes());
        wire::put_bytes(out, 2, self.span_id.as_bytes());
        if let Some(parent) = text(PARENT).and_then(|id| id.parse::<SpanId>().ok()) {
            wire::put_bytes(out, 4, parent.as_bytes());
        }
        wire::put_bytes(out, 5, text(NAME).unwrap_or("unnamed").as_bytes());
        wire::put_varint(out, 6, 1);
        // Without a start it began, as far as anybody knows, when it was first spoken of.
        let spoken = self.said.values().map(|said| said.at).filter(|at| *at != Self::GUESS);
        let start = time(START).or(spoken.min().map(Timestamp::as_nanos)).unwrap_or_default().max(0);
        let end = time(END).or(time(REACH)).unwrap_or(start).max(start);
        wire::put_fixed64(out, 7, start.cast_unsigned());
        wire::put_fixed64(out, 8, end.cast_unsigned());
        for (key, said) in &self.said {
            put_attribute(out, 9, key, |out| put_any_value(out, &said.value));
        }
        put_attribute(out, 9, TIMES, |out| {
            wire::put_message(out, 6, |out| {
                for (key, said) in &self.said {
                    put_attribute(out, 1, key, |out| put_any_value(out, &said.at.as_nanos().into()));
                }
            });
        });
    }
}

/// What counts when more than one thing was said of a fact.
#[derive(Clone, Copy)]
enum Rule {
    Last,
    Smallest,
    Greatest,
    All,
}

impl Rule {
    fn of(key: &str) -> Self {
        match key {
            START => Self::Smallest,
            REACH => Self::Greatest,
            keys::TAGS => Self::All,
            _ => Self::Last,
        }
    }
}

impl Said {
    fn hear(&mut self, other: Self, rule: Rule) {
        let is_later = (other.at, other.value.to_string()) > (self.at, self.value.to_string());
        self.at = self.at.max(other.at);
        match rule {
            Rule::Last if is_later => self.value = other.value,
            Rule::Last => {}
            Rule::Smallest => self.value = self.value.as_i64().min(other.value.as_i64()).into(),
            Rule::Greatest => self.value = self.value.as_i64().max(other.value.as_i64()).into(),
            Rule::All => self.value = joined(self.value.take(), other.value),
        }
    }
}

/// The tags of both, each once.
fn joined(one: Value, other: Value) -> Value {
    let tags = [one, other].into_iter().flat_map(|tags| match tags {
        Value::Array(tags) => tags,
        tag => vec![tag],
    });
    let by_text: BTreeMap<String, Value> = tags.map(|tag| (tag.to_string(), tag)).collect();
    by_text.into_values().collect()
}
