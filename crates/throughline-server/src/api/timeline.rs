//! A session's timeline: everything in it in order of time.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::{Event, Observation, Trace};
use utoipa::{IntoParams, ToSchema};

use super::errors::{InvalidRequest, ReadFailed, UnknownSession};
use super::list::{self, List};
use super::params::{Params, SessionPath};
use super::sessions;
use crate::domain::query::TimelineItem;
use crate::http::{Error, Project, State};

/// How much of the timeline to answer with.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineParams {
    /// The most entries to answer with: 1 to 1000, 200 if not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Where to go on: the `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Something in a session, told apart by `kind`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(super) enum TimelineEntry {
    Trace(Box<Trace>),
    Observation(Box<Observation>),
    Event(Box<Event>),
}

impl From<TimelineItem> for TimelineEntry {
    fn from(item: TimelineItem) -> Self {
        match item {
            TimelineItem::Trace(trace) => Self::Trace(trace),
            TimelineItem::Observation(observation) => Self::Observation(observation),
            TimelineItem::Event(event) => Self::Event(event),
        }
    }
}

/// Get a session's timeline
///
/// Traces, observations and events in order of the time they began; a trace comes before what is in it.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}/timeline",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded"), TimelineParams),
    responses(
        (status = 200, description = "One page of the timeline", body = List<TimelineEntry>),
        InvalidRequest, UnknownSession, ReadFailed
    )
)]
pub(super) async fn get_timeline(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
    Params(params): Params<TimelineParams>,
) -> Result<Json<List<TimelineEntry>>, Error> {
    const PLACE: &str = "timeline";
    const DEFAULT_LIMIT: usize = 200;
    let limit = list::limit(params.limit.as_ref(), DEFAULT_LIMIT)?;
    let after = list::after(PLACE, params.cursor.as_ref())?;
    sessions::known(&state, &project, &id).await?;
    let mut page = state.store.timeline(&project, &id, after.as_ref(), limit).await?;
    state.note_unfinished(page.rows.iter_mut().filter_map(|item| match item {
        TimelineItem::Trace(trace) => Some(&mut **trace),
        TimelineItem::Observation(_) | TimelineItem::Event(_) => None,
    }));
    Ok(Json(list::answer(PLACE, page)))
}
