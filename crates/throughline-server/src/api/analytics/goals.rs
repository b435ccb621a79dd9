//! Goals: how many sessions reach them, how soon and at what cost.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::spread::{Spread, Unit};
use super::{Answer, interval, selection};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::params::{self, Params};
use crate::domain::analytics::{self, Goal};
use crate::domain::filter::Target;
use crate::http::{Error, Project, State};

/// Which sessions, and which goals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct GoalParams {
    /// A goal to try out: a filter for sessions. Without it, the goals that are configured.
    #[param(example = "tag:conversion")]
    goal: Option<String>,
    /// Which sessions: see "Filter language" above.
    filter: Option<String>,
    /// Only what was going on at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only what began before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
    /// How fine the series is: `hour` or `day`; what fits the range if not given.
    interval: Option<String>,
}

/// The goals, in the order in which they are configured.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct GoalReports {
    /// One row per goal.
    data: Vec<GoalReport>,
}

/// How sessions fare with one goal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GoalReport {
    /// As configured; of one that is tried, its filter.
    name: String,
    /// The sessions that reach the goal are those that this filter finds.
    filter: String,
    /// How many sessions there are.
    sessions: u64,
    /// How many of them reach the goal.
    reached: u64,
    /// The share of sessions that reach the goal, 0 to 1; `null` of no sessions.
    completion_rate: Option<f64>,
    /// Milliseconds from a session's start to the end of the first turn that the filter finds. Not every filter finds
    /// turns (`turns:>3` does not): then there are none.
    time: Spread,
    /// Turns up to and with that one.
    turns: Spread,
    /// Dollars up to and with that turn, where known.
    cost: Spread,
    /// `hour` or `day`.
    #[schema(value_type = String)]
    interval: &'static str,
    /// In order of time, UTC; intervals in which no session began are left out.
    series: Vec<GoalPoint>,
}

/// The sessions that began in one interval.
#[derive(Debug, Serialize, ToSchema)]
struct GoalPoint {
    #[schema(value_type = String, format = DateTime)]
    /// When the interval begins.
    time: Timestamp,
    /// How many began in it.
    sessions: u64,
    /// How many of those reach the goal.
    reached: u64,
}

impl GoalReport {
    fn new(goal: &Goal, report: &analytics::GoalReport, interval: &'static str) -> Self {
        let point = |point: &analytics::GoalPoint| GoalPoint {
            time: point.time,
            sessions: point.sessions,
            reached: point.reached,
        };
        Self {
            name: goal.name.clone(),
            filter: goal.text.clone(),
            sessions: report.sessions,
            reached: report.reached,
            completion_rate: report.completion_rate(),
            time: Spread::of(&report.time, Unit::Milliseconds),
            turns: Spread::of(&report.turns, Unit::Count),
            cost: Spread::of(&report.cost, Unit::Dollars),
            interval,
            series: report.series.iter().map(point).collect(),
        }
    }
}

/// Measure goals
///
/// How many sessions reach each goal (their completion rate), how soon, in how many turns and at what cost.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/goals",
    tag = "analytics",
    params(GoalParams),
    responses((status = 200, description = "The goals", body = GoalReports), InvalidRequest, ReadFailed)
)]
pub(in crate::api) async fn get_goals(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<GoalParams>,
) -> Answer<GoalReports> {
    let selection = selection(params.filter.as_ref(), params.from.as_ref(), params.to.as_ref(), &state)?;
    let interval = interval(params.interval.as_ref(), &selection)?;
    let goals = match params::given(params.goal.as_ref()) {
        Some(text) => vec![tried(text, &state)?],
        None => state.goals.iter().map(|goal| goal.at(selection.now)).collect(),
    };
    let mut data = Vec::with_capacity(goals.len());
    for goal in &goals {
        let report = state.store.goal(&project, &selection, goal, interval).await?;
        data.push(GoalReport::new(goal, &report, interval.as_str()));
    }
    Ok(Json(GoalReports { data }))
}

/// The goal that is tried out, under its filter's name.
fn tried(text: &str, state: &State) -> Result<Goal, Error> {
    let filter = params::filter_named("goal", text, &[Target::Session], state)?;
    Ok(Goal::new(text, text, filter, state.clock.now()))
}
