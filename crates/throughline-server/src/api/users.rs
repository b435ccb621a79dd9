//! Users: list.

use axum::Json;
use axum::extract::State as Extract;
use serde::Serialize;
use throughline_model::{Money, Timestamp};
use utoipa::ToSchema;

use super::errors::{InvalidRequest, ReadFailed};
use super::list::{List, ListParams, Listing};
use super::params::Params;
use crate::domain::filter::Target;
use crate::domain::query::{self, SortField};
use crate::http::{Error, Project, State};

const USERS: Listing = Listing {
    name: "users",
    targets: &[Target::Session],
    sorts: &[
        ("firstSeen", SortField::StartTime),
        ("lastSeen", SortField::EndTime),
        ("totalTokens", SortField::TotalTokens),
        ("totalCost", SortField::TotalCost),
        ("errorCount", SortField::ErrorCount),
        ("traceCount", SortField::TraceCount),
    ],
    default_sort: "-lastSeen",
};

/// A user, summed up over the sessions that name them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    /// The id that the application chose.
    id: String,
    /// How many sessions they had.
    session_count: u64,
    /// How many traces those sessions have.
    trace_count: u64,
    /// How many observations and events in them are errors.
    error_count: u64,
    /// All tokens together.
    total_tokens: u64,
    /// Dollars over what could be priced; `null` if nothing could.
    #[schema(value_type = Option<f64>)]
    total_cost: Option<Money>,
    /// When their first session began.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// When their latest session ended.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

impl From<query::User> for User {
    fn from(user: query::User) -> Self {
        Self {
            id: user.id,
            session_count: user.session_count,
            trace_count: user.trace_count,
            error_count: user.error_count,
            total_tokens: user.total_tokens,
            total_cost: user.total_cost,
            first_seen: user.first_seen,
            last_seen: user.last_seen,
        }
    }
}

/// List users
///
/// Filter and time range choose sessions; a user is summed up over those of theirs that are chosen. Ordered by
/// `firstSeen`, `lastSeen`, `totalTokens`, `totalCost`, `errorCount` or `traceCount`; the latest seen first if `sort`
/// is not given.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "users",
    params(ListParams),
    responses((status = 200, description = "One page of users", body = List<User>), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_users(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<ListParams>,
) -> Result<Json<List<User>>, Error> {
    let request = USERS.request(&params, &state)?;
    let page = state.store.users(&project, &request.query).await?;
    Ok(Json(request.answer(page)))
}
