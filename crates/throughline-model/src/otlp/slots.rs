//! The best source found so far for each field.

use super::facts::AttributeValue;
use super::mapping::{Field, Rule, Shape};
use super::value::RawValue;
use super::wire;
use crate::Timestamp;

#[derive(Debug, Clone, Copy)]
struct Slot<'a> {
    /// What was read; `None` while nothing was.
    rule: Option<&'static Rule>,
    value: RawValue<'a>,
}

/// One slot for each [`Field`].
#[derive(Debug, Clone)]
pub(super) struct Slots<'a>([Slot<'a>; Field::COUNT]);

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} from {:?}", self.field, self.key)
    }
}

impl<'a> Slots<'a> {
    pub(super) const fn new() -> Self {
        Self([Slot { rule: None, value: RawValue::Empty }; Field::COUNT])
    }

    /// Takes the value if it is better than what there was, and returns what loses: the other value, or this one.
    /// A value of the wrong shape is no candidate and comes straight back.
    #[inline]
    pub(super) fn offer(
        &mut self,
        rule: &'static Rule,
        value: RawValue<'a>,
    ) -> Option<(&'static Rule, RawValue<'a>)> {
        if !usable(rule.shape, value) {
            return Some((rule, value));
        }
        let slot = &mut self.0[rule.field as usize];
        match slot.rule {
            Some(held) if held.rank <= rule.rank => Some((rule, value)),
            held => {
                let lost = held.map(|held| (held, slot.value));
                *slot = Slot { rule: Some(rule), value };
                lost
            }
        }
    }

    #[inline]
    pub(super) fn get(&self, field: Field) -> Option<(&'static Rule, RawValue<'a>)> {
        let slot = &self.0[field as usize];
        slot.rule.map(|rule| (rule, slot.value))
    }

    #[inline]
    pub(super) fn value(&self, field: Field) -> Option<RawValue<'a>> {
        self.get(field).map(|(_, value)| value)
    }

    pub(super) fn count(&self, field: Field) -> Option<u64> {
        self.value(field)?.to_count()
    }

    pub(super) fn number(&self, field: Field) -> Option<f64> {
        self.value(field)?.to_number()
    }
}

/// Whether a value can be read as its row says.
#[inline]
fn usable(shape: Shape, value: RawValue<'_>) -> bool {
    match (shape, value) {
        (_, RawValue::Empty | RawValue::Text(b"")) => false,
        (Shape::Quoted, RawValue::Text(text)) => !matches!(text, b"\"\"" | b"null"),
        (Shape::Text | Shape::Quoted, RawValue::Array(_) | RawValue::Map(_) | RawValue::Bytes(_)) => false,
        (Shape::TextOnly, value) => matches!(value, RawValue::Text(_)),
        (Shape::Object, RawValue::Text(text)) => text.trim_ascii_start().starts_with(b"{"),
        (Shape::Object, value) => matches!(value, RawValue::Map(_)),
        (Shape::List, RawValue::Array(list)) => !list.is_empty(),
        (Shape::List, RawValue::Text(text)) => text != b"[]",
        (Shape::List, _) => false,
        (Shape::Kind(kind), RawValue::Text(text)) => kind(&wire::text(text)).is_some(),
        (Shape::Kind(_), _) => false,
        (Shape::Level(level), value) => value.to_text().and_then(|text| level(&text)).is_some(),
        (Shape::Count | Shape::ExclusiveCount, value) => value.to_count().is_some(),
        (Shape::Dollars | Shape::Seconds | Shape::Milliseconds, value) => {
            value.to_number().is_some_and(|number| number >= 0.0)
        }
        (Shape::Instant, value) => instant(value).is_some(),
        (Shape::Flag, value) => value.to_flag().is_some(),
        (Shape::Text | Shape::Quoted | Shape::Content | Shape::Named(_) | Shape::Indexed, _) => true,
    }
}

/// A point in time: nanoseconds, or RFC 3339 that may stand in quotation marks.
pub(super) fn instant(value: RawValue<'_>) -> Option<Timestamp> {
    match value {
        RawValue::Int(nanos) => Some(Timestamp::from_nanos(nanos)),
        RawValue::Text(text) => {
            let text = std::str::from_utf8(text).ok()?.trim_matches('"');
            match text.parse::<i64>() {
                Ok(nanos) => Some(Timestamp::from_nanos(nanos)),
                Err(_) => text.parse().ok(),
            }
        }
        _ => None,
    }
}

/// The value without the quotation marks of a JSON string, if the whole text is one.
pub(super) fn unquoted<'a>(value: AttributeValue<'a>) -> AttributeValue<'a> {
    match value {
        AttributeValue::Text(text) => AttributeValue::Text(unquoted_text(text)),
        other => other,
    }
}

/// The text that `text` is the JSON of, if it is the JSON of a text.
pub(super) fn unquoted_text(text: std::borrow::Cow<'_, str>) -> std::borrow::Cow<'_, str> {
    if text.len() < 2 || !text.starts_with('"') || !text.ends_with('"') {
        return text;
    }
    match serde_json::from_str::<String>(&text) {
        Ok(inner) => inner.into(),
        Err(_) => text,
    }
}
