//! Scores as JSON: `POST /api/v1/scores`, and what Langfuse's clients send to its own routes.

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, StatusCode};
use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use throughline_model::{Event, ProjectId};

use crate::domain::arrival::BatchContent;
use crate::http::{Error, Kind, Project, State};

use super::content::Format;
use super::http::parcel;
use super::{Room, content, intake, score};

/// Routes of scores, and those that Langfuse's clients ask for before they send anything.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/api/v1/scores", post(receive))
        .route("/api/public/scores", post(receive_langfuse))
        .route("/api/public/ingestion", post(receive_batch))
        .route("/api/public/media", post(decline_media))
        .route(
            "/api/public/health",
            get(async || Json(json!({"status": "OK", "version": env!("CARGO_PKG_VERSION")}))),
        )
        .route("/api/public/projects", get(projects))
}

/// What became of one item.
struct Item {
    id: String,
    outcome: Result<Event, String>,
}

async fn receive(
    state: Extract<State>,
    room: Extension<Room>,
    project: Project,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let items = take(state, room, project, headers, body, one_or_many, None).await;
    answer(items, |items| {
        let accepted = items.iter().filter(|item| item.outcome.is_ok()).count();
        let rejected = |(index, item): (usize, &Item)| {
            let message = item.outcome.as_ref().err()?;
            Some(json!({"index": index, "code": "invalid_score", "message": message}))
        };
        let rejected: Vec<Value> = items.iter().enumerate().filter_map(rejected).collect();
        (StatusCode::OK, json!({"accepted": accepted, "rejected": rejected}))
    })
}

/// Langfuse's own answer: 202 if all was taken, else 207 with what was not.
async fn receive_langfuse(
    state: Extract<State>,
    room: Extension<Room>,
    project: Project,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let items = take(state, room, project, headers, body, one_or_many, None).await;
    answer(items, |items| {
        let errors: Vec<Value> =
            items.iter().filter_map(|item| Some(json!({"message": item.outcome.as_ref().err()?}))).collect();
        if errors.is_empty() {
            return (StatusCode::ACCEPTED, json!({"message": "Accepted"}));
        }
        let accepted = items.len() - errors.len();
        (StatusCode::MULTI_STATUS, json!({"accepted": accepted, "rejected": errors.len(), "errors": errors}))
    })
}

/// The batch that clients before Langfuse's fifth version send; of it, scores are taken.
async fn receive_batch(
    state: Extract<State>,
    room: Extension<Room>,
    project: Project,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let items = take(state, room, project, headers, body, batch, Some("body")).await;
    answer(items, |items| {
        let (mut successes, mut errors) = (Vec::new(), Vec::new());
        for item in items {
            match &item.outcome {
                Ok(_) => successes.push(json!({"id": item.id, "status": 201})),
                Err(message) => errors.push(json!({"id": item.id, "status": 400, "message": message})),
            }
        }
        (StatusCode::MULTI_STATUS, json!({"successes": successes, "errors": errors}))
    })
}

fn answer(items: Result<Vec<Item>, Error>, told: impl FnOnce(&[Item]) -> (StatusCode, Value)) -> Response {
    match items {
        Ok(items) => {
            let (status, body) = told(&items);
            (status, Json(body)).into_response()
        }
        Err(error) => {
            let unsupported = error.kind() == Kind::UnsupportedMediaType;
            let mut response = error.into_response();
            if unsupported {
                content::name_accepted(response.headers_mut());
            }
            response
        }
    }
}

/// Without a content type, a body is taken for what it should be.
fn json_only(headers: &HeaderMap) -> Result<(), Error> {
    let is_json = matches!(Format::of(headers), Some(Format::Json)) || !headers.contains_key(CONTENT_TYPE);
    if is_json {
        Ok(())
    } else {
        Err(Error::new(Kind::UnsupportedMediaType, "scores come as application/json"))
    }
}

/// Cuts a body into its scores.
type Cut = fn(Value) -> Result<Vec<Value>, Error>;

/// Reads and stores scores. `inside` names the member of each item that the score is in.
async fn take(
    Extract(state): Extract<State>,
    Extension(room): Extension<Room>,
    Project(project): Project,
    headers: HeaderMap,
    mut body: Body,
    cut: Cut,
    inside: Option<&'static str>,
) -> Result<Vec<Item>, Error> {
    let taken = async {
        json_only(&headers)?;
        let parcel = parcel(&state, &room, &headers, &mut body).await?;
        let now = state.clock.now();
        let work = move |bytes: bytes::Bytes| {
            let json: Value = serde_json::from_slice(&bytes).map_err(intake::malformed)?;
            let read = |json: &Value| Item {
                id: json["id"].as_str().unwrap_or_default().to_owned(),
                outcome: match inside {
                    Some(inside) if json["type"] == "score-create" => score::read(&json[inside], now),
                    Some(_) => Err(format!(
                        "{} is not taken here: spans come over OTLP, at /api/public/otel/v1/traces",
                        json["type"]
                    )),
                    None => score::read(json, now),
                }
                .map(crate::domain::score::Score::into_event),
            };
            Ok(cut(json)?.iter().map(read).collect::<Vec<_>>())
        };
        let (items, lease) = intake::unpacked(&state, parcel, work).await?;
        store(&state, project, &items).await?;
        drop(lease);
        Ok::<_, Error>(items)
    };
    let outcome = taken.await;
    if outcome.is_err() {
        content::discard(body).await;
    }
    outcome
}

async fn store(state: &State, project: ProjectId, items: &[Item]) -> Result<(), Error> {
    let events: Vec<Event> = items.iter().filter_map(|item| item.outcome.clone().ok()).collect();
    state.metrics.events_rejected.add(items.len() - events.len());
    state.metrics.events_accepted.add(events.len());
    if events.is_empty() {
        Ok(())
    } else {
        intake::append(state, project, BatchContent::Events(events)).await
    }
}

fn one_or_many(json: Value) -> Result<Vec<Value>, Error> {
    Ok(match json {
        Value::Array(scores) => scores,
        one => vec![one],
    })
}

fn batch(mut json: Value) -> Result<Vec<Value>, Error> {
    match json["batch"].take() {
        Value::Array(items) => Ok(items),
        _ => Err(Error::bad_request("the body has no array \"batch\"").code("malformed_body")),
    }
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
