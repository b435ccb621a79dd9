//! A batch of events: each says something about a trace, an observation or a score, or is refused by itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value};
use throughline_model::otlp::{PartialSpan, check_traces};
use throughline_model::{ObservationType, SpanId, Timestamp, TraceId};

use crate::http::Error;
use crate::ingest::json_request::Made;

use super::body::Body;
use super::observation::{observation, trace};
use super::read_score;

/// What became of one event.
pub(super) struct Answer {
    /// The event's id.
    pub(super) id: Value,
    pub(super) outcome: Result<(), String>,
}

/// Reads a whole batch. Parts of the same span are put together as far as they are in it.
pub(super) fn read(mut json: Value, now: Timestamp) -> Result<Made<Vec<Answer>>, Error> {
    let Value::Array(events) = json["batch"].take() else {
        return Err(Error::bad_request("the body has no array \"batch\"").code("malformed_body"));
    };
    let mut batch =
        Batch { now, traces: traces_named(&events), spans: BTreeMap::new(), made: Made::default() };
    for (index, event) in events.iter().enumerate() {
        let outcome = batch.event(event, index);
        batch.made.rejected += usize::from(outcome.is_err());
        batch.made.answer.push(Answer { id: event["id"].clone(), outcome });
    }
    Ok(batch.made())
}

/// Which trace each observation is in, by their ids: updates need not say.
fn traces_named(events: &[Value]) -> BTreeMap<String, String> {
    let named = events.iter().filter_map(|event| {
        let text = |key: &str| event["body"][key].as_str().filter(|text| !text.is_empty());
        Some((text("id")?.to_owned(), text("traceId")?.to_owned()))
    });
    named.collect()
}

struct Batch {
    now: Timestamp,
    traces: BTreeMap<String, String>,
    spans: BTreeMap<(TraceId, SpanId), PartialSpan>,
    made: Made<Vec<Answer>>,
}

impl Batch {
    fn event(&mut self, event: &Value, index: usize) -> Result<(), String> {
        let kind = event["type"].as_str().ok_or("the event has no \"type\"")?;
        let Value::Object(fields) = &event["body"] else {
            return Err("the event's \"body\" is not a JSON object".to_owned());
        };
        let (noun, verb) = kind.rsplit_once('-').unwrap_or((kind, ""));
        let at = self.said_at(event, verb, index)?;
        match (noun, verb) {
            // What a client logs of itself is nobody's session.
            ("sdk", "log") => Ok(()),
            ("score", "create") => {
                let mut score = Value::Object(fields.clone());
                if score["timestamp"].is_null() {
                    score["timestamp"] = event["timestamp"].clone();
                }
                read_score(score, self.now).map(|event| self.made.events.push(event))
            }
            ("trace", "create") => self.add(vec![trace(&Body(fields), at)?]),
            ("observation", "create" | "update") => {
                let body = Body(fields);
                let named = body.text("type")?.unwrap_or_default();
                self.observation(&named, fields, at)
            }
            (noun, "create" | "update") => self.observation(noun, fields, at),
            _ => Err(format!("{kind:?} is not a type of event that is taken here")),
        }
    }

    fn observation(&mut self, kind: &str, fields: &Map<String, Value>, at: Timestamp) -> Result<(), String> {
        let kind = ObservationType::from_name(kind)
            .filter(|kind| *kind != ObservationType::Layer)
            .ok_or_else(|| format!("{kind:?} is not a type of observation"))?;
        let parts = observation(kind, &Body(fields), at, &self.traces)?;
        self.add(parts)
    }

    /// When it was said. Within the same moment updates are later than creations, and what comes later in the batch.
    fn said_at(&self, event: &Value, verb: &str, index: usize) -> Result<Timestamp, String> {
        let at = match &event["timestamp"] {
            Value::Null => self.now,
            time => Body::time_of("timestamp", time)?,
        };
        let later = if verb == "update" { 500 } else { 0 };
        Ok(at.plus_nanos(later + index.min(499) as i64))
    }

    fn add(&mut self, parts: Vec<PartialSpan>) -> Result<(), String> {
        for part in &parts {
            let checked = check_traces(&part.to_body(), self.now).map_err(|error| error.to_string())?;
            checked.first_reason.map_or(Ok(()), Err)?;
        }
        for part in parts {
            match self.spans.entry((part.trace_id(), part.span_id())) {
                Entry::Vacant(new) => drop(new.insert(part)),
                Entry::Occupied(mut known) => known.get_mut().merge(part),
            }
        }
        Ok(())
    }

    fn made(self) -> Made<Vec<Answer>> {
        let Self { spans, made, .. } = self;
        let body = spans.values().flat_map(PartialSpan::to_body).collect();
        Made { span_count: spans.len(), spans: body, ..made }
    }
}
