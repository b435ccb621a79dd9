//! `/sessions`: which conversations and request flows happened.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use throughline_model::{Money, ProjectId, Session, SessionState, Timestamp, Usage};

use super::address::Address;
use super::column::{Column, Heading, columns};
use super::finder::{Finder, exactly};
use super::frame::{Asked, Frame, Section, Visit, html};
use super::list_place::{self, Range};
use super::notation::{self, When};
use super::session_header::mark;
use super::snippets::Snippets;
use crate::domain::filter::{Field, Filter, Target};
use crate::domain::query::{ListQuery, Page, Sort, SortField};
use crate::http::{Error, Project, State};

const ROWS: usize = 50;
const USUAL_ORDER: Sort = Sort { by: SortField::EndTime, descending: true };
const TARGETS: &[Target] = &[Target::Session];
const HEADINGS: [Heading; 8] = [
    ("Session", "c-title", None),
    ("User", "c-user", None),
    ("Turns", "c-turns num", Some(SortField::TraceCount)),
    ("Duration", "c-duration num", Some(SortField::Duration)),
    ("Tokens", "c-tokens num", Some(SortField::TotalTokens)),
    ("Cost", "c-cost num", Some(SortField::TotalCost)),
    ("Errors", "c-errors num", Some(SortField::ErrorCount)),
    ("Last seen", "c-when num", Some(SortField::EndTime)),
];

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

impl Parameters {
    fn address(&self) -> Address {
        Address::page("/sessions")
            .with("filter", &self.filter)
            .with("range", &self.range)
            .with("from", &self.from)
            .with("to", &self.to)
            .with("sort", &self.sort)
    }
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    finder: Finder,
    presets: Vec<Preset>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    summary: Option<Summary>,
    next: Option<String>,
    first: Option<String>,
    empty: Empty,
    snippets: Snippets,
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

struct Preset {
    name: &'static str,
    href: String,
    chosen: bool,
}

struct Row {
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
    let address = parameters.address();
    let (finder, filter) = Finder::read(&parameters.filter, TARGETS, now, &address, "/sessions");
    let range = Range::read(&parameters.range, &parameters.from, &parameters.to, now);
    let finder = finder.with_range(&range, &parameters.from, &parameters.to, &address);
    let sort = list_place::read_sort(&parameters.sort, USUAL_ORDER);
    let mut page = if finder.is_wrong() {
        Page { rows: Vec::new(), next: None }
    } else {
        let after = list_place::read_cursor(&parameters.after);
        let query = ListQuery { filter, from: range.from, to: range.to, sort, limit: ROWS, after, now };
        state.store.sessions(&project, &query).await?
    };
    state.note_goals(&project, &mut page.rows).await?;
    let status = if finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let everything = parameters.filter.trim().is_empty() && range.is_all() && parameters.after.is_empty();
    let without_session = everything && page.rows.is_empty() && any_trace(&state, &project, now).await?;
    let view = SessionsPage {
        frame: visit.frame(Section::Sessions, "Sessions"),
        presets: presets(&parameters),
        columns: columns(&HEADINGS, sort, USUAL_ORDER, &address),
        summary: (!page.rows.is_empty()).then(|| Summary::of(&page)),
        empty: match (page.rows.is_empty(), everything) {
            (false, _) => Empty::No,
            (true, true) if without_session => Empty::NoSession { traces: "/traces".to_owned() },
            (true, true) => Empty::Nothing,
            (true, false) => Empty::NoMatch { all: "/sessions".to_owned() },
        },
        rows: page.rows.iter().map(|session| Row::new(session, now, &address)).collect(),
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

/// Whether there is any trace at all.
async fn any_trace(state: &State, project: &ProjectId, now: Timestamp) -> Result<bool, Error> {
    let sort = Sort { by: SortField::StartTime, descending: true };
    let query = ListQuery { filter: Filter::All, from: None, to: None, sort, limit: 1, after: None, now };
    Ok(!state.store.traces(project, &query).await?.rows.is_empty())
}

fn presets(parameters: &Parameters) -> Vec<Preset> {
    const PRESETS: [(&str, &str, &str); 8] = [
        ("All", "", ""),
        ("Live now", "state:live", ""),
        ("With errors", "error:true", ""),
        ("Newest", "", "-startTime"),
        ("Most tokens", "", "-totalTokens"),
        ("Longest", "", "-duration"),
        ("Most turns", "", "-traceCount"),
        ("Most expensive", "", "-totalCost"),
    ];
    PRESETS
        .into_iter()
        .map(|(name, filter, sort)| Preset {
            name,
            href: Address::page("/sessions")
                .with("filter", filter)
                .with("range", &parameters.range)
                .with("from", &parameters.from)
                .with("to", &parameters.to)
                .with("sort", sort)
                .to_string(),
            chosen: parameters.filter.trim() == filter && parameters.sort == sort,
        })
        .collect()
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
