//! Traces: list and one.

use axum::Json;
use axum::extract::State as Extract;
use serde::Serialize;
use throughline_model::{Event, Observation, Trace};
use utoipa::ToSchema;

use super::errors::{InvalidRequest, ReadFailed, UnknownTrace};
use super::list::{List, ListParams, Listing};
use super::params::{Params, TracePath};
use crate::domain::filter::Target;
use crate::domain::query::{self, SortField};
use crate::http::{Error, Project, State};

const TRACES: Listing = Listing {
    name: "traces",
    targets: &[Target::Trace],
    sorts: &[
        ("startTime", SortField::StartTime),
        ("endTime", SortField::EndTime),
        ("duration", SortField::Duration),
        ("totalTokens", SortField::TotalTokens),
        ("totalCost", SortField::TotalCost),
        ("errorCount", SortField::ErrorCount),
    ],
    default_sort: "-startTime",
};

/// List traces
///
/// Long inputs and outputs are shortened. Ordered by `startTime`, `endTime`, `duration`, `totalTokens`, `totalCost`
/// (unknown cost is less than any) or `errorCount`; the latest start first if `sort` is not given. All traces of a
/// session: `?filter=session:the-id&sort=startTime`.
#[utoipa::path(
    get,
    path = "/api/v1/traces",
    tag = "traces",
    params(ListParams),
    responses((status = 200, description = "One page of traces", body = List<Trace>), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_traces(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Trace>>, Error> {
    let request = TRACES.request(&params, &state)?;
    let mut page = state.store.traces(&project, &request.query).await?;
    state.note_unfinished(&mut page.rows);
    Ok(Json(request.answer(page)))
}

/// A trace with everything in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceDetail {
    #[serde(flatten)]
    trace: Trace,
    /// Its observations in order of start time.
    observations: Vec<Observation>,
    /// The events said in it, in order of time.
    events: Vec<Event>,
}

/// Get one trace
///
/// The trace with its observations and events, inputs and outputs whole.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{traceId}",
    tag = "traces",
    params(("traceId" = String, Path, description = "The trace's id: 32 hexadecimal digits")),
    responses(
        (status = 200, description = "The trace", body = TraceDetail),
        InvalidRequest, UnknownTrace, ReadFailed
    )
)]
pub(super) async fn get_trace(
    Extract(state): Extract<State>,
    Project(project): Project,
    TracePath(id): TracePath,
) -> Result<Json<TraceDetail>, Error> {
    let found = state.store.trace(&project, &id).await?;
    let query::TraceDetail { mut trace, observations, events } =
        found.ok_or_else(|| Error::not_found(format!("there is no trace {id}")).code("unknown_trace"))?;
    state.note_unfinished([&mut trace]);
    Ok(Json(TraceDetail { trace, observations, events }))
}
