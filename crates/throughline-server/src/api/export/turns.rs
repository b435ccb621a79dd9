//! What was said in one turn, told piece by piece: a turn may be of any size.

use serde::Serialize;
use serde_json::Value;
use throughline_model::message::{Message, Part, conversation};
use throughline_model::{Observation, ObservationType, Timestamp, Trace};

/// Different errors told of one turn at most.
const ERRORS: usize = 200;

/// A turn that is being told: first what was asked, then what happened, then what was answered.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    trace: &'a Trace,
    is_first: bool,
    /// When the last model call so far ended, and when it began to answer.
    last_call: Option<(Timestamp, Timestamp)>,
    /// What was thought before the answer, and last of all so far: a wrapper around a call repeats it.
    thoughts: [Option<String>; 2],
    /// What failed so far.
    pub(super) errors: Vec<String>,
}

/// One message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Empty where a model only thought.
    pub(super) content: String,
    /// What the model thought before it said this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<Call>,
    /// From when to when it was said.
    #[serde(skip)]
    pub(super) times: (Timestamp, Timestamp),
}

/// A tool asked for, or called.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Value,
}

impl<'a> Turn<'a> {
    pub(super) fn new(trace: &'a Trace, is_first: bool) -> Self {
        let answered = said(trace.output.as_ref(), "assistant", |output| conversation(None, output));
        let thought = answered.iter().find_map(|message| Line::of(message, Default::default())?.reasoning);
        Self { trace, is_first, last_call: None, thoughts: [thought, None], errors: Vec::new() }
    }

    /// What was asked. Clients that send the whole history with every call repeat what earlier turns said: a turn begins
    /// with the last thing the user said, except the first, which is told from its beginning.
    pub(super) fn asked(&self) -> Vec<Line> {
        let asked = said(self.trace.input.as_ref(), "user", |input| conversation(input, None));
        let begin = if self.is_first { 0 } else { last_question(&asked) };
        let start = (self.trace.start_time, self.trace.start_time);
        asked[begin..].iter().filter_map(|message| Line::of(message, start)).collect()
    }

    /// What tools did, what was looked up and what models thought in these observations, which are the next ones in order
    /// of time.
    pub(super) fn steps(&mut self, observations: &[Observation]) -> Vec<Line> {
        let mut lines = Vec::new();
        for observation in observations {
            self.remember(observation);
            match observation.kind {
                ObservationType::Tool | ObservationType::Retriever => lines.push(Line::of_step(observation)),
                ObservationType::Generation => lines.extend(self.thought(observation)),
                _ => {}
            }
        }
        lines
    }

    /// What a model thought before it called a tool. What it thought before the answer is told with that.
    fn thought(&mut self, call: &Observation) -> Option<Line> {
        let times = (call.start_time, call.end_time);
        let answers = conversation(None, call.output.as_ref());
        let mut lines = answers.iter().filter_map(|message| Line::of(message, times));
        let line = lines.find(|line| line.reasoning.is_some() && !self.thoughts.contains(&line.reasoning))?;
        self.thoughts[1].clone_from(&line.reasoning);
        // The tools are told where they ran, and what was said with the answer.
        Some(Line { content: String::new(), tool_calls: Vec::new(), ..line })
    }

    fn remember(&mut self, observation: &Observation) {
        if observation.kind == ObservationType::Generation
            && self.last_call.is_none_or(|(end, _)| observation.end_time >= end)
        {
            let first_token = observation.time_to_first_token.filter(|ms| ms.is_finite() && *ms > 0.0);
            let wait = (first_token.unwrap_or_default() * 1e6) as i64;
            let begins = observation.start_time.plus_nanos(wait).min(observation.end_time);
            self.last_call = Some((observation.end_time, begins));
        }
        let message = observation.error.as_ref().map(|error| error.message.clone());
        let message = message.or_else(|| observation.status_message.clone());
        // An error is recorded again by everything that it passes through.
        if observation.is_error()
            && self.errors.len() < ERRORS
            && let Some(message) = message.filter(|message| !self.errors.contains(message))
        {
            self.errors.push(message);
        }
    }

    /// What was answered, when all observations have been told.
    pub(super) fn answered(&self) -> Vec<Line> {
        let trace = self.trace;
        let answered = said(trace.output.as_ref(), "assistant", |output| conversation(None, output));
        let begins = self.last_call.map_or(trace.start_time, |(_, begins)| begins);
        let times = (begins, trace.end_time);
        answered.iter().filter_map(|message| Line::of(message, times)).collect()
    }
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
        let mut thoughts: Vec<&str> = Vec::new();
        for part in &message.parts {
            match part {
                Part::Text(text) => content.push(text.clone()),
                Part::ToolCall { name, arguments, .. } => {
                    tool_calls.push(Call { name: name.clone(), arguments: arguments.clone() });
                }
                Part::ToolResult { result, .. } => content.push(plain(result)),
                Part::Reasoning(thought) => thoughts.push(thought),
                Part::Media { kind, .. } => content.push(format!("[{kind}]")),
                Part::Other(value) => content.push(plain(value)),
            }
        }
        let content = content.join("\n\n");
        let (role, name) = (message.role.clone(), message.name.clone());
        let reasoning = thoughts.join("\n\n");
        let reasoning = (!reasoning.trim().is_empty()).then_some(reasoning);
        (!content.trim().is_empty() || !tool_calls.is_empty() || reasoning.is_some()).then_some(Self {
            role,
            name,
            content,
            reasoning,
            tool_calls,
            times,
        })
    }

    /// A tool that ran, or documents that were looked up.
    fn of_step(step: &Observation) -> Self {
        let facts = step.tool.clone().unwrap_or_default();
        let arguments = facts.arguments.or_else(|| step.input.clone()).unwrap_or_default();
        let result = facts.result.or_else(|| step.output.clone());
        let name = facts.name.unwrap_or_else(|| step.name.clone());
        Self {
            role: step.kind.as_str().to_owned(),
            content: result.as_ref().map(plain).unwrap_or_default(),
            reasoning: None,
            tool_calls: vec![Call { name: name.clone(), arguments }],
            name: Some(name),
            times: (step.start_time, step.end_time),
        }
    }
}

/// Text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
