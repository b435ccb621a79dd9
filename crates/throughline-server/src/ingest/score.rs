//! One score, read from JSON: ours and Langfuse's have the same members.

use serde_json::{Map, Value};
use throughline_model::{SessionId, Timestamp};

use crate::domain::score::{Score, ScoreValue};

const LONGEST_TEXT: usize = 1024;

/// Reads a score; the error says which member is wrong.
pub(super) fn read(json: &Value, now: Timestamp) -> Result<Score, String> {
    let Value::Object(fields) = json else { return Err("a score is a JSON object".to_owned()) };
    let name = text(fields, "name")?.ok_or("the score has no \"name\"")?;
    let id = text(fields, "id")?;
    let score = Score {
        id: id.unwrap_or_else(|| format!("{name}@{now}")),
        value: value(fields)?,
        comment: text(fields, "comment")?,
        session_id: text(fields, "sessionId")?.map(SessionId::from),
        trace_id: parsed(fields, "traceId", "32 hexadecimal digits")?,
        observation_id: parsed(fields, "observationId", "16 hexadecimal digits")?,
        environment: text(fields, "environment")?,
        time: parsed(fields, "timestamp", "an RFC 3339 time")?.unwrap_or(now),
        metadata: match fields.get("metadata") {
            Some(Value::Object(metadata)) => metadata.clone(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err("\"metadata\" is not a JSON object".to_owned()),
        },
        name,
    };
    match (&score.session_id, score.trace_id, score.observation_id) {
        (None, None, None) => Err("the score says neither \"sessionId\" nor \"traceId\"".to_owned()),
        (_, None, Some(_)) => Err("an \"observationId\" needs its \"traceId\"".to_owned()),
        _ => Ok(score),
    }
}

/// The value, by `dataType` if it is given: NUMERIC, BOOLEAN (also as 1 and 0), CATEGORICAL, TEXT or CORRECTION.
fn value(fields: &Map<String, Value>) -> Result<ScoreValue, String> {
    let kind = text(fields, "dataType")?.unwrap_or_default().to_ascii_uppercase();
    let value = fields.get("value").unwrap_or(&Value::Null);
    match (kind.as_str(), value) {
        ("" | "BOOLEAN", Value::Bool(flag)) => Ok(ScoreValue::Flag(*flag)),
        ("BOOLEAN", Value::Number(number)) if number.as_f64() == Some(1.0) => Ok(ScoreValue::Flag(true)),
        ("BOOLEAN", Value::Number(number)) if number.as_f64() == Some(0.0) => Ok(ScoreValue::Flag(false)),
        ("" | "NUMERIC", Value::Number(number)) => {
            number.as_f64().map(ScoreValue::Number).ok_or_else(|| "\"value\" is too large".to_owned())
        }
        ("" | "CATEGORICAL", Value::String(label)) if !label.is_empty() => {
            Ok(ScoreValue::Category(label.chars().take(LONGEST_TEXT).collect()))
        }
        // A correction is what Langfuse calls the text that should have been the output.
        ("TEXT" | "CORRECTION", Value::String(text)) if !text.is_empty() => {
            Ok(ScoreValue::Text(text.chars().take(LONGEST_TEXT).collect()))
        }
        (_, Value::Null) => Err("the score has no \"value\"".to_owned()),
        ("", _) => Err("\"value\" is neither a number, nor true or false, nor a text".to_owned()),
        ("NUMERIC" | "BOOLEAN" | "CATEGORICAL" | "TEXT" | "CORRECTION", _) => {
            Err(format!("\"value\" does not fit the \"dataType\" {kind}"))
        }
        _ => Err(format!("\"dataType\" {kind:?} is none of NUMERIC, BOOLEAN, CATEGORICAL, TEXT")),
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > LONGEST_TEXT && key != "comment" => {
            Err(format!("\"{key}\" has {} bytes, {LONGEST_TEXT} are allowed", text.len()))
        }
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.trim().is_empty())),
        Some(_) => Err(format!("\"{key}\" is not a text")),
    }
}

fn parsed<T: std::str::FromStr>(
    fields: &Map<String, Value>,
    key: &str,
    expected: &str,
) -> Result<Option<T>, String> {
    let Some(given) = text(fields, key)? else { return Ok(None) };
    given.parse().map(Some).map_err(|_| {
        let shown: String = given.chars().take(64).collect();
        format!("\"{key}\" {shown:?} is not {expected}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (score, expected) in [
            (json!(7), "a score is a JSON object"),
            (json!({"value": 1, "sessionId": "s"}), "the score has no \"name\""),
            (json!({"name": "n", "sessionId": "s"}), "the score has no \"value\""),
            (json!({"name": "n", "value": 1}), "the score says neither \"sessionId\" nor \"traceId\""),
            (
                json!({"name": "n", "value": 1, "observationId": "00f067aa0ba902b7"}),
                "an \"observationId\" needs its \"traceId\"",
            ),
            (
                json!({"name": "n", "value": 1, "traceId": "abc"}),
                "\"traceId\" \"abc\" is not 32 hexadecimal digits",
            ),
            (
                json!({"name": "n", "value": "good", "dataType": "NUMERIC", "sessionId": "s"}),
                "\"value\" does not fit the \"dataType\" NUMERIC",
            ),
            (
                json!({"name": "n", "value": [1], "sessionId": "s"}),
                "\"value\" is neither a number, nor true or false, nor a text",
            ),
            (
                json!({"name": "n", "value": 1, "dataType": "STARS", "sessionId": "s"}),
                "\"dataType\" \"STARS\" is none of NUMERIC, BOOLEAN, CATEGORICAL, TEXT",
            ),
        ] {
            assert_eq!(read(&score, Timestamp::default()), Err(expected.to_owned()));
        }
    }

    #[test]
    fn values_are_read_by_their_type() {
        let value = |value: Value, kind: Value| {
            let score = json!({"name": "n", "value": value, "dataType": kind, "sessionId": "s"});
            read(&score, Timestamp::default()).unwrap().value
        };
        assert_eq!(value(json!(0.5), json!(null)), ScoreValue::Number(0.5));
        assert_eq!(value(json!(1), json!("BOOLEAN")), ScoreValue::Flag(true));
        assert_eq!(value(json!(false), json!(null)), ScoreValue::Flag(false));
        assert_eq!(value(json!("good"), json!("categorical")), ScoreValue::Category("good".to_owned()));
        assert_eq!(value(json!("good"), json!(null)), ScoreValue::Category("good".to_owned()));
        assert_eq!(value(json!("good"), json!("TEXT")), ScoreValue::Text("good".to_owned()));
    }
}
