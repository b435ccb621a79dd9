//! `/analytics/goals`: how many sessions reach what is hoped for, how soon and at what cost.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use throughline_model::{Money, Timestamp, millis};

use super::chart::{BarValues, Chart};
use super::time_chart::{Stretch, stretches};
use super::{Asked, Parameters, SESSIONS, Tab, share};
use crate::dashboard::finder::Finder;
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::notation;
use crate::domain::analytics::{Distribution, Goal, GoalPoint, GoalReport};
use crate::domain::filter::Filter;
use crate::http::{Error, Project, State};

#[derive(Template)]
#[template(path = "analytics/goals.html")]
struct GoalsPage {
    frame: Frame,
    finder: Finder,
    tabs: Vec<Tab>,
    /// The field for a goal to try out.
    tried: String,
    fault: String,
    kept: Vec<(&'static str, String)>,
    goals: Vec<GoalView>,
}

struct GoalView {
    name: String,
    filter: String,
    rate: String,
    /// In per cent.
    width: u64,
    reached: String,
    reached_href: String,
    missed: String,
    missed_href: String,
    facts: Vec<(&'static str, String)>,
    chart: Option<Chart>,
}

/// `GET /analytics/goals`
pub(in crate::dashboard) async fn goals(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    frame::Asked(parameters): frame::Asked<Parameters>,
) -> Result<Response, Error> {
    let now = state.clock.now();
    let mut asked = Asked::read(&parameters, "/analytics/goals", SESSIONS, now);
    let mut wanted: Vec<Goal> = state.goals.iter().map(|goal| goal.at(now)).collect();
    let mut fault = String::new();
    match tried(&parameters.goal, now) {
        Ok(goal) => wanted.splice(..0, goal).for_each(drop),
        Err(message) => fault = message,
    }
    let is_wrong = asked.finder.is_wrong() || !fault.is_empty();
    let mut goals = Vec::new();
    if !asked.finder.is_wrong() {
        for goal in &wanted {
            let mut report = state.store.goal(&project, &asked.selection, goal, asked.interval).await?;
            if asked.look_closer(report.series.first().map(|point| point.time)) {
                report = state.store.goal(&project, &asked.selection, goal, asked.interval).await?;
            }
            goals.push(GoalView::new(&asked, goal, &report));
        }
    }
    let view = GoalsPage {
        frame: visit.frame(Section::Analytics, "Goals"),
        tried: parameters.goal.clone(),
        fault,
        kept: asked
            .address
            .parameters()
            .filter(|(key, _)| *key != "goal")
            .map(|(key, value)| (key, value.to_owned()))
            .collect(),
        goals,
        tabs: asked.tabs,
        finder: asked.finder,
    };
    let status = if is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, html(&view)?).into_response())
}

/// The goal in the field, if there is one.
fn tried(text: &str, now: Timestamp) -> Result<Option<Goal>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    match Filter::parse(text, SESSIONS, now) {
        Ok(filter) => Ok(Some(Goal::new(text, text, filter, now))),
        Err(error) => Err(error.to_string()),
    }
}

impl GoalView {
    fn new(asked: &Asked, goal: &Goal, report: &GoalReport) -> Self {
        let missed = report.sessions - report.reached;
        Self {
            name: goal.name.clone(),
            filter: if goal.name == goal.text { String::new() } else { goal.text.clone() },
            rate: share(report.reached, report.sessions),
            width: notation::percent(report.reached, report.sessions).unwrap_or_default(),
            reached: notation::plural(report.reached, "session"),
            reached_href: asked.sessions(goal.filter.clone()).to_string(),
            missed: notation::count(missed),
            missed_href: asked.sessions(goal.filter.clone().negate()).to_string(),
            facts: facts(report),
            chart: chart(asked, goal, report),
        }
    }
}

fn facts(report: &GoalReport) -> Vec<(&'static str, String)> {
    if report.time.count == 0 {
        return Vec::new();
    }
    let spread = |spread: &Distribution, write: &dyn Fn(i64) -> String| {
        format!("{} (p90 {})", write(spread.p50), write(spread.p90))
    };
    let mut facts = vec![
        ("Time to goal", spread(&report.time, &|nanos| notation::duration(millis(nanos)))),
        ("Turns to goal", spread(&report.turns, &|turns| turns.to_string())),
    ];
    if report.cost.count > 0 {
        let money = |cost: i64| notation::money(Money::from_picodollars(cost.into()));
        facts.push(("Cost to goal", spread(&report.cost, &money)));
    }
    facts
}

fn chart(asked: &Asked, goal: &Goal, report: &GoalReport) -> Option<Chart> {
    let bar = |stretch: Stretch<GoalPoint>| {
        let (sessions, reached) = (stretch.sum(|point| point.sessions), stretch.sum(|point| point.reached));
        BarValues {
            title: format!(
                "{}: {} of {} reached it ({})",
                stretch.name(asked.interval),
                notation::count(reached),
                notation::plural(sessions, "session"),
                share(reached, sessions)
            ),
            label: stretch.label.clone(),
            href: asked.sessions_begun(stretch.from, stretch.to, goal.filter.clone()).to_string(),
            parts: vec![("c-good", reached as f64), ("c-rest", (sessions - reached) as f64)],
        }
    };
    let bars = stretches(asked, &report.series, |point| point.time).into_iter().map(bar).collect();
    let summary = "by when sessions began".to_owned();
    let chart = Chart::draw("Over time", summary, bars, |most| notation::compact(most as u64))?;
    Some(chart.with_legend(&[("reached it", "c-good"), ("did not", "c-rest")]))
}
