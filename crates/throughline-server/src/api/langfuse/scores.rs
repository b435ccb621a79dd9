//! Scores: lists in three versions, and one.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::{Path, State as Extract};
use serde_json::{Value, json};
use throughline_model::{ProjectId, Trace, TraceId};

use super::page::{Cut, Given, cut, meta};
use super::parameters::{CursorPaging, NumberedScoresAsked, Paging, ScoresAsked, TypedScoresAsked, names};
use super::score_query::{Wanted, filter};
use super::traces::trace_name;
use super::{given_id, is};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::params::refuse;
use crate::api::{cursor, list};
use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern};
use crate::domain::langfuse::OBSERVATION_ID;
use crate::domain::query::{Cursor, ListQuery, MAX_LIMIT, TraceDetail};
use crate::domain::score::{self, Score, ScoreValue};
use crate::http::{Error, Project, State};

/// What its cursors belong to.
const PLACE: &str = "langfuse scores";
/// What the third version may be asked to tell beside.
const GROUPS: [&str; 3] = ["details", "subject", "annotation"];

/// List scores as Langfuse does
///
/// `{"data":[...],"meta":{"page","limit","totalItems","totalPages"}}`, the latest first, those on traces and
/// observations. How many there are is known as far as the next page. Traces and observations have OpenTelemetry's ids.
#[utoipa::path(
    get,
    path = "/api/public/scores",
    tag = "langfuse",
    params(Paging, ScoresAsked, NumberedScoresAsked),
    responses((status = 200, description = "One page of scores", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_scores(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    // Clients of that time cannot read a score without a trace.
    let any = Pattern { open_end: true, ..Pattern::default() };
    let on_traces = Filter::field(Field::Trace, Comparison::Equal, Literal::Text(any));
    let mut page = numbered(&state, &project, &given, on_traces).await?;
    let texts = page["data"].as_array_mut().into_iter().flatten().filter(|score| score["dataType"] == "TEXT");
    // Nor do they know of free texts.
    texts.for_each(|score| (score["dataType"], score["value"]) = ("CATEGORICAL".into(), 0.into()));
    Ok(Json(page))
}

/// List scores as Langfuse's second version does
///
/// As `/api/public/scores`, and also those on sessions.
#[utoipa::path(
    get,
    path = "/api/public/v2/scores",
    tag = "langfuse",
    params(Paging, ScoresAsked, NumberedScoresAsked),
    responses((status = 200, description = "One page of scores", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_scores_as_second_version(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    numbered(&state, &project, &given, Filter::All).await.map(Json)
}

/// List scores as Langfuse's third version does
///
/// `{"data":[...],"meta":{"limit","cursor"}}`, the latest first. A `value` is a number, `true` or `false`, or a text;
/// `fields` adds `details` (comment, metadata) and `subject` (what it is on).
#[utoipa::path(
    get,
    path = "/api/public/v3/scores",
    tag = "langfuse",
    params(CursorPaging, ScoresAsked, TypedScoresAsked),
    responses((status = 200, description = "One page of scores", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_scores_as_third_version(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&[names::<CursorPaging>(), names::<ScoresAsked>(), names::<TypedScoresAsked>()])?;
    if let Some(other) = given.all("fields").find(|group| !GROUPS.contains(group) && *group != "core") {
        return Err(refuse("fields", other, "some of details, subject, annotation"));
    }
    let mut query = given.query(filter(&given), &state)?;
    query.after = list::after(PLACE, given.one("cursor"))?;
    let limit = query.limit;
    let found = matching(&state, &project, &given, query, 0).await?;
    let shown = |(_, score): &(Cursor, Score)| shown_typed(score, &given, project.as_str());
    let rows: Vec<Value> = found.rows.iter().map(shown).collect();
    let mut meta = json!({"limit": limit});
    if let (true, Some((last, _))) = (found.is_cut, found.rows.last()) {
        meta["cursor"] = cursor::encode(PLACE, last).into();
    }
    Ok(Json(json!({"data": rows, "meta": meta})))
}

/// A page by its number, of scores for which `also` holds.
async fn numbered(state: &State, project: &ProjectId, given: &Given, also: Filter) -> Result<Value, Error> {
    given.only(&[names::<Paging>(), names::<ScoresAsked>(), names::<NumberedScoresAsked>()])?;
    let of_user = match given.one("userId") {
        Some(user) => on_traces_of(state, project, user).await?,
        None => Filter::All,
    };
    let query = given.query(Filter::all_of([filter(given), also, of_user]), state)?;
    let (number, limit) = (given.page()?, query.limit);
    let found = matching(state, project, given, query, (number - 1) * limit).await?;
    let meta = meta(number, limit, &found);
    let traces = traces_of(state, project, &found.rows).await?;
    let shown = |(_, score): &(Cursor, Score)| {
        let mut told = shown_score(score, project.as_str());
        told["trace"] = score.trace_id.map_or(Value::Null, |id| {
            let trace = traces.get(&id);
            json!({
                "userId": trace.and_then(|trace| trace.user_id.as_ref()),
                "tags": trace.map(|trace| &trace.tags),
                "environment": trace.and_then(|trace| trace.environment.as_ref()),
            })
        });
        told
    };
    let rows: Vec<Value> = found.rows.iter().map(shown).collect();
    Ok(json!({"data": rows, "meta": meta}))
}

/// Scores on what a user did lately. They do not say themselves whose they are.
async fn on_traces_of(state: &State, project: &ProjectId, user: &str) -> Result<Filter, Error> {
    let query = Given::default().query(is(Field::User, user), state)?;
    let traces = state.store.traces(project, &ListQuery { limit: MAX_LIMIT, ..query }).await?.rows;
    Ok(Filter::any_of(traces.iter().map(|trace| is(Field::Trace, &trace.id.to_string()))))
}

/// The traces that scores are on.
async fn traces_of(
    state: &State,
    project: &ProjectId,
    scores: &[(Cursor, Score)],
) -> Result<HashMap<TraceId, Trace>, Error> {
    let ids: BTreeSet<TraceId> = scores.iter().filter_map(|(_, score)| score.trace_id).collect();
    let ids = ids.iter().map(|id| is(Field::Trace, &id.to_string()));
    let query = Given::default().query(Filter::any_of(ids), state)?;
    let traces = state.store.traces(project, &ListQuery { limit: MAX_LIMIT, ..query }).await?.rows;
    Ok(traces.into_iter().map(|trace| (trace.id, trace)).collect())
}

/// Scores with their places in the list.
async fn matching(
    state: &State,
    project: &ProjectId,
    given: &Given,
    query: ListQuery,
    skip: usize,
) -> Result<Cut<(Cursor, Score)>, Error> {
    let (wanted, sort, store) = (Wanted::of(given)?, query.sort, &state.store);
    let read = |query: ListQuery| async move { store.events(project, &query).await };
    cut(skip, query, read, |event| {
        let score = Score::of(&event).filter(|score| wanted.allows(score))?;
        Some((sort.place_of_event(&event), score))
    })
    .await
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

/// Get one score as Langfuse's second version does
///
/// The same as `/api/public/scores/{scoreId}`.
#[utoipa::path(
    get,
    path = "/api/public/v2/scores/{scoreId}",
    tag = "langfuse",
    params(("scoreId" = String, Path, description = "The score's id")),
    responses((status = 200, description = "The score", body = Value), (status = 404, description = "There is no such score"), ReadFailed)
)]
pub(super) async fn get_langfuse_score_as_second_version(
    state: Extract<State>,
    project: Project,
    id: Path<String>,
) -> Result<Json<Value>, Error> {
    get_langfuse_score(state, project, id).await
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

/// As the first two versions tell of a score: flags are also numbers, and categories, which have no order, are 0.
fn shown_score(score: &Score, project: &str) -> Value {
    let (number, text) = match &score.value {
        ScoreValue::Number(number) => (json!(number), Value::Null),
        ScoreValue::Flag(flag) => (json!(u8::from(*flag)), json!(if *flag { "True" } else { "False" })),
        ScoreValue::Category(label) => (json!(0), json!(label)),
        ScoreValue::Text(text) => (Value::Null, json!(text)),
    };
    let mut told = core(score, project);
    told["value"] = number;
    told["stringValue"] = text;
    told["comment"] = json!(score.comment);
    told["metadata"] = json!(score.metadata);
    told["sessionId"] = json!(score.session_id);
    told["traceId"] = json!(score.trace_id);
    told["observationId"] = json!(score.observation_id);
    told
}

/// As the third version does: a value of the score's own type, and beside it only what is asked for.
fn shown_typed(score: &Score, given: &Given, project: &str) -> Value {
    let mut told = core(score, project);
    told["value"] = score.value.to_json();
    if given.all("fields").any(|group| group == "details") {
        told["comment"] = json!(score.comment);
        told["metadata"] = json!(score.metadata);
    }
    if given.all("fields").any(|group| group == "subject") {
        told["subject"] = match (score.trace_id, score.observation_id) {
            (Some(trace), Some(id)) => json!({"kind": "observation", "id": id, "traceId": trace}),
            (Some(trace), None) => json!({"kind": "trace", "id": trace}),
            (None, _) => json!({"kind": "session", "id": score.session_id}),
        };
    }
    told
}

fn core(score: &Score, project: &str) -> Value {
    json!({
        "id": score.id,
        "name": score.name,
        "dataType": score.value.data_type(),
        "environment": score.environment.as_deref().unwrap_or("default"),
        "source": "API",
        "timestamp": score.time,
        "createdAt": score.time,
        "updatedAt": score.time,
        "projectId": project,
    })
}
