//! Model calls whose messages came as log records of their own.

use std::collections::HashMap;

use serde_json::Value;
use throughline_model::otlp::LoggedMessage;
use throughline_model::{Observation, SpanId};

/// What the records said in one span tell.
#[derive(Default)]
struct Told {
    /// Single messages, in order of time.
    input: Vec<Value>,
    output: Vec<Value>,
    /// All of them at once, which goes before.
    whole_input: Option<Value>,
    whole_output: Option<Value>,
}

/// Puts the observations of one trace in order of time, and gives those that have no input or output of their own the
/// messages that were logged in them. The records stay below them, as observations by themselves.
pub fn tell(observations: &mut [Observation]) {
    observations.sort_by_key(|observation| (observation.start_time, observation.id));
    let mut told: HashMap<SpanId, Told> = HashMap::new();
    for record in observations.iter() {
        let (Some(parent), Some(message)) = (record.parent_id, LoggedMessage::of(&record.name)) else {
            continue;
        };
        let told = told.entry(parent).or_default();
        match message {
            LoggedMessage::Input(_) => told.input.extend(messages(record.input.as_ref())),
            LoggedMessage::Output => told.output.extend(messages(record.output.as_ref())),
            LoggedMessage::Call => {
                told.whole_input = told.whole_input.take().or_else(|| record.input.clone());
                told.whole_output = told.whole_output.take().or_else(|| record.output.clone());
            }
        }
    }
    for observation in observations {
        let Some(told) = told.remove(&observation.id) else { continue };
        let all = |messages: Vec<Value>| (!messages.is_empty()).then_some(Value::Array(messages));
        observation.input = observation.input.take().or(told.whole_input).or_else(|| all(told.input));
        observation.output = observation.output.take().or(told.whole_output).or_else(|| all(told.output));
    }
}

fn messages(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(messages)) => messages.clone(),
        Some(message) => vec![message.clone()],
        None => Vec::new(),
    }
}
