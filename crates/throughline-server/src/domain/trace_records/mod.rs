//! What must be known of each record of one trace to tell its totals, its session and what is billable.
//!
//! Light on purpose: ids, parents, times, usage; of texts only the ones that may become the trace's own, shortened.
//! Everything is kept running: a span costs the same in a trace of five and in one of a hundred thousand.

mod claims;
mod starts;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
mod tree;
mod usage;

use std::collections::HashSet;

use throughline_model::otlp::SpanFacts;
use throughline_model::{Actor, Event, EventId, Money, Scope, SpanId, Status, Timestamp, TraceId};

pub use self::texts::TextSource;

use self::claims::{Agreed, First, Merged, Names, Place, Role};
use self::starts::Starts;
use self::texts::Texts;
use self::tree::{Carries, Tree};
use self::usage::SpanUsage;
use super::lifecycle::{Boundary, session_of_user};
use super::preview;
use super::trace_start::TraceStart;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    New,
    Duplicate,
}

/// The records of one trace, in any order of arrival.
#[derive(Debug, Clone)]
pub struct TraceRecords {
    id: TraceId,
    tree: Tree,
    /// The earliest start and the latest end of spans.
    span_times: Option<(Timestamp, Timestamp)>,
    errors: u64,
    usage: SpanUsage,
    root: First<Place, Root>,
    orphans: Vec<Orphan>,
    names: NamedBySpans,
    texts: Texts,
    events: Events,
    starts: Starts,
    written: Written,
    /// Whether a trace that names no session is in one by its user, and that session.
    forms_sessions: bool,
    user_session: Option<Box<str>>,
}

/// What only the root can say.
#[derive(Debug, Clone)]
struct Root {
    name: Box<str>,
    status: Status,
}

/// A span that came before its parent: the earliest whose parent never comes stands in for the root.
#[derive(Debug, Clone)]
struct Orphan {
    start: Timestamp,
    span: SpanId,
    parent: SpanId,
    name: Box<str>,
}

#[derive(Debug, Clone, Default)]
struct NamedBySpans {
    session: Agreed,
    user: Agreed,
    parent_session: First<Place, Box<str>>,
    trace: First<Place, Box<str>>,
    environment: First<Place, Box<str>>,
    version: First<Place, Box<str>>,
    actor: First<Place, Actor>,
    scope: First<Place, Scope>,
    metadata: Merged,
    tags: Names,
    services: Names,
    flags: Vec<&'static str>,
}

#[derive(Debug, Clone, Default)]
struct Events {
    ids: HashSet<Box<str>>,
    id_bytes: usize,
    /// Those that name no session themselves.
    inheriting: u64,
    inheriting_errors: u64,
    /// Those that tell that something began; they count for nothing else.
    starts: u64,
    session: First<(Timestamp, EventId), Box<str>>,
}

/// What was true at the last `mark_written`.
#[derive(Debug, Clone, Default)]
struct Written {
    spans: u32,
    inheriting_events: u64,
    session: Option<Box<str>>,
    user: Option<Box<str>>,
    /// One of those spans has changed in being billable since.
    billable_changed: bool,
}

impl TraceRecords {
    pub fn new(id: TraceId) -> Self {
        Self {
            id,
            tree: Tree::default(),
            span_times: None,
            errors: 0,
            usage: SpanUsage::default(),
            root: First::default(),
            orphans: Vec::new(),
            names: NamedBySpans::default(),
            texts: Texts::default(),
            events: Events::default(),
            starts: Starts::default(),
            written: Written::default(),
            forms_sessions: false,
            user_session: None,
        }
    }

    /// The same, in a project with this boundary: it may put a trace that names no session into one by its user.
    pub fn within(id: TraceId, boundary: Boundary) -> Self {
        Self { forms_sessions: boundary != Boundary::Off, ..Self::new(id) }
    }

    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Takes a span in. `cost` is what the price rules say of it, whether billable or not; where they say nothing,
    /// the cost that the source gives counts.
    pub fn insert_span(&mut self, facts: &SpanFacts<'_>, cost: Option<Money>) -> Inserted {
        let place = Place::of(facts);
        let parent = facts.parent_id.filter(|parent| *parent != facts.span_id);
        let carries = match facts.usage {
            None => Carries::Nothing,
            Some(_) if facts.kind.is_model_call() => Carries::ModelUsage,
            Some(_) => Carries::Usage,
        };
        let Some(placed) = self.tree.insert(facts.span_id, parent, carries) else {
            return Inserted::Duplicate;
        };
        self.usage.take(facts, cost, placed.billable);
        for &arrival in self.tree.replaced() {
            self.written.billable_changed |= arrival < self.written.spans;
            self.usage.stop_counting(arrival);
        }
        if let Some(parent) = parent.filter(|_| placed.is_orphan) {
            let name = claims::name(&facts.name);
            self.orphans.push(Orphan { start: facts.start, span: facts.span_id, parent, name });
        }
        let (start, end) = self.span_times.unwrap_or((facts.start, facts.end));
        self.span_times = Some((start.min(facts.start), end.max(facts.end)));
        self.errors += u64::from(facts.is_error());
        self.names.take(place, facts);
        self.texts.take(place, facts);
        if place.role != Role::Inner {
            self.root.offer(place, || Root {
                name: claims::name(&facts.name),
                status: if facts.is_error() { Status::Error } else { facts.status },
            });
        }
        self.form_session();
        Inserted::New
    }

    /// Takes an event in that names this trace. One that names a session itself counts there, not here.
    pub fn insert_event(&mut self, event: &Event) -> Inserted {
        let id = event.id.as_str();
        if self.events.ids.contains(id) {
            return Inserted::Duplicate;
        }
        self.events.ids.insert(id.into());
        self.events.id_bytes += id.len();
        if let Some(start) = TraceStart::of(event) {
            self.events.starts += 1;
            self.starts.take(event.id.clone(), start);
            self.form_session();
            return Inserted::New;
        }
        match event.session_id.as_ref().map(|id| id.as_str()).filter(|id| !id.is_empty()) {
            Some(session) => {
                self.events.session.offer((event.time, event.id.clone()), || session.into());
            }
            None => {
                self.events.inheriting += 1;
                self.events.inheriting_errors += u64::from(event.is_error());
            }
        }
        Inserted::New
    }

    /// The session that the trace belongs to: named on the root span, or where that has begun and not ended, then; else
    /// on the earliest span that names one, else on the earliest event that does; else, where that is asked for, the
    /// one of its user. None while there is neither a span nor the beginning of one: events alone are no trace.
    pub fn session_id(&self) -> Option<&str> {
        self.times()?;
        self.named_session().or(self.user_session.as_deref())
    }

    fn named_session(&self) -> Option<&str> {
        let begun = self.begun().and_then(|start| start.session.as_ref()).map(|id| id.as_str());
        let said = self.events.session.get().map(|id| &**id);
        self.first_of(self.names.session.get(), begun).or(said)
    }

    /// The user of the trace: named on the root span, or where that has begun and not ended, then; else on the earliest
    /// span that names one.
    pub fn user_id(&self) -> Option<&str> {
        self.first_of(self.names.user.get(), self.begun().and_then(|start| start.user.as_deref()))
    }

    /// What has begun first of what has not ended.
    fn begun(&self) -> Option<&TraceStart> {
        self.open_starts().next()
    }

    /// What has begun and not ended, in order of time.
    fn open_starts(&self) -> impl Iterator<Item = &TraceStart> {
        self.starts.open(|span| self.tree.contains(span))
    }

    /// What the spans say, and what was said as the trace began; the latter first while there is no root.
    fn first_of<'a>(&self, spans: Option<&'a str>, begun: Option<&'a str>) -> Option<&'a str> {
        if self.root.get().is_some() { spans.or(begun) } else { begun.or(spans) }
    }

    /// The earliest start and the latest end.
    fn times(&self) -> Option<(Timestamp, Timestamp)> {
        self.open_starts().map(|start| start.time).fold(self.span_times, |times, start| {
            let (first, last) = times.unwrap_or((start, start));
            Some((first.min(start), last.max(start)))
        })
    }

    fn form_session(&mut self) {
        if self.forms_sessions {
            self.user_session = self.user_id().map(|user| session_of_user(user).into());
        }
    }

    /// How many spans there are.
    pub fn span_count(&self) -> usize {
        self.tree.len() as usize
    }

    /// Whether the span is here.
    pub fn contains_span(&self, span: SpanId) -> bool {
        self.tree.contains(span)
    }

    /// Whether the event is here.
    pub fn contains_event(&self, event: &EventId) -> bool {
        self.events.ids.contains(event.as_str())
    }

    /// Whether the span's usage counts: it carries usage and nothing below it does; a model call's usage goes
    /// before that of a span, chain or agent around or below it. Among spans that are each other's parents in a
    /// circle, none is the innermost and none counts.
    pub fn is_billable(&self, span: SpanId) -> bool {
        self.tree.is_billable(span)
    }

    /// Whether a record that was there at the last [`Self::mark_written`] has since come to another session or user,
    /// or changed in being billable, so that what was written of it is no longer true.
    pub fn rewrite_needed(&self) -> bool {
        let written = &self.written;
        let session_changed = written.session.as_deref() != self.session_id();
        let user_changed = written.user.as_deref() != self.user_id();
        (written.spans > 0 && (written.billable_changed || session_changed || user_changed))
            || (written.inheriting_events > 0 && session_changed)
    }

    /// Remembers what is true now as written.
    pub fn mark_written(&mut self) {
        self.written = Written {
            spans: self.tree.len(),
            inheriting_events: self.events.inheriting + self.events.starts,
            session: self.session_id().map(Box::from),
            user: self.user_id().map(Box::from),
            billable_changed: false,
        };
        self.orphans.retain(|orphan| !self.tree.contains(orphan.parent));
    }

    /// Where the whole text of the trace's input is to be found.
    pub fn input_source(&self) -> Option<TextSource> {
        self.texts.input().map(|(_, source)| source)
    }

    /// Where the whole text of the trace's output is to be found.
    pub fn output_source(&self) -> Option<TextSource> {
        self.texts.output().map(|(_, source)| source)
    }

    /// Bytes of memory held, about.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.tree.size_bytes()
            + self.usage.size_bytes()
            + self.orphans.iter().map(|orphan| size_of::<Orphan>() + orphan.name.len()).sum::<usize>()
            + self.events.ids.capacity() * size_of::<Box<str>>()
            + self.events.id_bytes
            + self.starts.size_bytes()
            + (self.names.tags.len() + self.names.services.len()) * 48
            + self.names.metadata.len() * 160
            + self.root.get().map_or(0, |root| root.name.len())
            + self.texts.size_bytes()
    }
}

impl NamedBySpans {
    fn take(&mut self, place: Place, facts: &SpanFacts<'_>) {
        self.session.offer(place, facts.session_id.as_deref());
        self.user.offer(place, facts.user_id.as_deref());
        let texts = [
            (&mut self.parent_session, &facts.parent_session_id),
            (&mut self.trace, &facts.trace_name),
            (&mut self.environment, &facts.environment),
            (&mut self.version, &facts.version),
        ];
        for (first, text) in texts {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                first.offer(place, || claims::name(text));
            }
        }
        if let Some(actor) = &facts.actor {
            self.actor.offer(place, || preview::actor(actor));
        }
        if let Some(scope) = &facts.scope {
            self.scope.offer(place, || preview::scope(scope));
        }
        for (key, value) in &facts.metadata {
            self.metadata.offer(place, key, value);
        }
        facts.tags.iter().for_each(|tag| self.tags.add(tag));
        if let Some(service) = &facts.service {
            self.services.add(service);
        }
        for &flag in &facts.flags {
            if !self.flags.contains(&flag) {
                self.flags.push(flag);
            }
        }
    }
}
