//! Scores: feedback on a session, a trace or an observation.
//!
//! A score is OpenTelemetry's event `gen_ai.evaluation.result`, whoever sends it: our routes, Langfuse's, or a log
//! record. So it is stored, found, exported and deleted like any event; it only does not count as something that went
//! on in its session.

use serde_json::Value;
use sha2::{Digest, Sha256};
use throughline_model::{Attributes, Event, EventId, Level, SessionId, SpanId, Timestamp, TraceId};

use super::filter::{Comparison, Field, Filter, Literal, Pattern};

/// The name of the event.
pub const EVENT: &str = "gen_ai.evaluation.result";

/// The attribute that says what is judged.
pub const NAME: &str = "gen_ai.evaluation.name";
const VALUE: &str = "gen_ai.evaluation.score.value";
const LABEL: &str = "gen_ai.evaluation.score.label";
const EXPLANATION: &str = "gen_ai.evaluation.explanation";
/// The id that the sender gave: of two scores with the same one, the later counts.
pub const ID: &str = "throughline.score.id";

/// The attribute that tells a free text from a label.
const TYPE: &str = "throughline.score.type";
const FREE_TEXT: &str = "text";

/// One score.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Scores with the same id on the same thing replace each other: the latest stands.
    pub id: String,
    pub name: String,
    pub value: ScoreValue,
    pub comment: Option<String>,
    pub session_id: Option<SessionId>,
    pub trace_id: Option<TraceId>,
    pub observation_id: Option<SpanId>,
    pub environment: Option<String>,
    pub time: Timestamp,
    /// What else is said of it.
    pub metadata: Attributes,
}

/// What a score says.
#[derive(Debug, Clone, PartialEq)]
pub enum ScoreValue {
    Number(f64),
    Flag(bool),
    /// One of a few labels, which are counted.
    Category(String),
    /// Words of a person, each time others.
    Text(String),
}

impl ScoreValue {
    /// Numeric, boolean and text values as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => Value::from(*number),
            Self::Flag(flag) => Value::from(*flag),
            Self::Category(text) | Self::Text(text) => Value::from(text.as_str()),
        }
    }

    /// The name of the value's type, as Langfuse has it.
    pub const fn data_type(&self) -> &'static str {
        match self {
            Self::Number(_) => "NUMERIC",
            Self::Flag(_) => "BOOLEAN",
            Self::Category(_) => "CATEGORICAL",
            Self::Text(_) => "TEXT",
        }
    }
}

/// Whether the event is a score.
pub fn is_score(event: &Event) -> bool {
    event.name == EVENT
}

impl Score {
    /// The score that an event is.
    pub fn of(event: &Event) -> Option<Self> {
        if !is_score(event) {
            return None;
        }
        let text = |key: &str| event.attributes.get(key).and_then(Value::as_str).map(str::to_owned);
        let label = text(LABEL);
        let number = event.attributes.get(VALUE).and_then(Value::as_f64);
        let value = match (number, label) {
            (Some(_), Some(label)) if label == "true" || label == "false" => {
                ScoreValue::Flag(label == "true")
            }
            (Some(number), _) => ScoreValue::Number(number),
            (None, Some(text)) if event.attributes.get(TYPE).is_some_and(|name| name == FREE_TEXT) => {
                ScoreValue::Text(text)
            }
            (None, Some(label)) => ScoreValue::Category(label),
            (None, None) => return None,
        };
        let mut metadata = event.attributes.clone();
        for known in [NAME, VALUE, LABEL, TYPE, EXPLANATION, ID] {
            metadata.remove(known);
        }
        Some(Self {
            id: text(ID).unwrap_or_else(|| event.id.to_string()),
            name: text(NAME).unwrap_or_else(|| "score".to_owned()),
            value,
            comment: text(EXPLANATION),
            session_id: event.session_id.clone(),
            trace_id: event.trace_id,
            observation_id: event.span_id,
            environment: Some(event.environment.clone()).filter(|name| !name.is_empty()),
            time: event.time,
            metadata,
        })
    }

    /// The event that the score is kept as.
    pub fn into_event(self) -> Event {
        let mut attributes = self.metadata;
        let mut put = |key: &str, value: Value| drop(attributes.insert(key.to_owned(), value));
        put(NAME, self.name.into());
        match self.value {
            ScoreValue::Number(number) => put(VALUE, number.into()),
            ScoreValue::Flag(flag) => {
                put(VALUE, f64::from(u8::from(flag)).into());
                put(LABEL, flag.to_string().into());
            }
            ScoreValue::Category(label) => put(LABEL, label.into()),
            ScoreValue::Text(text) => {
                put(LABEL, text.into());
                put(TYPE, FREE_TEXT.into());
            }
        }
        if let Some(comment) = self.comment {
            put(EXPLANATION, comment.into());
        }
        put(ID, self.id.into());
        let mut event = Event {
            id: EventId::from(""),
            name: EVENT.to_owned(),
            time: self.time,
            level: Level::Info,
            service: String::new(),
            environment: self.environment.unwrap_or_default(),
            version: None,
            session_id: self.session_id,
            trace_id: self.trace_id,
            span_id: self.observation_id,
            actor: None,
            scope: None,
            attributes,
            error: None,
            source: None,
        };
        // Sent again, it is the same event; changed, it is another one, which then counts.
        let hash = Sha256::digest(serde_json::to_vec(&event).unwrap_or_default());
        let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        event.id = EventId::from(format!("score_{digits}"));
        event
    }
}

/// What two scores have in common of which only the later stands: what they say they are on, and their id. `None` of an
/// event that is no score. `event` is as it was received: a session that it inherits is not what it says.
pub fn key(event: &Event) -> Option<String> {
    let score = Score::of(event)?;
    let session = score.session_id.as_ref().map_or("", SessionId::as_str);
    let trace = score.trace_id.map(|id| id.to_string()).unwrap_or_default();
    let observation = score.observation_id.map(|id| id.to_string()).unwrap_or_default();
    Some([session, &trace, &observation, &score.id].join("\n"))
}

/// Of two scores with the same [`key`] the later one stands; of two at the same time the id decides.
pub fn is_later(score: &Event, other: &Event) -> bool {
    (score.time, &score.id) > (other.time, &other.id)
}

/// The scores among these events that none of the others replaces, in the order in which they are.
pub fn standing_among<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Score> {
    let mut standing: Vec<(String, &Event)> = Vec::new();
    for event in events {
        let Some(key) = key(event) else { continue };
        match standing.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) if is_later(event, known) => *known = event,
            Some(_) => {}
            None => standing.push((key, event)),
        }
    }
    standing.iter().filter_map(|(_, event)| Score::of(event)).collect()
}

/// Finds the scores that stand.
pub fn standing() -> Filter {
    let any = Pattern { open_end: true, ..Pattern::default() };
    Filter::field(Field::Score(String::new()), Comparison::Equal, Literal::Text(any))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(value: ScoreValue, seconds: i64) -> Score {
        Score {
            id: "s1".to_owned(),
            name: "helpful".to_owned(),
            value,
            comment: Some("quick".to_owned()),
            session_id: Some("chat".into()),
            trace_id: None,
            observation_id: None,
            environment: None,
            time: Timestamp::from_nanos(seconds * 1_000_000_000),
            metadata: Attributes::from_iter([("by".to_owned(), "alice".into())]),
        }
    }

    #[test]
    fn a_score_comes_back_from_its_event() {
        let label = || "good".to_owned();
        for value in [
            ScoreValue::Number(0.5),
            ScoreValue::Flag(true),
            ScoreValue::Category(label()),
            ScoreValue::Text(label()),
        ] {
            let score = score(value, 7);
            let event = score.clone().into_event();
            assert_eq!(Score::of(&event), Some(score.clone()));
            assert_eq!(event.id, score.into_event().id, "sent again it is the same");
        }
    }

    #[test]
    fn the_later_of_two_with_the_same_id_on_the_same_thing_stands() {
        let good = score(ScoreValue::Number(1.0), 1).into_event();
        let bad = score(ScoreValue::Number(0.0), 2).into_event();
        assert_ne!(good.id, bad.id);
        assert_eq!(key(&good), key(&bad));
        assert!(is_later(&bad, &good) && !is_later(&good, &bad));
        let values: Vec<_> = standing_among([&bad, &good]).into_iter().map(|score| score.value).collect();
        assert_eq!(values, [ScoreValue::Number(0.0)]);
        let elsewhere = Score { session_id: Some("other".into()), ..score(ScoreValue::Number(1.0), 1) };
        assert_ne!(key(&elsewhere.into_event()), key(&good));
        assert_eq!(key(&Event { name: "order.shipped".to_owned(), ..good }), None);
    }
}
