//! What must be known of each record of one trace to tell its totals, its session and what is billable.
//!
//! Light on purpose: ids, parents, times, usage; of texts only the ones that may become the trace's own, shortened.
//! Everything is kept running: a span costs the same in a trace of five and in one of a hundred thousand.

mod claims;
mod starts;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod tree;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use throughline_model::otlp::{LoggedMessage, SpanFacts};
use throughline_model::{
    Actor, Event, EventId, Money, ObservationType, Scope, SpanId, Status, Timestamp, TraceId, Usage,
};

use self::claims::{Agreed, First, Merged, Names, Place, Role};
use self::starts::Starts;
use self::tree::{Carries, Tree};
use super::lifecycle::{Boundary, session_of_user};
use super::preview::{self, Preview, Said};
use super::trace_start::TraceStart;

/// No model call has more tokens than this in one bucket. What claims more is cut off, so that sums stay exact.
const MAX_TOKENS: u64 = 1 << 40;

/// Whether a record was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    New,
    Duplicate,
}

/// Which span a trace's input or output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSource {
    pub span: SpanId,
    /// It is the span's explicit text for the whole trace (`trace_input`, `trace_output`), not its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explicit: bool,
}

/// The records of one trace, in any order of arrival.
#[derive(Debug, Clone)]
pub struct TraceRecords {
    id: TraceId,
    tree: Tree,
    /// Where the usage of each span is in `carried`, by order of arrival; `NOTHING` if it carries none.
    carrying: Vec<u32>,
    carried: Vec<Carried>,
    sums: Sums,
    models: BTreeMap<Arc<str>, ModelUse>,
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

const NOTHING: u32 = u32::MAX;

/// The usage of one span, whether it counts or not.
#[derive(Debug, Clone)]
struct Carried {
    usage: Usage,
    cost: Option<Money>,
    model: Option<Arc<str>>,
    failed: bool,
}

/// Running sums; usage, cost, calls and models over what is billable now.
#[derive(Debug, Clone, Default)]
struct Sums {
    /// The earliest start and the latest end.
    times: Option<(Timestamp, Timestamp)>,
    usage: Usage,
    cost: Money,
    priced: u32,
    calls: u32,
    failed_calls: u32,
    errors: u64,
}

#[derive(Debug, Clone, Default)]
struct ModelUse {
    billable: u32,
    /// A model call without usage asked for it.
    called: bool,
}

/// What only the root can say.
#[derive(Debug, Clone)]
struct Root {
    name: Box<str>,
    status: Status,
    input: Option<Preview>,
    output: Option<Preview>,
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
struct Texts {
    explicit_input: First<Place, Preview>,
    explicit_output: First<Place, Preview>,
    first_input: First<(Timestamp, SpanId), Preview>,
    last_output: First<Reverse<(Timestamp, SpanId)>, Preview>,
    /// What was said to and by a model in log records of their own.
    logged_input: First<Reverse<(Timestamp, SpanId)>, Preview>,
    logged_output: First<Reverse<(Timestamp, SpanId)>, Preview>,
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
            carrying: Vec::new(),
            carried: Vec::new(),
            sums: Sums::default(),
            models: BTreeMap::new(),
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
        self.take_usage(facts, cost, placed.billable);
        for i in 0..self.tree.replaced().len() {
            self.stop_counting(self.tree.replaced()[i]);
        }
        if let Some(parent) = parent.filter(|_| placed.is_orphan) {
            let name = claims::name(&facts.name);
            self.orphans.push(Orphan { start: facts.start, span: facts.span_id, parent, name });
        }
        self.sums.take(facts);
        self.names.take(place, facts);
        self.form_session();
        self.take_texts(place, facts);
        Inserted::New
    }

    fn take_usage(&mut self, facts: &SpanFacts<'_>, cost: Option<Money>, billable: bool) {
        let Some(usage) = facts.usage else {
            self.carrying.push(NOTHING);
            if let Some(model) = facts.model.as_deref().filter(|_| facts.kind.is_model_call()) {
                let model = self.model(model);
                self.models.entry(model).or_default().called = true;
            }
            return;
        };
        let carried = Carried {
            usage: bounded(usage),
            cost: cost.or(facts.given_cost),
            model: facts.model.as_deref().filter(|model| !model.is_empty()).map(|model| self.model(model)),
            failed: facts.is_error(),
        };
        if billable {
            self.sums.add(&carried);
            if let Some(model) = &carried.model {
                self.models.entry(Arc::clone(model)).or_default().billable += 1;
            }
        }
        self.carrying.push(self.carried.len() as u32);
        self.carried.push(carried);
    }

    fn stop_counting(&mut self, arrival: u32) {
        self.written.billable_changed |= arrival < self.written.spans;
        let Some(carried) = self.carried.get(self.carrying[arrival as usize] as usize) else { return };
        self.sums.subtract(carried);
        if let Some(used) = carried.model.as_ref().and_then(|model| self.models.get_mut(model)) {
            used.billable -= 1;
        }
    }

    fn model(&self, name: &str) -> Arc<str> {
        let name = preview::cut(name, 256);
        self.models.get_key_value(name).map_or_else(|| Arc::from(name), |(known, _)| Arc::clone(known))
    }

    fn take_texts(&mut self, place: Place, facts: &SpanFacts<'_>) {
        let input = |text: &str| Preview::new(text, Said::First);
        let output = |text: &str| Preview::new(text, Said::Last);
        let own_input = facts.input.as_deref().filter(|text| !text.is_empty());
        let own_output = facts.output.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = facts.trace_input.as_deref().filter(|text| !text.is_empty()) {
            self.texts.explicit_input.offer(place, || input(text));
        }
        if let Some(text) = facts.trace_output.as_deref().filter(|text| !text.is_empty()) {
            self.texts.explicit_output.offer(place, || output(text));
        }
        if facts.kind == ObservationType::Generation {
            if let Some(text) = own_input {
                self.texts.first_input.offer((facts.start, facts.span_id), || input(text));
            }
            if let Some(text) = own_output {
                self.texts.last_output.offer(Reverse((facts.end, facts.span_id)), || output(text));
            }
        }
        if facts.kind == ObservationType::Event {
            let place = Reverse((facts.start, facts.span_id));
            match (LoggedMessage::of(&facts.name), own_input, own_output) {
                (Some(LoggedMessage::Input("user")), Some(text), _) => {
                    self.texts.logged_input.offer(place, || input(text));
                }
                (Some(LoggedMessage::Output), _, Some(text)) => {
                    self.texts.logged_output.offer(place, || output(text));
                }
                _ => {}
            }
        }
        if place.role != Role::Inner {
            self.root.offer(place, || Root {
                name: claims::name(&facts.name),
                status: if facts.is_error() { Status::Error } else { facts.status },
                input: own_input.map(input),
                output: own_output.map(output),
            });
        }
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
        self.open_starts().map(|start| start.time).fold(self.sums.times, |times, start| {
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
        let explicit = self.texts.explicit_input.key().map(|place| (place.span, true));
        let root = self.root.key().filter(|_| self.root.get().is_some_and(|root| root.input.is_some()));
        let first = self.texts.first_input.key().map(|key| (key.1, false));
        let logged = self.texts.logged_input.key().map(|key| (key.0.1, false));
        let (span, explicit) = explicit.or(root.map(|place| (place.span, false))).or(first).or(logged)?;
        Some(TextSource { span, explicit })
    }

    /// Where the whole text of the trace's output is to be found.
    pub fn output_source(&self) -> Option<TextSource> {
        let explicit = self.texts.explicit_output.key().map(|place| (place.span, true));
        let root = self.root.key().filter(|_| self.root.get().is_some_and(|root| root.output.is_some()));
        let last = self.texts.last_output.key().map(|key| (key.0.1, false));
        let logged = self.texts.logged_output.key().map(|key| (key.0.1, false));
        let (span, explicit) = explicit.or(root.map(|place| (place.span, false))).or(last).or(logged)?;
        Some(TextSource { span, explicit })
    }

    /// Bytes of memory held, about.
    pub fn size_bytes(&self) -> usize {
        let previews = self.texts.size_bytes() + self.root.get().map_or(0, Root::size_bytes);
        size_of::<Self>()
            + self.tree.size_bytes()
            + self.carrying.capacity() * size_of::<u32>()
            + self.carried.capacity() * size_of::<Carried>()
            + self.orphans.iter().map(|orphan| size_of::<Orphan>() + orphan.name.len()).sum::<usize>()
            + self.events.ids.capacity() * size_of::<Box<str>>()
            + self.events.id_bytes
            + self.starts.size_bytes()
            + self.models.len() * 96
            + (self.names.tags.len() + self.names.services.len()) * 48
            + self.names.metadata.len() * 160
            + previews
    }
}

impl Sums {
    fn take(&mut self, facts: &SpanFacts<'_>) {
        let (start, end) = self.times.unwrap_or((facts.start, facts.end));
        self.times = Some((start.min(facts.start), end.max(facts.end)));
        self.errors += u64::from(facts.is_error());
    }

    fn add(&mut self, carried: &Carried) {
        self.usage += carried.usage;
        self.calls += 1;
        self.failed_calls += u32::from(carried.failed);
        if let Some(cost) = carried.cost {
            self.cost += cost;
            self.priced += 1;
        }
    }

    fn subtract(&mut self, carried: &Carried) {
        self.usage -= carried.usage;
        self.calls -= 1;
        self.failed_calls -= u32::from(carried.failed);
        if let Some(cost) = carried.cost {
            self.cost -= cost;
            self.priced -= 1;
        }
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

impl Texts {
    fn size_bytes(&self) -> usize {
        [
            self.explicit_input.get(),
            self.explicit_output.get(),
            self.first_input.get(),
            self.last_output.get(),
            self.logged_input.get(),
            self.logged_output.get(),
        ]
        .into_iter()
        .flatten()
        .map(Preview::size_bytes)
        .sum()
    }
}

impl Root {
    fn size_bytes(&self) -> usize {
        let texts = [&self.input, &self.output];
        self.name.len() + texts.into_iter().flatten().map(Preview::size_bytes).sum::<usize>()
    }
}

fn bounded(usage: Usage) -> Usage {
    Usage::from_buckets(usage.buckets().map(|(_, tokens)| tokens.min(MAX_TOKENS)))
}
