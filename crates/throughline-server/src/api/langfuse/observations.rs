//! Observations: those of a trace, and one.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State as Extract};
use serde_json::{Value, json};
use throughline_model::{Level, Observation, ProjectId, SpanId, Timestamp, TraceId};

use super::page::Given;
use super::parameters::{CursorPaging, MoreObservationsAsked, ObservationsAsked, Paging, names};
use super::traces::trace_name;
use super::{given_id, is};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::list;
use crate::api::params::refuse;
use crate::domain::filter::{Field, Filter};
use crate::domain::langfuse::{OBSERVATION_ID, root_id, trace_id};
use crate::domain::query::{ListQuery, TraceDetail};
use crate::http::{Error, Project, State};

/// What observations are chosen by, member by member.
const MEMBERS: [&str; 8] =
    ["name", "userId", "sessionId", "type", "level", "parentObservationId", "environment", "version"];
/// So many traces are looked through for a page.
const MOST_TRACES: usize = 1000;
const TRACES_AT_A_TIME: usize = 50;

/// List observations as Langfuse does
///
/// `{"data":[...],"meta":{"page","limit","totalItems","totalPages"}}`: those of one trace, or else of the 1000 latest,
/// by trace the latest first and in each the earliest first. How many there are is known as far as the next page.
#[utoipa::path(
    get,
    path = "/api/public/observations",
    tag = "langfuse",
    params(Paging, ObservationsAsked),
    responses((status = 200, description = "One page of observations", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_observations(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&[names::<Paging>(), names::<ObservationsAsked>()])?;
    let (number, limit) = (given.page()?, given.limit()?);
    let found = matching(&state, &project, &given, number * limit + 1).await?;
    let rows: Vec<&Value> = found.iter().skip((number - 1) * limit).take(limit).collect();
    let meta = json!({
        "page": number, "limit": limit, "totalItems": found.len(), "totalPages": found.len().div_ceil(limit),
    });
    Ok(Json(json!({"data": rows, "meta": meta})))
}

/// List observations as Langfuse's second version does
///
/// `{"data":[...],"meta":{"cursor"}}`, in the same order, with a cursor to go on from.
#[utoipa::path(
    get,
    path = "/api/public/v2/observations",
    tag = "langfuse",
    params(CursorPaging, ObservationsAsked, MoreObservationsAsked),
    responses((status = 200, description = "One page of observations", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_observations_by_cursor(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&[names::<CursorPaging>(), names::<ObservationsAsked>(), names::<MoreObservationsAsked>()])?;
    let limit = given.limit()?;
    let begin: usize = match given.one("cursor") {
        None => 0,
        Some(text) => text.parse().map_err(|_| refuse("cursor", text, "the cursor of the page before"))?,
    };
    let next = begin.saturating_add(limit);
    let found = matching(&state, &project, &given, next.saturating_add(1)).await?;
    let rows: Vec<&Value> = found.iter().skip(begin).take(limit).collect();
    let meta = if next < found.len() { json!({"cursor": next.to_string()}) } else { json!({}) };
    Ok(Json(json!({"data": rows, "meta": meta})))
}

/// Get one observation as Langfuse does
///
/// By the id that its client gave it. One that came over OpenTelemetry is looked for in the 1000 latest traces.
#[utoipa::path(
    get,
    path = "/api/public/observations/{observationId}",
    tag = "langfuse",
    params(("observationId" = String, Path, description = "The observation's id")),
    responses((status = 200, description = "The observation", body = Value), (status = 404, description = "There is no such observation"), ReadFailed)
)]
pub(super) async fn get_langfuse_observation(
    Extract(state): Extract<State>,
    Project(project): Project,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let detail = match trace_of(&state, &project, &id).await? {
        Some(trace) => state.store.trace(&project, &trace).await?,
        None => None,
    };
    let observations = detail.map(|detail| shown_observations(&detail, project.as_str())).unwrap_or_default();
    let found = observations.into_iter().map(|(_, told)| told).find(|told| told["id"] == id);
    let unknown = || {
        let message = format!("no observation {id} is found; those of a trace are at ?traceId=");
        Error::not_found(message).code("unknown_observation")
    };
    found.map(Json).ok_or_else(unknown)
}

/// The trace that an observation is in. Only ids that clients gave themselves can be looked up.
async fn trace_of(state: &State, project: &ProjectId, id: &str) -> Result<Option<TraceId>, Error> {
    let query = Given::default().query(is(Field::Attribute(OBSERVATION_ID.to_owned()), id), state)?;
    if let Some(trace) = state.store.traces(project, &ListQuery { limit: 1, ..query }).await?.rows.first() {
        return Ok(Some(trace.id));
    }
    let Ok(id) = id.parse::<SpanId>() else { return Ok(None) };
    let latest = ListQuery { limit: MOST_TRACES, ..Given::default().query(Filter::All, state)? };
    for trace in state.store.traces(project, &latest).await?.rows {
        let outline = state.store.trace_outline(project, &trace.id).await?;
        if outline.is_some_and(|outline| outline.spans.iter().any(|span| span.id == id)) {
            return Ok(Some(trace.id));
        }
    }
    Ok(None)
}

/// Up to `enough` observations that the parameters ask for, from as many traces as are looked through.
async fn matching(
    state: &State,
    project: &ProjectId,
    given: &Given,
    enough: usize,
) -> Result<Vec<Value>, Error> {
    let now = state.clock.now();
    let range = list::range_named(["fromStartTime", "toStartTime"], |name| given.one(name), now)?;
    let sessions = given.any_of("sessionId", |id| is(Field::Session, id));
    let users = given.any_of("userId", |id| is(Field::User, id));
    let mut query = given.query(Filter::all_of(sessions.into_iter().chain(users)), state)?;
    (query.from, query.to, query.limit) = (range.0, range.1, TRACES_AT_A_TIME);
    let mut found = Vec::new();
    if let Some(id) = given.one("traceId") {
        let detail = state.store.trace(project, &trace_id(id)).await?;
        found.extend(detail.iter().flat_map(|detail| wanted(detail, project, given, range)));
        return Ok(found);
    }
    for _ in 0..MOST_TRACES / TRACES_AT_A_TIME {
        let page = state.store.traces(project, &query).await?;
        for trace in page.rows {
            let detail = state.store.trace(project, &trace.id).await?;
            found.extend(detail.iter().flat_map(|detail| wanted(detail, project, given, range)));
            if found.len() >= enough {
                found.truncate(enough);
                return Ok(found);
            }
        }
        if page.next.is_none() {
            break;
        }
        query.after = page.next;
    }
    Ok(found)
}

/// The observations of a trace that the parameters ask for.
fn wanted(
    detail: &TraceDetail,
    project: &ProjectId,
    given: &Given,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
) -> Vec<Value> {
    let is_wanted = |told: &Value| {
        let is_root = told["parentObservationId"].is_null().to_string();
        let text = |name: &str| told[name].as_str().unwrap_or_default();
        MEMBERS.iter().all(|name| given.allows(name, text(name)))
            && given.allows("isRootObservation", &is_root)
    };
    let observations = shown_observations(detail, project.as_str());
    let in_range = observations
        .into_iter()
        .filter(|(start, _)| from.is_none_or(|from| *start >= from) && to.is_none_or(|to| *start < to));
    in_range.map(|(_, told)| told).filter(is_wanted).collect()
}

/// The observations of a trace with when they began, but for the one that stands for the trace itself.
pub(super) fn shown_observations(detail: &TraceDetail, project: &str) -> Vec<(Timestamp, Value)> {
    let root = root_id(detail.trace.id);
    let trace = trace_name(detail);
    let name =
        |known: &Observation| given_id(&known.attributes, OBSERVATION_ID).unwrap_or_else(|| json!(known.id));
    let names: HashMap<SpanId, Value> =
        detail.observations.iter().map(|known| (known.id, name(known))).collect();
    let id = |id: SpanId| names.get(&id).cloned().unwrap_or_else(|| json!(id));
    let inside = detail.observations.iter().filter(|observation| observation.id != root);
    inside
        .map(|observation| {
            let mut told = shown_observation(observation, detail, project);
            told["id"] = id(observation.id);
            told["traceId"] = trace.clone();
            told["parentObservationId"] =
                observation.parent_id.filter(|parent| *parent != root).map_or(Value::Null, id);
            told["isRootObservation"] = told["parentObservationId"].is_null().into();
            (observation.start_time, told)
        })
        .collect()
}

fn shown_observation(observation: &Observation, detail: &TraceDetail, project: &str) -> Value {
    let first_token = observation
        .time_to_first_token
        .map(|millis| observation.start_time.plus_nanos((millis * 1e6) as i64));
    let usage = observation.usage.unwrap_or_default();
    let usage = json!({
        "input": usage.input_uncached,
        "input_cached_tokens": usage.cache_read,
        "input_cache_creation": usage.cache_write + usage.cache_write_1h,
        "input_audio": usage.input_audio,
        "output": usage.output,
        "output_reasoning": usage.reasoning,
        "output_audio": usage.output_audio,
        "total": usage.total(),
    });
    let cost = observation.cost.or(observation.given_cost);
    json!({
        "type": observation.kind.as_str().to_ascii_uppercase(),
        "name": observation.name,
        "startTime": observation.start_time,
        "endTime": observation.end_time,
        "completionStartTime": first_token,
        "model": observation.model.as_ref().or(observation.requested_model.as_ref()),
        "modelParameters": observation.model_parameters,
        "input": observation.input,
        "output": observation.output,
        "metadata": observation.attributes,
        "usage": {
            "unit": "TOKENS", "input": observation.prompt_tokens.unwrap_or_default(),
            "output": observation.completion_tokens.unwrap_or_default(),
            "total": observation.total_tokens.unwrap_or_default(),
        },
        "usageDetails": if observation.usage.is_some() { usage } else { json!({}) },
        "costDetails": cost.map_or(json!({}), |cost| json!({"total": cost})),
        "totalCost": cost,
        "calculatedTotalCost": cost,
        "promptTokens": observation.prompt_tokens,
        "completionTokens": observation.completion_tokens,
        "totalTokens": observation.total_tokens,
        "level": level(observation.level),
        "statusMessage": observation.status_message,
        "latency": observation.duration / 1000.0,
        "timeToFirstToken": observation.time_to_first_token.map(|millis| millis / 1000.0),
        "version": detail.trace.version,
        "traceName": detail.trace.name,
        "tags": detail.trace.tags,
        "environment": observation.environment.as_deref().unwrap_or("default"),
        "userId": observation.user_id,
        "sessionId": observation.session_id,
        "projectId": project,
        "createdAt": observation.start_time,
        "updatedAt": observation.end_time,
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "DEBUG",
        Level::Info => "DEFAULT",
        Level::Warn => "WARNING",
        Level::Error | Level::Fatal => "ERROR",
    }
}
