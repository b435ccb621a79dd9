//! An observation as the API shows it, from a span's facts.

use std::borrow::Cow;

use serde_json::Value;

use super::facts::{AttributeValue, SpanFacts};
use super::slots::unquoted_text;
use crate::{Attributes, Observation, SessionId, Tool, millis};

/// JSON text longer than this is shown as the text it is.
const LONGEST_JSON: usize = 16 << 20;

/// The observation that a span is. Its session is the one named on the span and its computed cost is unknown: both
/// depend on more than the span, and whoever knows more overwrites them.
///
/// ```
/// # use throughline_model::otlp;
/// # fn show(body: &[u8]) -> Result<(), otlp::wire::Malformed> {
/// otlp::each_span(body, |span| {
///     let observation = otlp::observation(&span.facts());
///     println!("{}", serde_json::to_string(&observation).unwrap());
/// })
/// # }
/// ```
pub fn observation(facts: &SpanFacts<'_>) -> Observation {
    let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let usage = facts.usage;
    Observation {
        id: facts.span_id,
        trace_id: facts.trace_id,
        parent_id: facts.parent_id,
        session_id: facts.session_id.as_deref().map(SessionId::from),
        user_id: owned(&facts.user_id),
        tags: facts.tags.iter().map(|tag| tag.clone().into_owned()).collect(),
        kind: facts.kind,
        name: facts.name.clone().into_owned(),
        start_time: facts.start,
        end_time: facts.end,
        duration: millis(facts.end.nanos_since(facts.start)),
        unfinished: false,
        level: facts.level,
        status: facts.status,
        status_message: owned(&facts.status_message),
        error: facts.error.clone(),
        model: owned(&facts.model),
        requested_model: owned(&facts.requested_model),
        provider: owned(&facts.provider),
        model_parameters: parameters(facts),
        input: input(facts),
        output: facts.output.as_deref().map(shown),
        usage,
        prompt_tokens: usage.map(|usage| usage.input()),
        completion_tokens: usage.map(|usage| usage.completion()),
        total_tokens: usage.map(|usage| usage.total()),
        cost: None,
        given_cost: facts.given_cost,
        time_to_first_token: facts.time_to_first_token.map(millis),
        tool: tool(facts),
        attributes: all_attributes(facts),
        service: owned(&facts.service),
        environment: owned(&facts.environment),
    }
}

/// Text as the page shows it: the value, if it is the JSON of an array, an object or a text, else the text itself.
///
/// ```
/// use serde_json::json;
/// use throughline_model::otlp::shown;
/// assert_eq!(shown(r#"{"answer": "yes"}"#), json!({"answer": "yes"}));
/// assert_eq!(shown("\"quoted\""), json!("quoted"));
/// assert_eq!(shown("42"), json!("42"));
/// ```
pub fn shown(text: &str) -> Value {
    let is_json = matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
    if is_json
        && text.len() <= LONGEST_JSON
        && let Ok(value) = serde_json::from_str(text)
    {
        return value;
    }
    match unquoted_text(Cow::Borrowed(text)) {
        Cow::Owned(inner) if matches!(inner.as_bytes().first(), Some(b'{' | b'[')) => {
            serde_json::from_str(&inner).unwrap_or(Value::String(inner))
        }
        inner => Value::String(inner.into_owned()),
    }
}

/// The input, after the system instructions where the source keeps them apart.
fn input(facts: &SpanFacts<'_>) -> Option<Value> {
    let input = facts.input.as_deref().map(shown);
    let Some(system) = facts.system.as_deref().map(shown) else { return input };
    let system = match system {
        Value::Array(parts) => serde_json::json!({"role": "system", "parts": parts}),
        content => serde_json::json!({"role": "system", "content": content}),
    };
    match input {
        Some(Value::Array(mut messages)) => {
            messages.insert(0, system);
            Some(Value::Array(messages))
        }
        Some(other) => Some(serde_json::json!([system, {"role": "user", "content": other}])),
        None => Some(Value::Array(vec![system])),
    }
}

/// Parameters as they are shown; tool definitions and the like come as texts of JSON.
fn parameters(facts: &SpanFacts<'_>) -> Attributes {
    let value = |value: &AttributeValue<'_>| match value {
        AttributeValue::Text(text) => shown(text),
        other => other.to_json(),
    };
    facts.model_parameters.iter().map(|(key, given)| (key.clone().into_owned(), value(given))).collect()
}

fn tool(facts: &SpanFacts<'_>) -> Option<Tool> {
    let tool = Tool {
        name: facts.tool_name.as_deref().map(str::to_owned),
        call_id: facts.tool_call_id.as_deref().map(str::to_owned),
        arguments: facts.tool_arguments.as_deref().map(shown),
        result: facts.tool_result.as_deref().map(shown),
    };
    (tool != Tool::default()).then_some(tool)
}

/// An attribute list as the API shows it.
pub fn attributes(pairs: &[(Cow<'_, str>, AttributeValue<'_>)]) -> Attributes {
    pairs.iter().map(|(key, value)| (key.clone().into_owned(), value.to_json())).collect()
}

/// The span's own attributes, its metadata, and its resource's where they do not clash. What every SDK says of its
/// library, its process and its operating system would only hide them.
fn all_attributes(facts: &SpanFacts<'_>) -> Attributes {
    const OF_NO_USE: [&str; 3] = ["telemetry.", "process.", "os."];
    let useful =
        facts.resource.iter().filter(|(key, _)| !OF_NO_USE.iter().any(|prefix| key.starts_with(prefix)));
    let mut all: Attributes =
        useful.map(|(key, value)| (key.clone().into_owned(), value.to_json())).collect();
    all.extend(attributes(&facts.attributes));
    all.extend(facts.metadata.iter().map(|(key, value)| (format!("metadata.{key}"), value.to_json())));
    all
}
