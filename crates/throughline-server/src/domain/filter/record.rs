//! What filters look at: the fields and words of sessions, traces, observations and events.

use std::borrow::Cow;

use serde_json::Value;
use throughline_model::{
    Attributes, Event, Level, Money, Observation, ObservationType, Session, SessionState, Status, Timestamp,
    Trace,
};

use super::ast::Field;
use super::words::contain_all;
use crate::domain::lifecycle::{SYNTHETIC_FLAG, UNFINISHED_FLAG, is_unfinished};
use crate::domain::score::Score;

/// One value that a record has in a field.
#[derive(Debug, Clone, Copy)]
pub enum FieldValue<'a> {
    Text(&'a str),
    Number(f64),
    Bool(bool),
    Money(Money),
    /// Nanoseconds.
    Duration(i64),
    Time(Timestamp),
    Level(Level),
    Type(ObservationType),
    Status(Status),
    State(SessionState),
    /// An attribute.
    Json(&'a Value),
}

/// Something that a filter can be held against.
pub trait Record {
    /// Whether `test` holds for any of the values that the record has in `field`.
    fn any_value(&self, field: &Field, test: &mut dyn FnMut(FieldValue<'_>) -> bool) -> bool;

    /// Whether all of these words occur in the record's text; for what consists of several records, in one of them.
    fn has_words(&self, words: &[&str]) -> bool;
}

/// A trace with everything in it.
#[derive(Debug, Clone)]
pub struct TraceRecord<'a> {
    pub trace: &'a Trace,
    pub observations: Vec<&'a Observation>,
    pub events: Vec<&'a Event>,
    /// It began, and nothing was heard of it for so long that it never will end.
    pub abandoned: bool,
}

/// A session with everything in it: its state is what it was when the session was summed up.
#[derive(Debug, Clone)]
pub struct SessionRecord<'a> {
    pub session: &'a Session,
    pub traces: Vec<TraceRecord<'a>>,
    /// The events that are in none of the traces.
    pub events: Vec<&'a Event>,
}

type Test<'t> = &'t mut dyn FnMut(FieldValue<'_>) -> bool;

fn text(value: Option<&str>, test: Test<'_>) -> bool {
    value.is_some_and(|value| test(FieldValue::Text(value)))
}

fn texts(values: &[String], test: Test<'_>) -> bool {
    values.iter().any(|value| test(FieldValue::Text(value)))
}

fn json(attributes: &Attributes, key: &str, test: Test<'_>) -> bool {
    attributes.get(key).is_some_and(|value| test(FieldValue::Json(value)))
}

fn money(value: Option<Money>, test: Test<'_>) -> bool {
    value.is_some_and(|value| test(FieldValue::Money(value)))
}

fn number(value: u64, test: Test<'_>) -> bool {
    test(FieldValue::Number(value as f64))
}

/// What words are looked for in an event: its name, its error's message and those of its attributes that are text.
fn event_texts(event: &Event) -> impl Iterator<Item = Cow<'_, str>> {
    let message = event.error.iter().map(|error| error.message.as_str());
    let facts = event.attributes.values().filter_map(Value::as_str);
    std::iter::once(event.name.as_str()).chain(message).chain(facts).map(Cow::Borrowed)
}

/// What words are looked for in an observation: input, output, status and error message.
fn observation_texts(observation: &Observation) -> impl Iterator<Item = Cow<'_, str>> {
    let error = observation.error.as_ref().map(|error| &error.message);
    let messages = [observation.status_message.as_ref(), error].into_iter().flatten();
    let bodies = [&observation.input, &observation.output].into_iter().flatten().map(|body| match body {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        json => Cow::Owned(json.to_string()),
    });
    bodies.chain(messages.map(|message| Cow::Borrowed(message.as_str())))
}

impl Record for Observation {
    fn any_value(&self, field: &Field, test: Test<'_>) -> bool {
        match field {
            Field::Session => text(self.session_id.as_ref().map(|id| id.as_str()), test),
            Field::Trace => text(Some(&self.trace_id.to_string()), test),
            Field::User => text(self.user_id.as_deref(), test),
            Field::Name => text(Some(&self.name), test),
            Field::Type => test(FieldValue::Type(self.kind)),
            Field::Model => text(self.model.as_deref(), test),
            Field::Provider => text(self.provider.as_deref(), test),
            Field::Tool => text(self.tool.as_ref().and_then(|tool| tool.name.as_deref()), test),
            Field::Tag => texts(&self.tags, test),
            Field::Environment => text(self.environment.as_deref(), test),
            Field::Service => text(self.service.as_deref(), test),
            Field::Level => test(FieldValue::Level(self.level)),
            Field::Status => test(FieldValue::Status(self.status)),
            Field::Error => test(FieldValue::Bool(self.is_error())),
            Field::Cost => money(self.cost.or(self.given_cost), test),
            Field::Tokens => self.total_tokens.is_some_and(|tokens| number(tokens, test)),
            Field::Duration => test(FieldValue::Duration(self.end_time.nanos_since(self.start_time))),
            Field::Start => test(FieldValue::Time(self.start_time)),
            Field::End => test(FieldValue::Time(self.end_time)),
            Field::Attribute(key) => json(&self.attributes, key, test),
            Field::State | Field::Abandoned | Field::Reopened | Field::Synthetic | Field::Parts => false,
            Field::Unfinished => false,
            Field::Turns | Field::Errors | Field::Metadata(_) | Field::Score(_) => false,
        }
    }

    fn has_words(&self, words: &[&str]) -> bool {
        contain_all(observation_texts(self), words)
    }
}

impl Record for Event {
    fn any_value(&self, field: &Field, test: Test<'_>) -> bool {
        match field {
            Field::Session => text(self.session_id.as_ref().map(|id| id.as_str()), test),
            Field::Trace => self.trace_id.is_some_and(|id| text(Some(&id.to_string()), test)),
            Field::User => text(self.user_id(), test),
            Field::Name => text(Some(&self.name), test),
            Field::Type => test(FieldValue::Type(ObservationType::Event)),
            Field::Environment => text(Some(&self.environment), test),
            Field::Service => text(Some(&self.service), test),
            Field::Level => test(FieldValue::Level(self.level)),
            Field::Error => test(FieldValue::Bool(self.is_error())),
            Field::Start | Field::End => test(FieldValue::Time(self.time)),
            Field::Attribute(key) => json(&self.attributes, key, test),
            Field::Model | Field::Provider | Field::Tool | Field::Tag | Field::Status | Field::State => false,
            Field::Abandoned | Field::Unfinished | Field::Reopened | Field::Synthetic | Field::Parts => false,
            Field::Cost | Field::Tokens | Field::Duration | Field::Turns | Field::Errors => false,
            Field::Metadata(_) => false,
            Field::Score(name) => Score::of(self)
                .filter(|score| name.is_empty() || score.name == *name)
                .is_some_and(|score| test(FieldValue::Json(&score.value.to_json()))),
        }
    }

    fn has_words(&self, words: &[&str]) -> bool {
        contain_all(event_texts(self), words)
    }
}

impl TraceRecord<'_> {
    fn parts(&self) -> impl Iterator<Item = &dyn Record> {
        let observations = self.observations.iter().map(|observation| *observation as &dyn Record);
        observations.chain(self.events.iter().map(|event| *event as &dyn Record))
    }
}

impl Record for TraceRecord<'_> {
    fn any_value(&self, field: &Field, test: Test<'_>) -> bool {
        let trace = self.trace;
        match field {
            Field::Session => text(trace.session_id.as_ref().map(|id| id.as_str()), test),
            Field::Trace => text(Some(&trace.id.to_string()), test),
            Field::User => text(trace.user_id.as_deref(), test),
            Field::Tag => texts(&trace.tags, test),
            Field::Environment => text(trace.environment.as_deref(), test),
            Field::Service => texts(&trace.services, test),
            Field::Status => test(FieldValue::Status(trace.status)),
            Field::Error => test(FieldValue::Bool(trace.error_count > 0)),
            Field::Cost => money(trace.total_cost, test),
            Field::Tokens => number(trace.total_tokens, test),
            Field::Duration => test(FieldValue::Duration(trace.end_time.nanos_since(trace.start_time))),
            Field::Errors => number(trace.error_count, test),
            Field::Start => test(FieldValue::Time(trace.start_time)),
            Field::End => test(FieldValue::Time(trace.end_time)),
            Field::Metadata(key) => json(&trace.metadata, key, test),
            Field::Synthetic => test(FieldValue::Bool(trace.flags.iter().any(|flag| flag == SYNTHETIC_FLAG))),
            Field::Abandoned => test(FieldValue::Bool(self.abandoned)),
            Field::Unfinished => test(FieldValue::Bool(is_unfinished(trace))),
            Field::State | Field::Reopened | Field::Parts | Field::Turns => false,
            Field::Name => {
                text(Some(&trace.name), test) || self.parts().any(|part| part.any_value(field, test))
            }
            Field::Type
            | Field::Model
            | Field::Provider
            | Field::Tool
            | Field::Level
            | Field::Attribute(_)
            | Field::Score(_) => self.parts().any(|part| part.any_value(field, test)),
        }
    }

    fn has_words(&self, words: &[&str]) -> bool {
        self.parts().any(|part| part.has_words(words))
    }
}

impl SessionRecord<'_> {
    /// It is over, and the trace that ended last failed or never ended.
    fn is_abandoned(&self) -> bool {
        let last =
            self.traces.iter().map(|record| record.trace).max_by_key(|trace| (trace.end_time, trace.id));
        let was_cut_off = |trace: &Trace| trace.status == Status::Error || is_unfinished(trace);
        self.session.state == SessionState::Ended && last.is_some_and(was_cut_off)
    }

    fn parts(&self) -> impl Iterator<Item = &dyn Record> {
        let traces = self.traces.iter().map(|trace| trace as &dyn Record);
        traces.chain(self.events.iter().map(|event| *event as &dyn Record))
    }
}

impl Record for SessionRecord<'_> {
    fn any_value(&self, field: &Field, test: Test<'_>) -> bool {
        let session = self.session;
        match field {
            Field::Session => text(Some(session.id.as_str()), test),
            Field::User => text(session.user_id.as_deref(), test),
            Field::Tag => texts(&session.tags, test),
            Field::Environment => text(session.environment.as_deref(), test),
            Field::Service => texts(&session.services, test),
            Field::Error => test(FieldValue::Bool(session.error_count > 0)),
            Field::State => test(FieldValue::State(session.state)),
            Field::Abandoned => test(FieldValue::Bool(self.is_abandoned())),
            Field::Unfinished => {
                test(FieldValue::Bool(session.flags.iter().any(|flag| flag == UNFINISHED_FLAG)))
            }
            Field::Reopened => test(FieldValue::Bool(session.reopened)),
            Field::Synthetic => test(FieldValue::Bool(session.synthetic)),
            Field::Parts => number(session.part_count, test),
            Field::Cost => money(session.total_cost, test),
            Field::Tokens => number(session.total_tokens, test),
            Field::Duration => test(FieldValue::Duration(session.end_time.nanos_since(session.start_time))),
            Field::Turns => number(session.trace_count, test),
            Field::Errors => number(session.error_count, test),
            Field::Start => test(FieldValue::Time(session.start_time)),
            Field::End => test(FieldValue::Time(session.end_time)),
            Field::Metadata(key) => json(&session.metadata, key, test),
            Field::Trace
            | Field::Name
            | Field::Type
            | Field::Model
            | Field::Provider
            | Field::Tool
            | Field::Level
            | Field::Status
            | Field::Attribute(_)
            | Field::Score(_) => self.parts().any(|part| part.any_value(field, test)),
        }
    }

    fn has_words(&self, words: &[&str]) -> bool {
        self.parts().any(|part| part.has_words(words))
    }
}
