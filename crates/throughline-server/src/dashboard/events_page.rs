//! `/events`: single facts, newest first.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Response;

use super::event_list::EventRow;
use super::frame::{Asked, Frame, Section, Visit};
use super::list::{Asking, Kind, List, Parameters};
use super::notation;
use crate::domain::filter::Target;
use crate::domain::query::{Sort, SortField};
use crate::http::{Error, Project, State};

static EVENTS: Kind = Kind {
    path: "/events",
    noun: "event",
    targets: &[Target::Event],
    rows: 100,
    usual_order: Sort { by: SortField::StartTime, descending: true },
    headings: &[],
    presets: &[
        ("All", "", ""),
        ("Warnings and above", "level:>=warn", ""),
        ("Errors", "level:>=error", ""),
        ("Debug", "level:debug", ""),
    ],
};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    list: List,
    rows: Vec<EventRow>,
    summary: String,
}

/// `GET /events`
pub(super) async fn events(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Asked(parameters): Asked<Parameters>,
) -> Result<Response, Error> {
    let now = state.clock.now();
    let asking = Asking::new(&EVENTS, parameters, now);
    let page = asking.read(async |query| state.store.events(&project, query).await).await?;
    let count = notation::plural(page.rows.len() as u64, "event");
    let errors = page.rows.iter().filter(|event| event.is_error()).count() as u64;
    let view = EventsPage {
        frame: visit.frame(Section::Events, "Events"),
        summary: format!("{count}, {}", notation::plural(errors, "error")),
        rows: page.rows.iter().map(|event| EventRow::new(event, now)).collect(),
        list: asking.list(&page, &visit),
    };
    List::respond(view.list.finder.is_wrong(), &view)
}
