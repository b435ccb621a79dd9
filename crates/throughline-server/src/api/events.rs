//! Events: list.

use axum::Json;
use axum::extract::State as Extract;
use throughline_model::Event;

use super::errors::{InvalidRequest, ReadFailed};
use super::list::{List, ListParams, Listing};
use super::params::Params;
use crate::domain::filter::Target;
use crate::domain::query::SortField;
use crate::http::{Error, Project, State};

const EVENTS: Listing = Listing {
    name: "events",
    targets: &[Target::Event],
    sorts: &[("time", SortField::StartTime)],
    default_sort: "-time",
};

/// List events
///
/// Events of all sessions and of none. Ordered by `time`, the latest first if `sort` is not given.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "events",
    params(ListParams),
    responses((status = 200, description = "One page of events", body = List<Event>), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_events(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Event>>, Error> {
    let request = EVENTS.request(&params, &state)?;
    let page = state.store.events(&project, &request.query).await?;
    Ok(Json(request.answer(page)))
}
