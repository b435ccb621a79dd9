//! Models that carried tokens and have no price.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::Usage;
use utoipa::{IntoParams, ToSchema};

use super::usage::DEFAULT_LIMIT;
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::list;
use crate::api::params::{self, Params};
use crate::domain::filter::Target;
use crate::domain::query::{OtherUsage, UsageGroup, UsageQuery, UsageRow, unpriced};
use crate::http::{Error, Project, State};

/// In which sessions, and over which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct UnpricedParams {
    /// Only in sessions that this filter finds: see "Filter language" above.
    filter: Option<String>,
    /// Only what was going on at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only what began before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
    /// The most models to tell one by one: 1 to 1000, 100 if not given. All further ones are summed up in `others`.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// What is missing in the price table.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UnpricedReport {
    /// One row per model, most tokens first.
    data: Vec<UnpricedModel>,
    /// The models beyond the limit, summed up; `null` if there are none.
    others: Option<OtherModels>,
}

/// Calls of several models whose cost nobody knows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OtherModels {
    /// How many models.
    models: u64,
    /// How many calls.
    observation_count: u64,
    /// Tokens by bucket.
    usage: Usage,
    /// All tokens together.
    total_tokens: u64,
}

/// Calls of one model whose cost nobody knows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnpricedModel {
    /// The model; empty for calls that name none.
    model: String,
    /// How many calls.
    observation_count: u64,
    /// Tokens by bucket.
    usage: Usage,
    /// All tokens together.
    total_tokens: u64,
}

/// List models without a price
///
/// Models whose billable calls carried tokens while neither a price rule nor the source said what they cost. A table of
/// your own (the setting `prices.file`) gives them a price; `throughline prices` helps with it.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/unpriced",
    tag = "analytics",
    params(UnpricedParams),
    responses((status = 200, description = "Models without a price", body = UnpricedReport), InvalidRequest, ReadFailed)
)]
pub(in crate::api) async fn get_unpriced(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<UnpricedParams>,
) -> Result<Json<UnpricedReport>, Error> {
    let now = state.clock.now();
    let sessions = params::filter(params.filter.as_ref(), &[Target::Session], &state)?;
    let (from, to) = list::range(params.from.as_ref(), params.to.as_ref(), now)?;
    let limit = list::limit(params.limit.as_ref(), DEFAULT_LIMIT)?;
    let filter = unpriced();
    let asked = UsageQuery { filter, sessions, from, to, limit, ..UsageQuery::by(UsageGroup::Model, now) };
    let report = state.store.usage(&project, &asked).await?;
    let model = |row: UsageRow| UnpricedModel {
        model: row.group,
        observation_count: row.observation_count,
        total_tokens: row.usage.total(),
        usage: row.usage,
    };
    let others = |others: OtherUsage| OtherModels {
        models: others.groups,
        observation_count: others.observation_count,
        total_tokens: others.usage.total(),
        usage: others.usage,
    };
    let data = report.rows.into_iter().map(model).collect();
    Ok(Json(UnpricedReport { data, others: report.others.map(others) }))
}
