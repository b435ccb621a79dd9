//! Conversations: every client's encoding of messages in one form.

use serde_json::Value;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`, or what the source calls it.
    pub role: String,
    /// The speaker's name, if given.
    pub name: Option<String>,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// Why the model stopped after it.
    pub finish_reason: Option<String>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// What is said.
    Text(String),
    /// The model asks for a tool.
    ToolCall {
        /// The call's id, by which its result refers to it.
        id: Option<String>,
        /// The tool.
        name: String,
        /// What it is called with.
        arguments: Value,
    },
    /// A tool answers.
    ToolResult {
        /// The call it answers.
        id: Option<String>,
        /// The answer.
        result: Value,
    },
    /// What the model thinks.
    Reasoning(String),
    /// A picture, sound or file.
    Media {
        /// `image`, `audio`, `video`, `file`.
        kind: String,
        /// Its MIME type.
        mime_type: Option<String>,
        /// Where it lies, if it is not part of the message.
        url: Option<String>,
    },
    /// Something else, as it came.
    Other(Value),
}

/// The messages in an observation's input and output, in order.
pub fn conversation(input: Option<&Value>, output: Option<&Value>) -> Vec<Message> {
    let _ = (input, output);
    Vec::new()
}

/// The first thing the user says.
pub fn first_user_text(messages: &[Message]) -> Option<String> {
    let _ = messages;
    None
}

/// The last thing the user says.
pub fn last_user_text(messages: &[Message]) -> Option<String> {
    let _ = messages;
    None
}

/// The last thing the model says.
pub fn answer_text(messages: &[Message]) -> Option<String> {
    let _ = messages;
    None
}

/// Appends what people would search for in `raw`, which is plain text or JSON text, to `out`: at most `limit` bytes.
pub fn searchable_text(raw: &str, out: &mut String, limit: usize) {
    out.push_str(&raw[..raw.floor_char_boundary(limit)]);
}
