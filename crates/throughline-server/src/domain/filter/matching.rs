//! Whether a record matches.

use serde_json::Value;

use super::ast::{Comparison, Filter, Literal, Pattern};
use super::record::{FieldValue, Record};

impl Filter {
    /// Whether the record matches.
    pub fn matches(&self, record: &dyn Record) -> bool {
        match self {
            Self::All => true,
            Self::And(members) => members.iter().all(|member| member.matches(record)),
            Self::Or(members) => members.iter().any(|member| member.matches(record)),
            Self::Not(inner) => !inner.matches(record),
            Self::Text(words) => record.has_words(&words.split(' ').collect::<Vec<_>>()),
            Self::Field { field, comparison, value } => {
                record.any_value(field, &mut |found| compare(found, *comparison, value))
            }
        }
    }
}

impl Comparison {
    /// Whether it holds between two values with an order.
    pub fn holds<T: PartialOrd + Copy>(self, left: T, right: T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

fn compare(found: FieldValue<'_>, comparison: Comparison, value: &Literal) -> bool {
    match (found, value) {
        (FieldValue::Text(text), Literal::Text(pattern)) => pattern.matches(text),
        (FieldValue::Number(number), Literal::Number(wanted)) => comparison.holds(number, *wanted),
        (FieldValue::Bool(yes), Literal::Bool(wanted)) => yes == *wanted,
        (FieldValue::Money(money), Literal::Money(wanted)) => comparison.holds(money, *wanted),
        (FieldValue::Duration(nanos), Literal::Duration(wanted)) => comparison.holds(nanos, *wanted),
        (FieldValue::Time(time), Literal::Time(wanted)) => comparison.holds(time, *wanted),
        (FieldValue::Level(level), Literal::Level(wanted)) => comparison.holds(level, *wanted),
        (FieldValue::Type(kind), Literal::Type(wanted)) => kind == *wanted,
        (FieldValue::Status(status), Literal::Status(wanted)) => status == *wanted,
        (FieldValue::State(state), Literal::State(wanted)) => state == *wanted,
        (FieldValue::Json(json), Literal::Text(pattern)) => json_matches(json, pattern),
        (FieldValue::Json(json), Literal::Number(wanted)) => {
            json_numbers(json, &|number| comparison.holds(number, *wanted))
        }
        _ => false,
    }
}

/// An attribute against text: numbers and booleans as they are written, arrays by any member; objects have only a
/// presence.
fn json_matches(json: &Value, pattern: &Pattern) -> bool {
    match json {
        Value::Null => false,
        Value::String(text) => pattern.matches(text),
        Value::Bool(yes) => pattern.matches(if *yes { "true" } else { "false" }),
        Value::Number(number) => {
            let same = || pattern.text.parse().is_ok_and(|wanted: f64| Some(wanted) == number.as_f64());
            pattern.matches(&number.to_string()) || pattern.is_exact() && same()
        }
        Value::Array(members) => members.iter().any(|member| json_matches(member, pattern)),
        Value::Object(_) => pattern.is_any(),
    }
}

fn json_numbers(json: &Value, test: &dyn Fn(f64) -> bool) -> bool {
    match json {
        Value::Number(number) => number.as_f64().is_some_and(test),
        Value::Array(members) => members.iter().any(|member| json_numbers(member, test)),
        _ => false,
    }
}
