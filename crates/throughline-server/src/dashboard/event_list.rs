//! Events as rows that open: time, level, name, what it is about, and everything else inside.

use serde_json::Value;
use throughline_model::{Attributes, Event, Timestamp};

use super::address::Address;
use super::notation::{self, When};
use super::passage::{self, JsonText, Passage};

/// One event.
#[derive(Debug, Clone)]
pub(super) struct EventRow {
    pub id: String,
    pub anchor: String,
    pub level: &'static str,
    pub name: String,
    pub when: When,
    /// The first attributes, in few words.
    pub brief: Vec<(String, String)>,
    pub service: String,
    pub facts: Vec<Fact>,
    pub error: Option<Failure>,
    pub attributes: Vec<(String, String)>,
    pub raw: JsonText,
}

/// A named value, perhaps leading somewhere.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub name: &'static str,
    pub value: String,
    pub href: Option<String>,
}

impl Fact {
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), href: None }
    }

    #[must_use]
    pub(super) fn to(mut self, href: &Address) -> Self {
        self.href = Some(href.to_string());
        self
    }
}

/// What went wrong.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub name: String,
    pub message: String,
    pub stack: Option<Passage>,
}

impl Failure {
    pub(super) fn new(error: &throughline_model::ErrorInfo, most: usize) -> Self {
        let code =
            error.code.as_deref().map(|code| format!(" ({})", notation::line(code, 60))).unwrap_or_default();
        let stack = error.stack.as_deref().filter(|stack| !stack.trim().is_empty());
        Self {
            name: format!("{}{code}", notation::line(&error.name, 160)),
            message: notation::visible(&error.message.chars().take(4_000).collect::<String>()),
            stack: stack.map(|stack| Passage::plain(stack, most)),
        }
    }
}

impl EventRow {
    pub(super) fn new(event: &Event, now: Timestamp) -> Self {
        Self {
            id: event.id.to_string(),
            anchor: format!("e-{}", event.id),
            level: event.level.as_str(),
            name: notation::line(&event.name, 200),
            when: When::new(event.time, now),
            brief: brief(event),
            service: notation::line(&event.service, 60),
            facts: facts(event),
            error: event.error.as_ref().map(|error| Failure::new(error, passage::SHORT)),
            attributes: pairs(&event.attributes),
            raw: JsonText::of(event, passage::SHORT),
        }
    }
}

fn brief(event: &Event) -> Vec<(String, String)> {
    let error = event
        .error
        .as_ref()
        .map(|error| (notation::line(&error.name, 40), notation::line(&error.message, 160)));
    let attributes =
        event.attributes.iter().map(|(key, value)| (notation::line(key, 60), passage::brief(value, 80)));
    error.into_iter().chain(attributes).take(6).collect()
}

/// Attributes as a table's rows.
pub(super) fn pairs(attributes: &Attributes) -> Vec<(String, String)> {
    const MOST: usize = 500;
    attributes
        .iter()
        .take(MOST)
        .map(|(key, value)| {
            let text = match value {
                Value::String(text) => notation::visible(&text.chars().take(8_000).collect::<String>()),
                other => notation::visible(&other.to_string().chars().take(8_000).collect::<String>()),
            };
            (notation::line(key, 200), text)
        })
        .collect()
}

fn facts(event: &Event) -> Vec<Fact> {
    let text = |text: &str| notation::line(text, 200);
    let mut facts = Vec::new();
    if let Some(session) = &event.session_id {
        facts.push(Fact::new("Session", text(session.as_str())).to(&Address::session(session.as_str())));
    }
    if let Some(trace) = event.trace_id {
        let address = Address::trace(trace).with("observation", event.id.as_str()).at("record");
        facts.push(Fact::new("Trace", trace.to_string()).to(&address));
    }
    facts.push(Fact::new("Service", text(&event.service)));
    facts.push(Fact::new("Environment", text(&event.environment)));
    if let Some(version) = &event.version {
        facts.push(Fact::new("Version", text(version)));
    }
    if let Some(actor) = &event.actor {
        facts.push(Fact::new("Actor", who(&actor.kind, actor.id.as_deref())));
    }
    if let Some(scope) = &event.scope {
        facts.push(Fact::new("Scope", who(&scope.kind, Some(&scope.id))));
    }
    if let Some(source) = &event.source {
        let line = source.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = source.file.as_deref().map(|file| format!("{file}{line}"));
        let parts: Vec<&str> = source.causer.as_deref().into_iter().chain(place.as_deref()).collect();
        facts.push(Fact::new("Source", text(&parts.join(" · "))));
    }
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

/// `user usr_123`
pub(super) fn who(kind: &str, id: Option<&str>) -> String {
    notation::line(&format!("{kind} {}", id.unwrap_or_default()), 120)
}
