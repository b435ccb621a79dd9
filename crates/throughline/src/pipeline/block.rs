//! What lay in one thread's buffer, as the transports share it.
//!
//! It stays flat: an [`Envelope`] or a [`Span`] is made only for a transport that asks for one, and then once for all.

use std::sync::{Arc, Mutex, OnceLock};

use throughline_model::SecondText;

use super::buffer::{Buffer, Finished, Header, Scalar};
use super::{Kept, lock};
use crate::event::Extra;
use crate::observation::{Rare, Said};
use crate::session::Prepared;
use crate::source::{Process, event_id};
use crate::{
    Actor, Attributes, Envelope, ErrorInfo, Event, Level, Resource, Scope, SessionId, Source, Span,
    SpanContext, Timestamp, attribute, source,
};

/// What the collector finds out about an event.
#[derive(Debug)]
pub(crate) struct EventFacts {
    /// When it happened.
    pub(super) time: Timestamp,
    /// It is so manieth event of the process.
    pub(super) number: u64,
    /// What the session id is made of if it stands alone.
    pub(super) chance: u64,
    /// Where its values begin among the buffer's.
    pub(super) values: usize,
}

/// What the collector finds out about a span.
#[derive(Debug)]
pub(crate) struct SpanFacts {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Where its attributes begin among the buffer's.
    pub(super) said: usize,
}

/// What is the same for all events of a telemetry.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) resource: Resource,
    /// See [`resource_json`](super::json::resource_json).
    pub(crate) resource_json: [Vec<u8>; 5],
    /// How many events one stands for that was kept by chance, by level.
    pub(crate) weights: [f64; 5],
    /// Tells the processes of a service apart in ids.
    pub(crate) process: Process,
}

/// A buffer whose contents are redacted and final.
pub(crate) struct Block {
    buffer: Buffer,
    origin: Arc<Origin>,
    built: OnceLock<Built>,
    /// That in which most of its events happened.
    second: OnceLock<SecondText>,
    spares: Arc<Spares>,
}

struct Built {
    events: Box<[OnceLock<Envelope>]>,
    spans: Box<[OnceLock<Span>]>,
}

impl Block {
    pub(super) const fn new(buffer: Buffer, origin: Arc<Origin>, spares: Arc<Spares>) -> Self {
        Self { buffer, origin, built: OnceLock::new(), second: OnceLock::new(), spares }
    }

    fn built(&self) -> &Built {
        self.built.get_or_init(|| Built {
            events: self.buffer.headers.iter().map(|_| OnceLock::new()).collect(),
            spans: self.buffer.spans.iter().map(|_| OnceLock::new()).collect(),
        })
    }

    pub(crate) fn envelope(&self, index: u32) -> &Envelope {
        self.built().events[index as usize].get_or_init(|| self.event(index).envelope())
    }

    pub(crate) fn built_span(&self, index: u32) -> &Span {
        self.built().spans[index as usize].get_or_init(|| self.span(index).span())
    }

    #[inline]
    pub(crate) fn event(&self, index: u32) -> EventView<'_> {
        let header = &self.buffer.headers[index as usize];
        EventView { block: self, header, facts: &self.buffer.event_facts[index as usize] }
    }

    #[inline]
    pub(crate) fn span(&self, index: u32) -> SpanView<'_> {
        let finished = &self.buffer.spans[index as usize];
        SpanView { block: self, finished, facts: &self.buffer.span_facts[index as usize] }
    }

    fn session(&self, index: Option<u32>) -> Option<&Prepared> {
        index.and_then(|index| self.buffer.prepared.get(index as usize)).map(|session| &**session)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.spares.give_back(std::mem::take(&mut self.buffer));
    }
}

/// An event in a block.
#[derive(Clone, Copy)]
pub(crate) struct EventView<'a> {
    block: &'a Block,
    header: &'a Header,
    facts: &'a EventFacts,
}

impl<'a> EventView<'a> {
    pub(super) fn extra(&self) -> Option<&'a Extra> {
        self.header.extra.as_deref()
    }

    pub(crate) fn session(&self) -> Option<&'a Prepared> {
        self.block.session(self.header.session)
    }

    #[inline]
    pub(crate) fn name(&self) -> &'a str {
        let own = self.extra().and_then(|extra| extra.name.as_deref());
        own.or(self.header.site.map(|site| site.name)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn level(&self) -> Level {
        let own = self.extra().and_then(|extra| extra.level);
        own.or(self.header.site.map(|site| site.level)).unwrap_or(Level::Info)
    }

    pub(super) const fn site(&self) -> Option<&'static crate::Callsite> {
        self.header.site
    }

    #[cfg(feature = "otlp")]
    pub(super) const fn time(&self) -> Timestamp {
        self.facts.time
    }

    /// Whether it says something of its session itself, or has attributes that no place in the code lists.
    pub(super) fn overrides_session(&self) -> bool {
        self.extra().is_some_and(|extra| {
            !extra.attributes.is_empty()
                || extra.session_id.is_some()
                || extra.actor.is_some()
                || extra.scope.is_some()
        })
    }

    /// The id of the session that it is if it stands alone.
    #[inline(always)]
    pub(super) fn put_own_session_id(&self, put: impl FnMut(&[u8])) {
        source::put_session_id(self.facts.time, self.facts.chance, put);
    }

    pub(super) fn resource_json(&self) -> &'a [u8] {
        &self.block.origin.resource_json[self.level() as usize]
    }

    /// As many as its place in the code has keys.
    pub(super) fn all_values(&self) -> &'a [Scalar] {
        &self.block.buffer.values[self.facts.values..][..self.header.values as usize]
    }

    #[inline(always)]
    pub(super) fn put_id(&self, put: impl FnMut(&[u8])) {
        source::put_event_id(self.facts.time, self.block.origin.process, self.facts.number, put);
    }

    #[inline]
    pub(super) fn put_time(&self, out: &mut Vec<u8>) {
        let time = self.facts.time;
        self.block.second.get_or_init(|| SecondText::of(time)).write(time, out);
    }

    #[cfg(feature = "otlp")]
    pub(super) fn id(&self) -> source::IdText {
        source::IdText::event(self.facts.time, self.block.origin.process, self.facts.number)
    }

    /// The text that its values are pieces of.
    pub(super) const fn text(&self) -> &'a str {
        self.block.buffer.text.as_str()
    }

    /// Whether it says itself where in the code it was said.
    #[cfg(feature = "otlp")]
    pub(super) fn has_own_source(&self) -> bool {
        self.extra().is_some_and(|extra| extra.source.is_some())
    }

    /// Module, file and line.
    #[cfg(feature = "otlp")]
    pub(super) fn borrowed_source(&self) -> (Option<&'a str>, Option<&'a str>, Option<u32>) {
        match (self.extra().and_then(|extra| extra.source.as_ref()), self.header.site) {
            (Some(own), _) => (own.causer.as_deref(), own.file.as_deref(), own.line),
            (None, Some(site)) => (Some(site.module), Some(site.file), Some(site.line)),
            (None, None) => (None, None, None),
        }
    }

    fn standalone(&self) -> bool {
        self.header.session.is_none() && self.extra().is_none_or(|extra| extra.session_id.is_none())
    }

    fn session_id(&self) -> SessionId {
        let own = self.extra().and_then(|extra| extra.session_id.as_ref());
        let id = own.or_else(|| Some(&self.session()?.state.session_id));
        id.cloned().unwrap_or_else(|| source::session_id(self.facts.time, self.facts.chance))
    }

    fn parent_session_id(&self) -> Option<&'a SessionId> {
        match self.extra().and_then(|extra| extra.session_id.as_ref()) {
            None => self.session()?.state.parent_session_id.as_ref(),
            Some(_) => None,
        }
    }

    pub(super) fn span(&self) -> Option<SpanContext> {
        let own = self.extra().and_then(|extra| extra.span);
        own.or_else(|| self.block.buffer.contexts.get(self.header.context? as usize).copied())
    }

    fn actor(&self) -> Option<&'a Actor> {
        self.extra().and_then(|extra| extra.actor.as_ref()).or_else(|| self.session()?.state.actor.as_ref())
    }

    fn scope(&self) -> Option<&'a Scope> {
        self.extra().and_then(|extra| extra.scope.as_ref()).or_else(|| self.session()?.state.scope.as_ref())
    }

    pub(super) fn error(&self) -> Option<&'a ErrorInfo> {
        self.extra()?.error.as_ref()
    }

    fn source(&self) -> Option<Source> {
        let own = self.extra().and_then(|extra| extra.source.clone());
        own.or_else(|| self.header.site.map(crate::Callsite::source))
    }

    pub(super) fn weight(&self) -> f64 {
        match self.header.kept {
            Kept::ByRule | Kept::Unchecked => 1.0,
            Kept::ByChance => self.block.origin.weights[self.level() as usize],
        }
    }

    /// Its own values with their keys; none of those that redaction removed.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, &'a Scalar)> {
        let keys = self.header.site.map_or(&[][..], |site| site.keys);
        keys.iter().copied().zip(self.all_values()).filter(|(_, value)| !matches!(value, Scalar::Removed))
    }

    /// Each from the event, else from its session.
    fn attributes(&self) -> Attributes {
        let session = self.session();
        let mut attributes = session.map(|session| session.state.attributes.clone()).unwrap_or_default();
        let text = &self.block.buffer.text;
        attributes.extend(self.values().map(|(key, value)| (key.to_owned(), value.to_json(text))));
        if let Some(extra) = self.extra() {
            attributes.extend(extra.attributes.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        attributes
    }

    pub(crate) fn envelope(&self) -> Envelope {
        let Resource { service, environment, version } = self.block.origin.resource.clone();
        let span = self.span();
        let event = Event {
            id: event_id(self.facts.time, self.block.origin.process, self.facts.number),
            name: self.name().to_owned(),
            time: self.facts.time,
            level: self.level(),
            service,
            environment,
            version,
            session_id: Some(self.session_id()),
            trace_id: span.map(|span| span.trace_id),
            span_id: span.map(|span| span.span_id),
            actor: self.actor().cloned(),
            scope: self.scope().cloned(),
            attributes: self.attributes(),
            error: self.error().cloned(),
            source: self.source(),
        };
        Envelope {
            event,
            parent_session_id: self.parent_session_id().cloned(),
            standalone: self.standalone(),
            sampling_weight: self.weight(),
        }
    }
}

/// A span in a block.
#[derive(Clone, Copy)]
pub(crate) struct SpanView<'a> {
    block: &'a Block,
    finished: &'a Finished,
    facts: &'a SpanFacts,
}

impl<'a> SpanView<'a> {
    #[inline]
    pub(crate) fn name(&self) -> &'a str {
        self.finished.head.name.of(&self.block.buffer.span_text)
    }

    #[inline]
    pub(crate) const fn level(&self) -> Level {
        self.finished.head.level
    }

    #[cfg(feature = "otlp")]
    pub(super) const fn finished(&self) -> &'a Finished {
        self.finished
    }

    #[cfg(feature = "otlp")]
    pub(super) const fn times(&self) -> (Timestamp, Timestamp) {
        (self.facts.start, self.facts.end)
    }

    /// The text that its keys and values are pieces of.
    #[cfg(feature = "otlp")]
    pub(super) const fn text(&self) -> &'a str {
        self.block.buffer.span_text.as_str()
    }

    #[cfg(feature = "otlp")]
    pub(super) fn session(&self) -> Option<&'a Prepared> {
        self.block.session(self.finished.session)
    }

    pub(super) fn rare(&self) -> Option<&'a Rare> {
        self.finished.rare.as_deref()
    }

    /// Its attributes but for those that a closure described; none of those that redaction removed.
    pub(super) fn said(&self) -> impl Iterator<Item = (&'a str, &'a Scalar)> {
        let (text, facts) = (&self.block.buffer.span_text, self.facts);
        let said = &self.block.buffer.said[facts.said..][..self.finished.attributes as usize];
        said.iter()
            .filter(|Said { value, .. }| !matches!(value, Scalar::Removed))
            .map(|said| (said.key.of(text), &said.value))
    }

    fn attributes(&self) -> Attributes {
        let text = &self.block.buffer.span_text;
        let said = self.said().map(|(key, value)| (key.to_owned(), value.to_json(text)));
        let mut attributes: Attributes = said.collect();
        if let Some(described) = self.rare().and_then(|rare| rare.described.as_ref()) {
            attributes.extend(described.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        attributes
    }

    pub(crate) fn span(&self) -> Span {
        let (finished, head, rare) = (self.finished, &self.finished.head, self.rare());
        Span {
            trace_id: head.trace_id,
            span_id: head.span_id,
            parent_id: head.parent_id,
            trace_state: rare.map(|rare| rare.trace_state.clone()).unwrap_or_default(),
            kind: head.kind,
            name: self.name().to_owned(),
            start_time: self.facts.start,
            end_time: self.facts.end,
            level: head.level,
            status: head.status,
            status_message: rare.and_then(|rare| rare.status_message.clone()),
            error: rare.and_then(|rare| rare.error.clone()),
            input: rare.and_then(|rare| rare.input.clone()),
            output: rare.and_then(|rare| rare.output.clone()),
            attributes: self.attributes(),
            session: self.block.session(finished.session).map(|session| session.state.clone()),
        }
    }
}

impl Scalar {
    /// As JSON has it; a text is a piece of `text`.
    pub(crate) fn to_json(&self, text: &str) -> serde_json::Value {
        match self {
            Self::Null | Self::Removed => serde_json::Value::Null,
            Self::Bool(yes) => (*yes).into(),
            Self::Int(number) => (*number).into(),
            Self::Uint(number) => (*number).into(),
            Self::Float(number) => attribute::float(*number),
            Self::Text(piece) => piece.of(text).into(),
            Self::Json(value) => (**value).clone(),
        }
    }
}

/// Buffers that were given back empty, to be filled again.
#[derive(Default)]
pub(crate) struct Spares(Mutex<Vec<Buffer>>);

/// So many are kept: one for each block that is usually on its way.
const MAX_SPARES: usize = 8;
/// And none that takes more bytes than this.
const MAX_SPARE_BYTES: usize = 4 << 20;

impl Spares {
    pub(super) fn take(&self) -> Buffer {
        lock(&self.0).pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut buffer: Buffer) {
        if buffer.capacity_bytes() <= MAX_SPARE_BYTES {
            buffer.clear();
            let mut spares = lock(&self.0);
            if spares.len() < MAX_SPARES {
                spares.push(buffer);
            }
        }
    }
}
