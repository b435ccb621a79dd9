//! The routes that Langfuse's clients send to, beside OTLP: scores, media, and the batches of the clients before its
//! third Python and fourth JavaScript version.

mod batch;
mod body;
mod observation;

use ::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use throughline_model::{Event, Timestamp};

use crate::domain::score::Score;
use crate::domain::{self, langfuse};
use crate::http::{Error, Project, State};

use super::json_request::{JsonRequest, Made};
use super::score;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/api/public/scores", post(receive_scores))
        .route("/api/public/ingestion", post(receive_batch))
        .route("/api/public/media", post(decline_media))
        .route(
            "/api/public/health",
            get(async || Json(json!({"status": "OK", "version": env!("CARGO_PKG_VERSION")}))),
        )
        .route("/api/public/projects", get(projects))
}

/// What became of scores: of each its id, or what is wrong with it.
#[derive(Default)]
struct Outcomes {
    /// Clients before the fifth of Python's send one by itself.
    is_one: bool,
    each: Vec<Result<Value, String>>,
}

async fn receive_scores(request: JsonRequest) -> Response {
    request.respond(read_scores, |outcomes| outcomes.told()).await
}

#[expect(clippy::unnecessary_wraps, reason = "what is read may also be refused")]
fn read_scores(json: Value, now: Timestamp) -> Result<Made<Outcomes>, Error> {
    let is_one = !json.is_array();
    let scores = if let Value::Array(scores) = json { scores } else { vec![json] };
    let mut made = Made { answer: Outcomes { is_one, each: Vec::new() }, ..Made::default() };
    for outcome in scores.into_iter().map(|score| read_score(score, now)) {
        made.rejected += usize::from(outcome.is_err());
        made.answer.each.push(outcome.map(|event| {
            let id = event.attributes.get(domain::score::ID).cloned().unwrap_or_default();
            made.events.push(event);
            id
        }));
    }
    Ok(made)
}

impl Outcomes {
    /// Langfuse's own answer: of one score its id; of several 202 if all were taken, else 207 with what was not.
    fn told(&self) -> (StatusCode, Value) {
        match (self.is_one, self.each.first()) {
            (true, Some(Ok(id))) => return (StatusCode::OK, json!({"id": id})),
            (true, Some(Err(message))) => {
                return (
                    StatusCode::BAD_REQUEST,
                    json!({"message": message, "error": "Invalid request data"}),
                );
            }
            _ => {}
        }
        let errors = self.each.iter().filter_map(|outcome| outcome.as_ref().err());
        let errors: Vec<Value> = errors.map(|message| json!({"message": message})).collect();
        if errors.is_empty() {
            return (StatusCode::ACCEPTED, json!({"message": "Accepted"}));
        }
        let accepted = self.each.len() - errors.len();
        (StatusCode::MULTI_STATUS, json!({"accepted": accepted, "rejected": errors.len(), "errors": errors}))
    }
}

/// A score that names its trace and observation by the ids that its client gave them.
fn read_score(mut json: Value, now: Timestamp) -> Result<Event, String> {
    for (key, id) in [
        ("traceId", (|given| langfuse::trace_id(given).to_string()) as fn(&str) -> String),
        ("observationId", |given| langfuse::observation_id(given).to_string()),
    ] {
        if let Some(Value::String(given)) = json.get_mut(key)
            && !given.trim().is_empty()
        {
            *given = id(given);
        }
    }
    // Older clients allow anything here, and newer ones an object.
    if let Some(metadata) =
        json.get_mut("metadata").filter(|metadata| !metadata.is_null() && !metadata.is_object())
    {
        *metadata = json!({"metadata": metadata.take()});
    }
    score::read(&json, now).map(Score::into_event)
}

/// Each event of a batch has an answer of its own.
async fn receive_batch(request: JsonRequest) -> Response {
    request
        .respond(batch::read, |answers| {
            let (mut successes, mut errors) = (Vec::new(), Vec::new());
            for batch::Answer { id, outcome } in answers {
                match outcome {
                    Ok(()) => successes.push(json!({"id": id, "status": 201})),
                    Err(message) => {
                        errors.push(json!({"id": id, "status": 400, "message": "Invalid request data", "error": message}));
                    }
                }
            }
            (StatusCode::MULTI_STATUS, json!({"successes": successes, "errors": errors}))
        })
        .await
}

/// Pictures and sounds stay where they are: without an address to send them to, clients do not, and what they send
/// of a text refers to them by this id. It is the one that newer clients make themselves.
async fn decline_media(request: JsonRequest) -> Response {
    let id = |json: Value, _| {
        let hash = json["sha256Hash"].as_str().unwrap_or_default();
        let id: String = hash.replace('+', "-").replace('/', "_").chars().take(22).collect();
        Ok(Made { answer: id, ..Made::default() })
    };
    request.respond(id, |id| (StatusCode::OK, json!({"mediaId": id, "uploadUrl": null}))).await
}

/// What Langfuse's clients check their keys against.
async fn projects(Project(project): Project) -> Json<Value> {
    let id = project.as_str();
    let organization = json!({"id": "throughline", "name": "Throughline"});
    Json(json!({"data": [{"id": id, "name": id, "organization": organization, "metadata": {}}]}))
}
