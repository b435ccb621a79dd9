//! Sessions: list and one, in the shape of Langfuse's third version.

use axum::Json;
use axum::extract::State as Extract;
use serde_json::{Value, json};
use throughline_model::Session;

use super::page::{Given, cut};
use super::parameters::{Paging, SessionsAsked, names};
use super::traces::shown_trace;
use crate::api::errors::{InvalidRequest, ReadFailed, UnknownSession};
use crate::api::params::SessionPath;
use crate::api::sessions;
use crate::domain::analytics::{Interval, Selection};
use crate::domain::filter::Filter;
use crate::domain::query::MAX_LIMIT;
use crate::http::{Error, Project, State};

/// List sessions as Langfuse 3 does
///
/// `{"data":[{"id","createdAt","projectId","environment"}],"meta":{"page","limit","totalItems","totalPages"}}`, the
/// latest first.
#[utoipa::path(
    get,
    path = "/api/public/sessions",
    tag = "langfuse",
    params(Paging, SessionsAsked),
    responses((status = 200, description = "One page of sessions", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_sessions(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&[names::<Paging>(), names::<SessionsAsked>()])?;
    let query = given.query(given.environment().unwrap_or(Filter::All), &state)?;
    let selection =
        Selection { filter: query.filter.clone(), from: query.from, to: query.to, now: query.now };
    let (page, limit) = (given.page()?, query.limit);
    let (store, project) = (&state.store, &project);
    let read = |query| async move { store.sessions(project, &query).await };
    let found = cut((page - 1) * limit, query, read, Some).await?;
    let total = store.session_statistics(project, &selection, Interval::Day).await?.sessions;
    let rows: Vec<Value> = found.rows.iter().map(|session| shown(session, project.as_str())).collect();
    let meta = json!({"page": page, "limit": limit, "totalItems": total, "totalPages": total.div_ceil(limit as u64)});
    Ok(Json(json!({"data": rows, "meta": meta})))
}

/// Get one session as Langfuse 3 does
///
/// `{"id","createdAt","projectId","environment","traces":[...]}` with up to 1000 traces.
#[utoipa::path(
    get,
    path = "/api/public/sessions/{id}",
    tag = "langfuse",
    params(("id" = String, Path, description = "The session's id, percent-encoded")),
    responses((status = 200, description = "The session with its traces", body = Value), UnknownSession, ReadFailed)
)]
pub(super) async fn get_langfuse_session(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
) -> Result<Json<Value>, Error> {
    let session = sessions::known(&state, &project, &id).await?;
    let traces = state.store.session_traces(&project, &id, None, MAX_LIMIT).await?.rows;
    let mut told = shown(&session, project.as_str());
    told["traces"] = traces.iter().map(|trace| shown_trace(trace, project.as_str())).collect();
    Ok(Json(told))
}

fn shown(session: &Session, project: &str) -> Value {
    json!({
        "id": session.id,
        "createdAt": session.start_time,
        "projectId": project,
        "environment": session.environment.as_deref().unwrap_or("default"),
    })
}
