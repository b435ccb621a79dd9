//! Inputs and outputs read as messages.

use serde_json::Value;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub role: Role,
    pub parts: Vec<Part>,
}

/// What a message consists of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    Reasoning(String),
    Call {
        id: Option<String>,
        name: String,
        arguments: Value,
    },
    Result {
        id: Option<String>,
        name: Option<String>,
        content: Value,
    },
    /// A picture, sound or file: what it is and where it lies.
    Media(String),
    Other(Value),
}

/// The messages in an input or output; none if it is something else.
pub(super) fn read(value: &Value, usual: Role) -> Vec<Said> {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => read(&inner, usual),
            _ => Vec::new(),
        },
        Value::Array(items) => {
            items.iter().map(|item| one(item, usual)).collect::<Option<Vec<_>>>().unwrap_or_default()
        }
        Value::Object(fields) => {
            if let Some(inner) = fields.get("messages").or_else(|| fields.get("choices")) {
                return read(inner, usual);
            }
            if let Some(inner) = fields.get("message").filter(|inner| inner.is_object()) {
                return read(inner, usual);
            }
            one(value, usual).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn one(value: &Value, usual: Role) -> Option<Said> {
    let fields = value.as_object()?;
    let role = match fields.get("role")?.as_str()? {
        "system" | "developer" => Role::System,
        "user" | "human" => Role::User,
        "tool" | "function" => Role::Tool,
        "assistant" | "ai" | "model" => Role::Assistant,
        _ => usual,
    };
    let mut parts = Vec::new();
    match fields.get("content").or_else(|| fields.get("parts")) {
        Some(Value::String(text)) => parts.push(Part::Text(text.clone())),
        Some(Value::Array(items)) => parts.extend(items.iter().map(part)),
        _ => {}
    }
    for call in fields.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        let function = call.get("function").unwrap_or(call);
        parts.push(Part::Call {
            id: call.get("id").and_then(Value::as_str).map(str::to_owned),
            name: function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: function.get("arguments").cloned().unwrap_or_default(),
        });
    }
    Some(Said { role, parts })
}

fn part(value: &Value) -> Part {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    match value.get("type").and_then(Value::as_str) {
        Some("text") => Part::Text(text("text").or_else(|| text("content")).unwrap_or_default()),
        Some("reasoning" | "thinking") => {
            Part::Reasoning(text("content").or_else(|| text("text")).unwrap_or_default())
        }
        Some("tool_call") => Part::Call {
            id: text("id"),
            name: text("name").unwrap_or_default(),
            arguments: value.get("arguments").cloned().unwrap_or_default(),
        },
        Some("tool_call_response") => Part::Result {
            id: text("id"),
            name: text("name"),
            content: value.get("response").or_else(|| value.get("result")).cloned().unwrap_or_default(),
        },
        Some(kind @ ("image" | "image_url" | "audio" | "file")) => Part::Media(kind.to_owned()),
        _ => Part::Other(value.clone()),
    }
}
