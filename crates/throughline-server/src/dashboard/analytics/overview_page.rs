//! `/analytics`: how many sessions, how long, how expensive, and how they end.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use throughline_model::{Money, millis};

use super::chart::{BarValues, Chart};
use super::time_chart::stretches;
use super::{Asked, Parameters, SESSIONS, Tab, between, share, yes};
use crate::dashboard::finder::{Finder, exactly};
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::notation;
use crate::domain::analytics::{Bar, Distribution, Point, Selection, SessionStatistics, TurnTokens};
use crate::domain::filter::{Field, Filter, Literal};
use crate::domain::query::{
    ListQuery, OtherUsage, Sort, SortField, UsageGroup, UsageQuery, UsageReport, UsageRow, User, unpriced,
};
use crate::http::{Error, Project, State};

const SPENDERS: usize = 8;
/// Models named that have no price.
const UNPRICED: usize = 20;

#[derive(Template)]
#[template(path = "analytics/overview.html")]
struct OverviewPage {
    frame: Frame,
    finder: Finder,
    tabs: Vec<Tab>,
    tiles: Vec<Tile>,
    /// Models that have no price, with their tokens.
    /// Models without a price and their tokens, and what is not listed of them.
    unpriced: Vec<(String, String)>,
    others_unpriced: Option<(String, String)>,
    charts: Vec<Chart>,
    spenders: Vec<Spender>,
}

/// One figure.
struct Tile {
    name: &'static str,
    value: String,
    detail: String,
    href: String,
    is_bad: bool,
}

/// A user and what they cost.
struct Spender {
    name: String,
    href: String,
    sessions: String,
    tokens: String,
    cost: String,
    /// Of all that is known, in per cent.
    share: u64,
}

/// `GET /analytics`
pub(in crate::dashboard) async fn overview(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    frame::Asked(parameters): frame::Asked<Parameters>,
) -> Result<Response, Error> {
    let mut asked = Asked::read(&parameters, "/analytics", SESSIONS, state.clock.now());
    let mut statistics = SessionStatistics::default();
    let mut users = Vec::new();
    let mut without_price = UsageReport::default();
    if !asked.finder.is_wrong() {
        statistics = state.store.session_statistics(&project, &asked.selection, asked.interval).await?;
        if asked.look_closer(statistics.series.first().map(|point| point.time)) {
            statistics = state.store.session_statistics(&project, &asked.selection, asked.interval).await?;
        }
        without_price = state.store.usage(&project, &unpriced_query(&asked)).await?;
        users = state.store.users(&project, &spenders_query(&asked)).await?.rows;
    }
    let status = if asked.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let view = OverviewPage {
        frame: visit.frame(Section::Analytics, "Analytics"),
        tiles: if statistics.sessions > 0 { tiles(&asked, &statistics) } else { Vec::new() },
        unpriced: without_price.rows.iter().map(unpriced_model).collect(),
        others_unpriced: without_price.others.as_ref().map(unpriced_others),
        charts: charts(&asked, &statistics),
        spenders: spenders(&asked, &statistics, &users),
        tabs: asked.tabs,
        finder: asked.finder,
    };
    Ok((status, html(&view)?).into_response())
}

fn unpriced_query(asked: &Asked) -> UsageQuery {
    let Selection { filter: sessions, from, to, now } = asked.selection.clone();
    let (filter, limit) = (unpriced(), UNPRICED);
    UsageQuery { filter, sessions, from, to, limit, ..UsageQuery::by(UsageGroup::Model, now) }
}

fn spenders_query(asked: &Asked) -> ListQuery {
    let selection = asked.selection.clone();
    ListQuery {
        filter: selection.filter,
        from: selection.from,
        to: selection.to,
        sort: Sort { by: SortField::TotalCost, descending: true },
        limit: SPENDERS,
        after: None,
        now: selection.now,
    }
}

/// A model without a price and how many tokens it used.
fn unpriced_model(row: &UsageRow) -> (String, String) {
    let name = if row.group.is_empty() {
        "calls without a model".to_owned()
    } else {
        notation::line(&row.group, 80)
    };
    (name, notation::compact(row.usage.total()))
}

fn unpriced_others(others: &OtherUsage) -> (String, String) {
    (notation::plural(others.groups, "other model"), notation::compact(others.usage.total()))
}

fn money(picodollars: i128) -> String {
    notation::money(Money::from_picodollars(picodollars))
}

fn duration(nanos: i64) -> String {
    notation::duration(millis(nanos))
}

fn tiles(asked: &Asked, all: &SessionStatistics) -> Vec<Tile> {
    let per = |sum: i128, of: u64| sum.checked_div(i128::from(of)).unwrap_or_default();
    let sessions = |further| asked.sessions(further).to_string();
    let tile = |name, value, detail, href| Tile { name, value, detail, href, is_bad: false };
    let unpriced = all.sessions - all.cost.count;
    let cost_detail = match (all.cost.count, unpriced) {
        (0, _) => "no price is known".to_owned(),
        (count, 0) => format!("{} a session", money(per(all.cost.sum, count))),
        (count, more) => {
            format!("{} a session, {} unpriced", money(per(all.cost.sum, count)), notation::count(more))
        }
    };
    vec![
        tile(
            "Sessions",
            notation::count(all.sessions),
            format!("{} turns", notation::compact(u64::try_from(all.turns.sum).unwrap_or(u64::MAX))),
            sessions(Filter::All),
        ),
        tile(
            "Turns a session",
            format!("{:.1}", all.turns.mean()),
            format!("p50 {} · p90 {}", all.turns.p50, all.turns.p90),
            asked.sessions(Filter::All).with("sort", "-traceCount").to_string(),
        ),
        tile(
            "Active time, median",
            duration(all.active_duration.p50),
            format!("p90 {} · with pauses {}", duration(all.active_duration.p90), duration(all.duration.p50)),
            asked.sessions(Filter::All).with("sort", "-duration").to_string(),
        ),
        tile(
            "Tokens",
            notation::compact(u64::try_from(all.tokens.sum).unwrap_or(u64::MAX)),
            format!("{} a session", notation::compact(all.tokens.mean() as u64)),
            asked.sessions(Filter::All).with("sort", "-totalTokens").to_string(),
        ),
        tile(
            "Cost",
            if all.cost.count > 0 { money(all.cost.sum) } else { "—".to_owned() },
            cost_detail,
            asked.sessions(Filter::All).with("sort", "-totalCost").to_string(),
        ),
        Tile {
            is_bad: all.with_errors > 0,
            ..tile(
                "With errors",
                share(all.with_errors, all.sessions),
                notation::plural(all.with_errors, "session"),
                sessions(yes(Field::Error)),
            )
        },
        Tile {
            is_bad: all.abandoned > 0,
            ..tile(
                "Abandoned",
                share(all.abandoned, all.sessions),
                format!("{} ended on an error", notation::count(all.abandoned)),
                sessions(yes(Field::Abandoned)),
            )
        },
    ]
}

fn charts(asked: &Asked, all: &SessionStatistics) -> Vec<Chart> {
    [
        sessions_over_time(asked, all),
        cost_over_time(asked, all),
        histogram(
            asked,
            "Turns a session",
            &all.turns,
            &Field::Turns,
            |n| notation::count(u64::try_from(n).unwrap_or_default()),
            |n| Literal::Number(n as f64),
        ),
        histogram(asked, "Duration", &all.duration, &Field::Duration, duration, Literal::Duration),
        histogram(
            asked,
            "Cost a session",
            &all.cost,
            &Field::Cost,
            |cost| money(cost.into()),
            |cost| Literal::Money(Money::from_picodollars(cost.into())),
        ),
        tokens_by_turn(asked, &all.tokens_by_turn),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sessions_over_time(asked: &Asked, all: &SessionStatistics) -> Option<Chart> {
    let bar = |stretch: super::time_chart::Stretch<Point>| {
        let (sessions, failed) =
            (stretch.sum(|point| point.sessions), stretch.sum(|point| point.with_errors));
        BarValues {
            title: format!(
                "{}: {}, {} with errors",
                stretch.name(asked.interval),
                notation::plural(sessions, "session"),
                notation::count(failed)
            ),
            label: stretch.label.clone(),
            href: asked.sessions_begun(stretch.from, stretch.to, Filter::All).to_string(),
            parts: vec![("c-bad", failed as f64), ("c-main", (sessions - failed) as f64)],
        }
    };
    let stretches = stretches(asked, &all.series, |point| point.time);
    let summary = format!("{} over time, by when they began", notation::plural(all.sessions, "session"));
    let most = |most: f64| notation::compact(most as u64);
    let chart = Chart::draw("Sessions", summary, stretches.into_iter().map(bar).collect(), most)?;
    Some(chart.with_legend(&[("without errors", "c-main"), ("with errors", "c-bad")]))
}

fn cost_over_time(asked: &Asked, all: &SessionStatistics) -> Option<Chart> {
    let bar = |stretch: super::time_chart::Stretch<Point>| {
        let cost: Money = stretch.points.iter().filter_map(|point| point.cost).sum();
        let tokens = stretch.sum(|point| point.tokens);
        BarValues {
            title: format!(
                "{}: {}, {} tokens",
                stretch.name(asked.interval),
                notation::money(cost),
                notation::compact(tokens)
            ),
            label: stretch.label.clone(),
            href: asked
                .sessions_begun(stretch.from, stretch.to, Filter::All)
                .with("sort", "-totalCost")
                .to_string(),
            parts: vec![("c-cost", cost.dollars())],
        }
    };
    let stretches = stretches(asked, &all.series, |point| point.time);
    let summary = format!("{} over time, where the price is known", money(all.cost.sum));
    Chart::draw("Cost", summary, stretches.into_iter().map(bar).collect(), |most| {
        money((most * 1e12) as i128)
    })
}

/// How sessions are spread over the values of a field.
fn histogram(
    asked: &Asked,
    title: &'static str,
    spread: &Distribution,
    field: &Field,
    write: impl Fn(i64) -> String,
    literal: impl Fn(i64) -> Literal,
) -> Option<Chart> {
    let bar = |bar: &Bar| {
        let range = match bar.to {
            Some(to) if *field == Field::Turns && to == bar.from + 1 => write(bar.from),
            Some(to) => format!("{} to {}", write(bar.from), write(to)),
            None => format!("{} and more", write(bar.from)),
        };
        BarValues {
            title: format!("{range}: {}", notation::plural(bar.count, "session")),
            label: rounded(&write(bar.from)),
            href: asked.sessions(between(field, literal(bar.from), bar.to.map(&literal))).to_string(),
            parts: vec![("c-main", bar.count as f64)],
        }
    };
    let summary =
        format!("p50 {} · p90 {} · most {}", write(spread.p50), write(spread.p90), write(spread.max));
    let bars = spread.histogram.iter().map(bar).collect();
    Chart::draw(title, summary, bars, |most| notation::compact(most as u64))
}

/// Bounds are round: `5.00 s` is `5 s`, `2m 00s` is `2m`, `$0.00500` is `$0.005`.
fn rounded(text: &str) -> String {
    if text.starts_with('$') {
        return notation::round_money(text).to_owned();
    }
    let text = text.replace(".00 s", " s").replace(".0 s", " s");
    text.strip_suffix(" 00s").or(text.strip_suffix(" 00m")).unwrap_or(&text).to_owned()
}

/// How contexts grow.
fn tokens_by_turn(asked: &Asked, turns: &[TurnTokens]) -> Option<Chart> {
    let bar = |turn: &TurnTokens| {
        let tokens = |n: i64| notation::compact(u64::try_from(n).unwrap_or_default());
        BarValues {
            title: format!(
                "Turn {}: half of {} use at most {} tokens, nine in ten at most {}",
                turn.turn,
                notation::plural(turn.sessions, "session"),
                tokens(turn.p50),
                tokens(turn.p90)
            ),
            label: turn.turn.to_string(),
            href: asked.sessions(between(&Field::Turns, Literal::Number(turn.turn as f64), None)).to_string(),
            parts: vec![("c-main", turn.p50 as f64), ("c-soft", (turn.p90 - turn.p50) as f64)],
        }
    };
    let summary = "how much each turn reads and writes: p50, and p90 above it".to_owned();
    let bars = turns.iter().map(bar).collect();
    let chart = Chart::draw("Tokens by turn", summary, bars, |most| notation::compact(most as u64))?;
    Some(chart.with_legend(&[("p50", "c-main"), ("p90", "c-soft")]))
}

fn spenders(asked: &Asked, all: &SessionStatistics, users: &[User]) -> Vec<Spender> {
    let spender = |user: &User| {
        let cost = user.total_cost.filter(|cost| cost.picodollars() > 0)?;
        Some(Spender {
            name: notation::line(&user.id, 60),
            href: asked.sessions(exactly(Field::User, &user.id)).to_string(),
            sessions: notation::plural(user.session_count, "session"),
            tokens: notation::compact(user.total_tokens),
            cost: notation::money(cost),
            share: (cost.picodollars() * 100 / all.cost.sum.max(1)).clamp(0, 100) as u64,
        })
    };
    users.iter().filter_map(spender).collect()
}
