//! `/analytics/usage`: tokens, cost and latency of model calls, by what they were or who asked for them.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use throughline_model::Money;

use super::chart::{BarValues, Chart};
use super::time_chart::{Stretch, stretches};
use super::{Asked, Parameters, Tab, share};
use crate::dashboard::finder::{Finder, exactly};
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::notation;
use crate::domain::filter::{Field, Filter, Target};
use crate::domain::query::{UsageGroup, UsagePoint, UsageRow};
use crate::http::{Error, Project, State};

const TARGETS: &[Target] = &[Target::Observation];
/// Groups listed; the rest is only summed up.
const MOST: usize = 100;

/// Parameter, name, group, and the field that finds its sessions.
const GROUPS: [(&str, &str, UsageGroup, Option<Field>); 6] = [
    ("", "Model", UsageGroup::Model, Some(Field::Model)),
    ("user", "User", UsageGroup::User, Some(Field::User)),
    ("service", "Service", UsageGroup::Service, Some(Field::Service)),
    ("environment", "Environment", UsageGroup::Environment, Some(Field::Environment)),
    ("name", "Name", UsageGroup::Name, Some(Field::Name)),
    ("type", "Type", UsageGroup::Type, None),
];

#[derive(Template)]
#[template(path = "analytics/usage.html")]
struct UsagePage {
    frame: Frame,
    finder: Finder,
    tabs: Vec<Tab>,
    groups: Vec<Tab>,
    group: &'static str,
    charts: Vec<Chart>,
    rows: Vec<Row>,
    more: usize,
}

struct Row {
    name: String,
    href: String,
    calls: String,
    tokens: String,
    cached: String,
    cost: String,
    /// Of all that is known, in per cent.
    share: u64,
    p50: String,
    p95: String,
    errors: u64,
    error_share: String,
}

/// `GET /analytics/usage`
pub(in crate::dashboard) async fn usage(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    frame::Asked(parameters): frame::Asked<Parameters>,
) -> Result<Response, Error> {
    let mut asked = Asked::read(&parameters, "/analytics/usage", TARGETS, state.clock.now());
    let chosen = GROUPS.iter().find(|(key, ..)| *key == parameters.group).unwrap_or(&GROUPS[0]);
    let mut rows = Vec::new();
    while !asked.finder.is_wrong() {
        let selection = &asked.selection;
        let (from, to, interval) = (selection.from, selection.to, Some(asked.interval));
        rows = state.store.usage(&project, &selection.filter, from, to, chosen.2, interval).await?;
        let first = rows.iter().filter_map(|row| Some(row.series.first()?.time)).min();
        if !asked.look_closer(first) {
            break;
        }
    }
    let group = |(key, name, ..): &(&'static str, &'static str, UsageGroup, Option<Field>)| Tab {
        name,
        href: asked.address.clone().with("group", *key).to_string(),
        chosen: *key == chosen.0,
    };
    let all: Money = rows.iter().filter_map(|row| row.cost).sum();
    let status = if asked.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let view = UsagePage {
        frame: visit.frame(Section::Analytics, "Usage"),
        groups: GROUPS.iter().map(group).collect(),
        group: chosen.1,
        charts: charts(&asked, &rows).into_iter().flatten().collect(),
        more: rows.len().saturating_sub(MOST),
        rows: by_cost(&rows)
            .into_iter()
            .take(MOST)
            .map(|row| Row::new(&asked, chosen.3.as_ref(), row, all))
            .collect(),
        tabs: asked.tabs,
        finder: asked.finder,
    };
    Ok((status, html(&view)?).into_response())
}

/// The most expensive first; of equals, and of what has no price, the most used.
fn by_cost(rows: &[UsageRow]) -> Vec<&UsageRow> {
    let mut rows: Vec<&UsageRow> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.cost));
    rows
}

impl Row {
    fn new(asked: &Asked, field: Option<&Field>, row: &UsageRow, all: Money) -> Self {
        let further = match field {
            Some(field) if !row.group.is_empty() => exactly(field.clone(), &row.group),
            _ => Filter::All,
        };
        let cost = row.cost.map_or(0, Money::picodollars);
        let cached = notation::percent(row.usage.cache_read, row.usage.input()).filter(|share| *share > 0);
        Self {
            name: notation::line(&row.group, 80),
            href: asked.sessions(further).to_string(),
            calls: notation::count(row.observation_count),
            tokens: notation::compact(row.usage.total()),
            cached: cached.map_or_else(String::new, |share| format!("{share} % of input cached")),
            cost: row.cost.map_or_else(|| "—".to_owned(), notation::money),
            share: (cost * 100 / all.picodollars().max(1)).clamp(0, 100) as u64,
            p50: notation::duration(row.duration_p50),
            p95: notation::duration(row.duration_p95),
            errors: row.error_count,
            error_share: share(row.error_count, row.observation_count),
        }
    }
}

/// Cost and tokens over time, all groups together.
fn charts(asked: &Asked, rows: &[UsageRow]) -> [Option<Chart>; 2] {
    let mut points: Vec<UsagePoint> = rows.iter().flat_map(|row| row.series.clone()).collect();
    points.sort_by_key(|point| point.time);
    let stretches = stretches(asked, &points, |point| point.time);
    let bar = |stretch: &Stretch<UsagePoint>, class, value: f64| {
        let cost: Money = stretch.points.iter().filter_map(|point| point.cost).sum();
        BarValues {
            title: format!(
                "{}: {}, {} tokens, {}",
                stretch.name(asked.interval),
                notation::plural(stretch.sum(|point| point.observation_count), "call"),
                notation::compact(stretch.sum(|point| point.tokens)),
                notation::money(cost)
            ),
            label: stretch.label(asked.interval),
            href: asked.sessions_begun(stretch.from, stretch.to, Filter::All).to_string(),
            parts: vec![(class, value)],
        }
    };
    let cost = |stretch: &Stretch<UsagePoint>| {
        stretch.points.iter().filter_map(|point| point.cost).map(Money::dollars).sum::<f64>()
    };
    let tokens = |stretch: &Stretch<UsagePoint>| stretch.sum(|point| point.tokens) as f64;
    let all: Money = points.iter().filter_map(|point| point.cost).sum();
    let used: u64 = points.iter().map(|point| point.tokens).sum();
    let (costs, used_bars) = (
        stretches.iter().map(|stretch| bar(stretch, "c-cost", cost(stretch))).collect(),
        stretches.iter().map(|stretch| bar(stretch, "c-main", tokens(stretch))).collect(),
    );
    [
        Chart::draw("Cost", format!("{}, where the price is known", notation::money(all)), costs, |most| {
            notation::money(Money::from_picodollars((most * 1e12) as i128))
        }),
        Chart::draw("Tokens", format!("{} over time", notation::compact(used)), used_bars, |most| {
            notation::compact(most as u64)
        }),
    ]
}
