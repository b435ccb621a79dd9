//! `/traces`: single units of work, those among them that belong to no session.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use throughline_model::{Timestamp, Trace};

use super::address::Address;
use super::column::{Column, Heading, columns};
use super::finder::Finder;
use super::frame::{Asked, Frame, Section, Visit, html};
use super::list_place::{self, Range};
use super::notation::{self, When};
use super::snippets::Snippets;
use super::turn;
use crate::domain::filter::Target;
use crate::domain::query::{ListQuery, Page, Sort, SortField};
use crate::http::{Error, Project, State};

const ROWS: usize = 50;
const USUAL_ORDER: Sort = Sort { by: SortField::StartTime, descending: true };
const TARGETS: &[Target] = &[Target::Trace];
const HEADINGS: [Heading; 7] = [
    ("Trace", "c-title", None),
    ("Session", "c-user", None),
    ("Duration", "c-duration num", Some(SortField::Duration)),
    ("Tokens", "c-tokens num", Some(SortField::TotalTokens)),
    ("Cost", "c-cost num", Some(SortField::TotalCost)),
    ("Errors", "c-errors num", Some(SortField::ErrorCount)),
    ("Started", "c-when num", Some(SortField::StartTime)),
];

/// Filters that find what has no session.
pub(super) const WITHOUT_SESSION: &str = "-session:*";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    filter: String,
    range: String,
    from: String,
    to: String,
    sort: String,
    after: String,
}

#[derive(Template)]
#[template(path = "traces.html")]
struct TracesPage {
    frame: Frame,
    finder: Finder,
    presets: Vec<(&'static str, String, bool)>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
    /// Whether there is nothing at all, rather than nothing like this.
    nothing: bool,
    snippets: Snippets,
}

struct Row {
    href: String,
    failed: bool,
    name: String,
    said: String,
    session: Option<(String, String)>,
    user: String,
    duration: String,
    observations: String,
    tokens: String,
    cost: Option<String>,
    errors: u64,
    when: When,
}

/// `GET /traces`
pub(super) async fn traces(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Asked(parameters): Asked<Parameters>,
) -> Result<Response, Error> {
    let now = state.clock.now();
    let address = Address::page("/traces")
        .with("filter", &parameters.filter)
        .with("range", &parameters.range)
        .with("from", &parameters.from)
        .with("to", &parameters.to)
        .with("sort", &parameters.sort);
    let (finder, filter) = Finder::read(&parameters.filter, TARGETS, now, &address, "/traces");
    let range = Range::read(&parameters.range, &parameters.from, &parameters.to, now);
    let finder = finder.with_range(&range, &parameters.from, &parameters.to, &address);
    let sort = list_place::read_sort(&parameters.sort, USUAL_ORDER);
    let page = if finder.is_wrong() {
        Page { rows: Vec::new(), next: None }
    } else {
        let after = list_place::read_cursor(&parameters.after);
        let query = ListQuery { filter, from: range.from, to: range.to, sort, limit: ROWS, after, now };
        state.store.traces(&project, &query).await?
    };
    let everything = parameters.filter.trim().is_empty() && range.is_all() && parameters.after.is_empty();
    let next = page.next.as_ref().map(list_place::write_cursor);
    let view = TracesPage {
        frame: visit.frame(Section::Traces, "Traces"),
        presets: presets(&parameters, &address),
        columns: columns(&HEADINGS, sort, USUAL_ORDER, &address),
        nothing: everything && page.rows.is_empty(),
        rows: page.rows.iter().map(|trace| Row::new(trace, now)).collect(),
        next: next.map(|next| address.clone().with("after", next).to_string()),
        first: (!parameters.after.is_empty()).then(|| address.to_string()),
        snippets: Snippets::for_host(visit.host.as_deref()),
        finder,
    };
    let status = if view.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, html(&view)?).into_response())
}

fn presets(parameters: &Parameters, address: &Address) -> Vec<(&'static str, String, bool)> {
    const PRESETS: [(&str, &str, &str); 6] = [
        ("All", "", ""),
        ("With errors", "error:true", ""),
        ("Without session", WITHOUT_SESSION, ""),
        ("Longest", "", "-duration"),
        ("Most tokens", "", "-totalTokens"),
        ("Most expensive", "", "-totalCost"),
    ];
    PRESETS
        .into_iter()
        .map(|(name, filter, sort)| {
            let href = address.clone().with("filter", filter).with("sort", sort).to_string();
            (name, href, parameters.filter.trim() == filter && parameters.sort == sort)
        })
        .collect()
}

impl Row {
    fn new(trace: &Trace, now: Timestamp) -> Self {
        let name = turn::name(trace);
        let said = Some(turn::label(trace)).filter(|said| *said != name);
        let session = trace.session_id.as_ref().map(|session| {
            (Address::session(session.as_str()).to_string(), notation::line(session.as_str(), 80))
        });
        Self {
            href: Address::trace(trace.id).to_string(),
            failed: trace.error_count > 0,
            name,
            said: said.unwrap_or_else(|| trace.id.to_string()),
            session,
            user: trace.user_id.as_deref().map(|user| notation::line(user, 80)).unwrap_or_default(),
            duration: notation::duration(trace.duration),
            observations: notation::plural(trace.observation_count, "step"),
            tokens: notation::compact(trace.total_tokens),
            cost: trace.total_cost.map(notation::money),
            errors: trace.error_count,
            when: When::new(trace.start_time, now),
        }
    }
}
