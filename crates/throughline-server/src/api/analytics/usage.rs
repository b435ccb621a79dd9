//! Usage: tokens, cost and latency of model calls, grouped.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::{Money, Timestamp, Usage};
use utoipa::{IntoParams, ToSchema};

use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::list;
use crate::api::params::{self, Params};
use crate::domain::analytics::Interval;
use crate::domain::filter::{Filter, Target};
use crate::domain::query::{self, UsageGroup, UsageOrder, UsageQuery};
use crate::http::{Error, Project, State};

const GROUPS: &[(&str, UsageGroup)] = &[
    ("model", UsageGroup::Model),
    ("user", UsageGroup::User),
    ("service", UsageGroup::Service),
    ("environment", UsageGroup::Environment),
    ("name", UsageGroup::Name),
    ("type", UsageGroup::Type),
    ("trace", UsageGroup::Trace),
    ("tag", UsageGroup::Tag),
];

const SORTS: &[(&str, UsageOrder)] = &[("-totalTokens", UsageOrder::Tokens), ("-cost", UsageOrder::Cost)];

/// Groups told one by one if nobody says how many.
pub(super) const DEFAULT_LIMIT: usize = 100;

/// What to sum up, and by what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct UsageParams {
    /// What to group by: `model` (if not given), `user`, `service`, `environment`, `name` or `type` of the call, or
    /// `trace` (the name of the trace it is in) or `tag` (each tag of that trace).
    group: Option<String>,
    /// Which observations, or by `trace` and `tag` which traces: see "Filter language" above.
    filter: Option<String>,
    /// Only in sessions that this filter finds.
    sessions: Option<String>,
    /// Only what was going on at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only what began before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
    /// `hour` or `day`: gives each row its series over time.
    interval: Option<String>,
    /// Which groups come first: `-totalTokens` (if not given), or `-cost`, where what has no price comes last.
    sort: Option<String>,
    /// The most groups to tell one by one: 1 to 1000, 100 if not given. All further ones are summed up in `others`.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// Usage by group.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UsageReport {
    /// One row per group, in the order asked for.
    data: Vec<UsageRow>,
    /// The groups beyond the limit, summed up; `null` if there are none.
    others: Option<OtherUsage>,
}

/// The rows of several groups added up: by `tag`, a call counts with each tag of its trace here, too.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OtherUsage {
    /// How many groups.
    groups: u64,
    /// How many calls.
    observation_count: u64,
    /// How many of them failed.
    error_count: u64,
    /// Tokens by bucket.
    usage: Usage,
    /// All tokens together.
    total_tokens: u64,
    /// Dollars over what could be priced; `null` if nothing could.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
    /// With `interval`: the calls over time, by when they began; intervals without any are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    series: Vec<UsagePoint>,
}

/// Model calls with the same group value; by `tag` a call counts with each tag of its trace.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageRow {
    /// The group's value; empty for calls that have none.
    group: String,
    /// How many calls.
    observation_count: u64,
    /// How many of them failed.
    error_count: u64,
    /// Tokens by bucket.
    usage: Usage,
    /// All tokens together.
    total_tokens: u64,
    /// Dollars over what could be priced; `null` if nothing could.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
    /// Half of the calls (by `trace` and `tag`, of the traces) took at most so many milliseconds.
    duration_p50: f64,
    /// All but 5 % of them took at most so many milliseconds.
    duration_p95: f64,
    /// With `interval`: the calls over time, by when they began; intervals without any are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    series: Vec<UsagePoint>,
}

/// The calls that began in one interval.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsagePoint {
    /// When the interval begins.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// How many calls.
    observation_count: u64,
    /// All tokens together.
    tokens: u64,
    /// Dollars over what could be priced; `null` if nothing could.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
}

impl From<query::UsagePoint> for UsagePoint {
    fn from(point: query::UsagePoint) -> Self {
        Self {
            time: point.time,
            observation_count: point.observation_count,
            tokens: point.tokens,
            cost: point.cost,
        }
    }
}

impl From<query::UsageRow> for UsageRow {
    fn from(row: query::UsageRow) -> Self {
        Self {
            group: row.group,
            observation_count: row.observation_count,
            error_count: row.error_count,
            total_tokens: row.usage.total(),
            usage: row.usage,
            cost: row.cost,
            duration_p50: row.duration_p50,
            duration_p95: row.duration_p95,
            series: row.series.into_iter().map(UsagePoint::from).collect(),
        }
    }
}

impl From<query::OtherUsage> for OtherUsage {
    fn from(others: query::OtherUsage) -> Self {
        Self {
            groups: others.groups,
            observation_count: others.observation_count,
            error_count: others.error_count,
            total_tokens: others.usage.total(),
            usage: others.usage,
            cost: others.cost,
            series: others.series.into_iter().map(UsagePoint::from).collect(),
        }
    }
}

impl From<query::UsageReport> for UsageReport {
    fn from(report: query::UsageReport) -> Self {
        Self {
            data: report.rows.into_iter().map(UsageRow::from).collect(),
            others: report.others.map(OtherUsage::from),
        }
    }
}

/// Sum up usage
///
/// Tokens, cost and latency over billable observations: those that carry usage while nothing below them does, so that
/// no call counts twice.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/usage",
    tag = "analytics",
    params(UsageParams),
    responses((status = 200, description = "Usage by group", body = UsageReport), InvalidRequest, ReadFailed)
)]
pub(in crate::api) async fn get_usage(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<UsageParams>,
) -> Result<Json<UsageReport>, Error> {
    let group = params::choice("group", params.group.as_ref(), GROUPS)?;
    let filter = params::filter(params.filter.as_ref(), &[group.target()], &state)?;
    let sessions = match params::given(params.sessions.as_ref()) {
        Some(text) => params::filter_named("sessions", text, &[Target::Session], &state)?,
        None => Filter::All,
    };
    let (from, to) = list::range(params.from.as_ref(), params.to.as_ref(), state.clock.now())?;
    let interval = match params::given(params.interval.as_ref()) {
        Some(_) => {
            let intervals = [("hour", Interval::Hour), ("day", Interval::Day)];
            Some(params::choice("interval", params.interval.as_ref(), &intervals)?)
        }
        None => None,
    };
    let now = state.clock.now();
    let order = params::choice("sort", params.sort.as_ref(), SORTS)?;
    let limit = list::limit(params.limit.as_ref(), DEFAULT_LIMIT)?;
    let asked = UsageQuery { group, filter, sessions, from, to, interval, order, limit, now };
    Ok(Json(state.store.usage(&project, &asked).await?.into()))
}
