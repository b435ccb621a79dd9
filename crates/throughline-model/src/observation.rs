//! Observations: the spans of a trace.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attributes, ErrorInfo, Level, Money, SessionId, SpanId, Timestamp, TraceId, Usage, millis};

/// What kind of work an observation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ObservationType {
    /// Any unit of work.
    #[default]
    Span,
    /// A model call that generates.
    Generation,
    /// A single moment.
    Event,
    /// A model call that embeds.
    Embedding,
    /// An agent at work.
    Agent,
    /// A tool call.
    Tool,
    /// Steps in sequence.
    Chain,
    /// A look-up of documents.
    Retriever,
    /// A re-ordering of documents.
    Reranker,
    /// A check that may stop the work.
    Guardrail,
    /// A judgement of other work.
    Evaluator,
    /// A router layer: middleware, handler or error handler.
    Layer,
}

impl ObservationType {
    /// Every type, in the order the documentation lists them.
    pub const ALL: [Self; 12] = [
        Self::Span,
        Self::Generation,
        Self::Event,
        Self::Embedding,
        Self::Agent,
        Self::Tool,
        Self::Chain,
        Self::Retriever,
        Self::Reranker,
        Self::Guardrail,
        Self::Evaluator,
        Self::Layer,
    ];

    /// The lower-case name used in JSON and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::Generation => "generation",
            Self::Event => "event",
            Self::Embedding => "embedding",
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Chain => "chain",
            Self::Retriever => "retriever",
            Self::Reranker => "reranker",
            Self::Guardrail => "guardrail",
            Self::Evaluator => "evaluator",
            Self::Layer => "layer",
        }
    }

    /// The type with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.as_str()))
    }

    /// Whether it calls a model itself, so that its usage counts before that of what surrounds it.
    pub const fn is_model_call(self) -> bool {
        matches!(self, Self::Generation | Self::Embedding)
    }
}

/// How an observation or trace ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Status {
    /// Nobody said.
    #[default]
    Unset,
    /// Explicitly well.
    Ok,
    /// It failed.
    Error,
}

impl Status {
    /// The lower-case name used in JSON and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// The tool that an observation called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tool {
    /// The tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id that the model gave this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The arguments it was called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub arguments: Option<Value>,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub result: Option<Value>,
}

/// One span of a trace, in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Observation {
    /// The span id.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: SpanId,
    /// The trace it is part of.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub trace_id: TraceId,
    /// The observation it happened in; `None` for a root.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub parent_id: Option<SpanId>,
    /// The session of its trace.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub session_id: Option<SessionId>,
    /// The user of its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub kind: ObservationType,
    /// The span's name.
    pub name: String,
    /// When it began.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub start_time: Timestamp,
    /// When it ended.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub end_time: Timestamp,
    /// Milliseconds from start to end.
    pub duration: f64,
    /// Whether all that is known of it is that it began; its end is then that of what has ended in its trace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// How serious it is: error if it failed, else what the source says, else info.
    pub level: Level,
    /// How it ended.
    pub status: Status,
    /// What the source says about how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What went wrong, from its exception event or error attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// The model that served the call; the requested one if the answer names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
    /// Who served it, in OpenTelemetry's `gen_ai.provider.name` spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Temperature, token limit and the like.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub model_parameters: Attributes,
    /// What went in: text, or JSON as the source sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub input: Option<Value>,
    /// What came out: text, or JSON as the source sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub output: Option<Value>,
    /// Tokens by bucket, if the source sent any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// All input tokens together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// All output tokens together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// All tokens together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Dollars, computed from usage and the price rule valid at the start; `null` if no rule is known.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>))]
    pub cost: Option<Money>,
    /// Dollars, as the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>))]
    pub given_cost: Option<Money>,
    /// Milliseconds from start to the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_token: Option<f64>,
    /// The tool it called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// Labels set on this observation itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Every attribute that is not shown in a field above.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub attributes: Attributes,
    /// The service that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Where that service runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl Observation {
    /// An observation of which nothing is known but this: a root of type span, level info and status unset.
    ///
    /// ```
    /// use throughline_model::{Observation, ObservationType, Timestamp};
    ///
    /// let (begin, end) = (Timestamp::from_nanos(0), Timestamp::from_nanos(1_500_000));
    /// let ids = ("4bf92f3577b34da6a3ce929d0e0e4736".parse()?, "00f067aa0ba902b7".parse()?);
    /// let turn = Observation::new(ids, "chat-turn", begin, end);
    /// assert_eq!((turn.kind, turn.duration), (ObservationType::Span, 1.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        (trace_id, id): (TraceId, SpanId),
        name: impl Into<String>,
        start_time: Timestamp,
        end_time: Timestamp,
    ) -> Self {
        Self {
            id,
            trace_id,
            parent_id: None,
            session_id: None,
            user_id: None,
            kind: ObservationType::Span,
            name: name.into(),
            start_time,
            end_time,
            duration: millis(end_time.nanos_since(start_time)),
            unfinished: false,
            level: Level::Info,
            status: Status::Unset,
            status_message: None,
            error: None,
            model: None,
            requested_model: None,
            provider: None,
            model_parameters: Attributes::new(),
            input: None,
            output: None,
            usage: None,
            prompt_tokens: None,
            completion_tokens: None,
            total_tokens: None,
            cost: None,
            given_cost: None,
            time_to_first_token: None,
            tool: None,
            tags: Vec::new(),
            attributes: Attributes::new(),
            service: None,
            environment: None,
        }
    }

    /// Whether it failed.
    pub fn is_error(&self) -> bool {
        self.status == Status::Error || self.level >= Level::Error
    }
}
