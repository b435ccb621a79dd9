//! `/sessions`: which conversations and request flows happened.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::Response;
use throughline_model::{Money, ProjectId, Session, SessionState, Timestamp, Usage};

use super::address::Address;
use super::finder::exactly;
use super::frame::{Asked, Frame, Section, Visit};
use super::list::{Asking, Kind, List, Parameters};
use super::notation::{self, When};
use super::session_header::mark;
use crate::domain::filter::{Field, Filter, Target};
use crate::domain::query::{ListQuery, Page, Sort, SortField};
use crate::http::{Error, Project, State};

static SESSIONS: Kind = Kind {
    path: "/sessions",
    noun: "session",
    targets: &[Target::Session],
    rows: 50,
    usual_order: Sort { by: SortField::EndTime, descending: true },
    headings: &[
        ("Session", "c-title", None),
        ("User", "c-user", None),
        ("Turns", "c-turns num", Some(SortField::TraceCount)),
        ("Duration", "c-duration num", Some(SortField::Duration)),
        ("Tokens", "c-tokens num", Some(SortField::TotalTokens)),
        ("Cost", "c-cost num", Some(SortField::TotalCost)),
        ("Errors", "c-errors num", Some(SortField::ErrorCount)),
        ("Last seen", "c-when num", Some(SortField::EndTime)),
    ],
    presets: &[
        ("All", "", ""),
        ("Live now", "state:live", ""),
        ("With errors", "error:true", ""),
        ("Newest", "", "-startTime"),
        ("Most tokens", "", "-totalTokens"),
        ("Longest", "", "-duration"),
        ("Most turns", "", "-traceCount"),
        ("Most expensive", "", "-totalCost"),
    ],
};

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    list: List,
    rows: Vec<Row>,
    summary: Option<Summary>,
    empty: Empty,
}

/// Why there are no rows.
enum Empty {
    No,
    /// Nothing has ever arrived.
    Nothing,
    /// Traces have, but none of them names a session.
    NoSession {
        traces: String,
    },
    /// Nothing is like this.
    NoMatch {
        all: String,
    },
}

struct Row {
    id: String,
    href: String,
    mark: &'static str,
    mark_says: &'static str,
    title: String,
    second: String,
    /// What is said in its place if there is none.
    nothing_said: String,
    environment: String,
    /// What it has reached.
    goals: Vec<String>,
    tags: Vec<Tag>,
    more_tags: usize,
    user: String,
    user_href: String,
    turns: u64,
    parts: u64,
    synthetic: bool,
    duration: String,
    active: String,
    tokens: String,
    tokens_say: String,
    cached: Option<u64>,
    cost: Option<String>,
    errors: u64,
    when: When,
}

struct Tag {
    name: String,
    href: String,
}

/// `GET /sessions`
pub(super) async fn sessions(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    Asked(parameters): Asked<Parameters>,
) -> Result<Response, Error> {
    let now = state.clock.now();
    let asking = Asking::new(&SESSIONS, parameters, now);
    let mut page = asking.read(async |query| state.store.sessions(&project, query).await).await?;
    state.note_goals(&project, &mut page.rows).await?;
    let empty = match page.rows.is_empty() {
        false => Empty::No,
        true if !asking.everything => Empty::NoMatch { all: "/sessions".to_owned() },
        true if any_trace(&state, &project, now).await? => Empty::NoSession { traces: "/traces".to_owned() },
        true => Empty::Nothing,
    };
    let address = asking.address();
    let view = SessionsPage {
        frame: visit.frame(Section::Sessions, "Sessions"),
        summary: (!page.rows.is_empty()).then(|| Summary::of(&page)),
        empty,
        rows: page.rows.iter().map(|session| Row::new(session, now, &address)).collect(),
        list: asking.list(&page, &visit),
    };
    List::respond(view.list.finder.is_wrong(), &view)
}

/// Whether there is any trace at all.
async fn any_trace(state: &State, project: &ProjectId, now: Timestamp) -> Result<bool, Error> {
    let sort = Sort { by: SortField::StartTime, descending: true };
    let query = ListQuery { filter: Filter::All, from: None, to: None, sort, limit: 1, after: None, now };
    Ok(!state.store.traces(project, &query).await?.rows.is_empty())
}

impl Row {
    const TAGS: usize = 3;

    fn new(session: &Session, now: Timestamp, address: &Address) -> Self {
        let (mark, mark_says) = mark(session);
        let filtered = |field, value: &str| {
            address.clone().with("filter", exactly(field, value).to_string()).to_string()
        };
        let tag = |tag: &String| Tag { name: notation::line(tag, 40), href: filtered(Field::Tag, tag) };
        let user = session.user_id.as_deref().unwrap_or_default();
        let title = session
            .title
            .as_deref()
            .map(|title| notation::line(title, 240))
            .filter(|title| !title.is_empty());
        Self {
            id: session.id.to_string(),
            href: Address::session(session.id.as_str()).to_string(),
            mark,
            mark_says,
            title: title.unwrap_or_else(|| notation::line(session.id.as_str(), 120)),
            second: session
                .last_output
                .as_deref()
                .map(|output| notation::line(output, 240))
                .unwrap_or_default(),
            nothing_said: match session.trace_count {
                0 => notation::plural(session.event_count, "event"),
                _ => "no answer recorded".to_owned(),
            },
            environment: session
                .environment
                .as_deref()
                .map(|name| notation::line(name, 40))
                .unwrap_or_default(),
            goals: session.goals.iter().map(|goal| notation::line(goal, 40)).collect(),
            tags: session.tags.iter().take(Self::TAGS).map(tag).collect(),
            more_tags: session.tags.len().saturating_sub(Self::TAGS),
            user: notation::line(user, 80),
            user_href: filtered(Field::User, user),
            turns: session.trace_count,
            parts: session.part_count,
            synthetic: session.synthetic,
            duration: notation::duration(session.duration),
            active: active(session),
            tokens: notation::compact(session.total_tokens),
            tokens_say: tokens_say(&session.usage),
            cached: cached_share(&session.usage),
            cost: session.total_cost.map(notation::money),
            errors: session.error_count,
            when: When::new(session.end_time, now),
        }
    }
}

/// The active time, if idle time makes it another one.
fn active(session: &Session) -> String {
    let same = (session.duration - session.active_duration).abs() < 1_000.0;
    if same { String::new() } else { format!("{} active", notation::duration(session.active_duration)) }
}

fn cached_share(usage: &Usage) -> Option<u64> {
    notation::percent(usage.cache_read, usage.input()).filter(|share| *share > 0)
}

fn tokens_say(usage: &Usage) -> String {
    let parts = super::token_chart::buckets(usage);
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, _, tokens)| *tokens > 0)
        .map(|(name, _, tokens)| format!("{name} {}", notation::count(tokens)))
        .collect();
    parts.join("\n")
}

/// The page's set in one line.
struct Summary {
    sessions: String,
    more: bool,
    turns: String,
    tokens: String,
    cached: Option<u64>,
    cost: Option<String>,
    unpriced: bool,
    with_errors: usize,
    live: usize,
    median_duration: String,
}

impl Summary {
    fn of(page: &Page<Session>) -> Self {
        let sessions = &page.rows;
        let mut usage = Usage::default();
        sessions.iter().for_each(|session| usage += session.usage);
        let priced: Vec<Money> = sessions.iter().filter_map(|session| session.total_cost).collect();
        let mut durations: Vec<f64> = sessions.iter().map(|session| session.active_duration).collect();
        durations.sort_by(f64::total_cmp);
        Self {
            sessions: notation::plural(sessions.len() as u64, "session"),
            more: page.next.is_some(),
            turns: notation::count(sessions.iter().map(|session| session.trace_count).sum()),
            tokens: notation::compact(sessions.iter().map(|session| session.total_tokens).sum()),
            cached: cached_share(&usage),
            cost: (!priced.is_empty()).then(|| notation::money(priced.iter().copied().sum())),
            unpriced: priced.len() < sessions.len(),
            with_errors: sessions.iter().filter(|session| session.error_count > 0).count(),
            live: sessions.iter().filter(|session| session.state == SessionState::Live).count(),
            median_duration: notation::duration(
                durations.get(durations.len() / 2).copied().unwrap_or_default(),
            ),
        }
    }
}
