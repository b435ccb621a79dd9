//! Conversations in every encoding, and the words to search for.

use proptest::prelude::*;
use serde_json::{Value, json};
use throughline_model::message::{
    Message, Part, answer_text, conversation, first_user_text, last_user_text, searchable_text,
};

/// A conversation as one line per part: `role: text`, `role -> tool(arguments)`, `role <- result`.
fn printed(messages: &[Message]) -> Vec<String> {
    let line = |message: &Message, part: &Part| {
        let role = &message.role;
        match part {
            Part::Text(text) => format!("{role}: {text}"),
            Part::ToolCall { id, name, arguments } => {
                format!("{role} -> {name}({arguments}) {}", id.as_deref().unwrap_or("-"))
            }
            Part::ToolResult { id, result } => format!("{role} <- {result} {}", id.as_deref().unwrap_or("-")),
            Part::Reasoning(text) => format!("{role} thinks {text}"),
            Part::Media { kind, mime_type, url } => {
                format!(
                    "{role} shows {kind} {} {}",
                    mime_type.as_deref().unwrap_or("-"),
                    url.as_deref().unwrap_or("-")
                )
            }
            Part::Other(value) => format!("{role} ? {value}"),
        }
    };
    messages.iter().flat_map(|message| message.parts.iter().map(move |part| line(message, part))).collect()
}

#[track_caller]
fn check_input(input: &Value, expected: &[&str]) {
    assert_eq!(printed(&conversation(Some(input), None)), expected, "{input}");
}

#[track_caller]
fn check_output(output: &Value, expected: &[&str]) {
    assert_eq!(printed(&conversation(None, Some(output))), expected, "{output}");
}

#[test]
fn plain_text_and_wrappers() {
    check_input(&json!("hi"), &["user: hi"]);
    check_output(&json!("hello"), &["assistant: hello"]);
    for wrapper in ["message", "content", "query", "question", "input", "prompt", "text"] {
        check_input(&json!({wrapper: "hi"}), &["user: hi"]);
    }
    for wrapper in ["response", "answer", "output", "result", "completion"] {
        check_output(&json!({wrapper: "hello"}), &["assistant: hello"]);
    }
    check_input(&json!({"args": [], "kwargs": {"question": "hi"}}), &["user: hi"]);
    check_input(&json!({"city": "Oslo"}), &["user ? {\"city\":\"Oslo\"}"]);
    check_input(&json!("[{\"role\": \"user\", \"content\": \"hi\"}]"), &["user: hi"]);
    check_input(&json!(["one", "two"]), &["user: one", "user: two"]);
    check_input(&Value::Null, &[]);
    check_input(&json!([]), &[]);
}

#[test]
fn openai_chat() {
    let input = json!({"model": "gpt-4o", "tools": [{"type": "function"}], "messages": [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
            "function": {"name": "lookup", "arguments": "{\"id\": 7}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "{\"found\": true}"},
    ]});
    check_input(
        &input,
        &[
            "system: Be short.",
            "user: Look",
            "user shows image - https://x.test/a.png",
            "assistant -> lookup({\"id\":7}) call_1",
            "tool <- {\"found\":true} call_1",
        ],
    );
    let output = json!({"id": "chatcmpl-1", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Found.", "refusal": null, "reasoning_content": "hm"}}]});
    check_output(&output, &["assistant thinks hm", "assistant: Found."]);
    assert_eq!(conversation(None, Some(&output))[0].finish_reason.as_deref(), Some("stop"));
    check_output(&json!({"role": "assistant", "content": "Found."}), &["assistant: Found."]);
    check_output(&json!({"choices": [{"text": "Found.", "finish_reason": "stop"}]}), &["assistant: Found."]);
}

#[test]
fn openai_responses() {
    let input = json!({"instructions": "Be short.", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
    ]});
    check_input(&input, &["system: Be short.", "user: hi", "user -> lookup({}) c1", "tool <- \"done\" c1"]);
    let output = json!({"output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]},
    ]});
    check_output(&output, &["assistant thinks hm", "assistant: hello"]);
}

#[test]
fn opentelemetry_parts() {
    let input = json!([
        {"role": "system", "parts": [{"type": "text", "content": "Be short."}]},
        {"role": "user", "parts": [{"type": "text", "content": "hi"}, {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "gs://a"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "tool_call", "id": "c", "name": "lookup", "arguments": {"id": 7}}], "finish_reason": "tool_call"},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": {"found": true}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "d", "result": "none"}]},
        {"role": "user", "parts": [{"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "AAAA"}, {"type": "compaction"}]},
    ]);
    check_input(
        &input,
        &[
            "system: Be short.",
            "user: hi",
            "user shows image image/png gs://a",
            "assistant thinks hm",
            "assistant -> lookup({\"id\":7}) c",
            "tool <- {\"found\":true} c",
            "tool <- \"none\" d",
            "user shows audio audio/wav -",
            "user ? {\"type\":\"compaction\"}",
        ],
    );
    check_input(&json!([{"parts": [{"type": "text", "content": "no role"}]}]), &["user: no role"]);
    check_output(&json!([{"type": "text", "content": "no message"}]), &["assistant: no message"]);
}

#[test]
fn anthropic_blocks() {
    let input = json!({"system": [{"type": "text", "text": "Be short."}], "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "t1", "name": "lookup", "input": {"id": 7}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "found"}]}]},
        {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
    ]});
    check_input(
        &input,
        &[
            "system: Be short.",
            "user: hi",
            "assistant thinks hm",
            "assistant -> lookup({\"id\":7}) t1",
            "user <- [{\"text\":\"found\",\"type\":\"text\"}] t1",
            "user shows image image/png -",
        ],
    );
    let output = json!({"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [{"type": "text", "text": "hello"}]});
    check_output(&output, &["assistant: hello"]);
    assert_eq!(conversation(None, Some(&output))[0].finish_reason.as_deref(), Some("end_turn"));
}

#[test]
fn gemini_contents() {
    let input = json!({"systemInstruction": {"parts": [{"text": "Be short."}]}, "contents": [
        {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "lookup", "args": {"id": 7}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "lookup", "response": {"found": true}}}]},
    ]});
    let lines = printed(&conversation(Some(&input), None));
    assert_eq!(
        lines[1..],
        [
            "user: hi",
            "user shows image image/png -",
            "assistant -> lookup({\"id\":7}) -",
            "user <- {\"found\":true} lookup",
        ]
    );
    let output = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]});
    check_output(&output, &["assistant: hello"]);
}

#[test]
fn vercel_prompts() {
    let input = json!([
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "c", "toolName": "lookup", "input": {"id": 7}}]},
        {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c", "toolName": "lookup", "output": {"type": "json", "value": 1}}]},
    ]);
    check_input(
        &input,
        &[
            "system: Be short.",
            "user: hi",
            "assistant -> lookup({\"id\":7}) c",
            "tool <- {\"type\":\"json\",\"value\":1} c",
        ],
    );
    check_output(
        &json!([{"toolCallId": "c", "toolName": "lookup", "input": "{}", "type": "tool-call"}]),
        &["assistant -> lookup({}) c"],
    );
}

#[test]
fn langchain_messages() {
    let serialised = json!({"messages": [[
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "SystemMessage"], "kwargs": {"content": "Be short.", "type": "system"}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {"content": "hi", "type": "human"}},
    ]]});
    check_input(&serialised, &["system: Be short.", "user: hi"]);
    let plain = json!({"messages": [
        {"type": "human", "content": "hi", "id": "1"},
        {"type": "ai", "content": "", "tool_calls": [{"id": "c", "name": "lookup", "args": {"id": 7}}]},
        {"type": "tool", "content": "found", "tool_call_id": "c"},
    ]});
    check_input(&plain, &["user: hi", "assistant -> lookup({\"id\":7}) c", "tool <- \"found\" c"]);
    let output = json!({"generations": [[{"text": "hello", "message": {"lc": 1, "type": "constructor",
        "id": ["langchain", "AIMessage"], "kwargs": {"content": "hello"}}}]]});
    check_output(&output, &["assistant: hello"]);
}

#[test]
fn openinference_wrappers() {
    let input = json!([{"message": {"role": "user", "content": "hi"}},
        {"role": "assistant", "tool_calls": [{"tool_call": {"id": "c", "function": {"name": "lookup", "arguments": "{}"}}}]},
        {"role": "user", "contents": [{"message_content": {"type": "text", "text": "more"}}]}]);
    check_input(&input, &["user: hi", "assistant -> lookup({}) c", "user: more"]);
}

#[test]
fn first_last_and_answer() {
    let input = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "first"},
        {"role": "assistant", "content": "a"}, {"role": "user", "content": "last"}, {"role": "user", "content": " "}]);
    let messages = conversation(Some(&input), Some(&json!({"answer": "done"})));
    assert_eq!(first_user_text(&messages).as_deref(), Some("first"));
    assert_eq!(last_user_text(&messages).as_deref(), Some("last"));
    assert_eq!(answer_text(&messages).as_deref(), Some("done"));
    assert_eq!(answer_text(&conversation(Some(&json!("hi")), None)), None);
}

fn words(raw: &str) -> String {
    let mut out = String::new();
    searchable_text(raw, &mut out, 10_000);
    out
}

#[test]
fn searchable_words() {
    for (raw, expected) in [
        ("plain {text}", "plain {text}"),
        ("{not json}", "{not json}"),
        ("{'role': 'user'}", "{'role': 'user'}"),
        ("\"Hello\" she said", "\"Hello\" she said"),
        (r#""one text""#, "one text\n"),
        (r#"{"message": "hi \"you\"\nthere"}"#, "hi \"you\"\nthere\n"),
        (r#"[{"role":"user","content":"Z\u00fcrich \u2615 \ud83d\ude00"}]"#, "Zürich ☕ 😀\n"),
        (r#"{"id":"x1","type":"t","text":["a","b"],"n":4,"ok":true}"#, "a\nb\n4\n"),
        (r#"{"order": 4417, "created": 1700000000, "price": 9.5, "ids": [1]}"#, "4417\n"),
        (r#"{"role":{"text":"kept"}, "type":["dropped"]}"#, "kept\n"),
        (r#"{"arguments":"{\"order\": \"44\\u0031\"}"}"#, "441\n"),
        (r#"{"image":"data:image/png;base64,AAAA","data":"AAAA"}"#, ""),
        (r#"{"cut":"off he"#, "off he\n"),
        ("[]", "[]"),
        ("[1, 2]", "[1, 2]"),
        (r#"{"lone":"\ud800x"}"#, "\u{fffd}x\n"),
        ("", ""),
    ] {
        assert_eq!(words(raw), expected, "{raw}");
    }
}

proptest! {
    #[test]
    fn searchable_words_stay_within_the_limit(raw in ".{0,200}", limit in 0usize..120, before in ".{0,9}") {
        for raw in [raw.clone(), json!({"content": raw, "more": [raw]}).to_string(), format!("{{\"{raw}")] {
            let mut out = before.clone();
            searchable_text(&raw, &mut out, limit);
            prop_assert!(out.starts_with(&before) && out.len() <= before.len() + limit);
        }
    }

    #[test]
    fn every_text_in_json_is_found(texts in prop::collection::vec("[a-zäß☕\"\\\\\n ]{1,12}", 1..5)) {
        let ascii = |text: &str| {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            format!("\"{units}\"")
        };
        let escaped = texts.iter().map(|text| ascii(text)).collect::<Vec<_>>().join(",");
        for raw in [json!({"messages": texts}).to_string(), format!("{{\"messages\":[{escaped}]}}")] {
            let found = words(&raw);
            for text in &texts {
                // Texts that are JSON themselves are looked into.
                if !text.starts_with('"') {
                    prop_assert!(found.contains(text), "{text:?} is not in {found:?}");
                }
            }
        }
    }

    #[test]
    fn any_json_is_some_conversation(value in json_value()) {
        let messages = conversation(Some(&value), Some(&value));
        prop_assert!(messages.iter().all(|message| !message.role.is_empty() || value.to_string().contains("\"\"")));
    }
}

/// JSON made of the names that messages are made of.
fn json_value() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "role",
        "content",
        "parts",
        "type",
        "text",
        "message",
        "messages",
        "choices",
        "tool_calls",
        "function",
        "kwargs",
        "id",
        "input",
        "output",
        "name",
        "arguments",
        "generations",
        "candidates",
        "tool_call",
        "message_content",
    ]);
    let word = prop::sample::select(vec![
        "user",
        "assistant",
        "text",
        "tool_call",
        "tool_use",
        "image",
        "human",
        "function_call",
        "reasoning",
        "[{}]",
        "{",
    ]);
    let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), word.prop_map(Value::from)];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}
