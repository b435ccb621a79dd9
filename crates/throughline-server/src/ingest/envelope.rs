//! One event envelope, read from JSON: every field checked, sensible defaults for what may be left out.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use throughline_model::{Attributes, Event, EventId, Level, SessionId, Timestamp, keys};

/// What a service is called that does not say.
const NO_SERVICE: &str = "unknown";
/// Where it runs, if it does not say.
const NO_ENVIRONMENT: &str = "default";
const LONGEST_NAME: usize = 256;
const LONGEST_ID: usize = 256;
/// Nothing that sends events is older: 2000-01-01T00:00:00Z.
const EARLIEST: Timestamp = Timestamp::from_nanos(946_684_800_000_000_000);
/// How far a sender's clock may be ahead.
const AHEAD: i64 = 86_400_000_000_000;

const FIELDS: [&str; 18] = [
    "id",
    "name",
    "time",
    "level",
    "service",
    "environment",
    "version",
    "sessionId",
    "traceId",
    "spanId",
    "actor",
    "scope",
    "attributes",
    "error",
    "source",
    "parentSessionId",
    "standalone",
    "samplingWeight",
];

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) code: &'static str,
    pub(super) message: String,
}

fn reject<T>(code: &'static str, message: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection { code, message: message.into() })
}

/// Reads one envelope. An event without an id gets an empty one, see [`name_by_content`].
pub(super) fn read(json: &str, now: Timestamp) -> Result<Event, Rejection> {
    let mut fields = match serde_json::from_str(json) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return reject("malformed", "an event is a JSON object"),
        Err(error) => return reject("malformed", format!("not JSON: {error}")),
    };
    fields.retain(|_, value| !value.is_null());
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return reject("unknown_field", unknown_field(name));
    }
    let fields = &mut fields;
    Ok(Event {
        id: EventId::from(plain(fields, "id", "invalid_id", LONGEST_ID)?.unwrap_or_default()),
        name: name(fields)?,
        time: time(fields, now)?,
        level: level(fields)?,
        service: label(fields, "service")?.unwrap_or_else(|| NO_SERVICE.to_owned()),
        environment: label(fields, "environment")?.unwrap_or_else(|| NO_ENVIRONMENT.to_owned()),
        version: label(fields, "version")?,
        session_id: session(fields)?,
        trace_id: part(fields, "traceId", "invalid_trace_id")?,
        span_id: part(fields, "spanId", "invalid_span_id")?,
        actor: part(fields, "actor", "invalid_actor")?,
        scope: part(fields, "scope", "invalid_scope")?,
        attributes: attributes(fields)?,
        error: part(fields, "error", "invalid_error")?,
        source: part(fields, "source", "invalid_source")?,
    })
}

/// The session it belongs to. The id of an event that stands alone is its own and nobody's: it makes no session.
fn session(fields: &mut Map<String, Value>) -> Result<Option<SessionId>, Rejection> {
    let id = plain(fields, "sessionId", "invalid_session_id", LONGEST_ID)?;
    let standalone = part::<bool>(fields, "standalone", "invalid_standalone")?.unwrap_or(false);
    Ok(id.filter(|_| !standalone).map(SessionId::from))
}

/// The event's own, and what the SDK says beside the event, under the names that it has over OTLP.
fn attributes(fields: &mut Map<String, Value>) -> Result<Attributes, Rejection> {
    let mut attributes: Attributes = part(fields, "attributes", "invalid_attributes")?.unwrap_or_default();
    if let Some(parent) = plain(fields, "parentSessionId", "invalid_parent_session_id", LONGEST_ID)? {
        attributes.insert(keys::PARENT_SESSION_ID.to_owned(), parent.into());
    }
    match part::<f64>(fields, "samplingWeight", "invalid_sampling_weight")? {
        None => {}
        Some(weight) if weight >= 1.0 => {
            attributes.insert(keys::SAMPLING_WEIGHT.to_owned(), weight.into());
        }
        Some(weight) => {
            let message = format!("\"samplingWeight\" is {weight}; an event stands for 1 at least");
            return reject("invalid_sampling_weight", message);
        }
    }
    Ok(attributes)
}

/// The hash of what an event says: the id of one that brings none is made of it, so that sending it again changes
/// nothing. An event without a time is said to happen now, so that each sending of it is a new one.
pub(super) fn fingerprint(event: &Event) -> [u8; 32] {
    let canonical = serde_json::to_vec(event).unwrap_or_default();
    Sha256::digest(canonical).into()
}

/// An id from a fingerprint and the event's place among those of one request that say the same.
pub(super) fn name_by_content(fingerprint: [u8; 32], ordinal: u64) -> EventId {
    let hash = Sha256::new().chain_update(fingerprint).chain_update(ordinal.to_be_bytes()).finalize();
    let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    EventId::from(format!("evt_{digits}"))
}

fn unknown_field(name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    let letters = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    match FIELDS.iter().find(|field| letters(field) == letters(name)) {
        Some(meant) => format!("unknown field {shown:?}; it is called {meant:?}"),
        None => format!("unknown field {shown:?}; facts of your own belong into \"attributes\""),
    }
}

/// Dot-separated segments of letters, digits, `_`, `-`, `:` and `/`.
fn name(fields: &mut Map<String, Value>) -> Result<String, Rejection> {
    let Some(name) = text(fields, "name", "invalid_name")? else {
        return reject("invalid_name", "the event has no \"name\"");
    };
    let in_segment = |c: char| c.is_alphanumeric() || "_-:/".contains(c);
    let sound = name.len() <= LONGEST_NAME
        && name.split('.').all(|segment| !segment.is_empty() && segment.chars().all(in_segment));
    if !sound {
        let shown: String = name.chars().take(64).collect();
        return reject(
            "invalid_name",
            format!(
                "name {shown:?} is not dot-separated segments of letters, digits, _, -, : and /, \
                 at most {LONGEST_NAME} bytes"
            ),
        );
    }
    Ok(name)
}

fn time(fields: &mut Map<String, Value>, now: Timestamp) -> Result<Timestamp, Rejection> {
    let Some(text) = text(fields, "time", "invalid_time")? else { return Ok(now) };
    match text.parse::<Timestamp>() {
        Err(error) => reject("invalid_time", error.to_string()),
        Ok(time) if time < EARLIEST => {
            reject("invalid_time", format!("time {time} lies before the year 2000"))
        }
        Ok(time) if time > now.plus_nanos(AHEAD) => {
            reject("invalid_time", format!("time {time} lies more than a day in the future"))
        }
        Ok(time) => Ok(time),
    }
}

fn level(fields: &mut Map<String, Value>) -> Result<Level, Rejection> {
    let Some(text) = text(fields, "level", "invalid_level")? else { return Ok(Level::default()) };
    Level::from_name(&text).map_or_else(
        || {
            let shown: String = text.chars().take(64).collect();
            reject("invalid_level", format!("level {shown:?} is none of debug, info, warn, error, fatal"))
        },
        Ok,
    )
}

/// A text that says who or where; blank counts as left out.
fn label(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, Rejection> {
    plain(fields, field, "invalid_label", LONGEST_NAME)
}

/// A text that becomes a term of the index: no control characters, not too long; blank counts as left out.
fn plain(
    fields: &mut Map<String, Value>,
    field: &'static str,
    code: &'static str,
    longest: usize,
) -> Result<Option<String>, Rejection> {
    let Some(text) = text(fields, field, code)? else { return Ok(None) };
    if text.len() > longest {
        return reject(code, format!("{field:?} has {} bytes, {longest} are allowed", text.len()));
    }
    if text.contains(char::is_control) {
        return reject(code, format!("{field:?} contains control characters"));
    }
    Ok((!text.trim().is_empty()).then_some(text))
}

fn text(
    fields: &mut Map<String, Value>,
    field: &'static str,
    code: &'static str,
) -> Result<Option<String>, Rejection> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => reject(code, format!("{field:?} must be a text")),
    }
}

fn part<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    field: &'static str,
    code: &'static str,
) -> Result<Option<T>, Rejection> {
    let Some(value) = fields.remove(field) else { return Ok(None) };
    match serde_json::from_value(value) {
        Ok(part) => Ok(Some(part)),
        Err(error) => reject(code, format!("{field:?}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_750_000_000_000_000_000);

    fn code(json: &str) -> &'static str {
        read(json, NOW).expect_err(json).code
    }

    #[test]
    fn a_name_is_enough() {
        let event = read(r#"{"name":"order.shipped"}"#, NOW).unwrap();
        assert_eq!((event.time, event.level, event.service.as_str()), (NOW, Level::Info, "unknown"));
        assert_eq!((event.session_id, event.attributes.len()), (None, 0));
    }

    #[test]
    fn what_the_sdk_says_beside_an_event_is_kept_and_an_id_that_is_nobody_s_is_not() {
        let event =
            r#"{"name":"a","sessionId":"s","parentSessionId":"p","samplingWeight":10,"standalone":false}"#;
        let event = read(event, NOW).unwrap();
        assert_eq!(
            (event.session_id.as_ref().map(SessionId::as_str), event.parent_session_id()),
            (Some("s"), Some("p"))
        );
        assert_eq!(event.attributes["throughline.sampling.weight"], 10.0);
        let alone = read(r#"{"name":"a","sessionId":"sess_1","standalone":true}"#, NOW).unwrap();
        assert_eq!((alone.session_id, alone.attributes.len()), (None, 0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(code("[]"), "malformed");
        assert_eq!(code("{"), "malformed");
        assert_eq!(code(r#"{"level":"info"}"#), "invalid_name");
        for name in ["", " ", "a b", ".a", "a..b", "a.", "a\\n", "<b>", &"x".repeat(257)] {
            assert_eq!(code(&format!(r#"{{"name":"{name}"}}"#)), "invalid_name", "{name:?}");
        }
        let with = |field: &str| format!(r#"{{"name":"a",{field}}}"#);
        assert_eq!(code(&with(r#""time":"yesterday""#)), "invalid_time");
        assert_eq!(code(&with(r#""time":1750000000000"#)), "invalid_time");
        assert_eq!(code(&with(r#""time":"1969-01-01T00:00:00Z""#)), "invalid_time");
        assert_eq!(code(&with(r#""time":"2100-01-01T00:00:00Z""#)), "invalid_time");
        assert_eq!(code(&with(r#""level":"loud""#)), "invalid_level");
        assert_eq!(code(&with(r#""traceId":"00""#)), "invalid_trace_id");
        assert_eq!(code(&with(r#""sessionId":7"#)), "invalid_session_id");
        assert_eq!(code(&with(r#""actor":{"id":"u"}"#)), "invalid_actor");
        assert_eq!(code(&with(r#""attributes":[1]"#)), "invalid_attributes");
        assert_eq!(code(&with(r#""standalone":"yes""#)), "invalid_standalone");
        assert_eq!(code(&with(r#""parentSessionId":1"#)), "invalid_parent_session_id");
        assert_eq!(code(&with(r#""samplingWeight":0.5"#)), "invalid_sampling_weight");
        let typo = read(&with(r#""session_id":"s""#), NOW).unwrap_err();
        assert_eq!(typo.message, r#"unknown field "session_id"; it is called "sessionId""#);
    }

    #[test]
    fn an_id_is_made_of_what_the_event_says() {
        let read = |json| read(json, NOW).unwrap();
        let one = fingerprint(&read(r#"{"name":"a","attributes":{"x":1,"y":2}}"#));
        let same = fingerprint(&read(r#"{ "attributes":{"x":1,"y":2}, "name":"a" }"#));
        let other = fingerprint(&read(r#"{"name":"a","attributes":{"x":1,"y":3}}"#));
        assert_eq!(name_by_content(one, 0), name_by_content(same, 0));
        assert_ne!(name_by_content(one, 0), name_by_content(one, 1));
        assert_ne!(name_by_content(one, 0), name_by_content(other, 0));
    }
}
