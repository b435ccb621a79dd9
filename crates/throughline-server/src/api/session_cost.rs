//! What a session cost, taken apart.

use axum::Json;
use axum::extract::State as Extract;
use serde::Serialize;
use std::collections::BTreeMap;
use throughline_model::{Money, TraceId, Usage};
use utoipa::ToSchema;

use super::errors::{ReadFailed, UnknownSession};
use super::params::SessionPath;
use super::sessions::known;
use crate::domain::session_cost::{CallCosts, SessionCost};
use crate::http::{Error, Project, State};

/// What a session cost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionCostReport {
    #[serde(flatten)]
    total: Costs,
    /// By model, the dearest first.
    models: Vec<ModelCosts>,
    /// By turn, in order of their first call.
    turns: Vec<TurnCosts>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelCosts {
    /// The model; empty for calls that name none.
    model: String,
    #[serde(flatten)]
    costs: Costs,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TurnCosts {
    /// The turn's trace.
    #[schema(value_type = String)]
    trace_id: TraceId,
    #[serde(flatten)]
    costs: Costs,
    /// Dollars of this turn and all before it; `null` if nothing is known of any.
    #[schema(value_type = Option<f64>)]
    cumulative_cost: Option<Money>,
}

/// What calls cost together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Costs {
    /// How many billable calls.
    observation_count: u64,
    /// Tokens by bucket.
    usage: Usage,
    /// All tokens together.
    total_tokens: u64,
    /// Dollars; `null` if nothing is known of any call.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
    /// Dollars by bucket, as far as the price rules in force explain them.
    #[schema(value_type = BTreeMap<String, f64>)]
    buckets: BTreeMap<&'static str, Money>,
    /// Dollars that they do not explain: given by the source, or computed by rules that have changed since.
    #[schema(value_type = f64)]
    unexplained_cost: Money,
    /// Dollars that cached tokens would have cost more as plain input. Less than 0 where writing to the cache cost more
    /// than reading from it saved.
    #[schema(value_type = f64)]
    saved_by_caching: Money,
    /// Calls whose price the table does not say exactly.
    estimated_count: u64,
    /// Calls of which nobody knows what they cost.
    unpriced_count: u64,
}

impl From<CallCosts> for Costs {
    fn from(costs: CallCosts) -> Self {
        Self {
            observation_count: costs.calls,
            total_tokens: costs.usage.total(),
            usage: costs.usage,
            cost: costs.cost,
            unexplained_cost: costs.unexplained(),
            saved_by_caching: costs.saved,
            estimated_count: costs.estimated,
            unpriced_count: costs.unpriced,
            buckets: costs.buckets,
        }
    }
}

/// Get what a session cost
///
/// By model, bucket and turn, with what caching saved. Reads every billable call of the session.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}/cost",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded")),
    responses((status = 200, description = "The session's cost", body = SessionCostReport), UnknownSession, ReadFailed)
)]
pub(super) async fn get_session_cost(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
) -> Result<Json<SessionCostReport>, Error> {
    known(&state, &project, &id).await?;
    let calls = state.store.session_calls(&project, &id).await?;
    let cost = SessionCost::of(calls, &state.prices);
    let mut so_far = None;
    let turn = |(trace_id, costs): (TraceId, CallCosts)| {
        if let Some(cost) = costs.cost {
            so_far = Some(so_far.unwrap_or(Money::ZERO) + cost);
        }
        TurnCosts { trace_id, costs: costs.into(), cumulative_cost: so_far }
    };
    Ok(Json(SessionCostReport {
        total: cost.total.into(),
        models: cost
            .models
            .into_iter()
            .map(|(model, costs)| ModelCosts { model, costs: costs.into() })
            .collect(),
        turns: cost.turns.into_iter().map(turn).collect(),
    }))
}
