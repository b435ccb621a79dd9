//! Scores: list and one.

use axum::Json;
use axum::extract::{Path, State as Extract};
use serde_json::{Value, json};

use super::page::{Given, meta, walk_to};
use super::traces::trace_name;
use super::{given_id, is};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::domain::filter::{Field, Filter};
use crate::domain::langfuse::{OBSERVATION_ID, trace_id};
use crate::domain::query::TraceDetail;
use crate::domain::score::{self, Score, ScoreValue};
use crate::http::{Error, Project, State};

const PARAMETERS: [&str; 9] = [
    "page",
    "limit",
    "fromTimestamp",
    "toTimestamp",
    "fields",
    "name",
    "sessionId",
    "traceId",
    "environment",
];

/// List scores as Langfuse does
///
/// `{"data":[...],"meta":{"page","limit","totalItems","totalPages"}}`, the latest first. How many there are is known as
/// far as the next page. Traces and observations have OpenTelemetry's ids.
#[utoipa::path(
    get,
    path = "/api/public/scores",
    tag = "langfuse",
    params(
        ("page" = Option<u32>, Query, description = "The number of the page, from 1 to 1000"),
        ("limit" = Option<u32>, Query, description = "The most rows of a page: 1 to 1000, 50 if not given"),
        ("fromTimestamp" = Option<String>, Query, description = "Only what was given at or after this time"),
        ("toTimestamp" = Option<String>, Query, description = "Only what was given before this time"),
        ("name" = Option<String>, Query, description = "What is judged"),
        ("sessionId" = Option<String>, Query, description = "Those on this session or in it"),
        ("traceId" = Option<String>, Query, description = "Those on this trace or in it"),
        ("environment" = Option<Vec<String>>, Query, description = "One of these"),
        ("fields" = Option<String>, Query, description = "Taken, and all is answered"),
    ),
    responses((status = 200, description = "One page of scores", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_scores(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&PARAMETERS)?;
    let one = |name: &str, field: Field| given.one(name).map(|value| is(field, value));
    let trace = given.one("traceId").map(|id| is(Field::Trace, &trace_id(id).to_string()));
    let conditions = [
        Some(score::standing()),
        one("name", Field::Attribute(score::NAME.to_owned())),
        one("sessionId", Field::Session),
        trace,
        given.environment(),
    ];
    let query = given.query(Filter::all_of(conditions.into_iter().flatten()), &state)?;
    let (number, limit) = (given.page()?, query.limit);
    let (store, project) = (&state.store, &project);
    let page = walk_to(number, query, |query| async move { store.events(project, &query).await }).await?;
    let meta = meta(number, limit, &page);
    let scores = page.rows.iter().filter_map(Score::of);
    let rows: Vec<Value> = scores.map(|score| shown_score(&score, project.as_str())).collect();
    Ok(Json(json!({"data": rows, "meta": meta})))
}

/// List scores as Langfuse's second version does
///
/// The same as `/api/public/scores`.
#[utoipa::path(
    get,
    path = "/api/public/v2/scores",
    tag = "langfuse",
    params(
        ("page" = Option<u32>, Query, description = "The number of the page, from 1 to 1000"),
        ("limit" = Option<u32>, Query, description = "The most rows of a page: 1 to 1000, 50 if not given"),
        ("fromTimestamp" = Option<String>, Query, description = "Only what was given at or after this time"),
        ("toTimestamp" = Option<String>, Query, description = "Only what was given before this time"),
        ("name" = Option<String>, Query, description = "What is judged"),
        ("sessionId" = Option<String>, Query, description = "Those on this session or in it"),
        ("traceId" = Option<String>, Query, description = "Those on this trace or in it"),
        ("environment" = Option<Vec<String>>, Query, description = "One of these"),
        ("fields" = Option<String>, Query, description = "Taken, and all is answered"),
    ),
    responses((status = 200, description = "One page of scores", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_scores_as_second_version(
    state: Extract<State>,
    project: Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    list_langfuse_scores(state, project, given).await
}

/// Get one score as Langfuse does
///
/// By the id that its client gave it.
#[utoipa::path(
    get,
    path = "/api/public/scores/{scoreId}",
    tag = "langfuse",
    params(("scoreId" = String, Path, description = "The score's id")),
    responses((status = 200, description = "The score", body = Value), (status = 404, description = "There is no such score"), ReadFailed)
)]
pub(super) async fn get_langfuse_score(
    Extract(state): Extract<State>,
    Project(project): Project,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let filter = is(Field::Attribute(score::ID.to_owned()), &id);
    let query = Given::default().query(filter, &state)?;
    let found = state.store.events(&project, &query).await?.rows;
    let latest = score::standing_among(&found).pop();
    let unknown = || Error::not_found(format!("there is no score {id}")).code("unknown_score");
    latest.map(|score| Json(shown_score(&score, project.as_str()))).ok_or_else(unknown)
}

/// The scores on a trace and its observations, under the ids that clients gave those.
pub(super) fn of_trace(detail: &TraceDetail, project: &str) -> Vec<Value> {
    let scores = score::standing_among(&detail.events);
    let shown = |score: &Score| {
        let mut told = shown_score(score, project);
        told["traceId"] = trace_name(detail);
        let on = detail.observations.iter().find(|known| Some(known.id) == score.observation_id);
        if let Some(id) = on.and_then(|known| given_id(&known.attributes, OBSERVATION_ID)) {
            told["observationId"] = id;
        }
        told
    };
    scores.iter().map(shown).collect()
}

fn shown_score(score: &Score, project: &str) -> Value {
    let (kind, number, text) = match &score.value {
        ScoreValue::Number(number) => ("NUMERIC", json!(number), Value::Null),
        ScoreValue::Flag(flag) => {
            ("BOOLEAN", json!(u8::from(*flag)), json!(if *flag { "True" } else { "False" }))
        }
        ScoreValue::Text(text) => ("CATEGORICAL", Value::Null, json!(text)),
    };
    json!({
        "id": score.id,
        "name": score.name,
        "dataType": kind,
        "value": number,
        "stringValue": text,
        "comment": score.comment,
        "sessionId": score.session_id,
        "traceId": score.trace_id,
        "observationId": score.observation_id,
        "environment": score.environment.as_deref().unwrap_or("default"),
        "metadata": score.metadata,
        "source": "API",
        "timestamp": score.time,
        "createdAt": score.time,
        "updatedAt": score.time,
        "projectId": project,
    })
}
