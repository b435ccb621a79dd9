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

use crate::domain::langfuse;
use crate::domain::score::Score;
use crate::http::{Project, State};

use super::json_request::JsonRequest;
use super::{score, scores};

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

/// Langfuse's own answer: 202 if all was taken, else 207 with what was not.
async fn receive_scores(request: JsonRequest) -> Response {
    request
        .respond(
            |json, now| Ok(scores::read(json, |score| read_score(score, now))),
            |outcomes| {
                let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
                let errors: Vec<Value> = errors.map(|message| json!({"message": message})).collect();
                if errors.is_empty() {
                    return (StatusCode::ACCEPTED, json!({"message": "Accepted"}));
                }
                let accepted = outcomes.len() - errors.len();
                let body = json!({"accepted": accepted, "rejected": errors.len(), "errors": errors});
                (StatusCode::MULTI_STATUS, body)
            },
        )
        .await
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

/// Pictures and sounds stay where they are: without an address to send them to, clients do not.
async fn decline_media() -> Json<Value> {
    Json(json!({"mediaId": "none", "uploadUrl": null}))
}

/// What Langfuse's clients check their keys against.
async fn projects(Project(project): Project) -> Json<Value> {
    let id = project.as_str();
    let organization = json!({"id": "throughline", "name": "Throughline"});
    Json(json!({"data": [{"id": id, "name": id, "organization": organization, "metadata": {}}]}))
}
