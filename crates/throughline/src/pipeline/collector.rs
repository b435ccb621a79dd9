//! The background thread that makes envelopes of what lies in the buffers.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use throughline_channel::suppress;

use super::block::{Block, EventFacts, Origin, SpanFacts, Spares};
use super::buffer::{Buffer, Remembered, Scalar};
use super::json::resource_json;
use super::starts::{Begun, Starts};
use super::{Core, lock};
use crate::observation::{Moment, Rare, Said};
use crate::redaction::Redactor;
use crate::source::Process;
use crate::ticks::Anchor;
use crate::transport::{EventItem, Item, SpanItem};
use crate::{Attributes, Envelope, Timestamp};

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
    anchor: Anchor,
    origin: Arc<Origin>,
    /// Events so far.
    events: u64,
    spares: Arc<Spares>,
    /// The items of a round, and when each was recorded.
    round: Vec<(Timestamp, Item)>,
    items: Vec<Item>,
    /// The same of one buffer.
    event_times: Vec<Timestamp>,
    span_times: Vec<Timestamp>,
    starts: Starts,
}

impl Collector {
    pub(crate) fn new(core: Arc<Core>, redactor: Redactor) -> Self {
        let origin = Arc::new(Origin {
            resource: core.resource.clone(),
            resource_json: resource_json(&core.resource),
            weights: core.sampler.weights(),
            process: Process::new(core.random.next()),
        });
        let anchor = core.clock.anchor();
        Self {
            core,
            redactor,
            anchor,
            origin,
            events: 0,
            spares: Arc::default(),
            round: Vec::new(),
            items: Vec::new(),
            event_times: Vec::new(),
            span_times: Vec::new(),
            starts: Starts::default(),
        }
    }

    /// Until the telemetry is stopped.
    pub(crate) fn run(mut self) {
        suppress(|| {
            let mut done = 0;
            loop {
                let (asked, last) = self.core.signal.next_round();
                self.collect();
                self.tell_starts(last || asked > std::mem::replace(&mut done, asked));
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
        self.anchor.renew();
        let (mut threads, mut dropped, mut bytes) = (0, 0, 0);
        let core = self.core.clone();
        core.take_buffers(&self.spares.clone(), |mut buffer| {
            self.starts.meet(buffer.begun.drain(..));
            threads += 1;
            dropped += buffer.dropped;
            bytes += buffer.bytes();
            self.read(buffer);
        });
        if threads > 1 {
            // Within a thread the order is that of recording; between threads it is that of time.
            self.round.sort_by_key(|(time, _)| *time);
        }
        self.core.counters.count_collected(self.round.len() as u64, dropped);
        self.items.extend(self.round.drain(..).map(|(_, item)| item));
        if let Some((last, others)) = self.core.queues.split_last().filter(|_| !self.items.is_empty()) {
            others.iter().for_each(|queue| queue.push(&mut self.items.clone(), bytes));
            last.push(&mut self.items, bytes);
        }
        self.items.clear();
    }

    /// Tells those transports that want it of traces that go on for a while; of all that go on, if `all` is asked for.
    fn tell_starts(&mut self, all: bool) {
        let due = self.starts.due(all);
        if due.is_empty() {
            return;
        }
        let told: Vec<Item> = due.iter().map(|begun| Item::Event(EventItem::own(self.told(begun)))).collect();
        let wanting = self.core.queues.iter().filter(|queue| queue.wants_starts);
        wanting.for_each(|queue| queue.push(&mut told.clone(), 0));
    }

    fn told(&mut self, begun: &Begun) -> Envelope {
        let session = begun.session.as_ref().map(|shared| {
            let redact = |state: &mut _| self.redactor.session(state);
            shared.prepare(self.core.number, &shared.since(), redact)
        });
        let start = match begun.start {
            Moment::Ticks(ticks) => self.anchor.time(ticks),
            Moment::Time(time) => time,
        };
        let mut envelope = begun.envelope(start, session.as_deref(), &self.origin.resource);
        self.redactor.attributes(&mut envelope.event.attributes);
        envelope
    }

    /// Makes what is in a buffer final, and items of it.
    fn read(&mut self, mut buffer: Buffer) {
        for Remembered { shared, since, .. } in &buffer.sessions {
            let redact = |state: &mut _| self.redactor.session(state);
            buffer.prepared.push(shared.prepare(self.core.number, since, redact));
        }
        self.read_events(&mut buffer);
        self.read_spans(&mut buffer);
        let block = Arc::new(Block::new(buffer, self.origin.clone(), self.spares.clone()));
        let event = |(at, time)| (time, Item::Event(EventItem::part(block.clone(), at)));
        self.round.extend((0..).zip(self.event_times.drain(..)).map(event));
        let span = |(at, time)| (time, Item::Span(SpanItem::part(block.clone(), at)));
        self.round.extend((0..).zip(self.span_times.drain(..)).map(span));
    }

    fn read_events(&mut self, buffer: &mut Buffer) {
        let mut at = 0;
        for header in &mut buffer.headers {
            let values = &mut buffer.values[at..][..header.values as usize];
            if let Some(site) = header.site {
                self.redactor.values(site, values, &mut buffer.text);
            }
            if let Some(extra) = &mut header.extra {
                self.redactor.extra(extra);
            }
            let recorded = self.anchor.time(header.ticks);
            let extra = header.extra.as_deref();
            let stands_alone =
                header.session.is_none() && extra.is_none_or(|extra| extra.session_id.is_none());
            self.events += 1;
            buffer.event_facts.push(EventFacts {
                time: extra.and_then(|extra| extra.time).unwrap_or(recorded),
                number: self.events,
                chance: if stands_alone { self.core.random.next() } else { 0 },
                values: at,
            });
            self.event_times.push(recorded);
            at += header.values as usize;
        }
    }

    fn read_spans(&mut self, buffer: &mut Buffer) {
        let (mut at, mut text) = (0, 0);
        for finished in &mut buffer.spans {
            let time = |moment| match moment {
                Moment::Ticks(ticks) => self.anchor.time(ticks),
                Moment::Time(time) => time,
            };
            let end = time(finished.end);
            let start = finished.head.start.map_or(end, time);
            finished.head.name = finished.head.name.after(text);
            let values = finished.rare.as_mut().map_or(&mut [][..], |rare| &mut rare.values);
            let since_start = |moment| time(moment).nanos_since(start) as f64 / 1e9;
            let notes = &buffer.notes[at..][..finished.attributes as usize];
            buffer.said.extend(notes.iter().map(|note| note.said(text, values, since_start)));
            let said = &mut buffer.said[at..];
            forget_overruled(said, &buffer.span_text);
            if let Some(rare) = &mut finished.rare {
                describe(rare, said, &buffer.span_text);
                self.redactor.rare(rare);
            }
            for said in &mut *said {
                self.redactor.said(said, &mut buffer.span_text);
            }
            // It does not end before it begins.
            let end = end.max(start);
            buffer.span_facts.push(SpanFacts { start, end, said: at });
            self.span_times.push(end);
            (at, text) = (at + finished.attributes as usize, text + finished.text as usize);
        }
    }
}

/// Among so many attributes a key is looked for one by one.
const FEW: usize = 24;

/// A key may be among them twice; then the last counts.
fn forget_overruled(said: &mut [Said], text: &str) {
    if said.len() > FEW {
        let mut seen = HashSet::new();
        for said in said.iter_mut().rev().filter(|said| !seen.insert(said.key.of(text))) {
            said.value = Scalar::Removed;
        }
        return;
    }
    for at in 1..said.len() {
        let (before, [last, ..]) = said.split_at_mut(at) else { return };
        let overruled = before.iter_mut().filter(|said| said.key.is_same(last.key, text));
        overruled.for_each(|said| said.value = Scalar::Removed);
    }
}

/// Has the application say what it had no time for before. What it says must not stop the collector.
fn describe(rare: &mut Rare, said: &mut [Said], text: &str) {
    if let Some(describe) = rare.describe.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
        let mut attributes = Attributes::new();
        for said in said.iter_mut() {
            let value = std::mem::replace(&mut said.value, Scalar::Removed);
            if !matches!(value, Scalar::Removed) {
                attributes.insert(said.key.of(text).to_owned(), value.to_json(text));
            }
        }
        catch_unwind(AssertUnwindSafe(|| describe(&mut attributes))).ok();
        rare.described = Some(attributes);
    }
}
