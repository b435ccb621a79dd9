//! What is said of a session above its turns.

use throughline_model::{Session, SessionId, SessionState, Timestamp};

use super::address::Address;
use super::event_list::{Fact, pairs, who};
use super::finder::exactly;
use super::notation::{self, When};
use super::session_parts::{self, PartRow};
use crate::domain::filter::Field;

/// Title, state, facts, and where to take it.
#[derive(Debug, Clone)]
pub(super) struct SessionHeader {
    pub id: String,
    pub title: String,
    /// The dot's class.
    pub mark: &'static str,
    pub state: &'static str,
    /// Whether it was over, and more began.
    pub reopened: bool,
    /// Whether nobody named it.
    pub synthetic: bool,
    /// Where its reader says that it is over; none where it is.
    pub end: Option<String>,
    pub parts: Vec<PartRow>,
    pub facts: Vec<Fact>,
    pub models: Vec<String>,
    /// Tags and the sessions that have them.
    pub tags: Vec<(String, String)>,
    pub metadata: Vec<(String, String)>,
    /// What is odd about the data.
    pub notes: Vec<String>,
    /// Formats to export: name, what it is, address.
    pub exports: Vec<(&'static str, &'static str, String)>,
}

impl SessionHeader {
    pub(super) fn new(session: &Session, now: Timestamp) -> Self {
        let id = notation::line(session.id.as_str(), 400);
        let title = session.title.as_deref().map(|title| notation::line(title, 400)).unwrap_or_default();
        let tag = |tag: &String| (notation::line(tag, 60), sessions_with(Field::Tag, tag).to_string());
        Self {
            title: if title.is_empty() { id.clone() } else { title },
            id,
            mark: mark(session).0,
            state: session.state.as_str(),
            reopened: session.reopened,
            synthetic: session.synthetic,
            end: (session.state != SessionState::Ended)
                .then(|| Address::of_part(&Address::session(session.id.as_str()), "end").to_string()),
            parts: session_parts::rows(session, now),
            facts: facts(session, now),
            models: session.models.iter().take(12).map(|model| notation::line(model, 80)).collect(),
            tags: session.tags.iter().take(40).map(tag).collect(),
            metadata: pairs(&session.metadata),
            notes: session.flags.iter().map(|flag| explain(flag)).chain(unpriced(session)).collect(),
            exports: exports(&session.id),
        }
    }
}

/// The class of a session's dot, and what it means.
pub(super) fn mark(session: &Session) -> (&'static str, &'static str) {
    match session.state {
        SessionState::Live if session.reopened => {
            ("live", "Live again: it was over, and something happened in the last five minutes")
        }
        SessionState::Live => ("live", "Live: something happened in the last five minutes"),
        SessionState::Idle => ("idle", "Idle: quiet for five minutes; it may go on"),
        SessionState::Ended if session.error_count > 0 => ("error", "Ended, with errors"),
        SessionState::Ended => ("ended", "Ended"),
    }
}

/// The sessions that have this value in this field.
fn sessions_with(field: Field, value: &str) -> Address {
    Address::page("/sessions").with("filter", exactly(field, value).to_string())
}

fn facts(session: &Session, now: Timestamp) -> Vec<Fact> {
    let mut facts = sums(session, now);
    facts.extend(surroundings(session));
    facts
}

/// When, how long, how much.
fn sums(session: &Session, now: Timestamp) -> Vec<Fact> {
    let started = When::new(session.start_time, now);
    let mut facts = Vec::new();
    if let Some(user) = &session.user_id {
        facts.push(Fact::new("User", notation::line(user, 200)).to(&sessions_with(Field::User, user)));
    }
    facts.push(Fact::new(
        "Started",
        format!("{} ({})", started.exact.get(..19).unwrap_or(&started.exact), started.ago),
    ));
    let active = notation::duration(session.active_duration);
    let wall = notation::duration(session.duration);
    facts.push(Fact::new("Duration", if active == wall { wall } else { format!("{wall}, {active} active") }));
    if session.trace_count > 0 {
        facts.push(Fact::new("Turns", notation::count(session.trace_count)));
        if session.part_count > 1 {
            facts.push(Fact::new("Parts", notation::count(session.part_count)));
        }
        facts.push(Fact::new("Observations", notation::count(session.observation_count)));
    }
    if session.event_count > 0 {
        facts.push(Fact::new("Events", notation::count(session.event_count)));
    }
    if session.error_count > 0 {
        let view = if session.trace_count > 0 { "waterfall" } else { "events" };
        let errors = Address::session(session.id.as_str()).with("view", view);
        facts.push(Fact::new("Errors", notation::count(session.error_count)).to(&errors));
    }
    if session.trace_count > 0 {
        facts.push(Fact::new("Tokens", notation::count(session.total_tokens)));
        facts.push(Fact::new("Cost", session.total_cost.map_or_else(|| "—".to_owned(), notation::money)));
    }
    facts
}

/// Where, and in whose name.
fn surroundings(session: &Session) -> Vec<Fact> {
    let text = |text: &str| notation::line(text, 200);
    let mut facts = Vec::new();
    if let Some(environment) = &session.environment {
        facts.push(Fact::new("Environment", text(environment)));
    }
    if !session.services.is_empty() {
        facts.push(Fact::new("Services", text(&session.services.join(", "))));
    }
    if let Some(actor) =
        session.actor.as_ref().filter(|actor| actor.kind != "user" || actor.id != session.user_id)
    {
        facts.push(Fact::new("Actor", who(&actor.kind, actor.id.as_deref())));
    }
    if let Some(scope) = &session.scope {
        facts.push(Fact::new("Scope", who(&scope.kind, Some(&scope.id))));
    }
    if let Some(parent) = &session.parent_session_id {
        facts.push(Fact::new("Started in", text(parent.as_str())).to(&Address::session(parent.as_str())));
    }
    if !session.goals.is_empty() {
        facts.push(Fact::new("Goals", text(&session.goals.join(", "))));
    }
    facts
}

/// What to do where nobody knows what the tokens cost.
fn unpriced(session: &Session) -> Option<String> {
    let unknown = session.total_cost.is_none() && session.total_tokens > 0;
    unknown.then(|| {
        "No price is known for the models used here: give them one in a table of your own (prices.file); \
         `throughline prices --help` shows how."
            .to_owned()
    })
}

/// What a flag means to the reader.
pub(super) fn explain(flag: &str) -> String {
    match flag {
        "session_conflict" => {
            "Spans of one trace name different sessions; the root span's was taken.".to_owned()
        }
        "user_conflict" => "Spans of one trace name different users; the root span's was taken.".to_owned(),
        "root_missing" => "A trace has no root span yet: it may still come, or was never sent.".to_owned(),
        "session_synthetic" => {
            "No session is named here: what its user did forms one, in parts with pauses between them."
                .to_owned()
        }
        "unfinished" => {
            "A trace here has begun and not ended: it goes on, or its program was stopped.".to_owned()
        }
        "usage_exclusive" => {
            "The source counts cached tokens beside the input, not inside it; they were added up accordingly."
                .to_owned()
        }
        other => notation::line(other, 120).replace('_', " "),
    }
}

fn exports(id: &SessionId) -> Vec<(&'static str, &'static str, String)> {
    const FORMATS: [(&str, &str, &str); 6] = [
        ("JSON", "one document", "json"),
        ("NDJSON", "a line per record", "ndjson"),
        ("Chat", "messages per turn", "chat"),
        ("HTML", "a page by itself", "html"),
        ("OTLP", "as it was received", "otlp"),
        ("OTLP/JSON", "the same, readable", "otlp&encoding=json"),
    ];
    let address = Address::of("/api/v1/sessions", id.as_str()).to_string();
    FORMATS.map(|(name, help, format)| (name, help, format!("{address}/export?format={format}"))).into()
}
