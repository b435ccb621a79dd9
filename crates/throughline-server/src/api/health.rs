//! Whether the server lives, and whether it can work.

use axum::Json;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::filter::Filter;
use crate::domain::query::{ListQuery, Sort, SortField};
use crate::http::{Project, State};

/// Whether the server can work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, or `unavailable`.
    status: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// Is it alive?
///
/// Answers as long as the process does.
#[utoipa::path(get, path = "/health", tag = "operation", responses((status = 200, description = "Alive", body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", reasons: Vec::new() })
}

/// Can it work?
///
/// Whether the store can be written to and read from. Stop sending traffic here while it cannot.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operation",
    responses(
        (status = 200, description = "Ready", body = Health),
        (status = 503, description = "The store cannot write or read", body = Health)
    )
)]
pub(super) async fn ready(
    Extract(state): Extract<State>,
    Project(project): Project,
) -> (StatusCode, Json<Health>) {
    let mut reasons = Vec::new();
    if let Some(error) = state.store.status().await.write_error {
        reasons.push(format!("the store cannot write: {error}"));
    }
    let one = ListQuery {
        filter: Filter::All,
        from: None,
        to: None,
        sort: Sort { by: SortField::EndTime, descending: true },
        limit: 1,
        after: None,
        now: state.clock.now(),
    };
    if let Err(error) = state.store.sessions(&project, &one).await {
        reasons.push(error.to_string());
    }
    if reasons.is_empty() {
        (StatusCode::OK, Json(Health { status: "ok", reasons }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "unavailable", reasons }))
    }
}
