//! Scores: list.

use axum::Json;
use axum::extract::State as Extract;
use serde::Serialize;
use serde_json::Value;
use throughline_model::{Attributes, SessionId, SpanId, Timestamp, TraceId};
use utoipa::ToSchema;

use super::errors::{InvalidRequest, ReadFailed};
use super::list::{List, ListParams, Listing};
use super::params::Params;
use crate::domain::filter::{Filter, Target};
use crate::domain::query::{Page, SortField};
use crate::domain::score;
use crate::http::{Error, Project, State};

const SCORES: Listing = Listing {
    name: "scores",
    targets: &[Target::Event],
    sorts: &[("time", SortField::StartTime)],
    default_sort: "-time",
};

/// Feedback on a session, a trace or an observation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Score {
    /// Scores with the same id replace each other.
    id: String,
    /// What is judged: `helpful`, `accuracy`.
    name: String,
    /// A number, `true` or `false`, or a text.
    value: Value,
    /// `NUMERIC`, `BOOLEAN`, `CATEGORICAL` or `TEXT`.
    data_type: &'static str,
    /// Why.
    comment: Option<String>,
    /// The session it is on.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// The trace it is on.
    #[schema(value_type = Option<String>)]
    trace_id: Option<TraceId>,
    /// The observation it is on.
    #[schema(value_type = Option<String>)]
    observation_id: Option<SpanId>,
    /// The environment it was given in.
    environment: Option<String>,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// What else is said of it.
    #[schema(value_type = Object)]
    metadata: Attributes,
}

impl From<score::Score> for Score {
    fn from(score: score::Score) -> Self {
        Self {
            id: score.id,
            name: score.name,
            data_type: score.value.data_type(),
            value: score.value.to_json(),
            comment: score.comment,
            session_id: score.session_id,
            trace_id: score.trace_id,
            observation_id: score.observation_id,
            environment: score.environment,
            time: score.time,
            metadata: score.metadata,
        }
    }
}

/// List scores
///
/// The latest first if `sort` is not given. The filter is that of events: `session:chat-1`,
/// `score.helpful:true`, `score.accuracy:>0.5`. Of scores with the same id on the same thing only the latest is there.
#[utoipa::path(
    get,
    path = "/api/v1/scores",
    tag = "scores",
    params(ListParams),
    responses((status = 200, description = "One page of scores", body = List<Score>), InvalidRequest, ReadFailed)
)]
pub(super) async fn list_scores(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Score>>, Error> {
    let mut request = SCORES.request(&params, &state)?;
    request.query.filter = Filter::all_of([request.query.filter, score::standing()]);
    let Page { rows, next } = state.store.events(&project, &request.query).await?;
    let scores = rows.iter().filter_map(score::Score::of).collect();
    Ok(Json(request.answer(Page { rows: scores, next })))
}
