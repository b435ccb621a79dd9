//! The names that each convention gives to kinds of work, levels and providers, in our words.

use std::borrow::Cow;

use crate::{Level, ObservationType};

/// One convention's names of kinds of work; `None` for those that say nothing.
pub(super) type KindOf = fn(&str) -> Option<ObservationType>;
/// One convention's names of levels.
pub(super) type LevelOf = fn(&str) -> Option<Level>;

use ObservationType::{Agent, Chain, Embedding, Evaluator, Generation, Reranker, Retriever, Span, Tool};

pub(super) fn own_kind(name: &str) -> Option<ObservationType> {
    ObservationType::from_name(name)
}

pub(super) fn openinference_kind(name: &str) -> Option<ObservationType> {
    Some(match name {
        "LLM" => Generation,
        "PROMPT" | "DECISION" => Span,
        "UNKNOWN" => return None,
        other => return ObservationType::from_name(other),
    })
}

pub(super) fn gen_ai_kind(name: &str) -> Option<ObservationType> {
    Some(match name {
        "chat" | "text_completion" | "generate_content" => Generation,
        "embeddings" => Embedding,
        "execute_tool" => Tool,
        "invoke_agent" | "create_agent" | "agent_step" => Agent,
        "invoke_workflow" | "plan" => Chain,
        "retrieval" => Retriever,
        "rerank" => Reranker,
        _ => return None,
    })
}

pub(super) fn traceloop_kind(name: &str) -> Option<ObservationType> {
    Some(match name {
        "workflow" => Chain,
        "task" => Span,
        "agent" => Agent,
        "tool" => Tool,
        _ => return None,
    })
}

pub(super) fn request_kind(name: &str) -> Option<ObservationType> {
    Some(match name {
        "chat" | "completion" => Generation,
        "embedding" => Embedding,
        "rerank" => Reranker,
        _ => return None,
    })
}

pub(super) fn ai_sdk_kind(name: &str) -> Option<ObservationType> {
    let operation = name.strip_prefix("ai.")?;
    Some(match operation.rsplit_once('.').map_or("", |(_, last)| last) {
        "doGenerate" | "doStream" => Generation,
        "doEmbed" => Embedding,
        "doRerank" => Reranker,
        _ if operation == "toolCall" => Tool,
        _ => Span,
    })
}

pub(super) fn laminar_kind(name: &str) -> Option<ObservationType> {
    Some(match name {
        "LLM" | "CACHED" => Generation,
        "TOOL" => Tool,
        "PIPELINE" => Chain,
        "EXECUTOR" => Span,
        "EVALUATOR" | "HUMAN_EVALUATOR" | "EVALUATION" => Evaluator,
        _ => return None,
    })
}

pub(super) fn mlflow_kind(name: &str) -> Option<ObservationType> {
    Some(match name.trim_matches('"') {
        "LLM" | "CHAT_MODEL" => Generation,
        "WORKFLOW" => Chain,
        "TASK" | "PARSER" | "MEMORY" => Span,
        other => return ObservationType::from_name(other),
    })
}

pub(super) fn langsmith_kind(name: &str) -> Option<ObservationType> {
    Some(match name {
        "llm" => Generation,
        "prompt" | "parser" => Span,
        other => return ObservationType::from_name(other),
    })
}

/// Claude Code tells the kind by the span's name.
pub(super) fn claude_code_kind(name: &str) -> Option<ObservationType> {
    Some(match name.strip_prefix("claude_code.")? {
        "llm_request" | "api_request" | "api_error" => Generation,
        "tool" | "tool_result" => Tool,
        "interaction" => Agent,
        _ => Span,
    })
}

pub(super) fn named_level(name: &str) -> Option<Level> {
    match name {
        "DEFAULT" => Some(Level::Info),
        other => Level::from_name(other),
    }
}

pub(super) fn numbered_level(number: &str) -> Option<Level> {
    Level::from_severity_number(number.parse().ok()?)
}

/// A provider in the spelling of OpenTelemetry's `gen_ai.provider.name`.
pub(super) fn provider(name: Cow<'_, str>) -> Cow<'_, str> {
    let lower = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => name,
    };
    let known = match &*lower {
        "az.ai.openai" | "azure" | "azure_openai" | "azure-openai" | "azure.openai" => "azure.ai.openai",
        "az.ai.inference" => "azure.ai.inference",
        "bedrock" | "aws" | "amazon_bedrock" | "amazon-bedrock" | "aws_bedrock" => "aws.bedrock",
        "google" | "gemini" | "google_genai" | "google_generative_ai" => "gcp.gemini",
        "vertex_ai" | "vertexai" | "vertex" | "google_vertexai" | "google.vertex" => "gcp.vertex_ai",
        "mistral" | "mistralai" => "mistral_ai",
        "xai" | "grok" => "x_ai",
        "moonshot" | "moonshotai" => "moonshot_ai",
        "watsonx" | "ibm" => "ibm.watsonx.ai",
        _ => return vercel_provider(lower),
    };
    Cow::Borrowed(known)
}

/// Vercel's names end with the kind of model: `openai.chat`, `google.generative-ai`.
fn vercel_provider(name: Cow<'_, str>) -> Cow<'_, str> {
    const FAMILIES: [(&str, &str); 9] = [
        ("azure-openai.", "azure.ai.openai"),
        ("openai.", "openai"),
        ("anthropic.", "anthropic"),
        ("google.vertex.", "gcp.vertex_ai"),
        ("google.", "gcp.gemini"),
        ("mistral.", "mistral_ai"),
        ("xai.", "x_ai"),
        ("amazon-bedrock.", "aws.bedrock"),
        ("vertex.", "gcp.vertex_ai"),
    ];
    let family = FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix));
    if let Some((_, known)) = family {
        return Cow::Borrowed(known);
    }
    match name.rsplit_once('.') {
        Some((vendor, "chat" | "completion" | "responses" | "messages" | "embedding" | "embeddings")) => {
            Cow::Owned(vendor.to_owned())
        }
        _ => name,
    }
}

/// The provider behind a well-known host.
pub(super) fn provider_of_host(host: &str) -> Option<&'static str> {
    Some(match host {
        "api.openai.com" => "openai",
        "api.anthropic.com" => "anthropic",
        "generativelanguage.googleapis.com" => "gcp.gemini",
        "api.mistral.ai" => "mistral_ai",
        "api.cohere.com" | "api.cohere.ai" => "cohere",
        "api.deepseek.com" => "deepseek",
        "api.groq.com" => "groq",
        "api.perplexity.ai" => "perplexity",
        "api.x.ai" => "x_ai",
        "api.moonshot.ai" | "api.moonshot.cn" => "moonshot_ai",
        _ if host.ends_with("-aiplatform.googleapis.com") => "gcp.vertex_ai",
        _ if host.ends_with(".openai.azure.com") => "azure.ai.openai",
        _ if host.starts_with("bedrock-runtime.") => "aws.bedrock",
        _ => return None,
    })
}
