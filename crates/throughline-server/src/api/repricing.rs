//! Computing costs afresh after the price table changed: what it would change, and doing it.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::Money;
use utoipa::{IntoParams, ToSchema};

use super::errors::{InvalidRequest, ReadFailed, WriteFailed};
use super::list;
use super::params::Params;
use crate::domain::arrival::{Batch, BatchContent};
use crate::domain::price::{CallRange, Reprice, RepricedModel, Repricing};
use crate::http::{Error, Project, State};

/// Traces that one command computes afresh, between two commits.
const TRACES_AT_ONCE: usize = 500;
/// Traces that one request computes afresh.
const TRACES_A_REQUEST: usize = 10_000;

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RepricingParams {
    /// Only calls begun at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only calls begun before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
}

/// What computing costs afresh changes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepricingReport {
    /// Billable calls by model, in order of the alphabet.
    data: Vec<ModelChange>,
    /// Traces with a call whose cost changes.
    trace_count: usize,
    /// Billable calls whose cost changes.
    changed_count: u64,
    /// Dollars as they are counted now; `null` if nothing is known of any call.
    #[schema(value_type = Option<f64>)]
    old_cost: Option<Money>,
    /// Dollars by the rules in force.
    #[schema(value_type = Option<f64>)]
    new_cost: Option<Money>,
    /// Traces that were computed afresh by this request: none if it was only asked what would change.
    applied_count: usize,
    /// Traces that still have to be: ask again.
    remaining_count: usize,
}

/// The billable calls of one model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ModelChange {
    /// Empty for calls that name none.
    model: String,
    /// How many calls.
    observation_count: u64,
    /// How many of them change their cost.
    changed_count: u64,
    /// Dollars as they are counted now; `null` if nothing is known of any.
    #[schema(value_type = Option<f64>)]
    old_cost: Option<Money>,
    /// Dollars by the rules in force.
    #[schema(value_type = Option<f64>)]
    new_cost: Option<Money>,
}

impl From<RepricedModel> for ModelChange {
    fn from(model: RepricedModel) -> Self {
        Self {
            model: model.model,
            observation_count: model.calls,
            changed_count: model.changed,
            old_cost: model.old,
            new_cost: model.new,
        }
    }
}

impl RepricingReport {
    fn new(repricing: Repricing, applied: usize) -> Self {
        let sum = |cost: fn(&RepricedModel) -> Option<Money>| {
            let known = repricing.models.iter().filter_map(cost);
            known.fold(None, |sum: Option<Money>, cost| Some(sum.unwrap_or(Money::ZERO) + cost))
        };
        Self {
            trace_count: repricing.traces.len(),
            changed_count: repricing.models.iter().map(|model| model.changed).sum(),
            old_cost: sum(|model| model.old),
            new_cost: sum(|model| model.new),
            applied_count: applied,
            remaining_count: repricing.traces.len() - applied,
            data: repricing.models.into_iter().map(ModelChange::from).collect(),
        }
    }
}

/// Preview what re-pricing changes
///
/// Cost is computed when a call arrives, by the price rules that are then in force. This tells what it would be by the
/// rules in force now, without changing anything. Reads every call of the range.
#[utoipa::path(
    get,
    path = "/api/v1/repricing",
    tag = "analytics",
    params(RepricingParams),
    responses((status = 200, description = "What would change", body = RepricingReport), InvalidRequest, ReadFailed)
)]
pub(super) async fn preview_repricing(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<RepricingParams>,
) -> Result<Json<RepricingReport>, Error> {
    let range = range(&params, &state)?;
    let repricing = state.store.repricing(&project, range).await?;
    Ok(Json(RepricingReport::new(repricing, 0)))
}

/// Re-price
///
/// Computes the cost of the range's calls by the rules in force, with the sums of their traces and sessions. A request
/// takes at most 10 000 traces; while the answer's `remainingCount` is not 0, send it again. Doing it twice changes
/// nothing more.
#[utoipa::path(
    post,
    path = "/api/v1/repricing",
    tag = "analytics",
    params(RepricingParams),
    responses(
        (status = 200, description = "What was changed", body = RepricingReport),
        InvalidRequest, ReadFailed, WriteFailed
    )
)]
pub(super) async fn apply_repricing(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<RepricingParams>,
) -> Result<Json<RepricingReport>, Error> {
    let range = range(&params, &state)?;
    let repricing = state.store.repricing(&project, range).await?;
    let due = &repricing.traces[..repricing.traces.len().min(TRACES_A_REQUEST)];
    for traces in due.chunks(TRACES_AT_ONCE) {
        let content = BatchContent::Reprice(Reprice { range, traces: traces.to_vec() });
        let batch = Batch { project: project.clone(), received: state.clock.now(), content };
        state.store.append(batch).await?;
        state.store.settle().await?;
    }
    let applied = due.len();
    Ok(Json(RepricingReport::new(repricing, applied)))
}

fn range(params: &RepricingParams, state: &State) -> Result<CallRange, Error> {
    let (from, to) = list::range(params.from.as_ref(), params.to.as_ref(), state.clock.now())?;
    Ok(CallRange { from, to })
}
