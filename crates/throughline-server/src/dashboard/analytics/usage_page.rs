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
use crate::domain::query::{
    OtherUsage, UsageGroup, UsageOrder, UsagePoint, UsageQuery, UsageReport, UsageRow,
};
use crate::http::{Error, Project, State};

const CALLS: &[Target] = &[Target::Observation];
const TRACES: &[Target] = &[Target::Trace];
/// Groups listed, the most expensive; the others are only summed up.
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
    others: Option<Others>,
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

/// The groups that are not listed.
struct Others {
    groups: String,
    calls: String,
    tokens: String,
    cost: String,
    share: u64,
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
    let mut report = UsageReport::default();
    while !asked.finder.is_wrong() {
        let Selection { filter, from, to, now } = asked.selection.clone();
        let interval = Some(asked.interval);
        let (order, limit) = (UsageOrder::Cost, MOST);
        let query = UsageQuery { filter, from, to, interval, order, limit, ..UsageQuery::by(chosen.2, now) };
        report = state.store.usage(&project, &query).await?;
        if !asked.look_closer(series(&report).filter_map(|series| Some(series.first()?.time)).min()) {
            break;
        }
    }
    let group = |(key, name, ..): &(&'static str, &'static str, UsageGroup, Option<Field>)| Tab {
        name,
        href: asked.address.clone().with("group", *key).to_string(),
        chosen: *key == chosen.0,
    };
    let status = if asked.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let others = report.others.as_ref();
    let all: Money =
        report.rows.iter().map(|row| row.cost).chain(others.map(|others| others.cost)).flatten().sum();
    let view = UsagePage {
        frame: visit.frame(Section::Analytics, "Usage"),
        groups: GROUPS.iter().map(group).collect(),
        group: chosen.1,
        charts: charts(&asked, &report).into_iter().flatten().collect(),
        others: others.map(|others| Others::new(others, all)),
        rows: report.rows.iter().map(|row| Row::new(&asked, chosen.3.as_ref(), row, all)).collect(),
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

/// What is told over time: of each group listed, and of the others.
fn series(report: &UsageReport) -> impl Iterator<Item = &[UsagePoint]> {
    report
        .rows
        .iter()
        .map(|row| &row.series)
        .chain(report.others.iter().map(|others| &others.series))
        .map(Vec::as_slice)
}

impl Row {
    fn new(asked: &Asked, field: Option<&Field>, row: &UsageRow, all: Money) -> Self {
        let further = match field {
            Some(field) if !row.group.is_empty() => exactly(field.clone(), &row.group),
            _ => Filter::All,
        };
        let cached = notation::percent(row.usage.cache_read, row.usage.input()).filter(|share| *share > 0);
        Self {
            name: named(&row.group, 80),
            href: asked.sessions(further).to_string(),
            calls: notation::count(row.observation_count),
            tokens: notation::compact(row.usage.total()),
            cached: cached.map_or_else(String::new, |share| format!("{share} % of input cached")),
            cost: dollars(row.cost),
            share: share_of(row.cost, all),
            p50: notation::duration(row.duration_p50),
            p95: notation::duration(row.duration_p95),
            errors: row.error_count,
            error_share: share(row.error_count, row.observation_count),
        }
    }
}

impl Others {
    fn new(others: &OtherUsage, all: Money) -> Self {
        Self {
            groups: notation::plural(others.groups, "other"),
            calls: notation::count(others.observation_count),
            tokens: notation::compact(others.usage.total()),
            cost: dollars(others.cost),
            share: share_of(others.cost, all),
            errors: others.error_count,
            error_share: share(others.error_count, others.observation_count),
        }
    }
}

fn dollars(cost: Option<Money>) -> String {
    cost.map_or_else(|| "—".to_owned(), notation::money)
}

/// In per cent.
fn share_of(cost: Option<Money>, all: Money) -> u64 {
    let cost = cost.map_or(0, Money::picodollars);
    (cost * 100 / all.picodollars().max(1)).clamp(0, 100) as u64
}

/// The groups that charts tell apart, if there are several: the most expensive or most used.
fn legend(report: &UsageReport) -> Vec<(String, &'static str)> {
    let groups = report.rows.len() as u64 + report.others.as_ref().map_or(0, |others| others.groups);
    if groups < 2 {
        return Vec::new();
    }
    let mut legend: Vec<_> = report.rows.iter().map(|row| named(&row.group, 40)).zip(COLOURS).collect();
    let more = groups - legend.len() as u64;
    if more > 0 {
        legend.push((format!("{} more", notation::count(more)), "c-rest"));
    }
    legend
}

fn named(group: &str, most: usize) -> String {
    if group.is_empty() { "(none)".to_owned() } else { notation::line(group, most) }
}

/// A point of one group's series, with the colour of the group.
type Part = (&'static str, UsagePoint);

/// Cost and tokens over time, by group.
fn charts(asked: &Asked, report: &UsageReport) -> [Option<Chart>; 2] {
    let colours = COLOURS.into_iter().chain(std::iter::repeat("c-rest"));
    let mut points: Vec<Part> = colours
        .zip(series(report))
        .flat_map(|(colour, series)| series.iter().map(move |point| (colour, *point)))
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
        .map(|chart| chart.map(|chart| chart.with_groups(legend(report))))
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
