//! `/analytics/journeys`: which steps sessions take one after another, and where they end.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Asked, Parameters, SESSIONS, Tab, share};
use crate::dashboard::finder::{Finder, exactly};
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::notation;
use crate::domain::analytics::{Branch, Journeys, Path, StepKind, read_funnel};
use crate::domain::filter::{Field, Filter};
use crate::http::{Error, Project, State};

#[derive(Template)]
#[template(path = "analytics/journeys.html")]
struct JourneysPage {
    frame: Frame,
    finder: Finder,
    tabs: Vec<Tab>,
    kinds: Vec<Tab>,
    summary: String,
    tree: Vec<TreeRow>,
    paths: Vec<PathRow>,
    funnel: Vec<FunnelRow>,
    funnel_text: String,
    kept: Vec<(&'static str, String)>,
    is_by_tag: bool,
}

/// A step in the tree of paths.
struct TreeRow {
    indent: usize,
    step: String,
    href: String,
    sessions: String,
    /// Of all sessions, in per cent: how long its bar is.
    width: u64,
    /// The part of the bar that went no further.
    ended_width: u64,
    ended: String,
    others: String,
}

struct PathRow {
    steps: Vec<String>,
    is_cut: bool,
    sessions: String,
    share: String,
    with_errors: u64,
    abandoned: u64,
    cost: String,
}

struct FunnelRow {
    step: String,
    href: String,
    sessions: String,
    /// Of those that took the first step.
    share: String,
    width: u64,
    /// Those that the step before had and this one does not.
    lost: String,
}

/// `GET /analytics/journeys`
pub(in crate::dashboard) async fn journeys(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    frame::Asked(parameters): frame::Asked<Parameters>,
) -> Result<Response, Error> {
    let asked = Asked::read(&parameters, "/analytics/journeys", SESSIONS, state.clock.now());
    let by = if parameters.by == "tag" { StepKind::Tag } else { StepKind::Name };
    let funnel = read_funnel(&parameters.funnel);
    let mut found = Journeys::default();
    if !asked.finder.is_wrong() {
        found = state.store.journeys(&project, &asked.selection, by, &funnel).await?;
    }
    let status = if asked.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let view = JourneysPage {
        frame: visit.frame(Section::Analytics, "Journeys"),
        kinds: kinds(&asked, by),
        summary: format!(
            "{} on {}",
            notation::plural(found.sessions, "session"),
            notation::plural(found.distinct, "different path")
        ),
        tree: found.tree.iter().map(|branch| tree_row(&asked, by, branch, found.sessions)).collect(),
        paths: found.paths.iter().map(|path| path_row(path, found.sessions)).collect(),
        funnel: funnel_rows(&asked, by, &found),
        funnel_text: funnel.join(" > "),
        kept: asked
            .address
            .parameters()
            .filter(|(key, _)| *key != "funnel")
            .map(|(key, value)| (key, value.to_owned()))
            .collect(),
        is_by_tag: by == StepKind::Tag,
        tabs: asked.tabs,
        finder: asked.finder,
    };
    Ok((status, html(&view)?).into_response())
}

fn kinds(asked: &Asked, by: StepKind) -> Vec<Tab> {
    let kind = |(name, kind, value)| Tab {
        name,
        href: asked.address.clone().with("by", value).without("funnel").to_string(),
        chosen: kind == by,
    };
    [("By trace name", StepKind::Name, ""), ("By tag", StepKind::Tag, "tag")].map(kind).into()
}

/// The sessions that took this step at any time.
fn taken(by: StepKind, step: &str) -> Filter {
    exactly(if by == StepKind::Tag { Field::Tag } else { Field::Name }, step)
}

fn percent(part: u64, whole: u64) -> u64 {
    notation::percent(part, whole).unwrap_or_default()
}

fn tree_row(asked: &Asked, by: StepKind, branch: &Branch, all: u64) -> TreeRow {
    let some =
        |n: u64, words: &str| if n == 0 { String::new() } else { format!("{} {words}", notation::count(n)) };
    TreeRow {
        indent: branch.depth.min(8),
        step: notation::line(&branch.step, 80),
        href: asked.sessions(taken(by, &branch.step)).to_string(),
        sessions: notation::count(branch.sessions),
        width: percent(branch.sessions, all),
        ended_width: percent(branch.ended, all),
        ended: if branch.ended == branch.sessions {
            "all end here".to_owned()
        } else {
            some(branch.ended, "end here")
        },
        others: some(branch.others, "go other ways"),
    }
}

fn path_row(path: &Path, all: u64) -> PathRow {
    let totals = &path.totals;
    PathRow {
        steps: path.steps.iter().map(|step| notation::line(step, 40)).collect(),
        is_cut: path.is_cut,
        sessions: notation::count(totals.sessions),
        share: share(totals.sessions, all),
        with_errors: totals.with_errors,
        abandoned: totals.abandoned,
        cost: totals.cost.map_or_else(|| "—".to_owned(), notation::money),
    }
}

fn funnel_rows(asked: &Asked, by: StepKind, journeys: &Journeys) -> Vec<FunnelRow> {
    let first = journeys.funnel.first().map_or(0, |step| step.sessions);
    let mut before = None;
    let mut conditions = Vec::new();
    let row = |step: &crate::domain::analytics::FunnelStep| {
        conditions.push(taken(by, &step.step));
        let lost = before.replace(step.sessions).map_or(0, |before: u64| before - step.sessions);
        FunnelRow {
            step: notation::line(&step.step, 80),
            href: asked.sessions(Filter::all_of(conditions.clone())).to_string(),
            sessions: notation::count(step.sessions),
            share: share(step.sessions, first),
            width: percent(step.sessions, first),
            lost: if lost == 0 { String::new() } else { format!("{} lost", notation::count(lost)) },
        }
    };
    journeys.funnel.iter().map(row).collect()
}
