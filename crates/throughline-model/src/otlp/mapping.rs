//! The one table that maps every client's attribute names to our fields.
//!
//! Each [`Field`] lists its sources, the best first: of those that a span carries with a usable value, the first in
//! the list wins. A key that ends with `*` stands for every key that begins so. What was read but did not win is
//! kept among the plain attributes if it says something else.
//!
//! Conventions: OpenTelemetry GenAI 1.2x to 1.44, OpenInference, OpenLLMetry, Langfuse, Vercel AI SDK 3 to 7,
//! pydantic-ai and logfire, Laminar, MLflow, LangSmith, Google ADK, LiveKit, Claude Code.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::naming::{self, KindOf, LevelOf};
use crate::keys;

macro_rules! fields {
    ($($name:ident)*) => {
        /// What an attribute can be a source of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each is the field of SpanFacts with this name, or a part of one")]
        #[repr(u8)]
        pub enum Field { $($name),* }

        impl Field {
            pub(super) const COUNT: usize = [$(Self::$name),*].len();
        }
    };
}

fields! {
    Kind Session ParentSession User Service Environment Version TraceName TraceInput TraceOutput AppRoot Tags
    Metadata MetadataJson Level StatusMessage ErrorType ErrorMessage ErrorStack ErrorCode
    ActorType ActorId ActorTags ScopeType ScopeId ScopeTags
    Model RequestedModel BareModel Provider ServerAddress ServiceTier Parameter Parameters ProviderMetadata
    InputTokens UncachedTokens CacheRead CacheWrite CacheWrite1h InputAudio
    OutputTokens TextTokens Reasoning OutputAudio TotalTokens UsageDetails
    Cost InputCost OutputCost CostDetails
    Input System Output OutputToolCalls FirstToken FinishReason
    ToolName ToolCallId ToolArguments ToolResult
    Ignored
}

/// How a value is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Any scalar as text; empty counts as none.
    Text,
    /// The same, where the text may be a JSON string.
    Quoted,
    /// A text only, not a number.
    TextOnly,
    /// Any value, arrays and maps as JSON text; empty counts as none.
    Content,
    /// A JSON object as text, or a map.
    Object,
    /// A list of texts: an array, JSON text of one, or separated by commas.
    List,
    /// A kind of work, by one convention's names.
    Kind(KindOf),
    /// A level, by one convention's names.
    Level(LevelOf),
    /// Tokens.
    Count,
    /// Input tokens without those of the cache.
    ExclusiveCount,
    /// Dollars.
    Dollars,
    /// A span of time.
    Seconds,
    /// A span of time.
    Milliseconds,
    /// A point in time: RFC 3339 or nanoseconds.
    Instant,
    /// Yes or no.
    Flag,
    /// One of many, under this name; empty: what follows the prefix.
    Named(&'static str),
    /// Keys like `prefix.0.role`, gathered into one JSON array.
    Indexed,
}

/// Where a source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// Claude Code's names are everybody's words (`model`, `input_tokens`): they count in its scopes only.
    ClaudeCode,
}

pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) when: When,
}

const fn row(key: &'static str, shape: Shape) -> Row {
    Row { key, shape, when: When::Always }
}

const fn claude(key: &'static str, shape: Shape) -> Row {
    Row { key, shape, when: When::ClaudeCode }
}

use Shape::{
    Content, Count, Dollars, ExclusiveCount, Flag, Indexed, Instant, List, Milliseconds, Named, Object,
    Quoted, Seconds, Text, TextOnly,
};

pub(super) static TABLE: &[(Field, &[Row])] = &[
    // Whose, where, under what name.
    (
        Field::Kind,
        &[
            row(keys::OBSERVATION_TYPE, Shape::Kind(naming::own_kind)),
            row("langfuse.observation.type", Shape::Kind(naming::own_kind)),
            row("openinference.span.kind", Shape::Kind(naming::openinference_kind)),
            row("gen_ai.operation.name", Shape::Kind(naming::gen_ai_kind)),
            row("traceloop.span.kind", Shape::Kind(naming::traceloop_kind)),
            row("llm.request.type", Shape::Kind(naming::request_kind)),
            row("ai.operationId", Shape::Kind(naming::ai_sdk_kind)),
            row("lmnr.span.type", Shape::Kind(naming::laminar_kind)),
            row("mlflow.spanType", Shape::Kind(naming::mlflow_kind)),
            row("langsmith.span.kind", Shape::Kind(naming::langsmith_kind)),
        ],
    ),
    (
        Field::Session,
        &[
            row("langfuse.session.id", Text),
            row(keys::SESSION_ID, Text),
            row("gen_ai.conversation.id", Text),
            row("lmnr.association.properties.session_id", Text),
            row("traceloop.association.properties.session_id", Text),
            row("traceloop.association.properties.conversation_id", Text),
            row("traceloop.association.properties.chat_id", Text),
            row("traceloop.association.properties.thread_id", Text),
            row("ai.telemetry.metadata.sessionId", Text),
            row("ai.telemetry.metadata.session_id", Text),
            row("ai.telemetry.metadata.threadId", Text),
            row("ai.telemetry.metadata.conversationId", Text),
            row("ai.settings.context.sessionId", Text),
            row("ai.settings.context.session_id", Text),
            row("ai.settings.context.conversationId", Text),
            row("mlflow.trace.session", Quoted),
            row("langsmith.metadata.session_id", Text),
            row("langsmith.metadata.thread_id", Text),
            row("langsmith.metadata.conversation_id", Text),
            row("gcp.vertex.agent.session_id", Text),
            row("thread_id", TextOnly),
        ],
    ),
    (Field::ParentSession, &[row(keys::PARENT_SESSION_ID, Text)]),
    (
        Field::User,
        &[
            row("langfuse.user.id", Text),
            row(keys::USER_ID, Text),
            row("enduser.id", Text),
            row("lmnr.association.properties.user_id", Text),
            row("traceloop.association.properties.user_id", Text),
            row("ai.telemetry.metadata.userId", Text),
            row("ai.telemetry.metadata.user_id", Text),
            row("ai.settings.context.userId", Text),
            row("ai.settings.context.user_id", Text),
            row("mlflow.trace.user", Quoted),
            row("langsmith.metadata.user_id", Text),
            row("user.email", Text),
        ],
    ),
    (Field::Service, &[row(keys::SERVICE_NAME, Text)]),
    (
        Field::Environment,
        &[
            row("langfuse.environment", Text),
            row(keys::ENVIRONMENT, Text),
            row("deployment.environment", Text),
        ],
    ),
    (
        Field::Version,
        &[
            row("langfuse.release", Text),
            row(keys::SERVICE_VERSION, Text),
            row("langfuse.version", Text),
            row("gen_ai.agent.version", Text),
        ],
    ),
    (
        Field::TraceName,
        &[
            row(keys::TRACE_NAME, Text),
            row("langfuse.trace.name", Text),
            row("mlflow.traceName", Quoted),
            row("langsmith.trace.name", Text),
            row("traceloop.workflow.name", Text),
        ],
    ),
    (
        Field::TraceInput,
        &[
            row(keys::TRACE_INPUT, Content),
            row("langfuse.trace.input", Content),
            row("mlflow.traceInputs", Content),
        ],
    ),
    (
        Field::TraceOutput,
        &[
            row(keys::TRACE_OUTPUT, Content),
            row("langfuse.trace.output", Content),
            row("mlflow.traceOutputs", Content),
        ],
    ),
    (Field::AppRoot, &[row("langfuse.internal.is_app_root", Flag)]),
    (
        Field::Tags,
        &[
            row(keys::TAGS, List),
            row("langfuse.trace.tags", List),
            row("langfuse.tags", List),
            row("tag.tags", List),
            row("ai.telemetry.metadata.tags", List),
            row("lmnr.association.properties.tags", List),
            row("traceloop.association.properties.tags", List),
            row("langsmith.span.tags", List),
            row("logfire.tags", List),
        ],
    ),
    (
        Field::Metadata,
        &[
            row("throughline.metadata.*", Named("")),
            row("langfuse.trace.metadata.*", Named("")),
            row("langfuse.observation.metadata.*", Named("")),
            row("ai.telemetry.metadata.*", Named("")),
            row("ai.settings.context.*", Named("")),
            row("lmnr.association.properties.metadata.*", Named("")),
            row("lmnr.association.properties.*", Named("")),
            row("traceloop.association.properties.*", Named("")),
            row("langsmith.metadata.*", Named("")),
            row("mlflow.traceTag.*", Named("")),
        ],
    ),
    (
        Field::MetadataJson,
        &[
            row("metadata", Object),
            row("langfuse.trace.metadata", Object),
            row("langfuse.observation.metadata", Object),
        ],
    ),
    // How it went.
    (
        Field::Level,
        &[
            row(keys::LEVEL, Shape::Level(naming::named_level)),
            row("langfuse.observation.level", Shape::Level(naming::named_level)),
            row("logfire.level_num", Shape::Level(naming::numbered_level)),
        ],
    ),
    (Field::StatusMessage, &[row("langfuse.observation.status_message", Text)]),
    (Field::ErrorType, &[row(keys::EXCEPTION_TYPE, Text), row("error.type", Text)]),
    (
        Field::ErrorMessage,
        &[row(keys::EXCEPTION_MESSAGE, Text), row("error.message", Text), claude("error", Text)],
    ),
    (Field::ErrorStack, &[row(keys::EXCEPTION_STACKTRACE, Text)]),
    (Field::ErrorCode, &[row(keys::ERROR_CODE, Text)]),
    (Field::ActorType, &[row(keys::ACTOR_TYPE, Text)]),
    (Field::ActorId, &[row(keys::ACTOR_ID, Text)]),
    (Field::ActorTags, &[row(keys::ACTOR_TAGS, Object)]),
    (Field::ScopeType, &[row(keys::SCOPE_TYPE, Text)]),
    (Field::ScopeId, &[row(keys::SCOPE_ID, Text)]),
    (Field::ScopeTags, &[row(keys::SCOPE_TAGS, Object)]),
    // Which model, asked how.
    (
        Field::Model,
        &[
            row("langfuse.observation.model.name", Text),
            row("gen_ai.response.model", Text),
            row("llm.response.model_name", Text),
            row("llm.model_name", Text),
            row("ai.response.model", Text),
            row("embedding.model_name", Text),
            row("reranker.model_name", Text),
            row("mlflow.llm.model", Quoted),
            claude("model", Text),
        ],
    ),
    (
        Field::RequestedModel,
        &[
            row("gen_ai.request.model", Text),
            row("llm.request.model_name", Text),
            row("llm.request.model", Text),
            row("ai.model.id", Text),
            row("langsmith.metadata.ls_model_name", Text),
        ],
    ),
    (Field::BareModel, &[row("model", Quoted)]),
    (
        Field::Provider,
        &[
            row("gen_ai.provider.name", Text),
            row("gen_ai.system", Text),
            row("llm.provider", Text),
            row("llm.system", Text),
            row("ai.model.provider", Text),
            row("mlflow.llm.provider", Quoted),
            row("langsmith.metadata.ls_provider", Text),
        ],
    ),
    (Field::ServerAddress, &[row("server.address", Text)]),
    (
        Field::ServiceTier,
        &[
            row("openai.response.service_tier", Text),
            row("gen_ai.openai.response.service_tier", Text),
            row("gen_ai.response.service_tier", Text),
            row("openai.request.service_tier", Text),
            row("gen_ai.openai.request.service_tier", Text),
            row("gen_ai.request.service_tier", Text),
        ],
    ),
    (
        Field::Parameter,
        &[
            row("gen_ai.request.temperature", Named("temperature")),
            row("gen_ai.request.top_p", Named("top_p")),
            row("gen_ai.request.top_k", Named("top_k")),
            row("gen_ai.request.max_tokens", Named("max_tokens")),
            row("gen_ai.request.frequency_penalty", Named("frequency_penalty")),
            row("gen_ai.request.presence_penalty", Named("presence_penalty")),
            row("gen_ai.request.seed", Named("seed")),
            row("gen_ai.request.stop_sequences", Named("stop_sequences")),
            row("gen_ai.request.choice.count", Named("n")),
            row("gen_ai.request.stream", Named("stream")),
            row("gen_ai.request.reasoning_effort", Named("reasoning_effort")),
            row("gen_ai.request.*", Named("")),
            row("gen_ai.tool.definitions", Named("tools")),
            row("ai.prompt.tools", Named("tools")),
            row("ai.prompt.toolChoice", Named("tool_choice")),
            row("ai.settings.*", Named("")),
        ],
    ),
    (
        Field::Parameters,
        &[row("langfuse.observation.model.parameters", Object), row("llm.invocation_parameters", Object)],
    ),
    (Field::ProviderMetadata, &[row("ai.response.providerMetadata", Object)]),
    // How much.
    (
        Field::InputTokens,
        &[
            row("gen_ai.usage.input_tokens", Count),
            row("llm.token_count.prompt", Count),
            row("gen_ai.usage.prompt_tokens", Count),
            row("ai.usage.inputTokens", Count),
            row("ai.usage.promptTokens", Count),
            row("llm.usage.prompt_tokens", Count),
            claude("input_tokens", ExclusiveCount),
        ],
    ),
    (Field::UncachedTokens, &[row("ai.usage.inputTokenDetails.noCacheTokens", Count)]),
    (
        Field::CacheRead,
        &[
            row("gen_ai.usage.cache_read.input_tokens", Count),
            row("llm.token_count.prompt_details.cache_read", Count),
            row("llm.token_count.prompt_details.cache_input", Count),
            row("gen_ai.usage.cache_read_input_tokens", Count),
            row("ai.usage.inputTokenDetails.cacheReadTokens", Count),
            row("ai.usage.cachedInputTokens", Count),
            row("gen_ai.usage.details.cache_read_tokens", Count),
            claude("cache_read_tokens", Count),
        ],
    ),
    (
        Field::CacheWrite,
        &[
            row("gen_ai.usage.cache_write.input_tokens", Count),
            row("gen_ai.usage.cache_creation.input_tokens", Count),
            row("llm.token_count.prompt_details.cache_write", Count),
            row("gen_ai.usage.cache_creation_input_tokens", Count),
            row("ai.usage.inputTokenDetails.cacheWriteTokens", Count),
            row("gen_ai.usage.details.cache_write_tokens", Count),
            claude("cache_creation_tokens", Count),
        ],
    ),
    (Field::CacheWrite1h, &[row(keys::CACHE_WRITE_1H, Count)]),
    (
        Field::InputAudio,
        &[
            row("gen_ai.usage.audio.input_tokens", Count),
            row("llm.token_count.prompt_details.audio", Count),
            row("gen_ai.usage.audio_input_tokens", Count),
            row("gen_ai.usage.details.input_audio_tokens", Count),
        ],
    ),
    (
        Field::OutputTokens,
        &[
            row("gen_ai.usage.output_tokens", Count),
            row("llm.token_count.completion", Count),
            row("gen_ai.usage.completion_tokens", Count),
            row("ai.usage.outputTokens", Count),
            row("ai.usage.completionTokens", Count),
            row("llm.usage.completion_tokens", Count),
            claude("output_tokens", Count),
        ],
    ),
    (Field::TextTokens, &[row("ai.usage.outputTokenDetails.textTokens", Count)]),
    (
        Field::Reasoning,
        &[
            row("gen_ai.usage.reasoning.output_tokens", Count),
            row("llm.token_count.completion_details.reasoning", Count),
            row("gen_ai.usage.reasoning_tokens", Count),
            row("ai.usage.outputTokenDetails.reasoningTokens", Count),
            row("ai.usage.reasoningTokens", Count),
            row("gen_ai.usage.details.reasoning_tokens", Count),
        ],
    ),
    (
        Field::OutputAudio,
        &[
            row("gen_ai.usage.audio.output_tokens", Count),
            row("llm.token_count.completion_details.audio", Count),
            row("gen_ai.usage.audio_output_tokens", Count),
            row("gen_ai.usage.details.output_audio_tokens", Count),
        ],
    ),
    (
        Field::TotalTokens,
        &[
            row("llm.token_count.total", Count),
            row("gen_ai.usage.total_tokens", Count),
            row("llm.usage.total_tokens", Count),
            row("ai.usage.totalTokens", Count),
            row("ai.usage.tokens", Count),
        ],
    ),
    (
        Field::UsageDetails,
        &[
            row("langfuse.observation.usage_details", Object),
            row("langfuse.observation.usage", Object),
            row("mlflow.chat.tokenUsage", Object),
            row("langsmith.metadata.usage_metadata", Object),
        ],
    ),
    (
        Field::Cost,
        &[
            row(keys::COST, Dollars),
            row("llm.cost.total", Dollars),
            row("gen_ai.usage.cost", Dollars),
            row("operation.cost", Dollars),
            claude("cost_usd", Dollars),
        ],
    ),
    (Field::InputCost, &[row("llm.cost.prompt", Dollars), row("gen_ai.usage.input_cost", Dollars)]),
    (Field::OutputCost, &[row("llm.cost.completion", Dollars), row("gen_ai.usage.output_cost", Dollars)]),
    (Field::CostDetails, &[row("langfuse.observation.cost_details", Object)]),
    // What was said.
    (
        Field::Input,
        &[
            row("langfuse.observation.input", Content),
            row("gen_ai.input.messages", Content),
            row("gen_ai.prompt.*", Indexed),
            row(keys::INPUT, Content),
            row("llm.input_messages.*", Indexed),
            row("llm.prompts.*", Indexed),
            row("ai.prompt.messages", Content),
            row("ai.prompt", Content),
            row("gen_ai.prompt", Content),
            row("ai.toolCall.args", Content),
            row("ai.value", Content),
            row("ai.values", Content),
            row("traceloop.entity.input", Content),
            row("lmnr.span.input", Content),
            row("mlflow.spanInputs", Content),
            row("pydantic_ai.all_messages", Content),
            row("all_messages_events", Content),
            row("gcp.vertex.agent.llm_request", Content),
            row("gcp.vertex.agent.tool_call_args", Content),
            row("lk.input_text", Content),
            row("lk.user_input", Content),
            row("lk.user_transcript", Content),
            row("lk.chat_ctx", Content),
            row("gen_ai.tool.call.arguments", Content),
            row("tool_arguments", Content),
            row("lk.function_tool.arguments", Content),
            row("gen_ai.retrieval.query.text", Content),
            row("reranker.query", Content),
            row("request_data", Object),
            claude("user_prompt", Content),
            claude("prompt", Content),
            claude("tool_input", Content),
            claude("tool_parameters", Content),
        ],
    ),
    (Field::System, &[row("gen_ai.system_instructions", Content)]),
    (
        Field::Output,
        &[
            row("langfuse.observation.output", Content),
            row("gen_ai.output.messages", Content),
            row("gen_ai.completion.*", Indexed),
            row(keys::OUTPUT, Content),
            row("llm.output_messages.*", Indexed),
            row("ai.response.text", Content),
            row("ai.response.object", Content),
            row("ai.result.text", Content),
            row("ai.result.object", Content),
            row("gen_ai.completion", Content),
            row("ai.toolCall.result", Content),
            row("traceloop.entity.output", Content),
            row("lmnr.span.output", Content),
            row("mlflow.spanOutputs", Content),
            row("final_result", Content),
            row("gcp.vertex.agent.llm_response", Content),
            row("gcp.vertex.agent.tool_response", Content),
            row("lk.response.text", Content),
            row("lk.function_tool.output", Content),
            row("gen_ai.tool.call.result", Content),
            row("tool_response", Content),
            row("gen_ai.retrieval.documents", Content),
            row("retrieval.documents.*", Indexed),
            row("reranker.output_documents.*", Indexed),
            row("response_data", Object),
            claude("response.model_output", Content),
        ],
    ),
    (Field::OutputToolCalls, &[row("ai.response.toolCalls", Content), row("ai.result.toolCalls", Content)]),
    (
        Field::FirstToken,
        &[
            row(keys::TIME_TO_FIRST_TOKEN, Seconds),
            row("gen_ai.client.operation.time_to_first_chunk", Seconds),
            row("gen_ai.server.time_to_first_token", Seconds),
            row("lk.response.ttft", Seconds),
            row("ai.response.msToFirstChunk", Milliseconds),
            row("ai.stream.msToFirstChunk", Milliseconds),
            row("langfuse.observation.completion_start_time", Instant),
            claude("ttft_ms", Milliseconds),
        ],
    ),
    (
        Field::FinishReason,
        &[
            row("gen_ai.response.finish_reasons", List),
            row("llm.finish_reason", List),
            row("ai.response.finishReason", List),
            claude("stop_reason", List),
        ],
    ),
    (
        Field::ToolName,
        &[
            row("gen_ai.tool.name", Text),
            row("tool.name", Text),
            row("tool_call.function.name", Text),
            row("ai.toolCall.name", Text),
            row("lk.function_tool.name", Text),
            claude("tool_name", Text),
        ],
    ),
    (
        Field::ToolCallId,
        &[
            row("gen_ai.tool.call.id", Text),
            row("tool_call.id", Text),
            row("tool.id", Text),
            row("ai.toolCall.id", Text),
            row("lk.function_tool.id", Text),
        ],
    ),
    (
        Field::ToolArguments,
        &[
            row("gen_ai.tool.call.arguments", Content),
            row("tool_call.function.arguments", Content),
            row("ai.toolCall.args", Content),
            row("tool_arguments", Content),
            row("lk.function_tool.arguments", Content),
            claude("tool_parameters", Content),
        ],
    ),
    (
        Field::ToolResult,
        &[
            row("gen_ai.tool.call.result", Content),
            row("ai.toolCall.result", Content),
            row("tool_response", Content),
            row("lk.function_tool.output", Content),
        ],
    ),
    // Says nothing that is not said elsewhere, or nothing for people.
    (
        Field::Ignored,
        &[
            row("input.mime_type", Text),
            row("output.mime_type", Text),
            row("logfire.json_schema", Text),
            row("logfire.metrics", Text),
            row("langfuse.internal.*", Text),
            row("throughline.part.*", Text),
            row("gen_ai.aggregated_usage.*", Text),
            row("embedding.embeddings.*", Text),
            row("llm.tools.*", Text),
        ],
    ),
];

/// A row of the table with its place.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) field: Field,
    pub(super) rank: u8,
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    pub(super) when: When,
    /// The first row of its key. What loses elsewhere may still have won here.
    pub(super) is_first: bool,
}

pub(super) struct Index {
    exact: FxHashMap<&'static [u8], Vec<Rule>>,
    /// Longest first.
    prefixes: Vec<Rule>,
}

pub(super) static INDEX: LazyLock<Index> = LazyLock::new(Index::new);

impl Index {
    fn new() -> Self {
        let mut index = Self { exact: FxHashMap::default(), prefixes: Vec::new() };
        for (field, rows) in TABLE {
            for (rank, row) in rows.iter().enumerate() {
                let rule = |key, is_first| Rule {
                    field: *field,
                    rank: rank as u8,
                    key,
                    shape: row.shape,
                    when: row.when,
                    is_first,
                };
                match row.key.strip_suffix('*') {
                    Some(prefix) => index.prefixes.push(rule(prefix, true)),
                    None => {
                        let rules = index.exact.entry(row.key.as_bytes()).or_default();
                        rules.push(rule(row.key, rules.is_empty()));
                    }
                }
            }
        }
        index.prefixes.sort_by_key(|rule| std::cmp::Reverse(rule.key.len()));
        index
    }

    /// What the key is a source of; empty if the table does not know it.
    #[inline]
    pub(super) fn rules(&self, key: &[u8]) -> &[Rule] {
        if let Some(rules) = self.exact.get(key) {
            return rules;
        }
        // Only a handful of first letters begin a prefix.
        if !matches!(key.first(), Some(b'a' | b'e' | b'g' | b'l' | b'm' | b'r' | b't')) {
            return &[];
        }
        let found = self.prefixes.iter().find(|rule| key.starts_with(rule.key.as_bytes()));
        found.map(std::slice::from_ref).unwrap_or_default()
    }
}

/// One row of the table, for documentation and for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// What it is a source of.
    pub field: Field,
    /// The attribute's key; `*` at the end stands for anything.
    pub key: &'static str,
    /// How many rows of the same field come before it.
    pub rank: usize,
}

/// Every row of the table.
///
/// ```
/// use throughline_model::otlp::mapping::{Field, sources};
/// let first = sources().find(|source| source.field == Field::Session).unwrap();
/// assert_eq!((first.key, first.rank), ("langfuse.session.id", 0));
/// ```
pub fn sources() -> impl Iterator<Item = Source> {
    TABLE.iter().flat_map(|(field, rows)| {
        rows.iter().enumerate().map(|(rank, row)| Source { field: *field, key: row.key, rank })
    })
}
