//! Scores as JSON: `POST /api/v1/scores`.

use ::http::StatusCode;
use axum::Router;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};
use throughline_model::Event;

use crate::domain::score::Score;
use crate::http::State;

use super::json_request::{JsonRequest, Made};
use super::score;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/api/v1/scores", post(receive))
}

async fn receive(request: JsonRequest) -> Response {
    request
        .respond(
            |json, now| Ok(read(json, |score| score::read(&score, now).map(Score::into_event))),
            |outcomes| {
                let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
                let rejected = |(index, outcome): (usize, &Result<(), String>)| {
                    let message = outcome.as_ref().err()?;
                    Some(json!({"index": index, "code": "invalid_score", "message": message}))
                };
                let rejected: Vec<Value> = outcomes.iter().enumerate().filter_map(rejected).collect();
                (StatusCode::OK, json!({"accepted": accepted, "rejected": rejected}))
            },
        )
        .await
}

/// One score or an array of them, and what became of each.
pub(super) fn read(
    json: Value,
    one: impl Fn(Value) -> Result<Event, String>,
) -> Made<Vec<Result<(), String>>> {
    let scores = match json {
        Value::Array(scores) => scores,
        one => vec![one],
    };
    let mut made = Made::<Vec<_>>::default();
    for outcome in scores.into_iter().map(one) {
        made.rejected += usize::from(outcome.is_err());
        made.answer.push(outcome.map(|event| made.events.push(event)));
    }
    made
}
