//! `/sessions/{id}/replay`: a session played again, message by message, at the times at which it happened.
//!
//! The page holds every frame with the time it begins and ends; `replay.js` plays them. Without it they are simply read.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Html;
use serde::Deserialize;
use throughline_model::{Money, ProjectId, Session, SessionId, SessionState, Timestamp, Trace};

use super::address::Address;
use super::conversation::{self, Entry};
use super::finder::exactly;
use super::frame::{Asked, Frame, Named, Section, Visit, html};
use super::history::History;
use super::list_place;
use super::message::{Moment, Room};
use super::notation::{self, When};
use super::passage;
use super::turn;
use super::turn_reader::{ReadTurn, Wanted};
use crate::domain::filter::Field;
use crate::domain::query::Page;
use crate::http::{Error, Project, State};

/// Turns that are played in one go; longer sessions are played in parts.
const TURNS: usize = 100;
/// Steps of one turn that are played.
const STEPS: usize = 200;
/// Bytes of text on the page.
const TEXT: usize = 2 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    /// Where this part begins: a cursor and the number of the turn after it.
    after: String,
    first: String,
    /// Where in time to begin, which is for the player.
    #[serde(rename = "t")]
    _position: String,
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    frame: Frame,
    title: String,
    session_href: String,
    /// Milliseconds from the first frame to the end of the last.
    length: String,
    /// What arrives in the session, while more is to be expected.
    stream: String,
    turns: Vec<PlayedTurn>,
    next: Option<String>,
    export: String,
}

struct PlayedTurn {
    number: usize,
    name: String,
    href: String,
    /// Milliseconds after the first frame.
    from: String,
    to: String,
    /// What the whole turn took, which its frames may tell in part.
    tokens: u64,
    cost: String,
    errors: u64,
    clock: String,
    idle: String,
    frames: Vec<PlayedFrame>,
    /// How many steps are not played, and where they are.
    more: Option<(String, String)>,
}

struct PlayedFrame {
    from: String,
    to: String,
    tokens: u64,
    /// Dollars.
    cost: String,
    failed: bool,
    tool: bool,
    entry: Entry,
}

/// `GET /sessions/{id}/replay`
pub(super) async fn replay(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Named(id): Named,
    Asked(parameters): Asked<Parameters>,
) -> Result<Html<String>, Error> {
    let now = state.clock.now();
    let id = SessionId::from(id);
    let session = state.store.session(&project, &id, now).await?.ok_or_else(|| {
        Error::not_found(format!("no session has the id {}", notation::line(id.as_str(), 120)))
    })?;
    let cursor = list_place::read_cursor(&parameters.after);
    let first = parameters.first.parse().ok().filter(|_| cursor.is_some()).unwrap_or(1_usize).max(1);
    let traces = state.store.session_traces(&project, &id, cursor.as_ref(), TURNS).await?;
    let begin = if first == 1 { session.start_time } else { start_of(&traces, &session) };
    let turns = play(&state, &project, &traces, first, (begin, now)).await?;
    let end = traces.rows.iter().map(|trace| trace.end_time).max().unwrap_or(begin);
    let address = Address::session(session.id.as_str());
    let title = session.title.as_deref().unwrap_or(session.id.as_str());
    let of_session = exactly(Field::Session, session.id.as_str()).to_string();
    let is_last = traces.next.is_none();
    let view = ReplayPage {
        frame: visit.frame(Section::Sessions, format!("Replay: {}", notation::line(title, 200))),
        title: notation::line(title, 400),
        session_href: address.to_string(),
        length: offset(begin, end),
        stream: if is_last && session.state != SessionState::Ended {
            Address::page("/api/v1/stream").with("filter", of_session).to_string()
        } else {
            String::new()
        },
        turns,
        next: traces.next.map(|next| {
            Address::of_part(&address, "replay")
                .with("after", list_place::write_cursor(&next))
                .with("first", (first + traces.rows.len()).to_string())
                .to_string()
        }),
        export: format!(
            "{}?format=html",
            Address::of_part(&Address::of("/api/v1/sessions", session.id.as_str()), "export")
        ),
    };
    html(&view)
}

fn start_of(traces: &Page<Trace>, session: &Session) -> Timestamp {
    traces.rows.first().map_or(session.start_time, |trace| trace.start_time)
}

async fn play(
    state: &State,
    project: &ProjectId,
    traces: &Page<Trace>,
    first: usize,
    (begin, now): (Timestamp, Timestamp),
) -> Result<Vec<PlayedTurn>, Error> {
    let mut history = History::default();
    let mut room = Room::new(TEXT, passage::SHORT);
    let mut turns = Vec::with_capacity(traces.rows.len());
    for (place, trace) in traces.rows.iter().enumerate() {
        let wanted = Wanted { first: Some(0), steps: STEPS, rows: 0 };
        // A trace that was deleted meanwhile is simply no longer there.
        let Some(read) = ReadTurn::read(state, project, trace, wanted).await? else { continue };
        let entries = conversation::turn(&read, &mut history, &mut room);
        let started = Moment::at(trace.start_time);
        let href = Address::trace(trace.id).to_string();
        let unplayed = (read.all_steps - read.steps.end) as u64;
        turns.push(PlayedTurn {
            number: first + place,
            name: turn::name(trace),
            from: offset(begin, trace.start_time),
            to: offset(begin, trace.end_time),
            tokens: trace.total_tokens,
            cost: trace.total_cost.map(dollars).unwrap_or_default(),
            errors: trace.error_count,
            clock: When::new(trace.start_time, now).second().to_owned(),
            idle: turn::idle_before(place.checked_sub(1).map(|before| &traces.rows[before]), trace),
            frames: entries.into_iter().map(|entry| PlayedFrame::new(entry, &started, begin)).collect(),
            more: (unplayed > 0)
                .then(|| (href.clone(), format!("{} more in the trace", notation::plural(unplayed, "step")))),
            href,
        });
    }
    Ok(turns)
}

impl PlayedFrame {
    /// What says no time of its own belongs to the turn's beginning.
    fn new(entry: Entry, started: &Moment, begin: Timestamp) -> Self {
        let moment = match &entry {
            Entry::Message(message) => message.moment.as_ref().unwrap_or(started),
            Entry::Failed { moment, .. } => moment,
            Entry::Earlier { .. } | Entry::More { .. } => started,
        };
        Self {
            from: offset(begin, moment.from),
            to: offset(begin, moment.to),
            tokens: moment.tokens,
            cost: moment.cost.map(dollars).unwrap_or_default(),
            failed: matches!(entry, Entry::Failed { .. }),
            tool: matches!(&entry, Entry::Message(message) if message.is_tool()),
            entry,
        }
    }
}

fn dollars(cost: Money) -> String {
    format!("{:.9}", cost.dollars())
}

/// Milliseconds after the beginning.
fn offset(begin: Timestamp, time: Timestamp) -> String {
    format!("{:.1}", time.nanos_since(begin).max(0) as f64 / 1e6)
}
