//! Sessions counted: how many, how long, how expensive, and how they end.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::{Money, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::spread::{Spread, Unit};
use super::{Answer, interval, selection};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::params::Params;
use crate::domain::analytics::{self, Interval};
use crate::http::{Project, State};

/// Which sessions, and how fine.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct StatisticsParams {
    /// Which sessions: see "Filter language" above.
    filter: Option<String>,
    /// Only what was going on at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only what began before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
    /// How fine the series is: `hour` or `day`; what fits the range if not given.
    interval: Option<String>,
}

/// What the sessions say together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct SessionStatistics {
    /// How many sessions there are.
    sessions: u64,
    /// Those in which anything failed.
    with_errors: u64,
    /// Those that are over and whose last turn failed.
    abandoned: u64,
    /// Turns (traces) of each session.
    turns: Spread,
    /// Milliseconds, idle time included.
    duration: Spread,
    /// Milliseconds, without pauses of five minutes and more.
    active_duration: Spread,
    /// All tokens of each session.
    tokens: Spread,
    /// Dollars, over the sessions of which the cost is known.
    cost: Spread,
    /// `hour` or `day`.
    #[schema(value_type = String)]
    interval: &'static str,
    /// In order of time, UTC; intervals in which no session began are left out. A session that began before the range
    /// counts where the range begins.
    series: Vec<Point>,
    /// What the first turns use, by their number: how contexts grow. Up to 32 turns of a session count here.
    tokens_by_turn: Vec<TurnTokens>,
}

/// The sessions that began in one interval.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Point {
    #[schema(value_type = String, format = DateTime)]
    /// When the interval begins.
    time: Timestamp,
    /// How many began in it.
    sessions: u64,
    /// Those in which anything failed.
    with_errors: u64,
    /// Those that are over and whose last turn failed.
    abandoned: u64,
    /// Their turns.
    turns: u64,
    /// Their tokens.
    tokens: u64,
    /// Dollars, over the sessions of which it is known; `null` if it is of none.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
}

/// The turns with one number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TurnTokens {
    /// Counted from 1.
    turn: usize,
    /// Sessions that came as far.
    sessions: u64,
    /// Tokens of such a turn on average.
    mean: f64,
    /// Half of these turns use at most so many tokens.
    p50: i64,
    /// Nine in ten of these turns use at most so many tokens.
    p90: i64,
}

impl SessionStatistics {
    fn new(statistics: &analytics::SessionStatistics, interval: Interval) -> Self {
        let point = |point: &analytics::Point| Point {
            time: point.time,
            sessions: point.sessions,
            with_errors: point.with_errors,
            abandoned: point.abandoned,
            turns: point.turns,
            tokens: point.tokens,
            cost: point.cost,
        };
        let turn = |turn: &analytics::TurnTokens| TurnTokens {
            turn: turn.turn,
            sessions: turn.sessions,
            mean: turn.mean,
            p50: turn.p50,
            p90: turn.p90,
        };
        Self {
            sessions: statistics.sessions,
            with_errors: statistics.with_errors,
            abandoned: statistics.abandoned,
            turns: Spread::of(&statistics.turns, Unit::Count),
            duration: Spread::of(&statistics.duration, Unit::Milliseconds),
            active_duration: Spread::of(&statistics.active_duration, Unit::Milliseconds),
            tokens: Spread::of(&statistics.tokens, Unit::Count),
            cost: Spread::of(&statistics.cost, Unit::Dollars),
            interval: interval.as_str(),
            series: statistics.series.iter().map(point).collect(),
            tokens_by_turn: statistics.tokens_by_turn.iter().map(turn).collect(),
        }
    }
}

/// Count and spread sessions
///
/// How many sessions there are over time, how many turns they have, how long they take, what they cost, and how many
/// end in an error. The sessions are those that `/api/v1/sessions` lists for the same filter and range.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/sessions",
    tag = "analytics",
    params(StatisticsParams),
    responses((status = 200, description = "The statistics", body = SessionStatistics), InvalidRequest, ReadFailed)
)]
pub(in crate::api) async fn get_session_statistics(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<StatisticsParams>,
) -> Answer<SessionStatistics> {
    let selection = selection(params.filter.as_ref(), params.from.as_ref(), params.to.as_ref(), &state)?;
    let interval = interval(params.interval.as_ref(), &selection)?;
    let statistics = state.store.session_statistics(&project, &selection, interval).await?;
    Ok(Json(SessionStatistics::new(&statistics, interval)))
}
