//! `/sessions/{id}`: one session as a conversation, a waterfall, a list of events, or JSON.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Html;
use serde::Deserialize;
use throughline_model::{ProjectId, Session, SessionId, Timestamp, Trace};

use super::address::Address;
use super::conversation;
use super::cost_view::CostView;
use super::event_list::EventRow;
use super::finder::exactly;
use super::frame::{Asked, Frame, Named, Section, Visit, html};
use super::history::History;
use super::list_place;
use super::message::Room;
use super::notation;
use super::passage::{self, JsonText};
use super::session_header::SessionHeader;
use super::session_parts;
use super::session_scores::SessionScores;
use super::time_scale::TimeScale;
use super::token_chart::TokenChart;
use super::turn::{self, Gap, Stop, Turn, TurnPlan};
use crate::domain::filter::Field;
use crate::domain::query::{Cursor, ListQuery, Page, Sort, SortField, TraceDetail};
use crate::domain::session_cost::SessionCost;
use crate::http::{Error, Project, State};

/// Turns in the rail and the chart.
const OVERVIEW: usize = 200;
/// Turns in full on one page.
const TURNS: usize = 10;
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
    /// Where the overview begins: a cursor and the number of the turn after it.
    after: String,
    first: String,
    /// Where the list of events goes on.
    events_after: String,
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
    scores: SessionScores,
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
    page.scores = SessionScores::read(&state, &project, &session.id, now).await?;
    match page.view {
        View::Conversation | View::Waterfall => reader.turns(&mut page, &overview).await?,
        View::Events => reader.events(&mut page, &parameters).await?,
        View::Cost => page.cost = reader.cost(&overview).await?,
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

/// The turns that the rail and the chart show, and which of them are shown in full.
struct Overview {
    traces: Page<Trace>,
    after: String,
    /// The number of the first one.
    first: usize,
    /// The place among them of the first turn in full.
    window: usize,
    length: usize,
}

impl Overview {
    async fn read(reader: &Reader<'_>, parameters: &Parameters) -> Result<Self, Error> {
        let cursor = list_place::read_cursor(&parameters.after);
        let first = parameters.first.parse().ok().filter(|_| cursor.is_some()).unwrap_or(1_usize).max(1);
        let traces = reader.session_traces(cursor.as_ref()).await?;
        let wanted = parameters.turn.parse().unwrap_or(first);
        let window = wanted.saturating_sub(first).min(traces.rows.len().saturating_sub(1));
        let length = TURNS.min(traces.rows.len() - window);
        let after = if cursor.is_some() { parameters.after.clone() } else { String::new() };
        Ok(Self { traces, after, first, window, length })
    }

    /// The page with the same part of the session in the rail.
    fn address(&self, session: &SessionId) -> Address {
        let first = if self.after.is_empty() { String::new() } else { self.first.to_string() };
        Address::session(session.as_str()).with("after", &self.after).with("first", first)
    }

    fn address_of_turn(&self, session: &SessionId, view: View, number: usize) -> Address {
        let page = number - (number - self.first) % TURNS;
        let page = if page == self.first { String::new() } else { page.to_string() };
        with_view(self.address(session), view).with("turn", page)
    }

    fn shown(&self) -> std::ops::Range<usize> {
        self.window..self.window + self.length
    }
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
            scores: SessionScores::default(),
            chart: TokenChart::draw(&overview.traces.rows, overview.first, href),
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
            rail_later: overview.traces.next.as_ref().map(|next| {
                with_view(Address::session(session.id.as_str()), view)
                    .with("after", list_place::write_cursor(next))
                    .with("first", (overview.first + overview.traces.rows.len()).to_string())
                    .to_string()
            }),
            rail_first: (!overview.after.is_empty())
                .then(|| with_view(Address::session(session.id.as_str()), view).to_string()),
            events: Vec::new(),
            next_events: None,
            cost: CostView::default(),
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
    (overview.address_of_turn(&session.id, view, number).to_string(), says)
}

/// Reads what the page needs from the store.
struct Reader<'a> {
    state: &'a State,
    project: &'a ProjectId,
    session: &'a Session,
    now: Timestamp,
}

impl Reader<'_> {
    async fn session_traces(&self, after: Option<&Cursor>) -> Result<Page<Trace>, Error> {
        Ok(self.state.store.session_traces(self.project, &self.session.id, after, OVERVIEW).await?)
    }

    async fn detail(&self, trace: &Trace) -> Result<Option<TraceDetail>, Error> {
        Ok(self.state.store.trace(self.project, &trace.id).await?)
    }

    async fn turns(&self, page: &mut SessionPage, overview: &Overview) -> Result<(), Error> {
        let alone = page.view == View::Waterfall;
        let traces = &overview.traces.rows;
        let shown = overview.shown();
        let stretches: Vec<_> =
            traces[shown.clone()].iter().map(|trace| (trace.start_time, trace.end_time)).collect();
        let scale = TimeScale::of_several(&stretches);
        let rows = if alone { ROWS_ALONE } else { ROWS_BESIDE };
        let plan = TurnPlan { scale: alone.then_some(&scale), rows, now: self.now };
        let mut history = History::default();
        let mut room = Room::new(TEXT, passage::SHORT);
        if let Some(before) = shown.start.checked_sub(1)
            && let Some(detail) = self.detail(&traces[before]).await?
        {
            conversation::remember(&detail, &mut history);
        }
        for place in shown.clone() {
            // A trace that was deleted meanwhile is simply no longer there.
            let Some(detail) = self.detail(&traces[place]).await? else { continue };
            let gap = gap(self.session, traces, place);
            let entries =
                if alone { Vec::new() } else { conversation::turn(&detail, &mut history, &mut room) };
            page.turns.push(Turn::new(overview.first + place, &detail, gap, entries, &plan));
        }
        if self.session.event_count > 0 && !alone {
            self.happenings(page, overview).await?;
        }
        Ok(())
    }

    /// Puts the events that belong to no turn between the turns.
    async fn happenings(&self, page: &mut SessionPage, overview: &Overview) -> Result<(), Error> {
        let traces = &overview.traces.rows;
        let shown = overview.shown();
        let is_first = shown.start == 0 && overview.after.is_empty();
        let from = traces.get(shown.start).filter(|_| !is_first).map(|trace| trace.start_time);
        let to = traces.get(shown.end).map(|trace| trace.start_time);
        let outside = self.list_events(from, to, None).await?;
        for event in outside.rows.iter().filter(|event| event.trace_id.is_none()) {
            let row = EventRow::new(event, self.now);
            let before = traces[shown.clone()].iter().rposition(|trace| trace.start_time <= event.time);
            match before.and_then(|place| page.turns.get_mut(place)) {
                Some(turn) => turn.after.push(row),
                None => page.opening.push(row),
            }
        }
        Ok(())
    }

    async fn events(&self, page: &mut SessionPage, parameters: &Parameters) -> Result<(), Error> {
        let after = list_place::read_cursor(&parameters.events_after);
        let events = self.list_events(None, None, after).await?;
        page.events = events.rows.iter().map(|event| EventRow::new(event, self.now)).collect();
        let address = with_view(Address::session(self.session.id.as_str()), View::Events);
        page.next_events =
            events.next.map(|next| address.with("events_after", list_place::write_cursor(&next)).to_string());
        Ok(())
    }

    async fn cost(&self, overview: &Overview) -> Result<CostView, Error> {
        let calls = self.state.store.session_calls(self.project, &self.session.id).await?;
        let traces = &overview.traces.rows;
        Ok(CostView::new(&SessionCost::of(calls, &self.state.prices), |id| {
            let number = overview.first + traces.iter().position(|trace| trace.id == *id)?;
            let page = overview.address_of_turn(&self.session.id, View::Conversation, number);
            Some((number, page.at(format!("turn-{number}")).to_string()))
        }))
    }

    async fn list_events(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        after: Option<Cursor>,
    ) -> Result<Page<throughline_model::Event>, Error> {
        let filter = exactly(Field::Session, self.session.id.as_str());
        let sort = Sort { by: SortField::StartTime, descending: false };
        let query = ListQuery { filter, from, to, sort, limit: EVENTS, after, now: self.now };
        Ok(self.state.store.events(self.project, &query).await?)
    }
}
