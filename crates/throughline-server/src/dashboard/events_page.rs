//! `/events`: single facts, newest first.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use super::address::Address;
use super::event_list::EventRow;
use super::finder::Finder;
use super::frame::{Asked, Frame, Section, Visit, html};
use super::list_place::{self, Range};
use super::notation;
use super::snippets::Snippets;
use crate::domain::filter::Target;
use crate::domain::query::{ListQuery, Page, Sort, SortField};
use crate::http::{Error, Project, State};

const ROWS: usize = 100;
const TARGETS: &[Target] = &[Target::Event];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    filter: String,
    range: String,
    from: String,
    to: String,
    after: String,
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    finder: Finder,
    presets: Vec<(&'static str, String, bool)>,
    rows: Vec<EventRow>,
    summary: String,
    next: Option<String>,
    first: Option<String>,
    /// Whether there is nothing at all, rather than nothing like this.
    nothing: bool,
    snippets: Snippets,
}

/// `GET /events`
pub(super) async fn events(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Asked(parameters): Asked<Parameters>,
) -> Result<Response, Error> {
    let now = state.clock.now();
    let address = Address::page("/events")
        .with("filter", &parameters.filter)
        .with("range", &parameters.range)
        .with("from", &parameters.from)
        .with("to", &parameters.to);
    let (finder, filter) = Finder::read(&parameters.filter, TARGETS, now, &address, "/events");
    let range = Range::read(&parameters.range, &parameters.from, &parameters.to, now);
    let finder = finder.with_range(&range, &parameters.from, &parameters.to, &address);
    let page = if finder.is_wrong() {
        Page { rows: Vec::new(), next: None }
    } else {
        let sort = Sort { by: SortField::StartTime, descending: true };
        let after = list_place::read_cursor(&parameters.after);
        let query = ListQuery { filter, from: range.from, to: range.to, sort, limit: ROWS, after, now };
        state.store.events(&project, &query).await?
    };
    let status = if finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let everything = parameters.filter.trim().is_empty() && range.is_all() && parameters.after.is_empty();
    let errors = page.rows.iter().filter(|event| event.is_error()).count() as u64;
    let view = EventsPage {
        frame: visit.frame(Section::Events, "Events"),
        presets: presets(&parameters, &address),
        summary: format!(
            "{}, {}",
            notation::plural(page.rows.len() as u64, "event"),
            notation::plural(errors, "error")
        ),
        nothing: everything && page.rows.is_empty(),
        rows: page.rows.iter().map(|event| EventRow::new(event, now)).collect(),
        next: page
            .next
            .as_ref()
            .map(|next| address.clone().with("after", list_place::write_cursor(next)).to_string()),
        first: (!parameters.after.is_empty()).then(|| address.to_string()),
        finder,
        snippets: Snippets::for_host(visit.host.as_deref()),
    };
    Ok((status, html(&view)?).into_response())
}

fn presets(parameters: &Parameters, address: &Address) -> Vec<(&'static str, String, bool)> {
    [
        ("All", ""),
        ("Warnings and above", "level:>=warn"),
        ("Errors", "level:>=error"),
        ("Debug", "level:debug"),
    ]
    .into_iter()
    .map(|(name, filter)| {
        (name, address.clone().with("filter", filter).to_string(), parameters.filter.trim() == filter)
    })
    .collect()
}
