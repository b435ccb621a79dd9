//! The background thread that makes envelopes of what lies in the buffers.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use throughline_channel::suppress;

use super::buffer::{Buffer, Header, Scalar};
use super::{Core, Kept, lock, span};
use crate::redaction::Redactor;
use crate::source::EventIds;
use crate::ticks::Anchor;
use crate::{
    Attributes, Envelope, Event, Level, Resource, SessionState, Source, Timestamp, attribute, transport::Item,
};

/// How long an event may lie in a buffer.
const INTERVAL: Duration = Duration::from_millis(50);

/// How callers ask the collector for something.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Asked {
    /// Rounds asked for and rounds done: a round that begins after the question answers it.
    asked: u64,
    done: u64,
    nudged: bool,
    stop: bool,
    stopped: bool,
}

impl Signal {
    /// A buffer is half full.
    pub(crate) fn nudge(&self) {
        lock(&self.state).nudged = true;
        self.changed.notify_all();
    }

    /// Everything emitted before is in the queues, or the deadline is over.
    pub(crate) fn collect(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        state.asked += 1;
        let ticket = state.asked;
        drop(state);
        self.changed.notify_all();
        self.wait(deadline, |state| state.done >= ticket || state.stopped)
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).stop = true;
        self.changed.notify_all();
    }

    pub(crate) fn stop_and_wait(&self, deadline: Option<Instant>) -> bool {
        self.stop();
        self.wait(deadline, |state| state.stopped)
    }

    /// There is no collector, so nobody need wait for it.
    pub(crate) fn never_started(&self) {
        self.round_done(0, true);
    }

    fn wait(&self, deadline: Option<Instant>, done: impl Fn(&Asked) -> bool) -> bool {
        wait_until(&self.state, &self.changed, deadline, done)
    }

    /// Waits for the next round: how many were asked for, and whether it is the last.
    fn next_round(&self) -> (u64, bool) {
        let state = lock(&self.state);
        let idle = |state: &mut Asked| state.asked == state.done && !state.nudged && !state.stop;
        let waited = self.changed.wait_timeout_while(state, INTERVAL, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.nudged = false;
        (state.asked, state.stop)
    }

    fn round_done(&self, asked: u64, stopped: bool) {
        let mut state = lock(&self.state);
        state.done = asked;
        state.stopped = stopped;
        drop(state);
        self.changed.notify_all();
    }
}

/// Waits until `done`, or until the deadline; whether it is done.
pub(super) fn wait_until<T>(
    mutex: &Mutex<T>,
    changed: &Condvar,
    deadline: Option<Instant>,
    done: impl Fn(&T) -> bool,
) -> bool {
    let state = lock(mutex);
    match deadline {
        None => drop(changed.wait_while(state, |state| !done(state)).unwrap_or_else(PoisonError::into_inner)),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = changed.wait_timeout_while(state, left, |state| !done(state));
            return done(&waited.unwrap_or_else(PoisonError::into_inner).0);
        }
    }
    true
}

/// The collector's own state.
pub(crate) struct Collector {
    core: Arc<Core>,
    redactor: Redactor,
    ids: EventIds,
    anchor: Anchor,
    round: Vec<(Timestamp, Item)>,
}

impl Collector {
    pub(crate) fn new(core: Arc<Core>, redactor: Redactor) -> Self {
        let (ids, anchor) = (EventIds::new(&core.random), core.clock.anchor());
        Self { core, redactor, ids, anchor, round: Vec::new() }
    }

    /// Until the telemetry is stopped.
    pub(crate) fn run(mut self) {
        suppress(|| {
            loop {
                let (asked, last) = self.core.signal.next_round();
                self.collect();
                if last {
                    self.core.queues.iter().for_each(|queue| queue.close());
                }
                self.core.signal.round_done(asked, last);
                if last {
                    return;
                }
            }
        });
    }

    /// One round: everything that lies in the buffers goes into the queues.
    fn collect(&mut self) {
        let core = self.core.clone();
        self.anchor.renew();
        let (mut threads, mut dropped) = (0, 0);
        for shard in core.shards() {
            let before = self.round.len();
            shard.take(|buffer| {
                dropped += buffer.dropped;
                self.read(buffer);
            });
            threads += usize::from(self.round.len() > before);
        }
        if threads > 1 {
            // Within a thread the order is that of emitting; between threads it is that of time.
            self.round.sort_by_key(|(time, _)| *time);
        }
        core.counters.count_collected(self.round.len() as u64, dropped);
        let items: Vec<Item> = self.round.drain(..).map(|(_, item)| item).collect();
        if !items.is_empty() {
            core.queues.iter().for_each(|queue| queue.push(&items));
        }
    }

    fn read(&mut self, buffer: &mut Buffer) {
        let (mut values, text) = (buffer.values.drain(..), buffer.text.as_str());
        for mut header in buffer.headers.drain(..) {
            let keys = header.site.map_or(&[][..], |site| site.keys);
            let mut own = Attributes::new();
            for (key, value) in keys.iter().zip(values.by_ref().take(header.values as usize)) {
                own.insert((*key).to_owned(), value_of(value, text));
            }
            if let Some(extra) = &mut header.extra {
                own.append(&mut extra.attributes);
            }
            let session = header.session.and_then(|index| buffer.sessions.get(index as usize));
            let state = session.map(|session| &*session.state);
            let time = self.anchor.time(header.ticks);
            let mut envelope = self.envelope(time, header, own, state);
            self.redactor.envelope(&mut envelope);
            self.round.push((time, Item::Event(Arc::new(envelope))));
        }
        let (mut said, mut text) = (buffer.said.drain(..), buffer.span_text.as_str());
        for finished in buffer.spans.drain(..) {
            let (own, rest) = text.split_at_checked(finished.text as usize).unwrap_or((text, ""));
            text = rest;
            let session = finished.session.and_then(|index| buffer.sessions.get(index as usize));
            let said = said.by_ref().take(finished.attributes as usize);
            let mut span = span::finished(&self.anchor, finished, said, own, session);
            self.redactor.span(&mut span);
            self.round.push((span.end_time, Item::Span(Arc::new(span))));
        }
    }

    /// Each field from the event, else from its session.
    fn envelope(
        &mut self,
        time: Timestamp,
        header: Header,
        own: Attributes,
        session: Option<&SessionState>,
    ) -> Envelope {
        let Header { site, extra, span, kept, .. } = header;
        let extra = extra.map(|extra| *extra).unwrap_or_default();
        let site_source = site.map(|site| Source {
            causer: Some(site.module.to_owned()),
            file: Some(site.file.to_owned()),
            line: Some(site.line),
        });
        let level = extra.level.or(site.map(|site| site.level)).unwrap_or(Level::Info);
        let happened = extra.time.unwrap_or(time);
        let mut attributes = session.map(|session| session.attributes.clone()).unwrap_or_default();
        attributes.extend(own);
        let span = extra.span.or(span);
        let standalone = session.is_none() && extra.session_id.is_none();
        let parent_session_id = match &extra.session_id {
            None => session.and_then(|session| session.parent_session_id.clone()),
            Some(_) => None,
        };
        let session_id = extra.session_id.or_else(|| session.map(|session| session.session_id.clone()));
        let session_id = session_id.unwrap_or_else(|| self.core.random.session_id(happened));
        let Resource { service, environment, version } = self.core.resource.clone();
        let event = Event {
            id: self.ids.next(happened),
            name: extra.name.or_else(|| site.map(|site| site.name.to_owned())).unwrap_or_default(),
            time: happened,
            level,
            service,
            environment,
            version,
            session_id: Some(session_id),
            trace_id: span.map(|span| span.trace_id),
            span_id: span.map(|span| span.span_id),
            actor: extra.actor.or_else(|| session?.actor.clone()),
            scope: extra.scope.or_else(|| session?.scope.clone()),
            attributes,
            error: extra.error,
            source: extra.source.or(site_source),
        };
        let sampling_weight = match kept {
            Kept::ByRule | Kept::Unchecked => 1.0,
            Kept::ByChance => self.core.sampler.weight(level),
        };
        Envelope { event, parent_session_id, standalone, sampling_weight }
    }
}

pub(super) fn value_of(value: Scalar, text: &str) -> Value {
    match value {
        // The times are those of spans, which know them.
        Scalar::Null | Scalar::Since(_) => Value::Null,
        Scalar::Bool(yes) => Value::Bool(yes),
        Scalar::Int(number) => number.into(),
        Scalar::Uint(number) => number.into(),
        Scalar::Float(number) => attribute::float(number),
        Scalar::Text(piece) => Value::String(piece.of(text).to_owned()),
        Scalar::Json(value) => *value,
    }
}
