//! Attribute values: `AnyValue` as it lies in the bytes, and as JSON.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::facts::AttributeValue;
use super::schema::MAX_NESTING;
use super::wire::{self, Wire};

/// An attribute value, not yet read any further than its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RawValue<'a> {
    Empty,
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Float(f64),
    /// The content of an `ArrayValue`.
    Array(&'a [u8]),
    /// The content of a `KeyValueList`.
    Map(&'a [u8]),
    Bytes(&'a [u8]),
}

/// The key and value of a `KeyValue` message.
#[inline]
pub(super) fn key_value(bytes: &[u8]) -> (&[u8], RawValue<'_>) {
    let (mut key, mut value) = (&[][..], RawValue::Empty);
    for field in wire::checked(bytes) {
        match field {
            (1, Wire::Bytes(text)) => key = text,
            (2, Wire::Bytes(any)) => value = RawValue::read(any),
            _ => {}
        }
    }
    (key, value)
}

impl<'a> RawValue<'a> {
    /// The value in an `AnyValue` message.
    #[inline]
    pub(super) fn read(any: &'a [u8]) -> Self {
        let mut value = Self::Empty;
        for field in wire::checked(any) {
            value = match field {
                (1, Wire::Bytes(text)) => Self::Text(text),
                (2, Wire::Varint(flag)) => Self::Bool(flag != 0),
                (3, Wire::Varint(number)) => Self::Int(number.cast_signed()),
                (4, Wire::Fixed64(bits)) => Self::Float(f64::from_bits(bits)),
                (5, Wire::Bytes(list)) => Self::Array(list),
                (6, Wire::Bytes(map)) => Self::Map(map),
                (7, Wire::Bytes(bytes)) => Self::Bytes(bytes),
                _ => value,
            };
        }
        value
    }

    /// The value as text: texts borrowed, numbers written out, arrays and maps as JSON. `None` if there is no value.
    pub(super) fn to_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(wire::text(text)),
            other => {
                let mut json = String::new();
                other.write_json(&mut json, 1);
                match other {
                    Self::Bytes(_) => Some(Cow::Owned(json.trim_matches('"').to_owned())),
                    _ => Some(Cow::Owned(json)),
                }
            }
        }
    }

    /// The value for an attribute list.
    pub(super) fn to_attribute(self) -> AttributeValue<'a> {
        match self {
            Self::Text(text) => AttributeValue::Text(wire::text(text)),
            Self::Bool(flag) => AttributeValue::Bool(flag),
            Self::Int(number) => AttributeValue::Int(number),
            Self::Float(number) => AttributeValue::Float(number),
            other => AttributeValue::Json(other.to_json()),
        }
    }

    /// A whole number that is not negative; also from a float or a text of digits.
    pub(super) fn to_count(self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(number).ok(),
            Self::Float(number) => whole(number),
            Self::Text(text) => {
                let text = std::str::from_utf8(text).ok()?.trim();
                text.parse().ok().or_else(|| whole(text.parse().ok()?))
            }
            _ => None,
        }
    }

    /// A finite number; also from a text.
    pub(super) fn to_number(self) -> Option<f64> {
        let number = match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
            Self::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// Yes or no; also from a text.
    pub(super) fn to_flag(self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(flag),
            Self::Text(b"true") => Some(true),
            Self::Text(b"false") => Some(false),
            Self::Int(number) => Some(number != 0),
            _ => None,
        }
    }

    /// The value as JSON. What JSON has no number for (NaN, infinities) becomes a text.
    pub(super) fn to_json(self) -> Value {
        self.to_json_at(1)
    }

    fn to_json_at(self, nesting: usize) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Array(_) | Self::Map(_) if nesting > MAX_NESTING => Value::Null,
            Self::Text(text) => Value::String(wire::text(text).into_owned()),
            Self::Bool(flag) => Value::Bool(flag),
            Self::Int(number) => Value::from(number),
            Self::Float(number) => float(number),
            Self::Bytes(bytes) => Value::String(base64(bytes)),
            Self::Array(list) => items(list).map(|item| item.to_json_at(nesting + 1)).collect(),
            Self::Map(map) => {
                let entry = |(key, value): (&[u8], Self)| {
                    (wire::text(key).into_owned(), value.to_json_at(nesting + 1))
                };
                Value::Object(entries(map).map(entry).collect::<Map<_, _>>())
            }
        }
    }

    /// Appends the value as JSON text, without building a tree.
    fn write_json(self, out: &mut String, nesting: usize) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Array(_) | Self::Map(_) if nesting > MAX_NESTING => out.push_str("null"),
            Self::Text(text) => write_json_text(out, &wire::text(text)),
            Self::Array(list) => {
                out.push('[');
                for (index, item) in items(list).enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write_json(out, nesting + 1);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push('{');
                for (index, (key, value)) in entries(map).enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write_json_text(out, &wire::text(key));
                    out.push(':');
                    value.write_json(out, nesting + 1);
                }
                out.push('}');
            }
            scalar => write_display(out, &scalar.to_json_at(nesting)),
        }
    }
}

fn write_display(out: &mut String, value: &Value) {
    out.push_str(&value.to_string());
}

fn write_json_text(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        write_display(out, &Value::from(text));
    }
}

/// The values in the content of an `ArrayValue`.
pub(super) fn items(list: &[u8]) -> impl Iterator<Item = RawValue<'_>> {
    wire::checked(list).filter_map(|field| match field {
        (1, Wire::Bytes(any)) => Some(RawValue::read(any)),
        _ => None,
    })
}

/// The entries in the content of a `KeyValueList`.
pub(super) fn entries(map: &[u8]) -> impl Iterator<Item = (&[u8], RawValue<'_>)> {
    wire::checked(map).filter_map(|field| match field {
        (1, Wire::Bytes(entry)) => Some(key_value(entry)),
        _ => None,
    })
}

/// Appends a `KeyValue` as a field; `write` appends the content of its `AnyValue`.
pub(super) fn put_attribute(out: &mut Vec<u8>, field: u32, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
    wire::put_message(out, field, |out| {
        wire::put_bytes(out, 1, key.as_bytes());
        wire::put_message(out, 2, write);
    });
}

/// Appends the content of the `AnyValue` that a JSON value is. Integers above `i64::MAX` become floats.
pub(super) fn put_any_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => wire::put_varint(out, 2, u64::from(*flag)),
        Value::String(text) => wire::put_bytes(out, 1, text.as_bytes()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => wire::put_varint(out, 3, number.cast_unsigned()),
            None => wire::put_fixed64(out, 4, number.as_f64().unwrap_or(f64::NAN).to_bits()),
        },
        Value::Array(items) => wire::put_message(out, 5, |out| {
            for item in items {
                wire::put_message(out, 1, |out| put_any_value(out, item));
            }
        }),
        Value::Object(entries) => put_object(out, entries),
    }
}

/// Appends the content of the `AnyValue` that a map is.
pub(super) fn put_object(out: &mut Vec<u8>, entries: &crate::Attributes) {
    wire::put_message(out, 6, |out| {
        for (key, value) in entries {
            put_attribute(out, 1, key, |out| put_any_value(out, value));
        }
    });
}

fn whole(number: f64) -> Option<u64> {
    (0.0..1e18).contains(&number).then_some(number.round() as u64)
}

/// A number, or its name in OTLP/JSON where JSON has none.
pub(super) fn float(number: f64) -> Value {
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => Value::from("NaN"),
        None if number > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as OTLP/JSON shows them.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            match digit <= chunk.len() {
                true => out.push(char::from(BASE64[bits >> (18 - 6 * digit) & 63])),
                false => out.push('='),
            }
        }
    }
    out
}

/// Bytes from standard or URL-safe base64, padded or not; `None` if the text is neither.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let byte = match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
        let digit = BASE64.iter().position(|&known| known == byte)?;
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    (count < 6).then_some(out)
}
