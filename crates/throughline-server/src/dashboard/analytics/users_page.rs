//! `/analytics/users`: who the sessions were had with.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use throughline_model::Timestamp;

use super::{Asked, Parameters, SESSIONS, Tab};
use crate::dashboard::address::Address;
use crate::dashboard::column::{Column, Heading, columns};
use crate::dashboard::finder::{Finder, exactly};
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::list_place;
use crate::dashboard::notation::{self, When};
use crate::domain::filter::Field;
use crate::domain::query::{ListQuery, Page, Sort, SortField, User};
use crate::http::{Error, Project, State};

const ROWS: usize = 50;
const USUAL_ORDER: Sort = Sort { by: SortField::EndTime, descending: true };
const HEADINGS: [Heading; 8] = [
    ("User", "", None),
    ("Sessions", "num", None),
    ("Turns", "num", Some(SortField::TraceCount)),
    ("Tokens", "num", Some(SortField::TotalTokens)),
    ("Cost", "num", Some(SortField::TotalCost)),
    ("Errors", "num", Some(SortField::ErrorCount)),
    ("First seen", "num", Some(SortField::StartTime)),
    ("Last seen", "num", Some(SortField::EndTime)),
];

#[derive(Template)]
#[template(path = "analytics/users.html")]
struct UsersPage {
    frame: Frame,
    finder: Finder,
    tabs: Vec<Tab>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    next: Option<String>,
    first: Option<String>,
}

struct Row {
    name: String,
    /// What their sessions say together.
    href: String,
    sessions_href: String,
    sessions: String,
    turns: String,
    tokens: String,
    cost: String,
    errors: u64,
    first_seen: When,
    last_seen: When,
}

/// `GET /analytics/users`
pub(in crate::dashboard) async fn users(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    frame::Asked(parameters): frame::Asked<Parameters>,
) -> Result<Response, Error> {
    let now = state.clock.now();
    let asked = Asked::read(&parameters, "/analytics/users", SESSIONS, now);
    let sort = list_place::read_sort(&parameters.sort, USUAL_ORDER);
    let page = if asked.finder.is_wrong() {
        Page { rows: Vec::new(), next: None }
    } else {
        let selection = asked.selection.clone();
        let after = list_place::read_cursor(&parameters.after);
        let (filter, from, to) = (selection.filter, selection.from, selection.to);
        let query = ListQuery { filter, from, to, sort, limit: ROWS, after, now };
        state.store.users(&project, &query).await?
    };
    let status = if asked.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let next =
        page.next.as_ref().map(|next| asked.address.clone().with("after", list_place::write_cursor(next)));
    let view = UsersPage {
        frame: visit.frame(Section::Analytics, "Users"),
        columns: columns(&HEADINGS, sort, USUAL_ORDER, &asked.address),
        rows: page.rows.iter().map(|user| Row::new(&asked, user, now)).collect(),
        next: next.map(|next| next.to_string()),
        first: (!parameters.after.is_empty()).then(|| asked.address.to_string()),
        tabs: asked.tabs,
        finder: asked.finder,
    };
    Ok((status, html(&view)?).into_response())
}

impl Row {
    fn new(asked: &Asked, user: &User, now: Timestamp) -> Self {
        let theirs = exactly(Field::User, &user.id);
        Self {
            name: notation::line(&user.id, 120),
            href: Address::page("/analytics").with("filter", theirs.to_string()).to_string(),
            sessions_href: asked.sessions(theirs).to_string(),
            sessions: notation::count(user.session_count),
            turns: notation::count(user.trace_count),
            tokens: notation::compact(user.total_tokens),
            cost: user.total_cost.map_or_else(|| "—".to_owned(), notation::money),
            errors: user.error_count,
            first_seen: When::new(user.first_seen, now),
            last_seen: When::new(user.last_seen, now),
        }
    }
}
