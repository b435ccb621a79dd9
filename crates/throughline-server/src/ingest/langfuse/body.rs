//! The body of an event: members of known types, and what is wrong with those of others.

use serde_json::{Map, Value};
use throughline_model::Timestamp;

/// The members of one event's body. Null counts as not given.
pub(super) struct Body<'a>(pub(super) &'a Map<String, Value>);

impl Body<'_> {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A text; numbers are taken for their digits.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("\"{key}\" is not a text")),
        }
    }

    pub(super) fn time(&self, key: &str) -> Result<Option<Timestamp>, String> {
        self.get(key).map(|value| Self::time_of(key, value)).transpose()
    }

    pub(super) fn time_of(key: &str, value: &Value) -> Result<Timestamp, String> {
        let text = value.as_str().ok_or_else(|| format!("\"{key}\" is not a text"))?;
        text.parse().map_err(|error| format!("\"{key}\" is {error}"))
    }
}
