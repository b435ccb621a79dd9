//! `/analytics/usage`: tokens, cost and latency of model calls, by what they were or who asked for them.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use throughline_model::Money;

use super::chart::{BarValues, COLOURS, Chart};
use super::time_chart::{Stretch, stretches};
use super::{Asked, Parameters, Tab, share};
use crate::dashboard::finder::{Finder, exactly};
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::notation;
use crate::domain::analytics::Selection;
use crate::domain::filter::{Field, Filter, Target};
use crate::domain::query::{UsageGroup, UsagePoint, UsageQuery, UsageRow};
use crate::http::{Error, Project, State};

const CALLS: &[Target] = &[Target::Observation];
const TRACES: &[Target] = &[Target::Trace];
/// Groups listed; the rest is only summed up.
const MOST: usize = 100;

/// Parameter, name, group, and the field that finds its sessions.
const GROUPS: [(&str, &str, UsageGroup, Option<Field>); 8] = [
    ("", "Model", UsageGroup::Model, Some(Field::Model)),
    ("trace", "Trace", UsageGroup::Trace, Some(Field::Name)),
    ("tag", "Tag", UsageGroup::Tag, Some(Field::Tag)),
    ("user", "User", UsageGroup::User, Some(Field::User)),
    ("service", "Service", UsageGroup::Service, Some(Field::Service)),
    ("environment", "Environment", UsageGroup::Environment, Some(Field::Environment)),
    ("name", "Call", UsageGroup::Name, Some(Field::Name)),
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
    /// What is to be known of the figures.
    note: &'static str,
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
    let chosen = GROUPS.iter().find(|(key, ..)| *key == parameters.group).unwrap_or(&GROUPS[0]);
    let targets = if chosen.2.target() == Target::Trace { TRACES } else { CALLS };
    let mut asked = Asked::read(&parameters, "/analytics/usage", targets, state.clock.now());
    let mut rows = Vec::new();
    while !asked.finder.is_wrong() {
        let Selection { filter, from, to, now } = asked.selection.clone();
        let interval = Some(asked.interval);
        let query = UsageQuery { filter, from, to, interval, ..UsageQuery::by(chosen.2, now) };
        rows = state.store.usage(&project, &query).await?;
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
    let status = if asked.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let sorted = by_cost(&rows);
    let all: Money = rows.iter().filter_map(|row| row.cost).sum();
    let view = UsagePage {
        frame: visit.frame(Section::Analytics, "Usage"),
        groups: GROUPS.iter().map(group).collect(),
        group: chosen.1,
        charts: charts(&asked, &sorted).into_iter().flatten().collect(),
        more: rows.len().saturating_sub(MOST),
        rows: sorted.iter().take(MOST).map(|row| Row::new(&asked, chosen.3.as_ref(), row, all)).collect(),
        note: match chosen.2 {
            UsageGroup::Tag => {
                "A trace counts with each of its tags, also in the charts and shares. p50 and p95 are of traces."
            }
            UsageGroup::Trace => "p50 and p95 are of traces.",
            _ => "",
        },
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
            name: named(&row.group, 80),
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

/// The groups that charts tell apart, the most expensive or most used first.
struct Palette<'a> {
    groups: Vec<(&'a UsageRow, &'static str)>,
}

impl<'a> Palette<'a> {
    fn new(rows: &[&'a UsageRow]) -> Self {
        Self { groups: rows.iter().copied().zip(COLOURS).collect() }
    }

    fn colour(&self, group: &str) -> &'static str {
        let known = self.groups.iter().find(|(row, _)| row.group == group);
        known.map_or("c-rest", |(_, colour)| colour)
    }

    /// Of several groups, their names.
    fn legend(&self, rows: usize) -> Vec<(String, &'static str)> {
        if rows < 2 {
            return Vec::new();
        }
        let name = |row: &UsageRow| named(&row.group, 40);
        let mut legend: Vec<_> = self.groups.iter().map(|(row, colour)| (name(row), *colour)).collect();
        if rows > self.groups.len() {
            legend.push((format!("{} more", rows - self.groups.len()), "c-rest"));
        }
        legend
    }
}

fn named(group: &str, most: usize) -> String {
    if group.is_empty() { "(none)".to_owned() } else { notation::line(group, most) }
}

/// A point of one group's series, with the colour of the group.
type Part = (&'static str, UsagePoint);

/// Cost and tokens over time, by group.
fn charts(asked: &Asked, rows: &[&UsageRow]) -> [Option<Chart>; 2] {
    let palette = Palette::new(rows);
    let mut points: Vec<Part> = rows
        .iter()
        .flat_map(|row| row.series.iter().map(|point| (palette.colour(&row.group), *point)))
        .collect();
    points.sort_by_key(|(_, point)| point.time);
    let stretches = stretches(asked, &points, |(_, point)| point.time);
    let cost = |point: &UsagePoint| point.cost.unwrap_or_default();
    let dollars = |point: &UsagePoint| cost(point).dollars();
    let tokens = |point: &UsagePoint| point.tokens as f64;
    let all: Money = points.iter().map(|(_, point)| cost(point)).sum();
    let used: u64 = points.iter().map(|(_, point)| point.tokens).sum();
    let bars = |value: &dyn Fn(&UsagePoint) -> f64| {
        stretches.iter().map(|stretch| bar(asked, stretch, value)).collect::<Vec<_>>()
    };
    let money = |most: f64| notation::money(Money::from_picodollars((most * 1e12) as i128));
    let count = |most: f64| notation::compact(most as u64);
    let costs = format!("{}, where the price is known", notation::money(all));
    let useds = format!("{} over time", notation::compact(used));
    [Chart::draw("Cost", costs, bars(&dollars), money), Chart::draw("Tokens", useds, bars(&tokens), count)]
        .map(|chart| chart.map(|chart| chart.with_groups(palette.legend(rows.len()))))
}

fn bar(asked: &Asked, stretch: &Stretch<Part>, value: &dyn Fn(&UsagePoint) -> f64) -> BarValues {
    let cost: Money = stretch.points.iter().filter_map(|(_, point)| point.cost).sum();
    let parts = COLOURS.into_iter().chain(["c-rest"]).map(|colour| {
        let of_group = stretch.points.iter().filter(|(own, _)| *own == colour);
        (colour, of_group.map(|(_, point)| value(point)).sum())
    });
    BarValues {
        title: format!(
            "{}: {}, {} tokens, {}",
            stretch.name(asked.interval),
            notation::plural(stretch.sum(|(_, point)| point.observation_count), "call"),
            notation::compact(stretch.sum(|(_, point)| point.tokens)),
            notation::money(cost)
        ),
        label: stretch.label.clone(),
        href: asked.sessions_during(stretch.from, stretch.to, Filter::All).to_string(),
        parts: parts.collect(),
    }
}
