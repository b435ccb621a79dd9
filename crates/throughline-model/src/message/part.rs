//! The pieces of a message, in each source's encoding.

use serde_json::{Map, Value};

use super::Part;

type Object = Map<String, Value>;

/// A text field of an object.
pub(super) fn text_at<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name)?.as_str()
}

fn first_text<'o>(object: &'o Object, names: &[&str]) -> Option<&'o str> {
    names.iter().find_map(|name| text_at(object, name))
}

fn first_value(object: &Object, names: &[&str]) -> Value {
    let found = names.iter().find_map(|name| object.get(*name));
    match found {
        Some(Value::String(text)) => unquoted(text),
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

/// The JSON that a text is, if it is an object or an array; else the text.
pub(super) fn unquoted(text: &str) -> Value {
    match text.trim_start().starts_with(['{', '[']) {
        true => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        false => Value::from(text),
    }
}

/// The pieces that a message's content is made of: a text, one piece, or a list of them.
pub(super) fn content(value: &Value) -> Vec<Part> {
    match value {
        Value::Array(items) => items.iter().flat_map(parts).collect(),
        other => parts(other),
    }
}

/// The pieces of one item.
pub(super) fn parts(value: &Value) -> Vec<Part> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![Part::Text(text.clone())],
        Value::Object(object) => vec![of_object(object)],
        other => vec![Part::Other(other.clone())],
    }
}

/// Whether an object is a piece by itself: a block with a known type.
pub(super) fn is_part(object: &Object) -> bool {
    text_at(object, "type").is_some() && !matches!(of_object(object), Part::Other(_))
}

fn of_object(object: &Object) -> Part {
    if let Some(Value::Object(inner)) = object.get("message_content") {
        return of_object(inner);
    }
    let other = || Part::Other(Value::Object(object.clone()));
    let text = |names: &[&str]| first_text(object, names).map(str::to_owned);
    match text_at(object, "type").unwrap_or("") {
        "text" | "input_text" | "output_text" | "refusal" => {
            text(&["text", "content", "refusal"]).map_or_else(other, Part::Text)
        }
        "reasoning" | "thinking" | "redacted_thinking" => {
            let summary = || object.get("summary").map(|summary| texts_in(summary).join("\n"));
            let thought = text(&["content", "text", "thinking", "reasoning"]).or_else(summary);
            thought.map_or_else(other, Part::Reasoning)
        }
        "tool_call" | "tool-call" | "tool_use" | "server_tool_use" | "server_tool_call" | "function_call"
        | "function" => tool_call(&Value::Object(object.clone())),
        "tool_call_response"
        | "server_tool_call_response"
        | "tool-result"
        | "tool_result"
        | "function_call_output" => Part::ToolResult {
            id: text(&["id", "toolCallId", "tool_use_id", "call_id", "tool_call_id"]),
            result: first_value(
                object,
                &["response", "result", "output", "content", "server_tool_call_response"],
            ),
        },
        "image_url" | "image" | "input_image" => media("image", object),
        "input_audio" | "audio" => media("audio", object),
        "video" | "video_url" => media("video", object),
        "file" | "input_file" | "document" => media("file", object),
        "blob" | "uri" => media(text_at(object, "modality").unwrap_or("file"), object),
        "" => untyped(object).unwrap_or_else(other),
        _ => other(),
    }
}

/// Gemini's pieces, and others that say what they are by the name of their only field.
fn untyped(object: &Object) -> Option<Part> {
    if let Some(text) = text_at(object, "text") {
        return Some(match object.get("thought") {
            Some(Value::Bool(true)) => Part::Reasoning(text.to_owned()),
            _ => Part::Text(text.to_owned()),
        });
    }
    if let Some(call) = object.get("functionCall").or_else(|| object.get("function_call")) {
        return Some(tool_call(call));
    }
    if let Some(Value::Object(answer)) =
        object.get("functionResponse").or_else(|| object.get("function_response"))
    {
        let id = first_text(answer, &["id", "name"]).map(str::to_owned);
        return Some(Part::ToolResult { id, result: first_value(answer, &["response"]) });
    }
    for data in ["inlineData", "inline_data", "fileData", "file_data"] {
        if let Some(Value::Object(data)) = object.get(data) {
            let mime_type = first_text(data, &["mimeType", "mime_type"]).unwrap_or("");
            return Some(media(mime_type.split('/').next().unwrap_or("file"), data));
        }
    }
    None
}

/// A tool call in any encoding; one that is none of them keeps what it is as its arguments.
pub(super) fn tool_call(value: &Value) -> Part {
    const ARGUMENTS: [&str; 5] = ["arguments", "args", "input", "parameters", "server_tool_call"];
    let empty = Object::new();
    let call = value.as_object().unwrap_or(&empty);
    // OpenInference wraps each call, OpenAI only what is called.
    let call = call.get("tool_call").and_then(Value::as_object).unwrap_or(call);
    let function = call.get("function").and_then(Value::as_object).unwrap_or(call);
    let name =
        first_text(function, &["name", "toolName"]).or_else(|| first_text(call, &["name", "toolName"]));
    let Some(name) = name else { return Part::Other(value.clone()) };
    Part::ToolCall {
        id: first_text(call, &["call_id", "id", "toolCallId", "tool_call_id"]).map(str::to_owned),
        name: name.to_owned(),
        arguments: first_value(function, &ARGUMENTS),
    }
}

fn media(kind: &str, object: &Object) -> Part {
    let source = object.get("source").and_then(Value::as_object);
    let inner = ["image_url", "file", "input_audio", "video_url", "image"]
        .iter()
        .find_map(|name| object.get(*name)?.as_object());
    let places = [Some(object), source, inner];
    let find = |names: &[&str]| places.iter().flatten().find_map(|place| first_text(place, names));
    let url = find(&["url", "uri", "image_url", "file_url", "fileUri", "file_uri", "file_id", "image"]);
    Part::Media {
        kind: kind.to_owned(),
        mime_type: find(&["mime_type", "mimeType", "media_type", "mediaType"]).map(str::to_owned),
        // What is carried along is not worth carrying any further.
        url: url.filter(|url| !url.starts_with("data:") && url.len() < 4096).map(str::to_owned),
    }
}

fn texts_in(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts_in).collect(),
        Value::Object(object) => object.get("text").map(texts_in).unwrap_or_default(),
        _ => Vec::new(),
    }
}
