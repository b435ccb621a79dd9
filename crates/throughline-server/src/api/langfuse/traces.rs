//! Traces: list and one.

use axum::Json;
use axum::extract::{Path, State as Extract};
use serde_json::{Value, json};
use throughline_model::Trace;

use super::observations::shown_observations;
use super::page::{Given, cut, meta};
use super::parameters::{Paging, TracesAsked, names};
use super::{given_id, is, scores};
use crate::api::errors::{InvalidRequest, ReadFailed, UnknownTrace};
use crate::api::params::refuse;
use crate::domain::filter::{Field, Filter};
use crate::domain::langfuse::{TRACE_ID, trace_id};
use crate::domain::query::{ListQuery, TraceDetail};
use crate::http::{Error, Project, State};

/// List traces as Langfuse does
///
/// `{"data":[...],"meta":{"page","limit","totalItems","totalPages"}}`, by `timestamp.desc` or `timestamp.asc`, each with
/// the ids of its observations and scores. How many there are is known as far as the next page.
#[utoipa::path(
    get,
    path = "/api/public/traces",
    tag = "langfuse",
    params(Paging, TracesAsked),
    responses((status = 200, description = "One page of traces", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_traces(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&[names::<Paging>(), names::<TracesAsked>()])?;
    let query = asked(&given, &state)?;
    let (number, limit) = (given.page()?, query.limit);
    let is_wanted = |trace: &Trace| {
        let version = trace.version.as_deref().unwrap_or_default();
        given.allows("version", version) && given.allows("release", version)
    };
    let (store, project) = (&state.store, &project);
    let read = |query: ListQuery| async move { store.traces(project, &query).await };
    let found = cut((number - 1) * limit, query, read, |trace| Some(trace).filter(is_wanted)).await?;
    let meta = meta(number, limit, &found);
    let mut rows = Vec::with_capacity(found.rows.len());
    for trace in &found.rows {
        // A trace that was deleted in this moment is none.
        if let Some(detail) = store.trace(project, &trace.id).await? {
            let mut told = shown_detail(&detail, project.as_str());
            for list in ["observations", "scores"] {
                let ids = told[list].as_array().into_iter().flatten().map(|one| one["id"].clone());
                told[list] = ids.collect();
            }
            rows.push(told);
        }
    }
    Ok(Json(json!({"data": rows, "meta": meta})))
}

fn asked(given: &Given, state: &State) -> Result<ListQuery, Error> {
    let one = |name: &str, field| given.one(name).map(|value| is(field, value));
    let conditions = [one("userId", Field::User), one("name", Field::Name), one("sessionId", Field::Session)];
    let tags = given.all("tags").map(|tag| is(Field::Tag, tag));
    let filter = Filter::all_of(conditions.into_iter().flatten().chain(tags).chain(given.environment()));
    let mut query = given.query(filter, state)?;
    query.sort.descending = match given.one("orderBy").map(String::as_str) {
        None | Some("timestamp.desc" | "timestamp") => true,
        Some("timestamp.asc") => false,
        Some(other) => return Err(refuse("orderBy", other, "timestamp.desc or timestamp.asc")),
    };
    Ok(query)
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
    Ok(Json(shown_detail(&detail, project.as_str())))
}

/// A trace with its observations and scores. A cost must be a number here: unknown is 0.
fn shown_detail(detail: &TraceDetail, project: &str) -> Value {
    let trace = &detail.trace;
    let mut told = shown_trace(trace, project);
    told["id"] = trace_name(detail);
    told["htmlPath"] = format!("/traces/{}", trace.id).into();
    told["latency"] = (trace.duration / 1000.0).into();
    told["totalCost"] = trace.total_cost.map_or(json!(0), |cost| json!(cost));
    let observations = shown_observations(detail, project).into_iter();
    told["observations"] = observations.map(|(_, told)| told).collect();
    told["scores"] = scores::of_trace(detail, project).into();
    told
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
