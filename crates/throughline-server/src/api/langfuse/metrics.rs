//! Metrics: sums over model calls, as far as they mean the same here as in Langfuse.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Extract;
use serde_json::{Map, Value, json};
use throughline_model::{Money, Timestamp, Usage};

use super::is;
use super::page::Given;
use super::parameters::{MetricsAsked, names};
use crate::api::errors::{InvalidRequest, ReadFailed};
use crate::domain::analytics::Interval;
use crate::domain::filter::{Field, Filter, parse_time};
use crate::domain::query::{MAX_LIMIT, UsageGroup, UsageOrder, UsagePoint, UsageQuery, UsageReport};
use crate::http::{Error, Project, State};

/// What can be grouped by, under Langfuse's names.
const DIMENSIONS: [(&str, UsageGroup); 7] = [
    ("providedModelName", UsageGroup::Model),
    ("name", UsageGroup::Name),
    ("type", UsageGroup::Type),
    ("environment", UsageGroup::Environment),
    ("userId", UsageGroup::User),
    ("traceName", UsageGroup::Trace),
    ("tags", UsageGroup::Tag),
];
/// What can be filtered by, of the calls themselves.
const COLUMNS: [(&str, Field); 5] = [
    ("providedModelName", Field::Model),
    ("name", Field::Name),
    ("environment", Field::Environment),
    ("userId", Field::User),
    ("sessionId", Field::Session),
];
const MEMBERS: [&str; 7] =
    ["view", "metrics", "dimensions", "filters", "timeDimension", "fromTimestamp", "toTimestamp"];

/// Ask for metrics as Langfuse does
///
/// `query` is its JSON: `view` (`observations`), `metrics` (the `sum` of `totalTokens`, `inputTokens`, `outputTokens`,
/// `totalCost`), at most one of `dimensions`, `filters` (`=` and `any of`), `timeDimension` (`hour` or `day`, for totals),
/// `fromTimestamp` and `toTimestamp`. At most the 1000 groups with the most tokens are told. What else there is in it is refused; `/api/v1/analytics` tells more. A call whose
/// usage is told at several levels counts once.
#[utoipa::path(
    get,
    path = "/api/public/v2/metrics",
    tag = "langfuse",
    params(MetricsAsked),
    responses((status = 200, description = "`{\"data\":[...]}`, a row for each group", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn get_langfuse_metrics(
    Extract(state): Extract<State>,
    Project(project): Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    given.only(&[names::<MetricsAsked>()])?;
    let text = given.one("query").map(String::as_str).unwrap_or_default();
    let query: Value =
        serde_json::from_str(text).map_err(|error| refuse(&format!("query is not JSON: {error}")))?;
    let asked = Asked::read(&query, state.clock.now())?;
    let report = state.store.usage(&project, &asked.usage).await?;
    Ok(Json(json!({"data": asked.told(&report)})))
}

/// Ask for metrics as Langfuse's first version does
///
/// The same as `/api/public/v2/metrics`.
#[utoipa::path(
    get,
    path = "/api/public/metrics",
    tag = "langfuse",
    params(MetricsAsked),
    responses((status = 200, description = "`{\"data\":[...]}`, a row for each group", body = Value), InvalidRequest, ReadFailed)
)]
pub(super) async fn get_langfuse_metrics_as_first_version(
    state: Extract<State>,
    project: Project,
    given: Given,
) -> Result<Json<Value>, Error> {
    get_langfuse_metrics(state, project, given).await
}

struct Asked {
    usage: UsageQuery,
    dimension: Option<&'static str>,
    measures: Vec<Measure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    TotalTokens,
    InputTokens,
    OutputTokens,
    TotalCost,
}

impl Asked {
    fn read(query: &Value, now: Timestamp) -> Result<Self, Error> {
        let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        let is_known = |name: &str, value: &Value| MEMBERS.contains(&name) || is_empty(value);
        let mut members = query.as_object().into_iter().flatten();
        if let Some((name, _)) = members.find(|(name, value)| !is_known(name, value)) {
            return Err(refuse(&format!("query: \"{name}\" is not offered")));
        }
        if query["view"] != "observations" {
            return Err(refuse("query: the only \"view\" that is offered is observations"));
        }
        let measures = list(query, "metrics").map(Measure::read).collect::<Result<Vec<_>, _>>()?;
        let dimension = match list(query, "dimensions").collect::<Vec<_>>()[..] {
            [] => None,
            [one] => Some(dimension(one)?),
            _ => return Err(refuse("query: only one of \"dimensions\" is offered at a time")),
        };
        let interval = interval(&query["timeDimension"]["granularity"])?;
        if let (Some(_), Some(_)) = (interval, measures.iter().find(|measure| !measure.is_told_over_time())) {
            return Err(refuse("query: with \"timeDimension\" only totalTokens and totalCost are offered"));
        }
        let group = dimension.map_or(UsageGroup::Model, |(_, group)| group);
        if matches!(group, UsageGroup::Trace | UsageGroup::Tag) && list(query, "filters").next().is_some() {
            return Err(refuse("query: no \"filters\" are offered together with traceName and tags"));
        }
        let filters = list(query, "filters").map(condition).collect::<Result<Vec<_>, _>>()?;
        let usage = UsageQuery {
            group,
            filter: Filter::all_of(filters),
            sessions: Filter::All,
            from: time(query, "fromTimestamp", now)?,
            to: time(query, "toTimestamp", now)?,
            interval,
            order: UsageOrder::Tokens,
            limit: MAX_LIMIT,
            now,
        };
        Ok(Self { usage, dimension: dimension.map(|(name, _)| name), measures })
    }

    /// A row for each group, and in it for each interval.
    fn told(&self, report: &UsageReport) -> Vec<Value> {
        let mut told = BTreeMap::<(Option<Timestamp>, &str), Sums>::new();
        let mut add = |group, usage: &Usage, cost, series: &[UsagePoint]| {
            if self.usage.interval.is_none() {
                let tokens = [usage.total(), usage.input(), usage.completion()];
                told.entry((None, group)).or_default().add(tokens, cost);
            }
            for point in series {
                told.entry((Some(point.time), group)).or_default().add([point.tokens, 0, 0], point.cost);
            }
        };
        for row in &report.rows {
            let group = if self.dimension.is_some() { row.group.as_str() } else { "" };
            add(group, &row.usage, row.cost, &row.series);
        }
        if let (None, Some(others)) = (self.dimension, &report.others) {
            add("", &others.usage, others.cost, &others.series);
        }
        told.iter().map(|((time, group), sums)| self.row(*time, group, sums)).collect()
    }

    fn row(&self, time: Option<Timestamp>, group: &str, sums: &Sums) -> Value {
        let mut row = Map::new();
        if let Some(time) = time {
            row.insert("time_dimension".to_owned(), json!(time));
        }
        if let Some(name) = self.dimension {
            row.insert(name.to_owned(), if group.is_empty() { Value::Null } else { group.into() });
        }
        for measure in &self.measures {
            let (name, sum) = match measure {
                Measure::TotalTokens => ("sum_totalTokens", json!(sums.tokens[0])),
                Measure::InputTokens => ("sum_inputTokens", json!(sums.tokens[1])),
                Measure::OutputTokens => ("sum_outputTokens", json!(sums.tokens[2])),
                Measure::TotalCost => ("sum_totalCost", json!(sums.cost)),
            };
            row.insert(name.to_owned(), sum);
        }
        row.into()
    }
}

/// What is summed up for a row.
#[derive(Default)]
struct Sums {
    /// In all, in and out.
    tokens: [u64; 3],
    cost: Option<Money>,
}

impl Sums {
    fn add(&mut self, tokens: [u64; 3], cost: Option<Money>) {
        self.tokens.iter_mut().zip(tokens).for_each(|(sum, more)| *sum += more);
        self.cost = [self.cost, cost].into_iter().flatten().reduce(|a, b| a + b);
    }
}

impl Measure {
    fn read(metric: &Value) -> Result<Self, Error> {
        let measure = match metric["measure"].as_str().unwrap_or_default() {
            "totalTokens" => Self::TotalTokens,
            "inputTokens" => Self::InputTokens,
            "outputTokens" => Self::OutputTokens,
            "totalCost" => Self::TotalCost,
            other => return Err(refuse(&format!("query: the measure {other:?} is not offered"))),
        };
        match metric["aggregation"] == "sum" {
            true => Ok(measure),
            false => Err(refuse("query: the only \"aggregation\" that is offered is sum")),
        }
    }

    fn is_told_over_time(self) -> bool {
        matches!(self, Self::TotalTokens | Self::TotalCost)
    }
}

fn list<'a>(query: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    query[name].as_array().into_iter().flatten()
}

fn dimension(asked: &Value) -> Result<(&'static str, UsageGroup), Error> {
    let field = asked["field"].as_str().unwrap_or_default();
    let found = DIMENSIONS.into_iter().find(|(name, _)| *name == field);
    found.ok_or_else(|| refuse(&format!("query: the dimension {field:?} is not offered")))
}

fn condition(asked: &Value) -> Result<Filter, Error> {
    let column = asked["column"].as_str().unwrap_or_default();
    let found = COLUMNS.into_iter().find(|(name, _)| *name == column);
    let (_, field) = found.ok_or_else(|| refuse(&format!("query: filters by {column:?} are not offered")))?;
    match (asked["operator"].as_str().unwrap_or_default(), &asked["value"]) {
        ("=", Value::String(value)) => Ok(is(field, value)),
        ("any of", Value::Array(values)) => {
            Ok(Filter::any_of(values.iter().filter_map(Value::as_str).map(|value| is(field.clone(), value))))
        }
        _ => Err(refuse("query: filters are offered with = and a text, or any of and texts")),
    }
}

fn interval(granularity: &Value) -> Result<Option<Interval>, Error> {
    match granularity.as_str() {
        None => Ok(None),
        Some("hour") => Ok(Some(Interval::Hour)),
        Some("day") => Ok(Some(Interval::Day)),
        Some(other) => {
            Err(refuse(&format!("query: the granularity {other:?} is not offered, hour and day are")))
        }
    }
}

fn time(query: &Value, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let Some(text) = query[name].as_str() else { return Ok(None) };
    let time = parse_time(text, name == "toTimestamp", now);
    time.map(Some).ok_or_else(|| refuse(&format!("query: \"{name}\" is not a time")))
}

fn refuse(message: &str) -> Error {
    Error::bad_request(format!("{message}; see /api/v1/analytics"))
        .code("invalid_parameter")
        .with("parameter", "query")
}
