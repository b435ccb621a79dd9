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
use crate::domain::query::{Cursor, Sort, SortField};
use crate::http::{Error, Project, State};

/// Turns that are played in one go; longer sessions are played in parts.
const TURNS: usize = 100;
/// Steps of one turn that are played in one go; the part ends with them.
const STEPS: usize = 200;
/// Steps of all its turns together, after which a part ends with the turn.
const STEPS_OF_ALL: usize = 400;
/// Steps before the first that are known, where a part begins within a turn: clients send them along again.
const HISTORY: usize = 40;
/// Bytes of text on the page.
const TEXT: usize = 2 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    /// Where this part begins: a cursor and the number of the turn after it.
    after: String,
    first: String,
    /// The number of the first step of its first turn.
    step: String,
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
    /// What it took, if it is played as a whole: its frames may tell less.
    whole: Option<WholeTurn>,
    clock: String,
    idle: String,
    frames: Vec<PlayedFrame>,
}

struct WholeTurn {
    to: String,
    tokens: u64,
    cost: String,
    errors: u64,
}

/// The part of a session that is played.
struct Part {
    turns: Vec<PlayedTurn>,
    begin: Timestamp,
    end: Timestamp,
    /// Where the next part begins.
    next: Option<Address>,
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
    let part = Player { state: &state, project: &project, session: &session, now }.play(&parameters).await?;
    let address = Address::session(session.id.as_str());
    let title = session.title.as_deref().unwrap_or(session.id.as_str());
    let of_session = exactly(Field::Session, session.id.as_str()).to_string();
    let is_last = part.next.is_none();
    let view = ReplayPage {
        frame: visit.frame(Section::Sessions, format!("Replay: {}", notation::line(title, 200))),
        title: notation::line(title, 400),
        session_href: address.to_string(),
        length: offset(part.begin, part.end),
        stream: if is_last && session.state != SessionState::Ended {
            Address::page("/api/v1/stream").with("filter", of_session).to_string()
        } else {
            String::new()
        },
        turns: part.turns,
        next: part.next.map(|next| next.to_string()),
        export: format!(
            "{}?format=html",
            Address::of_part(&Address::of("/api/v1/sessions", session.id.as_str()), "export")
        ),
    };
    html(&view)
}

struct Player<'a> {
    state: &'a State,
    project: &'a ProjectId,
    session: &'a Session,
    now: Timestamp,
}

impl Player<'_> {
    async fn play(&self, parameters: &Parameters) -> Result<Part, Error> {
        let cursor = list_place::read_cursor(&parameters.after);
        let first = parameters.first.parse().ok().filter(|_| cursor.is_some()).unwrap_or(1_usize).max(1);
        let mut step = parameters.step.parse().unwrap_or(1_usize).saturating_sub(1);
        let id = &self.session.id;
        let traces = self.state.store.session_traces(self.project, id, cursor.as_ref(), TURNS).await?;
        let (mut history, mut room) = (History::default(), Room::new(TEXT, passage::SHORT));
        let mut part = Part {
            turns: Vec::with_capacity(traces.rows.len()),
            begin: self.session.start_time,
            end: self.session.start_time,
            next: None,
        };
        let mut steps_left = STEPS_OF_ALL;
        for (place, trace) in traces.rows.iter().enumerate() {
            let previous = place.checked_sub(1).map(|before| &traces.rows[before]);
            if steps_left == 0 {
                part.next = Some(self.part(previous.map(place_of).as_ref(), first + place, 0));
                return Ok(part);
            }
            let wanted = Wanted { first: Some(step), steps: STEPS, before: HISTORY, rows: 0 };
            // A trace that was deleted meanwhile is simply no longer there.
            let Some(read) = ReadTurn::read(self.state, self.project, trace, wanted).await? else { continue };
            if place == 0 {
                part.begin = self.begin(&read, first);
            }
            steps_left = steps_left.saturating_sub(read.steps.len());
            let entries = conversation::turn(&read, &mut history, &mut room);
            part.turns.push(self.turn(&read, first + place, previous, entries, part.begin));
            if read.steps.end < read.all_steps {
                part.end = read.told().map(|step| step.end_time).max().unwrap_or(part.begin);
                let after = previous.map_or(cursor, |previous| Some(place_of(previous)));
                part.next = Some(self.part(after.as_ref(), first + place, read.steps.end));
                return Ok(part);
            }
            part.end = part.end.max(trace.end_time);
            step = 0;
        }
        part.next = traces.next.map(|next| self.part(Some(&next), first + traces.rows.len(), 0));
        Ok(part)
    }

    /// When the first thing that is played happened.
    fn begin(&self, read: &ReadTurn, number: usize) -> Timestamp {
        match (number, read.steps.start) {
            (1, 0) => self.session.start_time,
            (_, 0) => read.trace().start_time,
            _ => read.told().map(|step| step.start_time).min().unwrap_or(read.trace().start_time),
        }
    }

    fn part(&self, after: Option<&Cursor>, first: usize, step: usize) -> Address {
        let address = Address::of_part(&Address::session(self.session.id.as_str()), "replay");
        let number = |number: usize| if number == 0 { String::new() } else { (number + 1).to_string() };
        let address = address.with("after", after.map(list_place::write_cursor).unwrap_or_default());
        address.with("first", number(first - 1)).with("step", number(step))
    }

    fn turn(
        &self,
        read: &ReadTurn,
        number: usize,
        previous: Option<&Trace>,
        entries: Vec<Entry>,
        begin: Timestamp,
    ) -> PlayedTurn {
        let trace = read.trace();
        let from = trace.start_time.max(begin);
        let is_whole = read.steps.len() == read.all_steps;
        PlayedTurn {
            number,
            name: turn::name(trace),
            href: Address::trace(trace.id).to_string(),
            from: offset(begin, from),
            whole: is_whole.then(|| WholeTurn {
                to: offset(begin, trace.end_time),
                tokens: trace.total_tokens,
                cost: trace.total_cost.map(dollars).unwrap_or_default(),
                errors: trace.error_count,
            }),
            clock: When::new(from, self.now).second().to_owned(),
            idle: turn::idle_before(previous, trace),
            frames: entries
                .into_iter()
                .map(|entry| PlayedFrame::new(entry, &Moment::at(from), begin))
                .collect(),
        }
    }
}

/// Where a trace stands among those of its session.
fn place_of(trace: &Trace) -> Cursor {
    Sort { by: SortField::StartTime, descending: false }.place_of_trace(trace)
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
