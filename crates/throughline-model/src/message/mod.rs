//! Conversations: every client's encoding of messages in one form.
//!
//! Understood are OpenAI's chat and responses shapes, OpenTelemetry's messages of parts, Anthropic's blocks, Gemini's
//! contents, Vercel AI SDK prompts, LangChain's messages (serialised or not), wrappers such as `{"messages": [...]}`,
//! `{"message": ...}` and `{"answer": ...}`, and plain text. What is none of these is kept as [`Part::Other`]; nothing
//! is an error.

mod part;
mod search;
mod shape;

use serde_json::Value;

pub use search::searchable_text;

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

impl Message {
    /// What is said in it, without tool calls, thoughts and media; empty if nothing is.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// The messages in an observation's input and output, in order. A text without a role is the user's in the input and
/// the assistant's in the output.
///
/// ```
/// use serde_json::json;
/// use throughline_model::message::{answer_text, conversation, first_user_text};
///
/// let input = json!([{"role": "user", "content": "Where is my order?"}]);
/// let output = json!({"choices": [{"message": {"content": "On its way."}, "finish_reason": "stop"}]});
/// let messages = conversation(Some(&input), Some(&output));
/// assert_eq!(first_user_text(&messages).as_deref(), Some("Where is my order?"));
/// assert_eq!(answer_text(&messages).as_deref(), Some("On its way."));
/// assert_eq!(messages[1].finish_reason.as_deref(), Some("stop"));
/// ```
pub fn conversation(input: Option<&Value>, output: Option<&Value>) -> Vec<Message> {
    let mut messages = Vec::new();
    for (value, role) in [(input, "user"), (output, "assistant")] {
        if let Some(value) = value {
            shape::messages(value, role, &mut messages);
        }
    }
    messages
}

/// The first thing the user says.
pub fn first_user_text(messages: &[Message]) -> Option<String> {
    texts_of(messages, "user").next()
}

/// The last thing the user says.
pub fn last_user_text(messages: &[Message]) -> Option<String> {
    texts_of(messages, "user").last()
}

/// The last thing the model says.
pub fn answer_text(messages: &[Message]) -> Option<String> {
    texts_of(messages, "assistant").last()
}

fn texts_of<'m>(messages: &'m [Message], role: &'m str) -> impl Iterator<Item = String> {
    let said = messages.iter().filter(move |message| message.role == role);
    said.map(Message::text).filter(|text| !text.trim().is_empty())
}
