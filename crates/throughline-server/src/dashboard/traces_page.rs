//! `/traces`: single units of work, those among them that belong to no session.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Response;
use throughline_model::{Timestamp, Trace};

use super::address::Address;
use super::frame::{Asked, Frame, Section, Visit};
use super::list::{Asking, Kind, List, Parameters};
use super::notation::{self, When};
use super::turn::{self, Mark};
use crate::domain::filter::Target;
use crate::domain::query::{Sort, SortField};
use crate::http::{Error, Project, State};

static TRACES: Kind = Kind {
    path: "/traces",
    noun: "trace",
    targets: &[Target::Trace],
    rows: 50,
    usual_order: Sort { by: SortField::StartTime, descending: true },
    headings: &[
        ("Trace", "c-title", None),
        ("Session", "c-user", None),
        ("Duration", "c-duration num", Some(SortField::Duration)),
        ("Tokens", "c-tokens num", Some(SortField::TotalTokens)),
        ("Cost", "c-cost num", Some(SortField::TotalCost)),
        ("Errors", "c-errors num", Some(SortField::ErrorCount)),
        ("Started", "c-when num", Some(SortField::StartTime)),
    ],
    presets: &[
        ("All", "", ""),
        ("Not ended", "unfinished:true", ""),
        ("With errors", "error:true", ""),
        ("Without session", WITHOUT_SESSION, ""),
        ("Longest", "", "-duration"),
        ("Most tokens", "", "-totalTokens"),
        ("Most expensive", "", "-totalCost"),
    ],
};

/// Filters that find what has no session.
pub(super) const WITHOUT_SESSION: &str = "-session:*";

#[derive(Template)]
#[template(path = "traces.html")]
struct TracesPage {
    frame: Frame,
    list: List,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    href: String,
    failed: bool,
    unfinished: Option<Mark>,
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
    let asking = Asking::new(&TRACES, parameters, now);
    let mut page = asking.read(async |query| state.store.traces(&project, query).await).await?;
    state.note_unfinished(&mut page.rows);
    let view = TracesPage {
        frame: visit.frame(Section::Traces, "Traces"),
        rows: page.rows.iter().map(|trace| Row::new(trace, now)).collect(),
        list: asking.list(&page, &visit),
    };
    List::respond(view.list.finder.is_wrong(), &view)
}

impl Row {
    fn new(trace: &Trace, now: Timestamp) -> Self {
        let name = turn::name(trace);
        let said = Some(turn::label(trace)).filter(|said| *said != name);
        let session = trace.session_id.as_ref().map(|session| {
            (Address::session(session.as_str()).to_string(), notation::line(session.as_str(), 80))
        });
        Self {
            id: trace.id.to_string(),
            href: Address::trace(trace.id).to_string(),
            failed: trace.error_count > 0,
            unfinished: turn::unfinished(trace),
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
