//! Sessions: list, one, end, delete.

use axum::Json;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use throughline_model::{ProjectId, Session, SessionId, Trace};
use utoipa::{IntoParams, ToSchema};

use super::errors::{InvalidRequest, ReadFailed, UnknownSession, WriteFailed};
use super::list::{self, List, ListParams, Listing};
use super::params::{Params, SessionPath};
use crate::domain::arrival::{Batch, BatchContent};
use crate::domain::filter::Target;
use crate::domain::query::{MAX_LIMIT, SortField};
use crate::http::{Error, Project, State};

const SESSIONS: Listing = Listing {
    name: "sessions",
    targets: &[Target::Session],
    sorts: &[
        ("startTime", SortField::StartTime),
        ("endTime", SortField::EndTime),
        ("duration", SortField::Duration),
        ("totalTokens", SortField::TotalTokens),
        ("totalCost", SortField::TotalCost),
        ("errorCount", SortField::ErrorCount),
        ("traceCount", SortField::TraceCount),
    ],
    default_sort: "-endTime",
};

/// List sessions
///
/// Ordered by `startTime`, `endTime`, `duration`, `totalTokens`, `totalCost` (unknown cost is less than any),
/// `errorCount` or `traceCount`; the latest end first if `sort` is not given.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "sessions",
    params(ListParams),
    responses((status = 200, description = "One page of sessions", body = List<Session>), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_sessions(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Session>>, Error> {
    let request = SESSIONS.request(&params, &state)?;
    let mut page = state.store.sessions(&project, &request.query).await?;
    state.note_goals(&project, &mut page.rows).await?;
    Ok(Json(request.answer(page)))
}

/// How much of a session to answer with.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionParams {
    /// The most traces to answer with: 1 to 1000, which is also what you get if you do not ask.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Where to go on in the traces: the `nextCursor` of the answer before.
    cursor: Option<String>,
}

/// A session with its traces, in order of start time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionDetail {
    #[serde(flatten)]
    session: Session,
    /// Its traces, summed up; long inputs and outputs are shortened.
    traces: Vec<Trace>,
    /// Give it as `cursor` to get the traces that follow; `null` if these were the last.
    next_cursor: Option<String>,
}

/// Get one session
///
/// The session and its traces (turns), summed up. Ids with slashes, spaces or other special characters must be
/// percent-encoded: `user%2F42`.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded"), SessionParams),
    responses(
        (status = 200, description = "The session with its traces", body = SessionDetail),
        InvalidRequest, UnknownSession, ReadFailed
    )
)]
pub(super) async fn get_session(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
    Params(params): Params<SessionParams>,
) -> Result<Json<SessionDetail>, Error> {
    const PLACE: &str = "session traces";
    let limit = list::limit(params.limit.as_ref(), MAX_LIMIT)?;
    let after = list::after(PLACE, params.cursor.as_ref())?;
    let session = known(&state, &project, &id).await?;
    let mut page = state.store.session_traces(&project, &id, after.as_ref(), limit).await?;
    state.note_unfinished(&mut page.rows);
    let List { data, next_cursor } = list::answer(PLACE, page);
    Ok(Json(SessionDetail { session, traces: data, next_cursor }))
}

/// End a session
///
/// Says that nothing more is expected of it, and answers with what it then is. Data that arrives later is still taken
/// in, and data that began later reopens the session.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{id}/end",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded")),
    responses((status = 200, description = "The session, ended", body = Session), UnknownSession, WriteFailed)
)]
pub(super) async fn end_session(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
) -> Result<Json<Session>, Error> {
    command(&state, &project, &id, BatchContent::EndSession(id.clone())).await?;
    known(&state, &project, &id).await.map(Json)
}

/// Delete a session
///
/// Forgets all its traces, observations and events, as of now: what arrives later with the same id begins a new one.
/// When this is answered, the session is gone from every list.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded")),
    responses((status = 204, description = "Deleted"), UnknownSession, WriteFailed)
)]
pub(super) async fn delete_session(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
) -> Result<StatusCode, Error> {
    command(&state, &project, &id, BatchContent::DeleteSession(id.clone())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Appends a command about a session that must exist, and waits until its effect can be read.
async fn command(
    state: &State,
    project: &ProjectId,
    id: &SessionId,
    content: BatchContent,
) -> Result<(), Error> {
    known(state, project, id).await?;
    let batch = Batch { project: project.clone(), received: state.clock.now(), content };
    state.store.append(batch).await?;
    Ok(state.store.settle().await?)
}

/// The session, or the error that says that there is none.
pub(super) async fn known(state: &State, project: &ProjectId, id: &SessionId) -> Result<Session, Error> {
    let session = state.store.session(project, id, state.clock.now()).await?;
    let mut session = session.ok_or_else(|| {
        let shown: String = id.as_str().chars().take(100).collect();
        Error::not_found(format!("there is no session {shown:?}")).code("unknown_session")
    })?;
    state.note_goals(project, std::slice::from_mut(&mut session)).await?;
    Ok(session)
}
