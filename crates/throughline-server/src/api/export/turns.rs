//! What was said in one turn.

use serde::Serialize;
use serde_json::Value;
use throughline_model::message::{Message, Part, conversation};
use throughline_model::{Money, ObservationType, Timestamp, TraceId};

use crate::domain::query::TraceDetail;

/// One turn of the conversation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Turn {
    pub(super) trace_id: TraceId,
    pub(super) name: String,
    pub(super) start_time: Timestamp,
    #[serde(skip)]
    pub(super) end_time: Timestamp,
    pub(super) messages: Vec<Line>,
    /// What failed in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<String>,
}

/// One message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<Call>,
    /// From when to when it was said.
    #[serde(skip)]
    pub(super) times: (Timestamp, Timestamp),
    /// What the turn took, told with its answer.
    #[serde(skip)]
    pub(super) took: Option<(u64, Option<Money>)>,
}

/// A tool asked for, or called.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Value,
}

impl Turn {
    /// What was said in the trace. Clients that send the whole history with every call repeat what earlier turns said:
    /// a turn begins with the last thing the user said, except the first, which is told from its beginning.
    pub(super) fn of(detail: &TraceDetail, is_first: bool) -> Self {
        let TraceDetail { trace, observations, .. } = detail;
        let asked = said(trace.input.as_ref(), "user", |input| conversation(input, None));
        let answered = said(trace.output.as_ref(), "assistant", |output| conversation(None, output));
        let begin = if is_first { 0 } else { last_question(&asked) };
        let start = (trace.start_time, trace.start_time);
        let mut messages: Vec<Line> =
            asked[begin..].iter().filter_map(|message| Line::of(message, start)).collect();
        let tools = observations.iter().filter(|observation| observation.kind == ObservationType::Tool);
        messages.extend(tools.map(|tool| {
            let facts = tool.tool.clone().unwrap_or_default();
            let arguments = facts.arguments.or_else(|| tool.input.clone()).unwrap_or_default();
            let result = facts.result.or_else(|| tool.output.clone());
            let name = facts.name.unwrap_or_else(|| tool.name.clone());
            Line {
                role: "tool".to_owned(),
                content: result.as_ref().map(plain).unwrap_or_default(),
                tool_calls: vec![Call { name: name.clone(), arguments }],
                name: Some(name),
                times: (tool.start_time, tool.end_time),
                took: None,
            }
        }));
        let answering = (last_call(detail), trace.end_time);
        messages.extend(answered.iter().filter_map(|message| Line::of(message, answering)));
        if let Some(answer) = messages.iter_mut().rfind(|line| line.times == answering) {
            answer.took = Some((trace.total_tokens, trace.total_cost));
        }
        let failed = observations.iter().filter(|observation| observation.is_error());
        let mut errors: Vec<String> = Vec::new();
        for message in failed.filter_map(|failed| {
            failed.error.as_ref().map(|error| error.message.clone()).or_else(|| failed.status_message.clone())
        }) {
            // an error is recorded again by everything that it passes through
            if !errors.contains(&message) {
                errors.push(message);
            }
        }
        Self {
            trace_id: trace.id,
            name: trace.name.clone(),
            start_time: trace.start_time,
            end_time: trace.end_time,
            messages,
            errors,
        }
    }
}

/// When the last model call of the trace began to answer.
fn last_call(detail: &TraceDetail) -> Timestamp {
    let calls = detail.observations.iter().filter(|call| call.kind == ObservationType::Generation);
    let last = calls.max_by_key(|call| call.end_time);
    last.map_or(detail.trace.start_time, |call| {
        let first_token =
            call.time_to_first_token.filter(|ms| ms.is_finite() && *ms > 0.0).unwrap_or_default();
        call.start_time.plus_nanos((first_token * 1e6) as i64).min(call.end_time)
    })
}

/// The messages in an input or output; what is no message known to us is one by whoever would have said it.
fn said(value: Option<&Value>, role: &str, read: impl Fn(Option<&Value>) -> Vec<Message>) -> Vec<Message> {
    let messages = read(value);
    match value {
        Some(value) if messages.is_empty() && !value.is_null() => {
            let parts = vec![Part::Other(value.clone())];
            vec![Message { role: role.to_owned(), name: None, parts, finish_reason: None }]
        }
        _ => messages,
    }
}

/// Where the last run of the user's messages begins.
fn last_question(messages: &[Message]) -> usize {
    let is_user = |message: &Message| message.role == "user";
    let Some(last) = messages.iter().rposition(is_user) else { return 0 };
    messages[..last].iter().rposition(|message| !is_user(message)).map_or(0, |before| before + 1)
}

impl Line {
    /// The message as a line; what is neither said nor called leaves none.
    fn of(message: &Message, times: (Timestamp, Timestamp)) -> Option<Self> {
        let mut content: Vec<String> = Vec::new();
        let mut tool_calls = Vec::new();
        for part in &message.parts {
            match part {
                Part::Text(text) => content.push(text.clone()),
                Part::ToolCall { name, arguments, .. } => {
                    tool_calls.push(Call { name: name.clone(), arguments: arguments.clone() });
                }
                Part::ToolResult { result, .. } => content.push(plain(result)),
                Part::Reasoning(_) => {}
                Part::Media { kind, .. } => content.push(format!("[{kind}]")),
                Part::Other(value) => content.push(plain(value)),
            }
        }
        let content = content.join("\n\n");
        let (role, name) = (message.role.clone(), message.name.clone());
        (!content.trim().is_empty() || !tool_calls.is_empty()).then_some(Self {
            role,
            name,
            content,
            tool_calls,
            times,
            took: None,
        })
    }
}

/// Text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
