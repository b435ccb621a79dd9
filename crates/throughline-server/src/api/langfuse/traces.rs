//! Traces: list and one.

use axum::Json;
use axum::extract::{Path, State as Extract};
use serde_json::{Value, json};
use throughline_model::Trace;

use super::observations::shown_observations;
use super::page::{Given, meta, walk_to};
use super::{given_id, is, scores};
use crate::api::errors::{InvalidRequest, ReadFailed, UnknownTrace};
use crate::api::params::refuse;
use crate::domain::filter::{Field, Filter};
use crate::domain::langfuse::{TRACE_ID, trace_id};
use crate::domain::query::TraceDetail;
use crate::http::{Error, Project, State};

const PARAMETERS: [&str; 11] = [
    "page",
    "limit",
    "fromTimestamp",
    "toTimestamp",
    "orderBy",
    "fields",
    "userId",
    "name",
    "sessionId",
    "tags",
    "environment",
];

/// List traces as Langfuse does
///
/// `{"data":[...],"meta":{"page","limit","totalItems","totalPages"}}`, by `timestamp.desc` or `timestamp.asc`. How many
/// there are is known as far as the next page. Ids are OpenTelemetry's.
#[utoipa::path(
    get,
    path = "/api/public/traces",
    tag = "langfuse",
    params(
        ("page" = Option<u32>, Query, description = "The number of the page, from 1 to 1000"),
        ("limit" = Option<u32>, Query, description = "The most rows of a page: 1 to 1000, 50 if not given"),
        ("fromTimestamp" = Option<String>, Query, description = "Only what was going on at or after this time"),
        ("toTimestamp" = Option<String>, Query, description = "Only what began before this time"),
        ("orderBy" = Option<String>, Query, description = "`timestamp.desc` or `timestamp.asc`"),
        ("fields" = Option<String>, Query, description = "Taken, and all is answered"),
        ("userId" = Option<String>, Query, description = "Those of this user"),
        ("name" = Option<String>, Query, description = "Those of this name"),
        ("sessionId" = Option<String>, Query, description = "Those in this session"),
        ("tags" = Option<Vec<String>>, Query, description = "All of these"),
        ("environment" = Option<Vec<String>>, Query, description = "One of these"),
    ),
    responses((status = 200, description = "One page of traces", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_traces(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&PARAMETERS)?;
    let one = |name: &str, field| given.one(name).map(|value| is(field, value));
    let conditions = [one("userId", Field::User), one("name", Field::Name), one("sessionId", Field::Session)];
    let tags = given.all("tags").map(|tag| is(Field::Tag, tag));
    let filter = Filter::all_of(conditions.into_iter().flatten().chain(tags).chain(given.environment()));
    let mut query = given.query(filter, &state)?;
    query.sort.descending = match given.one("orderBy").map(String::as_str) {
        None | Some("timestamp.desc" | "timestamp") => true,
        Some("timestamp.asc") => false,
        Some(other) => return Err(refuse("orderBy", other, "timestamp.desc or timestamp.asc")),
    };
    let (number, limit) = (given.page()?, query.limit);
    let (store, project) = (&state.store, &project);
    let page = walk_to(number, query, |query| async move { store.traces(project, &query).await }).await?;
    let meta = meta(number, limit, &page);
    let rows: Vec<Value> = page.rows.iter().map(|trace| shown_trace(trace, project.as_str())).collect();
    Ok(Json(json!({"data": rows, "meta": meta})))
}

/// Get one trace as Langfuse does
///
/// With its observations and scores, by the id that its client gave it or by OpenTelemetry's.
#[utoipa::path(
    get,
    path = "/api/public/traces/{traceId}",
    tag = "langfuse",
    params(("traceId" = String, Path, description = "The trace's id")),
    responses((status = 200, description = "The trace", body = Value), UnknownTrace, ReadFailed)
)]
pub(super) async fn get_langfuse_trace(
    Extract(state): Extract<State>,
    Project(project): Project,
    Path(given): Path<String>,
) -> Result<Json<Value>, Error> {
    let id = trace_id(&given);
    let unknown = || Error::not_found(format!("there is no trace {given}")).code("unknown_trace");
    let detail = state.store.trace(&project, &id).await?.ok_or_else(unknown)?;
    let mut told = shown_trace(&detail.trace, project.as_str());
    told["id"] = trace_name(&detail);
    told["htmlPath"] = format!("/traces/{id}").into();
    told["latency"] = (detail.trace.duration / 1000.0).into();
    told["totalCost"] = json!(detail.trace.total_cost);
    let observations = shown_observations(&detail, project.as_str()).into_iter();
    told["observations"] = observations.map(|(_, told)| told).collect();
    told["scores"] = scores::of_trace(&detail, project.as_str()).into();
    Ok(Json(told))
}

/// The id that its client gave a trace, or else ours.
pub(super) fn trace_name(detail: &TraceDetail) -> Value {
    let given = detail.observations.iter().find_map(|known| given_id(&known.attributes, TRACE_ID));
    given.unwrap_or_else(|| json!(detail.trace.id))
}

pub(super) fn shown_trace(trace: &Trace, project: &str) -> Value {
    json!({
        "id": trace.id,
        "timestamp": trace.start_time,
        "name": trace.name,
        "input": trace.input,
        "output": trace.output,
        "sessionId": trace.session_id,
        "userId": trace.user_id,
        "metadata": trace.metadata,
        "tags": trace.tags,
        "version": trace.version,
        "release": null,
        "public": false,
        "bookmarked": false,
        "environment": trace.environment.as_deref().unwrap_or("default"),
        "projectId": project,
        "createdAt": trace.start_time,
        "updatedAt": trace.end_time,
    })
}
