//! Spans as clients send them of which no capture exists, put together from their conventions: here it shows that rows
//! which are right one by one are right together.

use serde_json::{Value, json};
use throughline_model::message::{answer_text, conversation, first_user_text};
use throughline_model::otlp::{SpanFacts, observation};

use crate::support::{request, span, with_facts};

fn check(scope: &str, attributes: &Value, check: impl FnOnce(&SpanFacts<'_>)) {
    with_facts(&request(&json!({"service.name": "shop"}), scope, vec![span(attributes)]), check);
}

/// What was asked and answered, in plain text.
fn said(facts: &SpanFacts<'_>) -> (Option<String>, Option<String>) {
    let observation = observation(facts);
    let messages = conversation(observation.input.as_ref(), observation.output.as_ref());
    (first_user_text(&messages), answer_text(&messages))
}

#[track_caller]
fn assert_said(facts: &SpanFacts<'_>, asked: &str, answered: &str) {
    assert_eq!(said(facts), (Some(asked.to_owned()), Some(answered.to_owned())));
}

/// Type, model, model asked, provider, session.
fn who<'f>(facts: &'f SpanFacts<'_>) -> [Option<&'f str>; 5] {
    [
        Some(facts.kind.as_str()),
        facts.model.as_deref(),
        facts.requested_model.as_deref(),
        facts.provider.as_deref(),
        facts.session_id.as_deref(),
    ]
}

#[test]
fn vercel_ai_sdk_6() {
    let call = json!({
        "operation.name": "ai.generateText.doGenerate support-turn", "resource.name": "support-turn",
        "ai.operationId": "ai.generateText.doGenerate", "ai.telemetry.functionId": "support-turn",
        "ai.telemetry.metadata.sessionId": "s1", "ai.telemetry.metadata.userId": "u1", "ai.telemetry.metadata.plan": "pro",
        "ai.model.provider": "openai.chat", "ai.model.id": "gpt-4o", "gen_ai.system": "openai.chat",
        "gen_ai.request.model": "gpt-4o", "gen_ai.request.temperature": 0.2, "ai.settings.maxRetries": 2,
        "ai.prompt.messages": "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]",
        "ai.response.text": "hello", "ai.response.toolCalls": "[{\"toolCallId\":\"c1\",\"toolName\":\"lookup\",\"input\":\"{}\"}]",
        "ai.response.finishReason": "tool-calls", "gen_ai.response.finish_reasons": ["tool-calls"],
        "ai.response.model": "gpt-4o-2024-08-06", "gen_ai.response.model": "gpt-4o-2024-08-06",
        "ai.response.msToFirstChunk": 12.5, "ai.usage.promptTokens": 100, "ai.usage.completionTokens": 20,
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20, "ai.usage.cachedInputTokens": 64,
        "ai.usage.reasoningTokens": 8,
    });
    check("ai", &call, |facts| {
        let expected = ["generation", "gpt-4o-2024-08-06", "gpt-4o", "openai", "s1"];
        assert_eq!(who(facts), expected.map(Some));
        assert_said(facts, "hi", "hello");
        let usage = facts.usage.unwrap();
        assert_eq!([usage.input_uncached, usage.cache_read, usage.output, usage.reasoning], [36, 64, 12, 8]);
        assert_eq!(
            (facts.user_id.as_deref(), facts.finish_reason.as_deref()),
            (Some("u1"), Some("tool-calls"))
        );
        assert_eq!((facts.metadata.len(), facts.model_parameters.len()), (1, 2));
        assert_eq!(facts.time_to_first_token, Some(12_500_000));
        let tool_call = &observation(facts).output.unwrap()[0]["tool_calls"][0];
        assert_eq!(tool_call["toolName"], "lookup");
    });
    let outer = json!({"ai.operationId": "ai.generateText", "ai.model.id": "gpt-4o", "ai.prompt": "{\"prompt\":\"hi\"}",
        "ai.response.text": "hello", "ai.usage.inputTokens": 100});
    check("ai", &outer, |facts| {
        assert_eq!((facts.kind.as_str(), facts.usage.map(|usage| usage.total())), ("span", Some(100)));
        assert_said(facts, "hi", "hello");
    });
    let tool = json!({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "lookup", "ai.toolCall.id": "c1",
        "ai.toolCall.args": "{\"id\":7}", "ai.toolCall.result": "\"found\""});
    check("ai", &tool, |facts| {
        assert_eq!((facts.kind.as_str(), facts.tool_name.as_deref()), ("tool", Some("lookup")));
        assert_eq!(facts.input, facts.tool_arguments);
        assert_eq!(observation(facts).output, Some(json!("found")));
    });
}

#[test]
fn openllmetry() {
    let call = json!({
        "llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be short.",
        "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "hi", "gen_ai.prompt.10.role": "user",
        "gen_ai.prompt.10.content": "again", "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "hello",
        "gen_ai.completion.0.finish_reason": "stop", "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "lookup", "gen_ai.completion.0.tool_calls.0.arguments": "{\"id\":7}",
        "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20, "llm.usage.total_tokens": 120,
        "gen_ai.usage.cache_read_input_tokens": 64, "gen_ai.usage.reasoning_tokens": 8,
        "traceloop.association.properties.chat_id": "s1", "traceloop.association.properties.user_id": "u1",
        "traceloop.association.properties.plan": "pro", "traceloop.workflow.name": "support",
    });
    check("opentelemetry.instrumentation.openai.v1", &call, |facts| {
        let expected = ["generation", "gpt-4o-2024-08-06", "gpt-4o", "openai", "s1"];
        assert_eq!(who(facts), expected.map(Some));
        assert_said(facts, "hi", "hello");
        let input = observation(facts).input.unwrap();
        assert_eq!((input.as_array().unwrap().len(), &input[2]["content"]), (3, &json!("again")));
        let usage = facts.usage.unwrap();
        assert_eq!([usage.input_uncached, usage.cache_read, usage.output, usage.reasoning], [36, 64, 12, 8]);
        assert_eq!((facts.trace_name.as_deref(), facts.metadata.len()), (Some("support"), 1));
        assert_eq!(facts.attributes.len(), 0, "{:?}", facts.attributes);
    });
    let tool = json!({"traceloop.span.kind": "tool", "traceloop.entity.name": "lookup",
        "traceloop.entity.input": "{\"args\":[],\"kwargs\":{\"id\":7}}", "traceloop.entity.output": "\"found\""});
    check("traceloop.tracer", &tool, |facts| {
        assert_eq!((facts.kind.as_str(), facts.tool_name.as_deref()), ("tool", Some("lookup")));
        assert_eq!(observation(facts).output, Some(json!("found")));
    });
}

#[test]
fn pydantic_ai() {
    let agent = json!({
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support", "agent_name": "support",
        "model_name": "gpt-4o", "gen_ai.conversation.id": "s1", "logfire.msg": "support run", "logfire.json_schema": "{}",
        "logfire.metrics": "{}", "gen_ai.aggregated_usage.input_tokens": 200, "gen_ai.aggregated_usage.output_tokens": 40,
        "pydantic_ai.all_messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]},\
            {\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"hello\"}]}]",
        "final_result": "hello", "operation.cost": 0.001,
    });
    check("pydantic-ai", &agent, |facts| {
        assert_eq!(
            (facts.kind.as_str(), facts.usage, facts.session_id.as_deref()),
            ("agent", None, Some("s1"))
        );
        assert_said(facts, "hi", "hello");
        assert_eq!(facts.given_cost.map(|cost| cost.picodollars()), Some(1_000_000_000));
        assert!(
            !facts.attributes.iter().any(|(key, _)| key.starts_with("logfire.m") && key != "logfire.msg")
        );
    });
}

#[test]
fn mlflow() {
    let call = json!({
        "mlflow.spanType": "\"CHAT_MODEL\"", "mlflow.trace.session": "\"s1\"", "mlflow.trace.user": "\"u1\"",
        "mlflow.spanInputs": "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"gpt-4o\"}",
        "mlflow.spanOutputs": "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"hello\"}}]}",
        "mlflow.chat.tokenUsage": "{\"input_tokens\":100,\"output_tokens\":20,\"total_tokens\":120,\"cache_read_input_tokens\":64}",
        "model": "\"gpt-4o\"", "mlflow.llm.provider": "\"openai\"",
    });
    check("mlflow", &call, |facts| {
        assert_eq!(who(facts), [Some("generation"), Some("gpt-4o"), None, Some("openai"), Some("s1")]);
        assert_said(facts, "hi", "hello");
        let usage = facts.usage.unwrap();
        assert_eq!([usage.input_uncached, usage.cache_read, usage.output], [36, 64, 20]);
    });
}

#[test]
fn laminar() {
    let call = json!({
        "lmnr.span.type": "LLM", "lmnr.span.path": ["root", "call"], "lmnr.association.properties.session_id": "s1",
        "lmnr.association.properties.user_id": "u1", "lmnr.association.properties.tags": ["a"],
        "lmnr.association.properties.metadata.plan": "pro", "gen_ai.system": "anthropic", "gen_ai.request.model": "claude",
        "gen_ai.input.messages": "[{\"role\":\"user\",\"content\":\"hi\"}]",
        "gen_ai.output.messages": "[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"hello\"}}]",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 20, "gen_ai.usage.input_cost": 0.25,
        "gen_ai.usage.output_cost": 0.5,
    });
    check("lmnr", &call, |facts| {
        assert_eq!(
            who(facts),
            [Some("generation"), Some("claude"), Some("claude"), Some("anthropic"), Some("s1")]
        );
        assert_said(facts, "hi", "hello");
        assert_eq!((facts.tags.len(), facts.metadata[0].0.as_ref()), (1, "plan"));
        assert_eq!(facts.given_cost.map(|cost| cost.dollars()), Some(0.75));
    });
}

#[test]
fn langsmith() {
    let call = json!({
        "langsmith.span.kind": "llm", "langsmith.trace.name": "support", "langsmith.metadata.thread_id": "s1",
        "langsmith.trace.session_id": "not this", "langsmith.metadata.user_id": "u1", "langsmith.metadata.ls_provider": "openai",
        "langsmith.metadata.ls_model_name": "gpt-4o", "langsmith.span.tags": "a, b",
        "gen_ai.prompt": "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        "gen_ai.completion": "{\"generations\":[[{\"text\":\"hello\"}]]}", "gen_ai.usage.input_tokens": 10,
    });
    check("langsmith", &call, |facts| {
        assert_eq!(
            who(facts),
            [Some("generation"), Some("gpt-4o"), Some("gpt-4o"), Some("openai"), Some("s1")]
        );
        assert_said(facts, "hi", "hello");
        assert_eq!((facts.tags.len(), facts.trace_name.as_deref()), (2, Some("support")));
    });
}

#[test]
fn claude_code_traces() {
    let call = json!({"session.id": "s1", "span.type": "llm_request", "model": "claude-opus-5", "gen_ai.system": "anthropic",
        "gen_ai.request.model": "claude-opus-5", "input_tokens": 2, "output_tokens": 1200, "cache_read_tokens": 84562,
        "cache_creation_tokens": 7096, "ttft_ms": 3, "success": true, "stop_reason": "tool_use"});
    check("com.anthropic.claude_code.tracing", &call, |facts| {
        let expected = ["generation", "claude-opus-5", "claude-opus-5", "anthropic", "s1"];
        assert_eq!(who(facts), expected.map(Some));
        let usage = facts.usage.unwrap();
        assert_eq!(
            [usage.input_uncached, usage.cache_read, usage.cache_write, usage.output],
            [2, 84562, 7096, 1200]
        );
        assert_eq!((facts.finish_reason.as_deref(), facts.flags.len()), (Some("tool_use"), 0));
    });
}

#[test]
fn google_adk_and_livekit() {
    let call = json!({"gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "gemini-2.5-pro",
        "gcp.vertex.agent.session_id": "s1",
        "gcp.vertex.agent.llm_request": "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}",
        "gcp.vertex.agent.llm_response": "{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hello\"}]}}"});
    check("gcp.vertex.agent", &call, |facts| {
        assert_eq!((facts.kind.as_str(), facts.session_id.as_deref()), ("generation", Some("s1")));
        assert_said(facts, "hi", "hello");
    });
    let tool = json!({"lk.function_tool.name": "lookup", "lk.function_tool.id": "c1",
        "lk.function_tool.arguments": "{\"id\":7}", "lk.function_tool.output": "found"});
    check("livekit-agents", &tool, |facts| {
        assert_eq!((facts.kind.as_str(), facts.tool_name.as_deref()), ("tool", Some("lookup")));
        assert_eq!((facts.input.as_deref(), facts.output.as_deref()), (Some("{\"id\":7}"), Some("found")));
    });
}

#[test]
fn opentelemetry_with_the_messages_in_an_event() {
    use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
    let details = json!({"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        "gen_ai.output.messages": "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"hello\"}]}]",
        "gen_ai.system_instructions": "[{\"type\":\"text\",\"content\":\"Be short.\"}]"});
    let event = Event {
        name: "gen_ai.client.inference.operation.details".to_owned(),
        attributes: crate::support::attributes(&details),
        ..Event::default()
    };
    let call = span(&json!({"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o"}));
    let body = request(&json!({}), "gen_ai", vec![Span { events: vec![event], ..call }]);
    with_facts(&body, |facts| {
        assert_said(facts, "hi", "hello");
        assert_eq!(observation(facts).input.unwrap()[0]["role"], "system");
        assert!(facts.attributes.is_empty());
    });
}
