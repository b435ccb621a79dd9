//! From an emit to the transports.
//!
//! ```text
//! emit -> the thread's own buffer -> collector thread: time, redaction -> a queue per transport -> its own thread
//! ```
//!
//! The caller pays for the first arrow only: no allocation, no lock, no system call.

mod block;
mod buffer;
mod collector;
mod counters;
mod floor;
mod handover;
mod json;
#[cfg(feature = "otlp")]
mod otlp;
mod own;
mod prefetch;
mod queue;
mod starts;
mod validate;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throughline_channel::is_suppressed;
use throughline_model::keys;

pub(crate) use self::block::Block;
pub(crate) use self::block::EventView;
#[cfg(feature = "otlp")]
pub(crate) use self::block::SpanView;
use self::block::Spares;
pub(crate) use self::buffer::{Buffer, Describe, Entry, Piece, Pushed, Scalar};
pub(crate) use self::collector::{Collector, Signal};
pub use self::counters::{Counters, Report, TransportReport};
use self::floor::OFF;
pub(crate) use self::floor::floor;
use self::handover::{Taker, take_all};
pub(crate) use self::json::{SessionJson, SiteJson};
#[cfg(feature = "otlp")]
pub(crate) use self::otlp::{SiteOtlp, Written};
pub(crate) use self::queue::{Queue, run_worker};
pub(crate) use self::starts::Begun;
use crate::ambient::Ambient;
use crate::callsite::Rule;
use crate::event::Extra;
use crate::observation::Draft;
use crate::pipeline::counters::Tally;
use crate::registry::Registry;
use crate::sampling::Sampler;
use crate::source::{Clock, Random};
use crate::{AttributeValue, Callsite, Error, Level, Resource, Session};

/// How sampling came to keep an event.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    ByRule,
    ByChance,
    /// It is checked first; sampling has not been asked yet.
    Unchecked,
}

/// What all handles of one telemetry share.
pub(crate) struct Core {
    /// Unique in the process and never 0: call sites remember by it what this configuration says about them.
    pub(crate) number: u64,
    /// Events of lower levels interest nobody. Read at every emit, before anything else.
    threshold: AtomicU8,
    pub(crate) sampler: Sampler,
    registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) resource: Resource,
    pub(crate) counters: Tally,
    /// A text in a buffer may have so many bytes: what redaction leaves of it in any case.
    max_text_bytes: usize,
    closed: AtomicBool,
    /// The buffers of threads.
    shards: Mutex<Vec<Taker<Buffer>>>,
    /// For threads that are being torn down.
    last_resort: Mutex<Buffer>,
    pub(crate) signal: Signal,
    pub(crate) queues: Vec<Arc<Queue>>,
    /// Whether any of the transports is to be told when a trace begins.
    pub(crate) tells_starts: bool,
}

/// What [`Core::new`] is made of.
pub(crate) struct Parts {
    pub(crate) sampler: Sampler,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) resource: Resource,
    pub(crate) min_level: Level,
    pub(crate) max_text: usize,
    pub(crate) queues: Vec<Arc<Queue>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let wanted = parts.queues.iter().map(|queue| queue.delivery.min_level as u8).min().unwrap_or(OFF);
        let threshold = wanted.max(parts.min_level as u8);
        floor::open(threshold);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            threshold: AtomicU8::new(threshold),
            sampler: parts.sampler,
            registry: parts.registry,
            clock: parts.clock,
            random: parts.random,
            resource: parts.resource,
            counters: Tally::default(),
            // A character has at most four bytes, and one more than allowed tells that there was more.
            max_text_bytes: parts.max_text.saturating_add(1).saturating_mul(4),
            closed: AtomicBool::new(false),
            shards: Mutex::default(),
            last_resort: Mutex::default(),
            signal: Signal::default(),
            tells_starts: parts.queues.iter().any(|queue| queue.wants_starts),
            queues: parts.queues,
        }
    }

    #[inline]
    pub(crate) fn level_is_enabled(&self, level: Level) -> bool {
        level as u8 >= self.threshold.load(Ordering::Relaxed)
    }

    #[inline]
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() { Err(Error::ShutDown) } else { Ok(()) }
    }

    /// Whether finished spans go anywhere.
    #[inline]
    fn takes_spans(&self) -> bool {
        !self.is_closed() && !self.queues.is_empty()
    }

    /// What there is to do about an event of this name, before chance.
    pub(crate) fn rule(&self, name: &str, level: Level) -> Rule {
        if self.registry.checks(name) { Rule::Check } else { self.sampler.rule(name, level) }
    }

    /// Whether an event is kept that sampling has this rule for. If not, it is counted in this lane.
    #[inline]
    pub(crate) fn draw(
        &self,
        rule: Rule,
        level: Level,
        session: Option<&Session>,
        lane: usize,
    ) -> Option<Kept> {
        match rule {
            Rule::Always => Some(Kept::ByRule),
            Rule::Rate if self.sampler.keeps(level, self.chance(session)) => Some(Kept::ByChance),
            Rule::Check => Some(Kept::Unchecked),
            Rule::Rate | Rule::Never => self.leave_out(lane),
        }
    }

    /// Counts an event that sampling does not keep.
    #[inline(always)]
    pub(crate) fn leave_out(&self, lane: usize) -> Option<Kept> {
        if self.counters.count_sampled_out(self.number, lane) { None } else { self.share_left_out(lane) }
    }

    #[cold]
    fn share_left_out(&self, lane: usize) -> Option<Kept> {
        self.counters.share_sampled_out(self.number, lane);
        None
    }

    #[inline]
    fn chance(&self, session: Option<&Session>) -> u32 {
        if self.sampler.per_session { self.chance_of(session) } else { (self.random.next() >> 32) as u32 }
    }

    #[cold]
    fn chance_of(&self, session: Option<&Session>) -> u32 {
        let own = session.map(|session| session.shared().draw());
        let of_session = own.or_else(|| Ambient::with(|ambient| Some(ambient?.session.as_ref()?.draw())));
        of_session.unwrap_or_else(|| (self.random.next() >> 32) as u32)
    }

    /// Puts a kept event into this thread's buffer.
    pub(crate) fn record(
        &self,
        session: Option<&Session>,
        site: Option<&'static Callsite>,
        values: &mut [AttributeValue<'_>],
        extra: Option<Box<Extra>>,
        kept: Kept,
    ) -> Result<(), Error> {
        let record = |ambient: Option<&Ambient>| {
            if let Some(session) = session.filter(|session| session.is_ended()) {
                self.counters.count_after_end();
                return Err(Error::SessionEnded(session.id()));
            }
            let (extra, kept) = match kept {
                Kept::Unchecked => match self.check(session, site, values, extra)? {
                    Some(checked) => checked,
                    None => return Ok(()),
                },
                kept => (extra, kept),
            };
            let ticks = self.clock.ticks();
            let session = session.map(Session::shared).or_else(|| ambient?.session.as_ref());
            let span = ambient.and_then(|ambient| ambient.span.as_ref());
            let entry = Entry { ticks, site, session, span, extra, kept };
            self.pushed(self.with_buffer(|buffer| buffer.push(entry, values, self.max_text_bytes)))
        };
        Ambient::with_unless_suppressed(record).unwrap_or(Ok(()))
    }

    /// Notes that a trace begins with this span. It goes on for as long as somebody keeps what is returned.
    #[cold]
    pub(crate) fn begin(&self, draft: &Draft) -> Option<Arc<Begun>> {
        if is_suppressed() || self.is_closed() {
            return None;
        }
        let begun = Arc::new(Begun {
            context: draft.head.context(),
            kind: draft.head.kind,
            name: draft.name().to_owned(),
            start: draft.head.start.unwrap_or_else(|| self.clock.moment()),
            user_id: draft.text_of(keys::USER_ID).map(str::to_owned),
            session: draft.references.session.clone(),
        });
        self.with_buffer(|buffer| buffer.push_begun(&begun));
        Some(begun)
    }

    #[inline]
    fn pushed(&self, pushed: Pushed) -> Result<(), Error> {
        match pushed {
            Pushed::Fits => Ok(()),
            Pushed::Crowded => {
                self.signal.nudge();
                Ok(())
            }
            Pushed::Full => Err(Error::BufferFull),
        }
    }

    /// Has `read` take what lies in each thread's buffer.
    pub(crate) fn take_buffers(&self, spares: &Spares, read: impl FnMut(Buffer)) {
        let mut used: Vec<_> = lock(&self.shards).iter().filter(|shard| shard.is_used()).cloned().collect();
        let (mut taken, mut references) = (Vec::with_capacity(used.len() + 1), Vec::new());
        take_all(&used, |buffer| {
            let mut empty = spares.take();
            empty.make_room_like(buffer);
            std::mem::swap(&mut empty.unused, &mut buffer.unused);
            references.extend(empty.unused.iter_mut().map(|draft| std::mem::take(&mut draft.references)));
            taken.push(std::mem::replace(buffer, empty));
        });
        // The last one to a telemetry closes it, which is not to be waited for.
        drop(references);
        used.clear();
        // Those of threads that are gone.
        lock(&self.shards).retain(|shard| !shard.is_alone() || shard.is_used());
        taken.push(std::mem::take(&mut *lock(&self.last_resort)));
        taken.into_iter().filter(|buffer| !buffer.is_empty()).for_each(read);
    }

    /// Everything emitted before is settled, or `timeout` is over.
    pub(crate) fn flush(&self, timeout: Duration) -> Report {
        let deadline = Instant::now().checked_add(timeout);
        let collected = self.signal.collect(deadline);
        let settled = self.queues.iter().map(|queue| queue.flush(deadline)).fold(true, |all, one| all & one);
        self.report(collected && settled)
    }

    pub(crate) fn shutdown(&self, timeout: Duration) -> Report {
        let deadline = Instant::now().checked_add(timeout);
        self.close();
        let collected = self.signal.stop_and_wait(deadline);
        let finished =
            self.queues.iter().map(|queue| queue.finish(deadline)).fold(true, |all, one| all & one);
        self.report(collected && finished)
    }

    /// Nothing is emitted any more.
    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            floor::close(self.threshold.swap(OFF, Ordering::Relaxed));
        }
    }

    pub(crate) fn report(&self, complete: bool) -> Report {
        let transports = self.queues.iter().map(|queue| queue.report()).collect();
        Report { complete, counters: self.counters.read(), transports }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("number", &self.number).finish_non_exhaustive()
    }
}
