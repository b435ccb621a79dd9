//! `/sessions/{id}`: one session as a conversation, a waterfall, a list of events, or JSON.

mod overview;
mod reader;

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Html;
use serde::Deserialize;
use throughline_model::{ProjectId, Session, SessionId, Timestamp, Trace};

use self::overview::Overview;
use self::reader::Reader;
use super::address::Address;
use super::cost_view::CostView;
use super::event_list::EventRow;
use super::frame::{Asked, Frame, Named, Section, Visit, html};
use super::notation;
use super::passage::{self, JsonText};
use super::scores::Scores;
use super::session_header::SessionHeader;
use super::session_parts;
use super::token_chart::TokenChart;
use super::turn::{self, Gap, Stop, Turn};
use crate::http::{Error, Project, State};

/// Turns in the rail and the chart.
const OVERVIEW: usize = 200;
/// Turns in full on one page.
const TURNS: usize = 10;
/// Steps of one turn that are told at once: a turn may have thousands.
const STEPS: usize = 40;
/// Steps of all turns of a page together; each turn has a few whatever those before it took.
const STEPS_OF_ALL: usize = 120;
const FEW_STEPS: usize = 8;
/// Waterfall rows of one turn, beside its conversation and alone.
const ROWS_BESIDE: usize = 40;
const ROWS_ALONE: usize = 60;
/// Events on a page, and those between turns.
const EVENTS: usize = 100;
/// Bytes of text on one page, and of one text.
const TEXT: usize = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    view: String,
    /// The number of the first turn in full.
    turn: String,
    /// The number of the first of its steps that is told; beyond the first, the page tells nothing else.
    step: String,
    /// Where the overview begins: a cursor and the number of the turn after it.
    after: String,
    first: String,
    /// What the turns before the overview cost, in picodollars.
    spent: String,
    /// Where the list of events goes on.
    events_after: String,
    /// How many turns of the table of costs come before those shown.
    costs_after: String,
}

/// How the session is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Conversation,
    Waterfall,
    Cost,
    Events,
    Json,
}

impl View {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Conversation, "", "Conversation"),
        (Self::Waterfall, "waterfall", "Waterfall"),
        (Self::Cost, "cost", "Cost"),
        (Self::Events, "events", "Events"),
        (Self::Json, "json", "JSON"),
    ];

    fn named(name: &str) -> Self {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map_or(Self::Conversation, |(view, ..)| *view)
    }

    /// The view asked for. A session of events alone has no conversation: its events are what there is to see.
    fn of(session: &Session, name: &str) -> Self {
        match Self::named(name) {
            Self::Conversation | Self::Waterfall | Self::Cost if session.trace_count == 0 => Self::Events,
            view => view,
        }
    }
}

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    frame: Frame,
    header: SessionHeader,
    scores: Scores,
    chart: Option<TokenChart>,
    tabs: Vec<Tab>,
    view: View,
    stops: Vec<Stop>,
    turns: Vec<Turn>,
    /// Events before the first turn.
    opening: Vec<EventRow>,
    earlier: Option<(String, String)>,
    later: Option<(String, String)>,
    rail_later: Option<String>,
    rail_first: Option<String>,
    events: Vec<EventRow>,
    next_events: Option<String>,
    cost: CostView,
    earlier_costs: Option<String>,
    later_costs: Option<String>,
    json: JsonText,
    json_href: String,
    replay_href: String,
}

struct Tab {
    name: &'static str,
    href: String,
    chosen: bool,
    count: String,
}

/// `GET /sessions/{id}`
pub(super) async fn session(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Named(id): Named,
    Asked(parameters): Asked<Parameters>,
) -> Result<Html<String>, Error> {
    let now = state.clock.now();
    let id = SessionId::from(id);
    let mut session = known(&state, &project, &id, now).await?;
    state.note_goals(&project, std::slice::from_mut(&mut session)).await?;
    let reader = Reader { state: &state, project: &project, session: &session, now };
    let overview = Overview::read(&reader, &parameters).await?;
    let mut page = SessionPage::new(&session, &overview, &parameters, &visit, now);
    page.scores = Scores::of_session(&state, &project, &session.id, now).await?;
    match page.view {
        View::Conversation | View::Waterfall => reader.turns(&mut page, &overview).await?,
        View::Events => reader.events(&mut page, &parameters).await?,
        View::Cost => reader.cost(&mut page, &parameters).await?,
        View::Json => page.json = JsonText::of(&whole(&session, &overview), passage::SHORT * 16),
    }
    html(&page)
}

/// The session, or the page that says that there is none.
pub(super) async fn known(
    state: &State,
    project: &ProjectId,
    id: &SessionId,
    now: Timestamp,
) -> Result<Session, Error> {
    let session = state.store.session(project, id, now).await?;
    session.ok_or_else(|| {
        Error::not_found(format!("no session has the id {}", notation::line(id.as_str(), 120)))
    })
}

fn whole(session: &Session, overview: &Overview) -> serde_json::Value {
    let mut whole = serde_json::to_value(session).unwrap_or_default();
    whole["traces"] = serde_json::to_value(&overview.traces.rows).unwrap_or_default();
    whole
}

fn with_view(address: Address, view: View) -> Address {
    let name = View::ALL.iter().find(|(known, ..)| *known == view).map_or("", |(_, name, _)| name);
    address.with("view", name)
}

impl SessionPage {
    fn new(
        session: &Session,
        overview: &Overview,
        parameters: &Parameters,
        visit: &Visit,
        now: Timestamp,
    ) -> Self {
        let view = View::of(session, &parameters.view);
        let header = SessionHeader::new(session, now);
        let href = |number| {
            overview
                .address_of_turn(&session.id, turns_view(view), number)
                .at(format!("turn-{number}"))
                .to_string()
        };
        Self {
            frame: visit.frame(Section::Sessions, header.title.clone()),
            header,
            scores: Scores::default(),
            chart: TokenChart::draw(&overview.traces.rows, overview.first, overview.spent, href),
            tabs: tabs(session, overview, view),
            view,
            stops: stops(session, overview, view),
            turns: Vec::new(),
            opening: Vec::new(),
            earlier: (overview.window > 0).then(|| {
                turn_page(session, overview, view, overview.window.saturating_sub(TURNS), "Earlier")
            }),
            later: (overview.shown().end < overview.traces.rows.len())
                .then(|| turn_page(session, overview, view, overview.shown().end, "Next")),
            rail_later: overview.next_part(&session.id).map(|part| with_view(part, view).to_string()),
            rail_first: (!overview.after.is_empty())
                .then(|| with_view(Address::session(session.id.as_str()), view).to_string()),
            events: Vec::new(),
            next_events: None,
            cost: CostView::default(),
            earlier_costs: None,
            later_costs: None,
            json: JsonText::default(),
            replay_href: Address::of_part(&Address::session(session.id.as_str()), "replay").to_string(),
            json_href: Address::of("/api/v1/sessions", session.id.as_str()).to_string(),
        }
    }

    fn is(&self, view: &str) -> bool {
        View::named(view) == self.view
    }
}

/// Turns are shown in two of the views; links to a turn from the others lead to the conversation.
fn turns_view(view: View) -> View {
    if view == View::Waterfall { view } else { View::Conversation }
}

fn tabs(session: &Session, overview: &Overview, view: View) -> Vec<Tab> {
    let turns_alone = [View::Conversation, View::Waterfall, View::Cost];
    View::ALL
        .into_iter()
        .filter(|(tab, ..)| session.trace_count > 0 || !turns_alone.contains(tab))
        .map(|(tab, _, name)| Tab {
            name,
            href: match tab {
                View::Conversation | View::Waterfall => {
                    let number = overview.first + overview.window;
                    overview.address_of_turn(&session.id, tab, number).to_string()
                }
                View::Cost | View::Events | View::Json => {
                    with_view(Address::session(session.id.as_str()), tab).to_string()
                }
            },
            chosen: tab == view,
            count: match tab {
                View::Conversation => notation::count(session.trace_count),
                View::Waterfall => notation::compact(session.observation_count),
                View::Events => notation::compact(session.event_count),
                View::Cost => session.total_cost.map(notation::money).unwrap_or_default(),
                View::Json => String::new(),
            },
        })
        .collect()
}

fn stops(session: &Session, overview: &Overview, view: View) -> Vec<Stop> {
    let traces = &overview.traces.rows;
    let shown = overview.shown();
    traces
        .iter()
        .enumerate()
        .map(|(i, trace)| {
            let number = overview.first + i;
            let on_page = shown.contains(&i) && matches!(view, View::Conversation | View::Waterfall);
            let page = overview.address_of_turn(&session.id, turns_view(view), number);
            let href = if on_page {
                format!("#turn-{number}")
            } else {
                page.at(format!("turn-{number}")).to_string()
            };
            Stop {
                number,
                label: turn::label(trace),
                href,
                failed: trace.error_count > 0,
                unfinished: turn::unfinished(trace),
                duration: notation::duration(trace.duration),
                gap: gap(session, traces, i),
                shown: on_page,
            }
        })
        .collect()
}

/// What lies before the trace at this place.
fn gap(session: &Session, traces: &[Trace], place: usize) -> Gap {
    let previous = place.checked_sub(1).map(|before| &traces[before]);
    Gap {
        idle: turn::idle_before(previous, &traces[place]),
        part: session_parts::before(session, previous, &traces[place]),
    }
}

/// The link to the page of turns that begins at this place, and what it says.
fn turn_page(
    session: &Session,
    overview: &Overview,
    view: View,
    place: usize,
    says: &str,
) -> (String, String) {
    let number = overview.first + place;
    let last = (number + TURNS - 1).min(overview.first + overview.traces.rows.len() - 1);
    let says = format!("{says}: turns {number}–{last}");
    // Exactly there, also if the page before began between two others.
    let begin = if number == overview.first { String::new() } else { number.to_string() };
    (with_view(overview.address(&session.id), view).with("turn", begin).to_string(), says)
}
