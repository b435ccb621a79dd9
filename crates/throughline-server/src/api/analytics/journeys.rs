//! Journeys: the steps that sessions take, where they branch and where they end.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::Money;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, selection};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::params::{self, Params};
use crate::domain::analytics::{self, StepKind};
use crate::http::{Project, State};

/// Which sessions, what a step is, and which steps to count one after the other.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct JourneyParams {
    /// Which sessions: see "Filter language" above.
    filter: Option<String>,
    /// Only what was going on at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only what began before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
    /// What a step is: `name` of a trace (if not given), or `tag`: the tags of its traces, each where it
    /// first occurs.
    by: Option<String>,
    /// Steps with `>` between them, to count the sessions that take them in this order, whatever is between.
    #[param(example = "chat > checkout > pay")]
    funnel: Option<String>,
}

/// What journeys sessions made. Of each session the first 32 turns count, and of its path the first 12 steps; the same
/// step several times in a row is one step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Journeys {
    /// Sessions that took any step.
    sessions: u64,
    /// How many different paths there are.
    distinct_paths: u64,
    /// The 25 most frequent paths.
    paths: Vec<JourneyPath>,
    /// The paths as a tree, each step after the one it follows on: of each step the six most frequent next ones, down to
    /// the eighth.
    tree: Vec<JourneyStep>,
    /// For each step of the funnel, the sessions that took it after those before.
    funnel: Vec<FunnelStep>,
}

/// Sessions that took the same path.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JourneyPath {
    /// Names or tags, in their order.
    steps: Vec<String>,
    /// Whether more steps follow than are told apart.
    is_cut: bool,
    /// How many sessions took it.
    sessions: u64,
    /// Those in which anything failed.
    with_errors: u64,
    /// Over, and their last turn failed.
    abandoned: u64,
    /// Dollars, over the sessions of which it is known; `null` if it is of none.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
}

/// A step in the tree of paths.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JourneyStep {
    /// 0 for first steps.
    depth: usize,
    /// A name or tag.
    step: String,
    /// Sessions that came this way.
    sessions: u64,
    /// Those that went no further.
    ended: u64,
    /// Those that went on to steps too rare to be listed.
    others: u64,
}

/// A step of the funnel.
#[derive(Debug, Serialize, ToSchema)]
struct FunnelStep {
    /// A name or tag.
    step: String,
    /// Sessions that took it after the steps before.
    sessions: u64,
}

impl From<analytics::Journeys> for Journeys {
    fn from(journeys: analytics::Journeys) -> Self {
        let path = |path: analytics::Path| JourneyPath {
            steps: path.steps,
            is_cut: path.is_cut,
            sessions: path.totals.sessions,
            with_errors: path.totals.with_errors,
            abandoned: path.totals.abandoned,
            cost: path.totals.cost,
        };
        let branch = |branch: analytics::Branch| JourneyStep {
            depth: branch.depth,
            step: branch.step,
            sessions: branch.sessions,
            ended: branch.ended,
            others: branch.others,
        };
        let step = |step: analytics::FunnelStep| FunnelStep { step: step.step, sessions: step.sessions };
        Self {
            sessions: journeys.sessions,
            distinct_paths: journeys.distinct,
            paths: journeys.paths.into_iter().map(path).collect(),
            tree: journeys.tree.into_iter().map(branch).collect(),
            funnel: journeys.funnel.into_iter().map(step).collect(),
        }
    }
}

/// Follow journeys
///
/// Which steps sessions take one after another, how often, where they end, and how many go through a funnel. The
/// sessions are those that `/api/v1/sessions` lists for the same filter and range.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/journeys",
    tag = "analytics",
    params(JourneyParams),
    responses((status = 200, description = "The journeys", body = Journeys), InvalidRequest, ReadFailed)
)]
pub(in crate::api) async fn get_journeys(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<JourneyParams>,
) -> Answer<Journeys> {
    let selection = selection(params.filter.as_ref(), params.from.as_ref(), params.to.as_ref(), &state)?;
    let by = params::choice("by", params.by.as_ref(), &[("name", StepKind::Name), ("tag", StepKind::Tag)])?;
    let funnel = analytics::read_funnel(params.funnel.as_deref().unwrap_or_default());
    let journeys = state.store.journeys(&project, &selection, by, &funnel).await?;
    Ok(Json(journeys.into()))
}
