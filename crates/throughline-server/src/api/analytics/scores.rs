//! Scores counted: what they say, over time and over sessions.

use axum::Json;
use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use throughline_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, interval, selection};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::api::params::{self, Params};
use crate::domain::analytics;
use crate::http::{Project, State};

/// Which sessions, which scores, and how fine.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ScoreParams {
    /// Only in sessions that this filter finds: see "Filter language" above.
    filter: Option<String>,
    /// Only in sessions that were going on at or after this time: RFC 3339, a date, or how long ago (`-24h`).
    from: Option<String>,
    /// Only in sessions that began before this time: RFC 3339, a date (its end), or how long ago.
    to: Option<String>,
    /// Only scores with this name.
    name: Option<String>,
    /// How fine the series are: `hour` or `day`; what fits the range if not given.
    interval: Option<String>,
}

/// What scores say, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ScoreReport {
    /// `hour` or `day`.
    #[schema(value_type = String)]
    interval: &'static str,
    /// The most given first.
    data: Vec<ScoreStatistics>,
}

/// The scores with one name, on sessions and on anything in them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ScoreStatistics {
    /// What is judged: `score.NAME:*` finds the sessions.
    name: String,
    /// How many scores there are.
    scores: u64,
    /// In how many sessions.
    sessions: u64,
    /// Of those that are numbers; `null` if none is.
    numbers: Option<NumberSpread>,
    /// Of those that are labels, `true` and `false` among them: the twelve most frequent. Free texts are only counted.
    labels: Vec<LabelCount>,
    /// Scores with rarer labels.
    other_labels: u64,
    /// In order of time, UTC, by when the sessions count: their start, or where the range begins if that is later.
    /// Intervals without scores are left out.
    series: Vec<ScorePoint>,
}

/// How numbers are spread.
#[derive(Debug, Serialize, ToSchema)]
struct NumberSpread {
    /// How many numbers there are.
    count: u64,
    /// Their mean.
    mean: f64,
    /// The smallest.
    min: f64,
    /// Half of them are at most this.
    p50: f64,
    /// Nine in ten of them are at most this.
    p90: f64,
    /// The largest.
    max: f64,
    /// Bars of the same width, without gaps.
    histogram: Vec<NumberBar>,
}

/// How many numbers are at least `from` and below `to`.
#[derive(Debug, Serialize, ToSchema)]
struct NumberBar {
    /// The least of them.
    from: f64,
    /// What they stay below.
    to: f64,
    /// How many there are.
    count: u64,
}

/// How many scores say this.
#[derive(Debug, Serialize, ToSchema)]
struct LabelCount {
    /// A category, `true` or `false`.
    label: String,
    /// How many scores there are.
    count: u64,
}

/// The scores of one interval.
#[derive(Debug, Serialize, ToSchema)]
struct ScorePoint {
    /// When the interval begins.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// How many scores there are.
    scores: u64,
    /// The mean of those that are numbers; `null` if none is.
    mean: Option<f64>,
    /// Of the labels listed, those that occur.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<LabelCount>,
}

impl From<analytics::ScoreStatistics> for ScoreStatistics {
    fn from(statistics: analytics::ScoreStatistics) -> Self {
        let analytics::ScoreStatistics { name, scores, sessions, numbers, labels, other_labels, series } =
            statistics;
        let point = |point: analytics::ScorePoint| ScorePoint {
            time: point.time,
            scores: point.scores,
            mean: point.mean,
            labels: labels
                .iter()
                .zip(point.labels)
                .filter(|(_, count)| *count > 0)
                .map(|((label, _), count)| LabelCount { label: label.clone(), count })
                .collect(),
        };
        let series = series.into_iter().map(point).collect();
        let labels = labels.into_iter().map(|(label, count)| LabelCount { label, count }).collect();
        Self {
            name,
            scores,
            sessions,
            numbers: numbers.map(NumberSpread::from),
            labels,
            other_labels,
            series,
        }
    }
}

impl From<analytics::NumberSpread> for NumberSpread {
    fn from(spread: analytics::NumberSpread) -> Self {
        let analytics::NumberSpread { count, mean, min, p50, p90, max, histogram } = spread;
        let bar = |bar: analytics::NumberBar| NumberBar { from: bar.from, to: bar.to, count: bar.count };
        Self { count, mean, min, p50, p90, max, histogram: histogram.into_iter().map(bar).collect() }
    }
}

/// Count and spread scores
///
/// What the scores in the sessions say that `/api/v1/sessions` lists for the same filter and range: how numbers are
/// spread, how often each category or thumb occurs, and how both change over time. Of scores with the same id on the
/// same thing only the latest counts.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/scores",
    tag = "analytics",
    params(ScoreParams),
    responses((status = 200, description = "The scores", body = ScoreReport), InvalidRequest, ReadFailed)
)]
pub(in crate::api) async fn get_score_statistics(
    Extract(state): Extract<State>,
    Project(project): Project,
    Params(params): Params<ScoreParams>,
) -> Answer<ScoreReport> {
    let selection = selection(params.filter.as_ref(), params.from.as_ref(), params.to.as_ref(), &state)?;
    let interval = interval(params.interval.as_ref(), &selection)?;
    let mut scores = state.store.score_statistics(&project, &selection, interval).await?;
    if let Some(name) = params::given(params.name.as_ref()) {
        scores.retain(|score| score.name == *name);
    }
    let data = scores.into_iter().map(ScoreStatistics::from).collect();
    Ok(Json(ScoreReport { interval: interval.as_str(), data }))
}
