//! Sessions in the shape of Langfuse's third version, for programs that were written against it.

use axum::Json;
use axum::extract::State as Extract;
use serde::Deserialize;
use serde_json::{Value, json};
use throughline_model::{Session, Trace};
use utoipa::IntoParams;

use super::errors::{InvalidRequest, ReadFailed, UnknownSession};
use super::list;
use super::params::{Params, SessionPath, given, refuse};
use super::sessions;
use crate::domain::analytics::{Interval, Selection};
use crate::domain::filter::Filter;
use crate::domain::query::{ListQuery, MAX_LIMIT, Sort, SortField};
use crate::http::{Error, Project, State};

const DEFAULT_LIMIT: usize = 50;
/// Pages are counted out, so they cannot go on for ever.
const LAST_PAGE: usize = 1000;

/// Which page, as Langfuse counts them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// The number of the page, from 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    page: Option<String>,
    /// The most rows of a page: 1 to 1000, 50 if not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Only what was going on at or after this time.
    from_timestamp: Option<String>,
    /// Only what began before this time.
    to_timestamp: Option<String>,
}

/// List sessions as Langfuse 3 does
///
/// `{"data":[{"id","createdAt","projectId","environment"}],"meta":{"page","limit","totalItems","totalPages"}}`, the
/// latest first.
#[utoipa::path(
    get,
    path = "/api/public/sessions",
    tag = "langfuse",
    params(PageParams),
    responses((status = 200, description = "One page of sessions", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_langfuse_sessions(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<PageParams>,
) -> Result<Json<Value>, Error> {
    let now = state.clock.now();
    let limit = list::limit(params.limit.as_ref(), DEFAULT_LIMIT)?;
    let page = page(params.page.as_ref())?;
    let (from, to) = list::range(params.from_timestamp.as_ref(), params.to_timestamp.as_ref(), now)?;
    let sort = Sort { by: SortField::StartTime, descending: true };
    let mut query = ListQuery { filter: Filter::All, from, to, sort, limit, after: None, now };
    let mut found = state.store.sessions(&project, &query).await?;
    for _ in 1..page {
        let Some(next) = found.next.take() else {
            found.rows.clear();
            break;
        };
        query.after = Some(next);
        found = state.store.sessions(&project, &query).await?;
    }
    let selection = Selection { filter: Filter::All, from, to, now };
    let total = state.store.session_statistics(&project, &selection, Interval::Day).await?.sessions;
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

fn page(text: Option<&String>) -> Result<usize, Error> {
    let Some(text) = given(text) else { return Ok(1) };
    let page = text.parse().ok().filter(|page| (1..=LAST_PAGE).contains(page));
    page.ok_or_else(|| refuse("page", text, &format!("a whole number from 1 to {LAST_PAGE}")))
}

fn shown(session: &Session, project: &str) -> Value {
    json!({
        "id": session.id,
        "createdAt": session.start_time,
        "projectId": project,
        "environment": session.environment.as_deref().unwrap_or("default"),
    })
}

fn shown_trace(trace: &Trace, project: &str) -> Value {
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
