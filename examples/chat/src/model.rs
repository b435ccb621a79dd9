//! Who answers: a script, so that the example runs anywhere, or any endpoint that speaks OpenAI's protocol.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// What was said, in OpenAI's form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    pub(crate) fn new(role: &str, content: &str) -> Self {
        Self { role: role.to_owned(), content: content.to_owned() }
    }
}

/// An answer, and what it took.
pub(crate) struct Reply {
    pub(crate) content: String,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The script has a line on which it fails.
    #[error("the model is overloaded, try again")]
    Overloaded,
    /// The endpoint cannot be reached, or answers otherwise than expected.
    #[error("the model did not answer: {0}")]
    Endpoint(String),
}

/// Who answers.
pub enum Model {
    /// A few lines about bicycles, spoken word by word.
    Scripted,
    /// An endpoint such as `https://api.openai.com/v1`.
    Endpoint {
        /// Without `/chat/completions`.
        base_url: String,
        /// Sent as a bearer token.
        api_key: String,
        /// The model to ask for.
        model: String,
    },
}

impl Model {
    /// What the environment says: `OPENAI_BASE_URL` with `OPENAI_API_KEY` and `OPENAI_MODEL`, else the script.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match variable("OPENAI_BASE_URL") {
            Some(base_url) => Self::Endpoint {
                base_url: base_url.trim_end_matches('/').to_owned(),
                api_key: variable("OPENAI_API_KEY").unwrap_or_default(),
                model: variable("OPENAI_MODEL").unwrap_or_else(|| "gpt-4o-mini".to_owned()),
            },
            None => Self::Scripted,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Scripted => "gpt-4o",
            Self::Endpoint { model, .. } => model,
        }
    }

    /// Answers; `piece` hears the answer as far as it comes in pieces.
    pub(crate) async fn answer(
        &self,
        messages: &[Message],
        piece: impl FnMut(&str),
    ) -> Result<Reply, ModelError> {
        match self {
            Self::Scripted => scripted(messages, piece).await,
            Self::Endpoint { base_url, api_key, model } => {
                let (url, key) = (format!("{base_url}/chat/completions"), format!("Bearer {api_key}"));
                let body = json!({"model": model, "messages": messages});
                let asked = tokio::task::spawn_blocking(move || ask(&url, &key, &body)).await;
                asked.unwrap_or_else(|error| Err(ModelError::Endpoint(error.to_string())))
            }
        }
    }
}

async fn scripted(messages: &[Message], mut piece: impl FnMut(&str)) -> Result<Reply, ModelError> {
    let said = messages.last().map(|message| message.content.to_lowercase()).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let content = match () {
        () if said.contains("overload") => return Err(ModelError::Overloaded),
        () if said.contains("hello") || said.contains("hi") => {
            "Hello! I sell bicycles. What are you looking for?"
        }
        () if said.contains("feature") => {
            "The Volt City has eight gears, a dynamo light and a range of 90 km."
        }
        () if said.contains("buy") || said.contains("take it") => "Wonderful! Your Volt City is reserved.",
        () => "The Volt City would suit you: light, quick, and easy to carry up the stairs.",
    };
    for word in content.split_inclusive(' ') {
        piece(word);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let words = |text: &str| text.split_whitespace().count() as u64;
    Ok(Reply {
        content: content.to_owned(),
        prompt_tokens: 20 + messages.iter().map(|message| words(&message.content)).sum::<u64>() * 4 / 3,
        completion_tokens: words(content) * 4 / 3,
    })
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<CompletionUsage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct CompletionUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

fn ask(url: &str, key: &str, body: &serde_json::Value) -> Result<Reply, ModelError> {
    let failed = |error: &dyn std::fmt::Display| ModelError::Endpoint(error.to_string());
    let mut response = ureq::post(url)
        .header("authorization", key)
        .content_type("application/json")
        .send(body.to_string())
        .map_err(|error| failed(&error))?;
    let answer = response.body_mut().read_to_string().map_err(|error| failed(&error))?;
    let completion: Completion = serde_json::from_str(&answer).map_err(|error| failed(&error))?;
    let choice = completion.choices.into_iter().next().ok_or_else(|| failed(&"it gave no choice"))?;
    let usage = completion.usage.unwrap_or(CompletionUsage { prompt_tokens: 0, completion_tokens: 0 });
    Ok(Reply {
        content: choice.message.content,
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
    })
}
