//! What events say of traces and observations, as parts of spans.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use throughline_model::otlp::PartialSpan;
use throughline_model::{ObservationType, Timestamp, TraceId, keys};

use crate::domain::langfuse::{OBSERVATION_ID, TRACE_ID, observation_id, root_id, trace_id};

use super::body::Body;

/// A trace is a span of its own: it names a session, a user and a result that no observation in it has.
pub(super) fn trace(body: &Body<'_>, at: Timestamp) -> Result<PartialSpan, String> {
    let given = body.text("id")?.ok_or("the trace has no \"id\"")?;
    let mut part = root(&given, at);
    part.start(at, body.time("timestamp")?.unwrap_or(at));
    if let Some(name) = body.text("name")? {
        part.name(at, &name);
    }
    for (member, key) in [
        ("userId", "langfuse.user.id"),
        ("sessionId", "langfuse.session.id"),
        ("release", "langfuse.release"),
        ("version", "langfuse.version"),
        ("environment", "langfuse.environment"),
    ] {
        part.say(at, key, body.text(member)?.into());
    }
    for (member, key) in [("input", keys::TRACE_INPUT), ("output", keys::TRACE_OUTPUT), ("tags", keys::TAGS)]
    {
        part.say(at, key, body.get(member).cloned().unwrap_or_default());
    }
    say_metadata(&mut part, at, "langfuse.trace.metadata", body);
    Ok(part)
}

/// An observation, and what it tells of its trace: that there is one, and how long it lasted at least.
///
/// `traces` says which trace an observation is in that does not say so itself.
pub(super) fn observation(
    kind: ObservationType,
    body: &Body<'_>,
    at: Timestamp,
    traces: &BTreeMap<String, String>,
) -> Result<Vec<PartialSpan>, String> {
    let given = body.text("id")?.ok_or("the observation has no \"id\"")?;
    let trace = body.text("traceId")?.or_else(|| traces.get(&given).cloned());
    let trace = trace.unwrap_or_else(|| given.clone());
    let mut root = root(&trace, at);
    let mut part = PartialSpan::new(root.trace_id(), observation_id(&given));
    part.say(at, TRACE_ID, trace.into());
    part.say(at, OBSERVATION_ID, given.into());
    let parent = body.text("parentObservationId")?;
    part.parent(
        if parent.is_some() { at } else { PartialSpan::GUESS },
        parent.as_deref().map_or(root.span_id(), observation_id),
    );
    let name = body.text("name")?;
    if let Some(name) = &name {
        part.name(at, name);
    }
    let (start, end) = (body.time("startTime")?, body.time("endTime")?);
    if let Some(start) = start {
        part.start(at, start);
        root.start(at, start);
        if let (None, Some(name)) = (&parent, &name) {
            root.name(PartialSpan::GUESS, name);
        }
    }
    if let Some(end) = end {
        part.end(at, end);
    }
    if let Some(last) = end.or(start) {
        root.reach(at, last);
    }
    say_facts(&mut part, kind, body, at)?;
    Ok(vec![part, root])
}

fn root(given: &str, at: Timestamp) -> PartialSpan {
    let trace: TraceId = trace_id(given);
    let mut root = PartialSpan::new(trace, root_id(trace));
    root.say(at, TRACE_ID, given.into());
    root.say(at, "langfuse.observation.type", ObservationType::Span.as_str().into());
    root
}

fn say_facts(
    part: &mut PartialSpan,
    kind: ObservationType,
    body: &Body<'_>,
    at: Timestamp,
) -> Result<(), String> {
    part.say(at, "langfuse.observation.type", kind.as_str().into());
    for (member, key) in [
        ("level", "langfuse.observation.level"),
        ("statusMessage", "langfuse.observation.status_message"),
        ("completionStartTime", "langfuse.observation.completion_start_time"),
        ("model", "langfuse.observation.model.name"),
        ("promptName", "langfuse.observation.prompt.name"),
        ("promptVersion", "langfuse.observation.prompt.version"),
        ("version", "langfuse.version"),
        ("environment", "langfuse.environment"),
    ] {
        part.say(at, key, body.text(member)?.into());
    }
    for (member, key) in [
        ("input", "langfuse.observation.input"),
        ("output", "langfuse.observation.output"),
        ("modelParameters", "langfuse.observation.model.parameters"),
    ] {
        part.say(at, key, body.get(member).cloned().unwrap_or_default());
    }
    say_metadata(part, at, "langfuse.observation.metadata", body);
    let (usage, cost) = usage(body);
    part.say(at, "langfuse.observation.usage_details", usage);
    part.say(at, "langfuse.observation.cost_details", cost);
    Ok(())
}

/// Each member by itself, so that what is said later of one leaves the others.
fn say_metadata(part: &mut PartialSpan, at: Timestamp, prefix: &str, body: &Body<'_>) {
    match body.get("metadata") {
        Some(Value::Object(members)) => {
            for (key, value) in members {
                part.say(at, &format!("{prefix}.{key}"), value.clone());
            }
        }
        Some(other) => part.say(at, &format!("{prefix}.metadata"), other.clone()),
        None => {}
    }
}

/// Usage and cost by bucket: `usageDetails` and `costDetails`, or the older `usage` that has both in one.
fn usage(body: &Body<'_>) -> (Value, Value) {
    let details = |key: &str| body.get(key).filter(|details| details.is_object()).cloned();
    let old = body.get("usage").and_then(Value::as_object);
    let is_tokens =
        |usage: &&Map<String, Value>| usage.get("unit").is_none_or(|unit| unit.is_null() || unit == "TOKENS");
    let usage = details("usageDetails").or_else(|| old.filter(is_tokens).map(|usage| json!(usage)));
    let cost = details("costDetails").or_else(|| {
        let cost = |key: &str| old.and_then(|usage| usage.get(key)).filter(|cost| cost.is_number());
        let (input, output, total) = (cost("inputCost"), cost("outputCost"), cost("totalCost"));
        let buckets = [("input", input), ("output", output), ("total", total)];
        let given: Map<String, Value> =
            buckets.into_iter().filter_map(|(key, cost)| Some((key.to_owned(), cost?.clone()))).collect();
        (!given.is_empty()).then_some(Value::Object(given))
    });
    (usage.unwrap_or_default(), cost.unwrap_or_default())
}
