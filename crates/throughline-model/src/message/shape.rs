//! The outer shapes: what a list or an object of messages looks like.

use serde_json::{Map, Value};

use super::part::{self, text_at};
use super::{Message, Part};

/// Wrappers within wrappers are followed this far.
const DEEPEST: usize = 8;

type Object = Map<String, Value>;

/// Appends the messages in `value`; those without a role get `role`.
pub(super) fn messages(value: &Value, role: &str, out: &mut Vec<Message>) {
    match value {
        // A list or object that was sent as a text of JSON.
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            match serde_json::from_str(text) {
                Ok(inner) => any(&inner, role, 0, out),
                Err(_) => any(value, role, 0, out),
            }
        }
        _ => any(value, role, 0, out),
    }
}

fn any(value: &Value, role: &str, depth: usize, out: &mut Vec<Message>) {
    match value {
        Value::Null => {}
        Value::Array(items) if depth < DEEPEST => list(items, role, depth, out),
        Value::Object(object) if depth < DEEPEST => one(object, role, depth, out),
        other => push(role, part::parts(other), out),
    }
}

fn push(role: &str, parts: Vec<Part>, out: &mut Vec<Message>) {
    if !parts.is_empty() {
        out.push(Message { role: role.to_owned(), name: None, parts, finish_reason: None });
    }
}

fn list(items: &[Value], role: &str, depth: usize, out: &mut Vec<Message>) {
    let is_message = |item: &Value| match item {
        Value::Object(object) => is_message(object) || wrapped(object).is_some(),
        Value::Array(_) => true,
        _ => false,
    };
    if items.iter().any(is_message) {
        for item in items {
            any(item, role, depth + 1, out);
        }
    } else {
        // Blocks of one message, or whatever else comes in lists.
        push(role, items.iter().flat_map(part::parts).collect(), out);
    }
}

/// Whether the object is a message itself: it names a role, or is one of LangChain's.
fn is_message(object: &Object) -> bool {
    object.get("role").is_some_and(Value::is_string)
        || object.contains_key("parts")
        || langchain_role(object).is_some()
        || object.contains_key("tool_calls")
        || matches!(text_at(object, "type"), Some("message" | "function_call" | "function_call_output"))
        || object.contains_key("finish_reason")
            && (object.contains_key("message") || object.contains_key("text"))
}

fn one(object: &Object, role: &str, depth: usize, out: &mut Vec<Message>) {
    if let Some(kwargs) = object.get("kwargs").and_then(Value::as_object)
        && let Some(role) = langchain_role(object)
    {
        return out.push(message(kwargs, role));
    }
    // Anthropic, Gemini and OpenAI's responses keep the instructions beside the messages.
    if ["messages", "contents", "input", "prompt"].iter().any(|name| object.contains_key(*name)) {
        for instructions in ["system", "systemInstruction", "instructions"] {
            let content = object.get(instructions).map(part::content);
            push("system", content.unwrap_or_default(), out);
        }
    }
    for (lists, role) in [
        ("messages", role),
        ("contents", role),
        ("choices", "assistant"),
        ("candidates", "assistant"),
        ("generations", "assistant"),
    ] {
        if let Some(Value::Array(items)) = object.get(lists)
            && !object.contains_key("role")
        {
            let before = out.len();
            items.iter().for_each(|item| any(item, role, depth + 1, out));
            if out.len() > before {
                return;
            }
        }
    }
    if let Some(choice) = choice(object, role, depth) {
        return out.extend(choice);
    }
    if is_message(object) || part::is_part(object) {
        let message = message(object, role);
        if !message.parts.is_empty() || message.finish_reason.is_some() {
            out.push(message);
        }
        return;
    }
    match wrapped(object) {
        Some(inner) => any(inner, role, depth + 1, out),
        None => push(role, vec![Part::Other(Value::Object(object.clone()))], out),
    }
}

/// An answer of several: `{"message": {...}, "finish_reason": "stop"}`, or Gemini's `{"content": {...}}`.
fn choice(object: &Object, role: &str, depth: usize) -> Option<Vec<Message>> {
    let inner = ["message", "delta", "content"].iter().find_map(|name| object.get(*name)?.as_object())?;
    if !is_message(inner) && !inner.contains_key("content") && !inner.contains_key("kwargs") {
        return None;
    }
    let mut messages = Vec::new();
    one(inner, role, depth + 1, &mut messages);
    let reason = finish_reason(object);
    if let (Some(last), Some(reason)) = (messages.last_mut(), reason) {
        last.finish_reason.get_or_insert(reason);
    }
    Some(messages)
}

/// What a wrapper is around, by the names that applications give to what goes in and comes out.
fn wrapped(object: &Object) -> Option<&Value> {
    const NAMES: [&str; 27] = [
        "message",
        "content",
        "text",
        "input",
        "query",
        "question",
        "prompt",
        "user_input",
        "userInput",
        "user_message",
        "user_prompt",
        "chat_input",
        "inputs",
        "args",
        "response",
        "answer",
        "output",
        "output_text",
        "outputs",
        "result",
        "completion",
        "reply",
        "generated_text",
        "final_output",
        "return_value",
        "data",
        "value",
    ];
    let usable = |value: &&Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
        _ => false,
    };
    let named = NAMES.iter().find_map(|name| object.get(*name).filter(usable));
    // Traceloop's `{"args": [], "kwargs": {...}}`.
    named.or_else(|| {
        object.get("kwargs").filter(|kwargs| kwargs.as_object().is_some_and(|map| !map.is_empty()))
    })
}

/// One message from its object, of which at least one field is a message's.
fn message(object: &Object, default_role: &str) -> Message {
    let said = text_at(object, "role").map(normal_role).or_else(|| langchain_role(object));
    let is_result = text_at(object, "type") == Some("function_call_output");
    let role = said.unwrap_or(if is_result { "tool" } else { default_role });
    let mut parts = Vec::new();
    for name in ["reasoning_content", "reasoning"] {
        if let Some(thought) = text_at(object, name).filter(|thought| !thought.is_empty()) {
            parts.push(Part::Reasoning(thought.to_owned()));
        }
    }
    let whole = Value::Object(object.clone());
    let contents = ["content", "parts", "contents", "text", "refusal", "message"]
        .iter()
        .filter_map(|name| object.get(*name));
    if part::is_part(object) && !object.contains_key("role") {
        parts.extend(part::parts(&whole));
    } else if let Some(content) = contents.into_iter().find(|content| !content.is_null()) {
        parts.extend(part::content(content));
    }
    let id =
        ["tool_call_id", "toolCallId", "id"].iter().find_map(|name| text_at(object, name)).map(str::to_owned);
    if role == "tool" && parts.iter().all(|part| matches!(part, Part::Text(_))) && !parts.is_empty() {
        let text: Vec<_> = parts
            .iter()
            .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
            .collect();
        parts = vec![Part::ToolResult { id, result: part::unquoted(&text.join("\n")) }];
    }
    for calls in [
        object.get("tool_calls"),
        object.get("toolCalls"),
        object.get("additional_kwargs").and_then(|more| more.get("tool_calls")),
    ] {
        parts.extend(calls.and_then(Value::as_array).into_iter().flatten().map(part::tool_call));
    }
    parts.extend(object.get("function_call").filter(|call| call.is_object()).map(part::tool_call));
    let spoken = object.get("audio").and_then(|audio| audio.get("transcript")).and_then(Value::as_str);
    parts.extend(spoken.map(|text| Part::Text(text.to_owned())));
    Message {
        role: role.to_owned(),
        name: text_at(object, "name").filter(|_| !part::is_part(object)).map(str::to_owned),
        parts,
        finish_reason: finish_reason(object),
    }
}

fn finish_reason(object: &Object) -> Option<String> {
    let named =
        ["finish_reason", "finishReason", "stop_reason"].iter().find_map(|name| text_at(object, name));
    named.filter(|reason| !reason.is_empty()).map(str::to_owned)
}

fn normal_role(role: &str) -> &str {
    match role {
        "human" => "user",
        "ai" | "model" | "bot" => "assistant",
        "function" => "tool",
        "developer" => "system",
        other => other,
    }
}

/// The role in LangChain's `{"type": "human", ...}` and `{"lc": 1, "id": [..., "HumanMessage"], "kwargs": {...}}`.
fn langchain_role(object: &Object) -> Option<&'static str> {
    let class = match object.get("id") {
        Some(Value::Array(path)) => path.last().and_then(Value::as_str),
        _ => None,
    };
    match class.or_else(|| text_at(object, "type").filter(|_| object.contains_key("content")))? {
        "human" | "HumanMessage" | "HumanMessageChunk" => Some("user"),
        "ai" | "AIMessage" | "AIMessageChunk" => Some("assistant"),
        "system" | "SystemMessage" => Some("system"),
        "tool" | "function" | "ToolMessage" | "FunctionMessage" => Some("tool"),
        _ => None,
    }
}
