//! A chat application whose conversations are sessions: see `main.rs` for how to try it.
//!
//! [`ChatSession`] is what telemetry asks of an application: a trace for each turn, naming the session and the user, and
//! in it a generation for each call of the model. Everything else here is the chat itself.

pub mod model;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use throughline::{Observation, Telemetry};
use tokio::sync::Mutex;

use self::model::{Message, Model, ModelError};

/// One conversation.
pub struct ChatSession {
    telemetry: Telemetry,
    model: Arc<Model>,
    session_id: String,
    user_id: String,
    messages: Vec<Message>,
}

impl ChatSession {
    /// A conversation that has not begun.
    pub fn new(telemetry: &Telemetry, model: Arc<Model>, session_id: &str, user_id: &str) -> Self {
        Self {
            telemetry: telemetry.clone(),
            model,
            session_id: session_id.to_owned(),
            user_id: user_id.to_owned(),
            messages: Vec::new(),
        }
    }

    /// Says something, and waits for the answer.
    ///
    /// # Errors
    /// When the model does not answer; the turn then ends as failed.
    pub async fn send_message(&mut self, content: &str) -> Result<String, ModelError> {
        self.messages.push(Message::new("user", content));
        let turn = self
            .telemetry
            .trace("chat-turn")
            .session_id(self.session_id.as_str())
            .user_id(self.user_id.as_str())
            .input(json!({"message": content, "turnNumber": self.messages.len()}))
            .metadata("messageCount", self.messages.len() as u64)
            .tags(goals_of(content))
            .start();
        match self.generate(&turn).await {
            Ok(answer) => {
                self.messages.push(Message::new("assistant", &answer));
                turn.set_output(json!({"response": answer}));
                turn.end();
                Ok(answer)
            }
            Err(error) => {
                turn.error(&error);
                Err(error)
            }
        }
    }

    async fn generate(&self, turn: &Observation) -> Result<String, ModelError> {
        let call = turn
            .generation("generate-response")
            .model(self.model.name())
            .provider("openai")
            .parameter("temperature", 0.3)
            .input(json!({"messages": self.messages}))
            .start();
        let answering = self.model.answer(&self.messages, |piece| {
            call.push_output(piece);
        });
        match answering.await {
            Ok(reply) => {
                call.set_output(json!({"content": reply.content}));
                call.set_tokens(reply.prompt_tokens, reply.completion_tokens);
                call.end();
                Ok(reply.content)
            }
            Err(error) => {
                call.error(&error);
                Err(error)
            }
        }
    }
}

/// A turn in which somebody buys reaches the goal `tag:conversion`.
fn goals_of(content: &str) -> Vec<&'static str> {
    let content = content.to_lowercase();
    let buys = ["buy", "order it", "take it"].iter().any(|words| content.contains(words));
    if buys { vec!["conversion"] } else { Vec::new() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    session_id: String,
    user_id: String,
    message: String,
}

#[derive(Serialize)]
struct Answered {
    answer: String,
}

#[derive(Clone)]
struct Chats {
    telemetry: Telemetry,
    model: Arc<Model>,
    sessions: Arc<Mutex<HashMap<String, Arc<Mutex<ChatSession>>>>>,
}

/// The application: a page to chat on, and `POST /chat` behind it.
pub fn app(telemetry: &Telemetry, model: Model) -> Router {
    let chats = Chats { telemetry: telemetry.clone(), model: Arc::new(model), sessions: Arc::default() };
    Router::new()
        .route("/", get(async || Html(include_str!("chat.html"))))
        .route("/chat", post(chat))
        .with_state(chats)
}

async fn chat(
    State(chats): State<Chats>,
    Json(said): Json<Said>,
) -> Result<Json<Answered>, (StatusCode, String)> {
    let new = || ChatSession::new(&chats.telemetry, chats.model.clone(), &said.session_id, &said.user_id);
    let mut sessions = chats.sessions.lock().await;
    let session =
        sessions.entry(said.session_id.clone()).or_insert_with(|| Arc::new(Mutex::new(new()))).clone();
    drop(sessions);
    let answer = session.lock().await.send_message(&said.message).await;
    answer
        .map(|answer| Json(Answered { answer }))
        .map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))
}
