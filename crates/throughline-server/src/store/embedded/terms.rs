//! Attributes and metadata as terms: one text field holds `key NUL kind value` for each value of each key, so that
//! any number of distinct keys costs no more than as many values.
//!
//! `kind` is `s` for a value as text (numbers and booleans too, as they are written), `n` for a number in an order
//! that bytes can be compared in, `o` for an object, of which only the presence is kept.

use serde_json::Value;
use throughline_model::otlp::AttributeValue;

const END_OF_KEY: char = '\0';
pub(super) const TEXT: char = 's';
pub(super) const NUMBER: char = 'n';
pub(super) const OBJECT: char = 'o';

/// Longer values are kept but not found: nobody types them into a filter.
pub(super) const MAX_VALUE_BYTES: usize = 1024;
/// Only so many values of one record are found.
const MAX_VALUES: usize = 10_000;

/// What the terms of this key and kind begin with.
pub(super) fn prefix(key: &str, kind: char) -> String {
    let mut prefix = String::with_capacity(key.len() + 2);
    prefix.push_str(key);
    prefix.push(END_OF_KEY);
    prefix.push(kind);
    prefix
}

/// A number as text that sorts as numbers do.
pub(super) fn sortable(number: f64) -> String {
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    format!("{ordered:016x}")
}

/// Calls `put` with the terms of one record's attributes.
pub(super) struct TermWriter<F> {
    left: usize,
    term: String,
    put: F,
}

impl<F: FnMut(&str)> TermWriter<F> {
    pub(super) fn new(put: F) -> Self {
        Self { left: MAX_VALUES, term: String::new(), put }
    }

    pub(super) fn attribute(&mut self, key: &str, value: &AttributeValue<'_>) {
        match value {
            AttributeValue::Text(text) => self.text(key, text),
            AttributeValue::Int(number) => {
                self.text(key, &number.to_string());
                self.number(key, *number as f64);
            }
            AttributeValue::Float(number) => match serde_json::Number::from_f64(*number) {
                Some(shown) => {
                    self.text(key, &shown.to_string());
                    self.number(key, *number);
                }
                None => self.text(key, &number.to_string()),
            },
            AttributeValue::Bool(yes) => self.text(key, if *yes { "true" } else { "false" }),
            AttributeValue::Json(value) => self.json(key, value),
        }
    }

    pub(super) fn json(&mut self, key: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(yes) => self.text(key, if *yes { "true" } else { "false" }),
            Value::Number(number) => {
                self.text(key, &number.to_string());
                if let Some(number) = number.as_f64() {
                    self.number(key, number);
                }
            }
            Value::String(text) => self.text(key, text),
            Value::Array(members) => members.iter().for_each(|member| self.json(key, member)),
            Value::Object(_) => self.put(key, OBJECT, ""),
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        if text.len() <= MAX_VALUE_BYTES {
            self.put(key, TEXT, text);
        }
    }

    fn number(&mut self, key: &str, number: f64) {
        self.put(key, NUMBER, &sortable(number));
    }

    fn put(&mut self, key: &str, kind: char, value: &str) {
        if self.left == 0 || key.len() > MAX_VALUE_BYTES {
            return;
        }
        self.left -= 1;
        self.term.clear();
        self.term.push_str(key);
        self.term.push(END_OF_KEY);
        self.term.push(kind);
        self.term.push_str(value);
        (self.put)(&self.term);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_sort_as_numbers() {
        let numbers = [f64::MIN, -2.5, -1.0, 0.0, 1e-9, 1.0, 9.0, 10.0, f64::MAX];
        assert!(numbers.map(sortable).is_sorted());
        assert_eq!(sortable(-0.0), sortable(0.0));
    }

    #[test]
    fn every_value_becomes_terms() {
        let mut terms = Vec::new();
        let mut writer = TermWriter::new(|term: &str| terms.push(term.replace('\0', "|")));
        writer.json("a", &json!(["x", 7, true, null, {"b": 1}]));
        assert_eq!(terms, ["a|sx", "a|s7", &format!("a|n{}", sortable(7.0)), "a|strue", "a|o"]);
    }
}
