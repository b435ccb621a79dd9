//! What each row of the mapping table should say, by an example.

use serde_json::{Value, json};
use throughline_model::otlp::mapping::Field;
use throughline_model::otlp::{SpanFacts, attributes};

pub(crate) const CLAUDE_CODE: &str = "com.anthropic.claude_code.events";

/// One row: a span with these attributes says this.
pub(crate) struct Case {
    pub(crate) field: Field,
    pub(crate) key: &'static str,
    pub(crate) attributes: Value,
    pub(crate) expected: Value,
    pub(crate) scope: &'static str,
}

fn case(field: Field, key: &'static str, attributes: Value, expected: Value) -> Case {
    Case { field, key, attributes, expected, scope: "test" }
}

/// The row's key with a value.
fn one(field: Field, key: &'static str, value: impl Into<Value>, expected: impl Into<Value>) -> Case {
    case(field, key, json!({key: value.into()}), expected.into())
}

fn claude(field: Field, key: &'static str, value: impl Into<Value>, expected: impl Into<Value>) -> Case {
    Case { scope: CLAUDE_CODE, ..one(field, key, value, expected) }
}

/// Rows that take a text as it is.
fn texts<'k>(field: Field, keys: &'k [&'static str]) -> impl Iterator<Item = Case> + 'k {
    keys.iter().map(move |key| one(field, key, format!("by {key}"), format!("by {key}")))
}

/// Rows that count tokens.
fn counts<'k>(field: Field, keys: &'k [&'static str]) -> impl Iterator<Item = Case> + 'k {
    keys.iter().zip(100..).map(move |(key, count)| one(field, key, count, count))
}

/// What the facts say about a field.
pub(crate) fn said(facts: &SpanFacts<'_>, field: Field) -> Value {
    let usage = facts.usage.unwrap_or_default();
    match field {
        Field::Kind => json!(facts.kind),
        Field::Session => json!(facts.session_id),
        Field::ParentSession => json!(facts.parent_session_id),
        Field::User => json!(facts.user_id),
        Field::Service => json!(facts.service),
        Field::Environment => json!(facts.environment),
        Field::Version => json!(facts.version),
        Field::TraceName => json!(facts.trace_name),
        Field::TraceInput => json!(facts.trace_input),
        Field::TraceOutput => json!(facts.trace_output),
        Field::AppRoot => json!(facts.is_app_root),
        Field::Tags => json!(facts.tags),
        Field::Metadata | Field::MetadataJson => Value::Object(attributes(&facts.metadata)),
        Field::Level => json!(facts.level),
        Field::StatusMessage => json!(facts.status_message),
        Field::ErrorType | Field::ErrorMessage | Field::ErrorStack | Field::ErrorCode => json!(facts.error),
        Field::ActorType | Field::ActorId | Field::ActorTags => json!(facts.actor),
        Field::ScopeType | Field::ScopeId | Field::ScopeTags => json!(facts.scope),
        Field::Model | Field::BareModel => json!(facts.model),
        Field::RequestedModel => json!(facts.requested_model),
        Field::Provider | Field::ServerAddress => json!(facts.provider),
        Field::ServiceTier => json!(facts.service_tier),
        Field::Parameter | Field::Parameters => Value::Object(attributes(&facts.model_parameters)),
        Field::InputTokens | Field::UncachedTokens => json!(usage.input_uncached),
        Field::CacheRead => json!(usage.cache_read),
        Field::CacheWrite => json!(usage.cache_write),
        Field::CacheWrite1h => json!(usage.cache_write_1h),
        Field::InputAudio => json!(usage.input_audio),
        Field::OutputTokens | Field::TextTokens => json!(usage.output),
        Field::Reasoning => json!(usage.reasoning),
        Field::OutputAudio => json!(usage.output_audio),
        Field::TotalTokens => json!(usage.total()),
        Field::UsageDetails | Field::ProviderMetadata => json!(facts.usage),
        Field::Cost | Field::InputCost | Field::OutputCost | Field::CostDetails => json!(facts.given_cost),
        Field::Input => json!(facts.input),
        Field::System => json!(facts.system),
        Field::Output | Field::OutputToolCalls => json!(facts.output),
        Field::FirstToken => json!(facts.time_to_first_token),
        Field::FinishReason => json!(facts.finish_reason),
        Field::ToolName => json!(facts.tool_name),
        Field::ToolCallId => json!(facts.tool_call_id),
        Field::ToolArguments => json!(facts.tool_arguments),
        Field::ToolResult => json!(facts.tool_result),
        Field::Ignored => Value::Object(attributes(&facts.attributes)),
    }
}

fn whose() -> Vec<Case> {
    use Field::{AppRoot, Kind, MetadataJson, ParentSession, Service, Session, Tags, TraceName, User};
    let mut cases = vec![
        one(Kind, "throughline.observation.type", "layer", "layer"),
        one(Kind, "langfuse.observation.type", "guardrail", "guardrail"),
        one(Kind, "openinference.span.kind", "LLM", "generation"),
        one(Kind, "gen_ai.operation.name", "invoke_workflow", "chain"),
        one(Kind, "traceloop.span.kind", "agent", "agent"),
        one(Kind, "llm.request.type", "rerank", "reranker"),
        one(Kind, "ai.operationId", "ai.embed.doEmbed", "embedding"),
        one(Kind, "lmnr.span.type", "EVALUATOR", "evaluator"),
        one(Kind, "mlflow.spanType", "\"RETRIEVER\"", "retriever"),
        one(Kind, "langsmith.span.kind", "tool", "tool"),
        one(Session, "mlflow.trace.session", "\"quoted\"", "quoted"),
        one(User, "mlflow.trace.user", "\"quoted\"", "quoted"),
        one(TraceName, "mlflow.traceName", "\"quoted\"", "quoted"),
        one(ParentSession, "throughline.parent_session.id", "sess_0", "sess_0"),
        one(Service, "service.name", "shop", "shop"),
        one(AppRoot, "langfuse.internal.is_app_root", true, true),
        one(Tags, "throughline.tags", json!(["a"]), json!(["a"])),
        one(Tags, "langfuse.trace.tags", json!(["b", "c"]), json!(["b", "c"])),
        one(Tags, "langfuse.tags", json!(["d"]), json!(["d"])),
        one(Tags, "tag.tags", json!(["e"]), json!(["e"])),
        one(Tags, "ai.telemetry.metadata.tags", "[\"f\"]", json!(["f"])),
        one(Tags, "lmnr.association.properties.tags", json!(["g"]), json!(["g"])),
        one(Tags, "traceloop.association.properties.tags", json!(["h"]), json!(["h"])),
        one(Tags, "langsmith.span.tags", "i, j", json!(["i", "j"])),
        one(Tags, "logfire.tags", json!(["k"]), json!(["k"])),
        one(MetadataJson, "metadata", "{\"turn\": 1}", json!({"turn": 1})),
        one(MetadataJson, "langfuse.trace.metadata", "{\"turn\": 2}", json!({"turn": 2})),
        one(MetadataJson, "langfuse.observation.metadata", json!({"turn": 3}), json!({"turn": 3})),
    ];
    cases.extend(texts(
        Session,
        &[
            "langfuse.session.id",
            "session.id",
            "gen_ai.conversation.id",
            "lmnr.association.properties.session_id",
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.conversation_id",
            "traceloop.association.properties.chat_id",
            "traceloop.association.properties.thread_id",
            "ai.telemetry.metadata.sessionId",
            "ai.telemetry.metadata.session_id",
            "ai.telemetry.metadata.threadId",
            "ai.telemetry.metadata.conversationId",
            "ai.settings.context.sessionId",
            "ai.settings.context.session_id",
            "ai.settings.context.conversationId",
            "langsmith.metadata.session_id",
            "langsmith.metadata.thread_id",
            "langsmith.metadata.conversation_id",
            "gcp.vertex.agent.session_id",
            "thread_id",
        ],
    ));
    cases.extend(texts(
        User,
        &[
            "langfuse.user.id",
            "user.id",
            "enduser.id",
            "lmnr.association.properties.user_id",
            "traceloop.association.properties.user_id",
            "ai.telemetry.metadata.userId",
            "ai.telemetry.metadata.user_id",
            "ai.settings.context.userId",
            "ai.settings.context.user_id",
            "langsmith.metadata.user_id",
            "user.email",
        ],
    ));
    cases.extend(labels());
    cases
}

fn labels() -> Vec<Case> {
    use Field::{Environment, Metadata, TraceInput, TraceName, TraceOutput, Version};
    let mut cases: Vec<Case> = texts(
        Environment,
        &["langfuse.environment", "deployment.environment.name", "deployment.environment"],
    )
    .collect();
    cases.extend(texts(
        Version,
        &["langfuse.release", "service.version", "langfuse.version", "gen_ai.agent.version"],
    ));
    cases.extend(texts(
        TraceName,
        &["throughline.trace.name", "langfuse.trace.name", "langsmith.trace.name", "traceloop.workflow.name"],
    ));
    cases.extend(texts(
        TraceInput,
        &["throughline.trace.input", "langfuse.trace.input", "mlflow.traceInputs"],
    ));
    cases.extend(texts(
        TraceOutput,
        &["throughline.trace.output", "langfuse.trace.output", "mlflow.traceOutputs"],
    ));
    for row in [
        "throughline.metadata.*",
        "langfuse.trace.metadata.*",
        "langfuse.observation.metadata.*",
        "ai.telemetry.metadata.*",
        "ai.settings.context.*",
        "lmnr.association.properties.metadata.*",
        "lmnr.association.properties.*",
        "traceloop.association.properties.*",
        "langsmith.metadata.*",
        "mlflow.traceTag.*",
    ] {
        let key = row.replace('*', "channel");
        cases.push(case(Metadata, row, json!({key: "\"web\""}), json!({"channel": "web"})));
    }
    cases
}

fn outcome() -> Vec<Case> {
    use Field::{
        ActorId, ActorTags, ActorType, ErrorCode, ErrorMessage, ErrorStack, ErrorType, Level, ScopeId,
        ScopeTags, ScopeType, StatusMessage,
    };
    let error = |name: &str, message: &str| json!({"name": name, "message": message});
    let actor = json!({"throughline.actor.type": "user", "throughline.actor.id": "u1",
        "throughline.actor.tags": {"role": "admin"}});
    let actor_said = json!({"type": "user", "id": "u1", "tags": {"role": "admin"}});
    let scope = json!({"throughline.scope.type": "organization", "throughline.scope.id": "o1",
        "throughline.scope.tags": {"plan": "pro"}});
    let scope_said = json!({"type": "organization", "id": "o1", "tags": {"plan": "pro"}});
    vec![
        one(Level, "throughline.level", "warn", "warn"),
        one(Level, "langfuse.observation.level", "DEBUG", "debug"),
        one(Level, "logfire.level_num", 17, "error"),
        one(StatusMessage, "langfuse.observation.status_message", "late", "late"),
        one(ErrorType, "exception.type", "E1", error("E1", "")),
        one(ErrorType, "error.type", "E2", error("E2", "")),
        one(ErrorMessage, "exception.message", "m1", error("error", "m1")),
        one(ErrorMessage, "error.message", "m2", error("error", "m2")),
        claude(ErrorMessage, "error", "m3", error("error", "m3")),
        case(
            ErrorStack,
            "exception.stacktrace",
            json!({"exception.type": "E", "exception.stacktrace": "at a"}),
            json!({"name": "E", "message": "", "stack": "at a"}),
        ),
        case(
            ErrorCode,
            "throughline.error.code",
            json!({"exception.type": "E", "throughline.error.code": "E_1"}),
            json!({"name": "E", "message": "", "code": "E_1"}),
        ),
        case(ActorType, "throughline.actor.type", actor.clone(), actor_said.clone()),
        case(ActorId, "throughline.actor.id", actor.clone(), actor_said.clone()),
        case(ActorTags, "throughline.actor.tags", actor, actor_said),
        case(ScopeType, "throughline.scope.type", scope.clone(), scope_said.clone()),
        case(ScopeId, "throughline.scope.id", scope.clone(), scope_said.clone()),
        case(ScopeTags, "throughline.scope.tags", scope, scope_said),
    ]
}

fn model() -> Vec<Case> {
    use Field::{
        BareModel, Model, Parameter, Parameters, Provider, ProviderMetadata, RequestedModel, ServerAddress,
        ServiceTier,
    };
    let mut cases: Vec<Case> = texts(
        Model,
        &[
            "langfuse.observation.model.name",
            "gen_ai.response.model",
            "llm.response.model_name",
            "llm.model_name",
            "ai.response.model",
            "embedding.model_name",
            "reranker.model_name",
        ],
    )
    .collect();
    cases.extend(texts(
        RequestedModel,
        &[
            "gen_ai.request.model",
            "llm.request.model_name",
            "llm.request.model",
            "ai.model.id",
            "langsmith.metadata.ls_model_name",
        ],
    ));
    cases.extend(texts(
        ServiceTier,
        &[
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "gen_ai.response.service_tier",
            "openai.request.service_tier",
            "gen_ai.openai.request.service_tier",
            "gen_ai.request.service_tier",
        ],
    ));
    for (name, shown) in [
        ("temperature", "temperature"),
        ("top_p", "top_p"),
        ("top_k", "top_k"),
        ("max_tokens", "max_tokens"),
        ("frequency_penalty", "frequency_penalty"),
        ("presence_penalty", "presence_penalty"),
        ("seed", "seed"),
        ("stop_sequences", "stop_sequences"),
        ("choice.count", "n"),
        ("stream", "stream"),
        ("reasoning_effort", "reasoning_effort"),
    ] {
        let key: &'static str = format!("gen_ai.request.{name}").leak();
        cases.push(one(Parameter, key, 0.5, json!({shown: 0.5})));
    }
    let metadata = "{\"openai\":{\"serviceTier\":\"flex\"},\"anthropic\":{\"cacheCreationInputTokens\":30,\
        \"usage\":{\"cache_creation\":{\"ephemeral_1h_input_tokens\":10}}}}";
    cases.extend([
        one(Model, "mlflow.llm.model", "\"gpt-4o\"", "gpt-4o"),
        claude(Model, "model", "claude-opus-4", "claude-opus-4"),
        case(BareModel, "model", json!({"model": "\"gpt-4o\"", "mlflow.spanType": "LLM"}), json!("gpt-4o")),
        one(Provider, "gen_ai.provider.name", "openai", "openai"),
        one(Provider, "gen_ai.system", "az.ai.openai", "azure.ai.openai"),
        one(Provider, "llm.provider", "Mistral", "mistral_ai"),
        one(Provider, "llm.system", "anthropic", "anthropic"),
        one(Provider, "ai.model.provider", "google.generative-ai", "gcp.gemini"),
        one(Provider, "mlflow.llm.provider", "\"groq\"", "groq"),
        one(Provider, "langsmith.metadata.ls_provider", "amazon_bedrock", "aws.bedrock"),
        case(
            ServerAddress,
            "server.address",
            json!({"server.address": "api.x.ai", "gen_ai.request.model": "grok-4"}),
            json!("x_ai"),
        ),
        case(Parameter, "gen_ai.request.*", json!({"gen_ai.request.size": "big"}), json!({"size": "big"})),
        case(Parameter, "ai.settings.*", json!({"ai.settings.maxRetries": 2}), json!({"maxRetries": 2})),
        one(Parameter, "gen_ai.tool.definitions", "[]", json!({"tools": "[]"})),
        one(Parameter, "ai.prompt.tools", json!(["{}"]), json!({"tools": ["{}"]})),
        one(Parameter, "ai.prompt.toolChoice", "{}", json!({"tool_choice": "{}"})),
        one(
            Parameters,
            "langfuse.observation.model.parameters",
            "{\"max_tokens\":\"Infinity\"}",
            json!({"max_tokens": "Infinity"}),
        ),
        one(Parameters, "llm.invocation_parameters", "{\"top_p\":1,\"model\":\"m\"}", json!({"top_p": 1})),
        case(
            ProviderMetadata,
            "ai.response.providerMetadata",
            json!({"ai.response.providerMetadata": metadata, "gen_ai.usage.input_tokens": 100}),
            json!({"inputUncached": 70, "cacheRead": 0, "cacheWrite": 20, "cacheWrite1h": 10, "inputAudio": 0,
                "output": 0, "reasoning": 0, "outputAudio": 0}),
        ),
    ]);
    cases
}

fn amounts() -> Vec<Case> {
    use Field::{
        CacheRead, CacheWrite, CacheWrite1h, Cost, CostDetails, InputCost, InputTokens, OutputCost,
        OutputTokens, TextTokens, UncachedTokens, UsageDetails,
    };
    let details = |cache_read: u64| {
        json!({"inputUncached": 36, "cacheRead": cache_read, "cacheWrite": 0, "cacheWrite1h": 0, "inputAudio": 0,
            "output": 12, "reasoning": 8, "outputAudio": 0})
    };
    vec![
        claude(InputTokens, "input_tokens", 7, 7),
        claude(CacheRead, "cache_read_tokens", 7, 7),
        claude(CacheWrite, "cache_creation_tokens", 7, 7),
        claude(OutputTokens, "output_tokens", 7, 7),
        one(UncachedTokens, "ai.usage.inputTokenDetails.noCacheTokens", 36, 36),
        one(TextTokens, "ai.usage.outputTokenDetails.textTokens", 12, 12),
        one(CacheWrite1h, "throughline.usage.cache_write_1h", 5, 5),
        one(
            UsageDetails,
            "langfuse.observation.usage_details",
            "{\"prompt_tokens\":100,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":64},\
                \"completion_tokens_details\":{\"reasoning_tokens\":8}}",
            details(64),
        ),
        one(
            UsageDetails,
            "langfuse.observation.usage",
            "{\"input\":36,\"output\":12,\"input_cached_tokens\":65,\"output_reasoning\":8}",
            details(65),
        ),
        one(
            UsageDetails,
            "mlflow.chat.tokenUsage",
            "{\"input_tokens\":102,\"output_tokens\":20,\"total_tokens\":122,\"input_tokens_details\":\
                {\"cached_tokens\":66},\"output_tokens_details\":{\"reasoning_tokens\":8}}",
            details(66),
        ),
        one(
            UsageDetails,
            "langsmith.metadata.usage_metadata",
            "{\"input_tokens\":103,\"output_tokens\":20,\"total_tokens\":123,\"input_token_details\":\
                {\"cache_read\":67},\"output_token_details\":{\"reasoning\":8}}",
            details(67),
        ),
        one(Cost, "throughline.cost", 0.5, 0.5),
        one(Cost, "llm.cost.total", 0.25, 0.25),
        one(Cost, "gen_ai.usage.cost", 0.125, 0.125),
        one(Cost, "operation.cost", "0.75", 0.75),
        claude(Cost, "cost_usd", 0.375, 0.375),
        one(InputCost, "llm.cost.prompt", 0.5, 0.5),
        one(InputCost, "gen_ai.usage.input_cost", 0.25, 0.25),
        one(OutputCost, "llm.cost.completion", 0.5, 0.5),
        one(OutputCost, "gen_ai.usage.output_cost", 0.25, 0.25),
        one(CostDetails, "langfuse.observation.cost_details", "{\"input\":0.25,\"output\":0.5}", 0.75),
    ]
}

fn input_buckets() -> Vec<Case> {
    use Field::{CacheRead, CacheWrite, InputAudio, InputTokens};
    let mut cases: Vec<Case> = counts(
        InputTokens,
        &[
            "gen_ai.usage.input_tokens",
            "llm.token_count.prompt",
            "gen_ai.usage.prompt_tokens",
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "llm.usage.prompt_tokens",
        ],
    )
    .collect();
    cases.extend(counts(
        CacheRead,
        &[
            "gen_ai.usage.cache_read.input_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
            "gen_ai.usage.cache_read_input_tokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
            "gen_ai.usage.details.cache_read_tokens",
        ],
    ));
    cases.extend(counts(
        CacheWrite,
        &[
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "llm.token_count.prompt_details.cache_write",
            "gen_ai.usage.cache_creation_input_tokens",
            "ai.usage.inputTokenDetails.cacheWriteTokens",
            "gen_ai.usage.details.cache_write_tokens",
        ],
    ));
    cases.extend(counts(
        InputAudio,
        &[
            "gen_ai.usage.audio.input_tokens",
            "llm.token_count.prompt_details.audio",
            "gen_ai.usage.audio_input_tokens",
            "gen_ai.usage.details.input_audio_tokens",
        ],
    ));
    cases
}

fn output_buckets() -> Vec<Case> {
    use Field::{OutputAudio, OutputTokens, Reasoning, TotalTokens};
    let mut cases: Vec<Case> = counts(
        OutputTokens,
        &[
            "gen_ai.usage.output_tokens",
            "llm.token_count.completion",
            "gen_ai.usage.completion_tokens",
            "ai.usage.outputTokens",
            "ai.usage.completionTokens",
            "llm.usage.completion_tokens",
        ],
    )
    .collect();
    cases.extend(counts(
        Reasoning,
        &[
            "gen_ai.usage.reasoning.output_tokens",
            "llm.token_count.completion_details.reasoning",
            "gen_ai.usage.reasoning_tokens",
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
            "gen_ai.usage.details.reasoning_tokens",
        ],
    ));
    cases.extend(counts(
        OutputAudio,
        &[
            "gen_ai.usage.audio.output_tokens",
            "llm.token_count.completion_details.audio",
            "gen_ai.usage.audio_output_tokens",
            "gen_ai.usage.details.output_audio_tokens",
        ],
    ));
    cases.extend(counts(
        TotalTokens,
        &[
            "llm.token_count.total",
            "gen_ai.usage.total_tokens",
            "llm.usage.total_tokens",
            "ai.usage.totalTokens",
            "ai.usage.tokens",
        ],
    ));
    cases
}

fn inputs() -> Vec<Case> {
    use Field::Input;
    texts(
        Input,
        &[
            "langfuse.observation.input",
            "gen_ai.input.messages",
            "input.value",
            "ai.prompt.messages",
            "ai.prompt",
            "gen_ai.prompt",
            "ai.toolCall.args",
            "ai.value",
            "ai.values",
            "traceloop.entity.input",
            "lmnr.span.input",
            "mlflow.spanInputs",
            "pydantic_ai.all_messages",
            "all_messages_events",
            "gcp.vertex.agent.llm_request",
            "gcp.vertex.agent.tool_call_args",
            "lk.input_text",
            "lk.user_input",
            "lk.user_transcript",
            "lk.chat_ctx",
            "gen_ai.tool.call.arguments",
            "tool_arguments",
            "lk.function_tool.arguments",
            "gen_ai.retrieval.query.text",
            "reranker.query",
        ],
    )
    .collect()
}

fn outputs() -> Vec<Case> {
    use Field::Output;
    texts(
        Output,
        &[
            "langfuse.observation.output",
            "gen_ai.output.messages",
            "output.value",
            "ai.response.text",
            "ai.response.object",
            "ai.result.text",
            "ai.result.object",
            "gen_ai.completion",
            "ai.toolCall.result",
            "traceloop.entity.output",
            "lmnr.span.output",
            "mlflow.spanOutputs",
            "final_result",
            "gcp.vertex.agent.llm_response",
            "gcp.vertex.agent.tool_response",
            "lk.response.text",
            "lk.function_tool.output",
            "gen_ai.tool.call.result",
            "tool_response",
            "gen_ai.retrieval.documents",
        ],
    )
    .collect()
}

fn gathered() -> Vec<Case> {
    use Field::{Input, Output, OutputToolCalls, System};
    let message = json!([{"role": "user", "content": "hi"}]).to_string();
    let indexed = |field, row: &'static str, infix: &str| {
        let prefix = row.trim_end_matches('*');
        let attributes =
            json!({format!("{prefix}0.{infix}role"): "user", format!("{prefix}0.{infix}content"): "hi"});
        case(field, row, attributes, json!(message))
    };
    vec![
        indexed(Input, "gen_ai.prompt.*", ""),
        indexed(Input, "llm.input_messages.*", "message."),
        indexed(Input, "llm.prompts.*", "prompt."),
        indexed(Output, "gen_ai.completion.*", ""),
        indexed(Output, "llm.output_messages.*", "message."),
        indexed(Output, "retrieval.documents.*", "document."),
        indexed(Output, "reranker.output_documents.*", "document."),
        one(Input, "request_data", "{\"messages\":[]}", "{\"messages\":[]}"),
        one(Output, "response_data", "{\"message\":{}}", "{\"message\":{}}"),
        claude(Input, "user_prompt", "hi", "hi"),
        claude(Input, "prompt", "hello", "hello"),
        claude(Input, "tool_input", "{}", "{}"),
        claude(Input, "tool_parameters", "{\"a\":1}", "{\"a\":1}"),
        claude(Output, "response.model_output", "ho", "ho"),
        one(System, "gen_ai.system_instructions", "Be short.", "Be short."),
        one(OutputToolCalls, "ai.response.toolCalls", "[1]", "[1]"),
        one(OutputToolCalls, "ai.result.toolCalls", "[2]", "[2]"),
    ]
}

fn details() -> Vec<Case> {
    use Field::{FinishReason, FirstToken, Ignored, ToolArguments, ToolCallId, ToolName, ToolResult};
    let mut cases = vec![
        one(FirstToken, "gen_ai.response.time_to_first_chunk", 0.25, 250_000_000),
        one(FirstToken, "gen_ai.client.operation.time_to_first_chunk", 0.5, 500_000_000),
        one(FirstToken, "gen_ai.server.time_to_first_token", 1, 1_000_000_000),
        one(FirstToken, "lk.response.ttft", 1.25, 1_250_000_000),
        one(FirstToken, "ai.response.msToFirstChunk", 1.5, 1_500_000),
        one(FirstToken, "ai.stream.msToFirstChunk", 2, 2_000_000),
        one(
            FirstToken,
            "langfuse.observation.completion_start_time",
            "\"2026-11-21T00:00:00.003Z\"",
            3_000_000,
        ),
        claude(FirstToken, "ttft_ms", 4, 4_000_000),
        one(FinishReason, "gen_ai.response.finish_reasons", json!(["stop", "length"]), "stop,length"),
        one(FinishReason, "llm.finish_reason", "tool_calls", "tool_calls"),
        one(FinishReason, "ai.response.finishReason", "other", "other"),
        claude(FinishReason, "stop_reason", "end_turn", "end_turn"),
        claude(ToolName, "tool_name", "Bash", "Bash"),
        claude(ToolArguments, "tool_parameters", "{\"a\":1}", "{\"a\":1}"),
    ];
    cases.extend(texts(
        ToolName,
        &[
            "gen_ai.tool.name",
            "tool.name",
            "tool_call.function.name",
            "ai.toolCall.name",
            "lk.function_tool.name",
        ],
    ));
    cases.extend(texts(
        ToolCallId,
        &["gen_ai.tool.call.id", "tool_call.id", "tool.id", "ai.toolCall.id", "lk.function_tool.id"],
    ));
    cases.extend(texts(
        ToolArguments,
        &[
            "gen_ai.tool.call.arguments",
            "tool_call.function.arguments",
            "ai.toolCall.args",
            "tool_arguments",
            "lk.function_tool.arguments",
        ],
    ));
    cases.extend(texts(
        ToolResult,
        &["gen_ai.tool.call.result", "ai.toolCall.result", "tool_response", "lk.function_tool.output"],
    ));
    for row in ["input.mime_type", "output.mime_type", "logfire.json_schema", "logfire.metrics"] {
        cases.push(one(Ignored, row, "x", json!({})));
    }
    for row in [
        "langfuse.internal.*",
        "throughline.part.*",
        "gen_ai.aggregated_usage.*",
        "embedding.embeddings.*",
        "llm.tools.*",
    ] {
        cases.push(case(Ignored, row, json!({row.replace('*', "0"): "x"}), json!({})));
    }
    cases
}

/// A case for every row of the table.
pub(crate) fn cases() -> Vec<Case> {
    [
        whose(),
        outcome(),
        model(),
        amounts(),
        input_buckets(),
        output_buckets(),
        inputs(),
        outputs(),
        gathered(),
        details(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
