//! What one span says, in our words, borrowed from the bytes it came in.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    Actor, ErrorInfo, Level, Money, ObservationType, Scope, SpanId, Status, Timestamp, TraceId, Usage,
};

/// One attribute value, borrowed where it can be.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue<'a> {
    /// Text; invalid UTF-8 has been replaced.
    Text(Cow<'a, str>),
    /// A whole number.
    Int(i64),
    /// A number; may be NaN or infinite, because clients send those.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Bytes, arrays and maps, as JSON.
    Json(Value),
}

impl AttributeValue<'_> {
    /// The value as JSON. What JSON has no number for (NaN, infinities) becomes a text.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone().into_owned()),
            Self::Int(number) => Value::from(*number),
            Self::Float(number) => super::value::float(*number),
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Json(value) => value.clone(),
        }
    }
}

impl From<Value> for AttributeValue<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Cow::Owned(text)),
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::Float(number),
                (None, None) => Self::Json(Value::Number(number)),
            },
            other => Self::Json(other),
        }
    }
}

/// What one span says, in our words. Built by the mapping; what the index, the totals and the pages are made from.
///
/// `input` and `output` are as the source sent them: plain text or JSON text.
///
/// ```
/// use throughline_model::otlp::{each_span, traces_from_json};
///
/// let body = traces_from_json(br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"chat gpt-4o","attributes":[
///     {"key":"gen_ai.response.model","value":{"stringValue":"gpt-4o-2024-08-06"}},
///     {"key":"gen_ai.usage.input_tokens","value":{"intValue":100}},
///     {"key":"gen_ai.usage.cache_read.input_tokens","value":{"intValue":64}}]}]}]}]}"#)?;
/// each_span(&body, |span| {
///     let facts = span.facts();
///     let usage = facts.usage.unwrap();
///     assert_eq!((facts.kind.as_str(), facts.model.as_deref()), ("generation", Some("gpt-4o-2024-08-06")));
///     assert_eq!((usage.input_uncached, usage.cache_read), (36, 64));
/// })?;
/// # Ok::<(), throughline_model::otlp::wire::Malformed>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SpanFacts<'a> {
    /// The trace it is part of.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span it happened in; `None` for a root.
    pub parent_id: Option<SpanId>,
    /// The span's name.
    pub name: Cow<'a, str>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; never before `start`.
    pub end: Timestamp,
    /// What kind of work it is.
    pub kind: ObservationType,
    /// How serious it is; error if `status` is error.
    pub level: Level,
    /// How it ended.
    pub status: Status,
    /// What the source says about how it ended.
    pub status_message: Option<Cow<'a, str>>,
    /// What went wrong.
    pub error: Option<ErrorInfo>,
    /// Session named on this span or its resource; empty ids count as none.
    pub session_id: Option<Cow<'a, str>>,
    /// The session that this session was started in.
    pub parent_session_id: Option<Cow<'a, str>>,
    /// User named on this span.
    pub user_id: Option<Cow<'a, str>>,
    /// `service.name`.
    pub service: Option<Cow<'a, str>>,
    /// Where the service runs.
    pub environment: Option<Cow<'a, str>>,
    /// Release or version of the service.
    pub version: Option<Cow<'a, str>>,
    /// Who acts, when sent by our SDK.
    pub actor: Option<Actor>,
    /// In which context, when sent by our SDK.
    pub scope: Option<Scope>,
    /// An explicit name for the whole trace.
    pub trace_name: Option<Cow<'a, str>>,
    /// An explicit input of the whole trace.
    pub trace_input: Option<Cow<'a, str>>,
    /// An explicit output of the whole trace.
    pub trace_output: Option<Cow<'a, str>>,
    /// The source says that this span is the application's root, whatever its parent.
    pub is_app_root: bool,
    /// Labels.
    pub tags: Vec<Cow<'a, str>>,
    /// What the source calls metadata, unquoted.
    pub metadata: Vec<(Cow<'a, str>, AttributeValue<'a>)>,
    /// The model that served, else the one requested.
    pub model: Option<Cow<'a, str>>,
    /// The model requested.
    pub requested_model: Option<Cow<'a, str>>,
    /// Who served it, normalised.
    pub provider: Option<Cow<'a, str>>,
    /// The price tier it was served at: `flex`, `priority`, ...
    pub service_tier: Option<Cow<'a, str>>,
    /// Temperature and the like.
    pub model_parameters: Vec<(Cow<'a, str>, AttributeValue<'a>)>,
    /// Disjoint usage buckets, if the span carries usage with any token in it.
    pub usage: Option<Usage>,
    /// The source's own idea of the cost; a zero without usage is none.
    pub given_cost: Option<Money>,
    /// What went in, text or JSON text.
    pub input: Option<Cow<'a, str>>,
    /// The instructions that go before the input, where the source keeps them apart: text or JSON text.
    pub system: Option<Cow<'a, str>>,
    /// What came out, text or JSON text.
    pub output: Option<Cow<'a, str>>,
    /// Nanoseconds from start to first token.
    pub time_to_first_token: Option<i64>,
    /// Name of the tool it called.
    pub tool_name: Option<Cow<'a, str>>,
    /// The model's id for the tool call.
    pub tool_call_id: Option<Cow<'a, str>>,
    /// Arguments of the tool call.
    pub tool_arguments: Option<Cow<'a, str>>,
    /// Answer of the tool.
    pub tool_result: Option<Cow<'a, str>>,
    /// Why the model stopped.
    pub finish_reason: Option<Cow<'a, str>>,
    /// Everything not taken into a field above, for the attribute index and the page.
    pub attributes: Vec<(Cow<'a, str>, AttributeValue<'a>)>,
    /// Attributes of the resource that are not taken into a field above: about the process, not the work.
    pub resource: &'a [(Cow<'a, str>, AttributeValue<'a>)],
    /// What is odd about the data: `usage_exclusive`, `id_conflict`, ...
    pub flags: Vec<&'static str>,
}

impl SpanFacts<'_> {
    /// Whether it failed.
    pub fn is_error(&self) -> bool {
        self.status == Status::Error || self.level >= Level::Error
    }
}
