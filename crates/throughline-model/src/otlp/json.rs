//! OTLP/JSON to canonical protobuf and back.
//!
//! Reading is tolerant: ids as hexadecimal digits or base64, 64-bit integers as texts or numbers, enumerations as
//! numbers or names, names in camel or snake case, `null` for anything, `"NaN"` and `"Infinity"` for doubles, unknown
//! names skipped. An id that is neither is kept as it is, for the check to cut out its span alone.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::digest::hex;
use super::json_tree::Json;
use super::names::{Format, Named};
use super::schema::{Kind, Message};
use super::value::{base64, float, from_base64};
use super::wire::{self, Fields, Malformed, Wire, WireError};

/// An OTLP/JSON `ExportTraceServiceRequest` as protobuf bytes.
///
/// # Errors
/// When the text is not JSON, or not of this shape; the error says what is wrong and where.
///
/// ```
/// use throughline_model::otlp::{traces_from_json, traces_to_json};
///
/// let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"chat","startTimeUnixNano":"1"}]}]}]}"#;
/// let body = traces_from_json(json.as_bytes()).unwrap();
/// assert_eq!(traces_to_json(&body).unwrap().to_string(), json);
///
/// let error = traces_from_json(br#"{"resourceSpans":[{"scopeSpans":7}]}"#).unwrap_err();
/// assert_eq!(error.to_string(), "expected an array, got a number, at resourceSpans[0].scopeSpans");
/// ```
pub fn traces_from_json(json: &[u8]) -> Result<Vec<u8>, Malformed> {
    from_json(json, Message::TracesData, &mut Misfits::Refused)
}

/// An OTLP/JSON `ExportLogsServiceRequest` as protobuf bytes.
///
/// # Errors
/// When the text is not JSON, or not of this shape; the error says what is wrong and where.
pub fn logs_from_json(json: &[u8]) -> Result<Vec<u8>, Malformed> {
    from_json(json, Message::LogsData, &mut Misfits::Refused)
}

/// A protobuf `TracesData` (or `ExportTraceServiceRequest`) as OTLP/JSON.
///
/// # Errors
/// When the bytes are not well-formed.
pub fn traces_to_json(body: &[u8]) -> Result<Value, Malformed> {
    to_json(body, Message::TracesData).map(Value::Object).map_err(|error| error.within(body))
}

/// A protobuf `LogsData` (or `ExportLogsServiceRequest`) as OTLP/JSON.
///
/// # Errors
/// When the bytes are not well-formed.
pub fn logs_to_json(body: &[u8]) -> Result<Value, Malformed> {
    to_json(body, Message::LogsData).map(Value::Object).map_err(|error| error.within(body))
}

/// The same as protobuf bytes without the spans or records that are not of the right shape.
pub(super) fn fitting_from_json(json: &[u8], message: Message) -> Result<(Vec<u8>, CutOut), Malformed> {
    let mut misfits = Misfits::CutOut(CutOut::default());
    let body = from_json(json, message, &mut misfits)?;
    let Misfits::CutOut(cut_out) = misfits else { return Ok((body, CutOut::default())) };
    Ok((body, cut_out))
}

/// What was left out.
#[derive(Default)]
pub(super) struct CutOut {
    pub(super) count: u64,
    pub(super) first_reason: Option<String>,
}

/// What becomes of a span or record that is not of the right shape.
enum Misfits {
    /// It fails the whole request.
    Refused,
    /// It is left out, and counted.
    CutOut(CutOut),
}

fn from_json(json: &[u8], message: Message, misfits: &mut Misfits) -> Result<Vec<u8>, Malformed> {
    // Clients that mean "no text" where their JSON library gives up on half a surrogate pair send invalid UTF-8.
    let text = wire::text(json);
    let tree = Json::parse(text.as_bytes()).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.strip_suffix(&format!(" at {place}")).unwrap_or(&reason).to_owned();
        Malformed::new(format!("not valid JSON: {reason}"), place)
    })?;
    let mut out = Vec::with_capacity(json.len());
    put_message(message, &tree, &Place::Top, misfits, &mut out)?;
    Ok(out)
}

/// Where in the JSON something is; only written out for an error.
enum Place<'p> {
    Top,
    Field(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(Self::Top, name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Item(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

impl Place<'_> {
    fn refuse(&self, reason: String) -> Malformed {
        match self {
            Self::Top => Malformed::new(reason, "the top"),
            place => Malformed::new(reason, place.to_string()),
        }
    }

    fn expected(&self, what: &str, got: &Json<'_>) -> Malformed {
        let got: Cow<'_, str> = match got {
            Json::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()).into(),
            other => other.kind().into(),
        };
        self.refuse(format!("expected {what}, got {got}"))
    }
}

fn put_message(
    message: Message,
    json: &Json<'_>,
    place: &Place<'_>,
    misfits: &mut Misfits,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let entries = match json {
        Json::Object(entries) => entries,
        Json::Null => return Ok(()),
        other => return Err(place.expected("an object", other)),
    };
    for (name, value) in entries {
        let Some(field) = message.named(name) else { continue };
        let place = Place::Field(place, name);
        let kind = message.field(field.number);
        match (field.format, value) {
            (_, Json::Null) => {}
            (Format::Repeated, Json::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    put_field(field, kind, item, &Place::Item(&place, index), misfits, out)?;
                }
            }
            (Format::Repeated, other) => return Err(place.expected("an array", other)),
            (_, value) => put_field(field, kind, value, &place, misfits, out)?,
        }
    }
    Ok(())
}

fn put_field(
    field: Named,
    kind: Kind,
    json: &Json<'_>,
    place: &Place<'_>,
    misfits: &mut Misfits,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let number = field.number;
    match kind {
        Kind::Message(message) => {
            let mut inner = Vec::new();
            match (put_message(message, json, place, misfits, &mut inner), misfits) {
                (Ok(()), _) => wire::put_bytes(out, number, &inner),
                (Err(error), Misfits::CutOut(cut_out)) if message.is_record() => {
                    cut_out.count += 1;
                    cut_out.first_reason.get_or_insert_with(|| error.to_string());
                }
                (Err(error), _) => return Err(error),
            }
        }
        Kind::Text => match json {
            Json::Text(text) => wire::put_bytes(out, number, text.as_bytes()),
            Json::Integer(_) | Json::Large(_) | Json::Float(_) | Json::Bool(_) => {
                wire::put_bytes(out, number, scalar_text(json).as_bytes());
            }
            other => return Err(place.expected("a text", other)),
        },
        Kind::Bytes => match (json, field.format) {
            (Json::Text(text), Format::Id) => wire::put_bytes(out, number, &id(text)),
            (Json::Text(text), _) => {
                let bytes = from_base64(text).ok_or_else(|| place.expected("base64", json))?;
                wire::put_bytes(out, number, &bytes);
            }
            (other, _) => return Err(place.expected("a text", other)),
        },
        Kind::Varint => wire::put_varint(out, number, integer(field.format, json, place)?),
        Kind::Fixed64 if field.format == Format::Double => {
            let value = double(json).ok_or_else(|| place.expected("a number", json))?;
            wire::put_fixed64(out, number, value.to_bits());
        }
        Kind::Fixed64 => wire::put_fixed64(out, number, integer(field.format, json, place)?),
        Kind::Fixed32 => wire::put_fixed32(out, number, integer(field.format, json, place)? as u32),
        Kind::Unknown => {}
    }
    Ok(())
}

/// An integer's bits.
fn integer(format: Format, json: &Json<'_>, place: &Place<'_>) -> Result<u64, Malformed> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 1e19).then_some(number);
    let bits = |number: f64| if number < 0.0 { (number as i64).cast_unsigned() } else { number as u64 };
    let found = match (json, format) {
        (Json::Integer(number), _) => Some(number.cast_unsigned()),
        (Json::Large(number), _) => Some(*number),
        (Json::Float(number), _) => whole(*number).map(bits),
        (Json::Bool(flag), _) => Some(u64::from(*flag)),
        (Json::Text(name), Format::Enum(names)) => {
            let by_name = names.iter().position(|known| known == name).map(|number| number as u64);
            by_name.or_else(|| name.parse().ok())
        }
        (Json::Text(text), Format::Bool) => text.parse::<bool>().ok().map(u64::from),
        (Json::Text(text), _) => {
            let text = text.trim();
            let integer = text.parse::<i64>().map(i64::cast_unsigned).or_else(|_| text.parse::<u64>()).ok();
            integer.or_else(|| text.parse().ok().and_then(whole).map(bits))
        }
        _ => None,
    };
    found.ok_or_else(|| place.expected("an integer", json))
}

fn double(json: &Json<'_>) -> Option<f64> {
    match json {
        Json::Integer(number) => Some(*number as f64),
        Json::Large(number) => Some(*number as f64),
        Json::Float(number) => Some(*number),
        // Rust reads `NaN`, `Infinity` and `-Infinity` as they are spelled in JSON.
        Json::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn scalar_text(json: &Json<'_>) -> String {
    match json {
        Json::Bool(flag) => flag.to_string(),
        Json::Integer(number) => number.to_string(),
        Json::Large(number) => number.to_string(),
        Json::Float(number) => number.to_string(),
        _ => String::new(),
    }
}

/// An id's bytes. What is no id stays recognisably none, so that the check refuses its span and nothing else.
fn id(text: &str) -> Cow<'_, [u8]> {
    if let Some(bytes) = from_hex(text) {
        return Cow::Owned(bytes);
    }
    match (text.len(), from_base64(text)) {
        (12 | 24, Some(bytes)) if matches!(bytes.len(), 8 | 16) => Cow::Owned(bytes),
        (8 | 16, _) => Cow::Borrowed(b"?"),
        _ => Cow::Borrowed(text.as_bytes()),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}

fn to_json(bytes: &[u8], message: Message) -> Result<Map<String, Value>, WireError> {
    let mut object = Map::new();
    for field in message.names().iter().filter(|field| field.format == Format::Repeated) {
        // An empty list of values is a value: without the name it would be nothing at all.
        if matches!(message, Message::ArrayValue | Message::KeyValueList) {
            object.insert(field.name.to_owned(), Value::Array(Vec::new()));
        }
    }
    for field in Fields::new(bytes) {
        let (number, wire) = field?;
        let kind = message.field(number);
        kind.fits(wire, bytes)?;
        let Some(field) = message.names().iter().find(|field| field.number == number) else { continue };
        let value = field_to_json(*field, kind, wire)?;
        if field.format != Format::Repeated {
            object.insert(field.name.to_owned(), value);
            continue;
        }
        match object.entry(field.name).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(items) => items.push(value),
            other => *other = Value::Array(vec![value]),
        }
    }
    Ok(object)
}

fn field_to_json(field: Named, kind: Kind, wire: Wire<'_>) -> Result<Value, WireError> {
    Ok(match (kind, wire) {
        (Kind::Message(message), Wire::Bytes(inner)) => Value::Object(to_json(inner, message)?),
        (Kind::Text, Wire::Bytes(text)) => Value::String(wire::text(text).into_owned()),
        (_, Wire::Bytes(id)) if field.format == Format::Id => Value::String(hex(id)),
        (_, Wire::Bytes(bytes)) => Value::String(base64(bytes)),
        (_, Wire::Varint(number)) => match field.format {
            Format::Integer64 => Value::String(number.cast_signed().to_string()),
            Format::Bool => Value::Bool(number != 0),
            _ => Value::from(number),
        },
        (_, Wire::Fixed64(bits)) => match field.format {
            Format::Double => float(f64::from_bits(bits)),
            _ => Value::String(bits.to_string()),
        },
        (_, Wire::Fixed32(number)) => Value::from(number),
    })
}
