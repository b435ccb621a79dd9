//! What happened to events, counted.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What happened to events before they reached any transport.
///
/// ```
/// # use throughline::{Sampling, Telemetry, emit, testing::Memory};
/// let quiet = Sampling::keep_all().never(["*.heartbeat"]);
/// let telemetry = Telemetry::builder("shop").sampling(quiet).transport(Memory::new()).build()?;
/// (0..640).for_each(|_| emit!(telemetry, "db.heartbeat"));
/// assert_eq!(telemetry.counters().sampled_out, 640);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counters {
    /// Events and spans taken over by the collector.
    pub collected: u64,
    /// Events that sampling left out. Counted in four times steps of 64 per thread.
    pub sampled_out: u64,
    /// Events lost because a thread emitted faster than the collector could follow.
    pub dropped: u64,
    /// Events of sessions that had ended.
    pub after_end: u64,
    /// Events whose names had to be repaired.
    pub invalid_names: u64,
    /// Events that were not registered, or not as registered: refused if that is strict, otherwise marked and emitted.
    pub invalid_events: u64,
}

/// What a flush or shutdown achieved, and what was lost and why.
///
/// ```
/// use std::time::Duration;
/// use throughline::{Telemetry, emit, testing::Memory};
///
/// let telemetry = Telemetry::builder("shop").environment("test").transport(Memory::new()).build()?;
/// emit!(telemetry, "service.stopping");
/// let report = telemetry.shutdown(Duration::from_secs(5));
/// assert!(report.complete && report.lost() == 0);
/// assert_eq!(report.transports[0].delivered, 1);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// Whether everything was settled in time: delivered or given up.
    pub complete: bool,
    /// What happened before the transports.
    pub counters: Counters,
    /// What happened in each transport, in the order they were added.
    pub transports: Vec<TransportReport>,
}

impl Report {
    /// Events lost anywhere, so far: dropped, given up, or still waiting.
    pub fn lost(&self) -> u64 {
        let in_transports: u64 = self.transports.iter().map(TransportReport::lost).sum();
        self.counters.dropped + in_transports
    }
}

/// What happened in one transport, counted since it was built.
///
/// ```
/// # use std::time::Duration;
/// # use throughline::transport::{Item, SendError, Transport};
/// # use throughline::{Telemetry, emit};
/// struct Broken;
/// impl Transport for Broken {
///     fn name(&self) -> &str { "broken" }
///     fn send(&mut self, _: &[Item]) -> Result<(), SendError> { Err(SendError::refused("out of tea")) }
/// }
/// let telemetry = Telemetry::builder("shop").environment("test").transport(Broken).build()?;
/// emit!(telemetry, "order.shipped");
/// let broken = &telemetry.shutdown(Duration::from_secs(5)).transports[0];
/// assert_eq!((broken.failed, broken.last_error.as_deref()), (1, Some("out of tea")));
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TransportReport {
    /// Its name.
    pub transport: String,
    /// Delivered.
    pub delivered: u64,
    /// Lost because its queue was full.
    pub dropped: u64,
    /// Given up: refused, or failed too often.
    pub failed: u64,
    /// Still in the queue or on the way.
    pub waiting: u64,
    /// How often a batch was sent again.
    pub retries: u64,
    /// What the last failure said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl TransportReport {
    /// Lost, or not delivered yet.
    pub const fn lost(&self) -> u64 {
        self.dropped + self.failed + self.waiting
    }
}

/// The counters while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    collected: AtomicU64,
    sampled_out: AtomicU64,
    dropped: AtomicU64,
    after_end: AtomicU64,
    invalid_names: AtomicU64,
    invalid_events: AtomicU64,
}

/// Sampled-out events are the cheapest: a thread counts so many by itself before it shares the count.
const STEP: u64 = 1 << STEP_BITS;
const STEP_BITS: u32 = 6;

/// Counts of different places in the code are kept apart, by chance: a processor waits for what it has just stored, which
/// is most of what an event costs that is left out right after another.
const LANES: usize = 4;

thread_local! {
    /// The number of the telemetry that the count is of, and below it, in `STEP_BITS`, the count.
    static SAMPLED_OUT: [Cell<u64>; LANES] = const { [const { Cell::new(0) }; LANES] };
}

impl Tally {
    /// Whether that is all: otherwise it is to be counted by [`share_sampled_out`](Self::share_sampled_out).
    #[inline(always)]
    pub(crate) fn count_sampled_out(&self, number: u64, lane: usize) -> bool {
        // Two small accesses, since the compiler calls a large one where this is unlikely to be reached.
        let next = SAMPLED_OUT.with(|lanes| lanes[lane % LANES].get()) + 1;
        // The last of a step carries into the number, so that one comparison finds both reasons to share.
        let is_all = next >> STEP_BITS == number;
        if is_all {
            SAMPLED_OUT.with(|lanes| lanes[lane % LANES].set(next));
        }
        is_all
    }

    pub(crate) fn share_sampled_out(&self, number: u64, lane: usize) {
        let last = SAMPLED_OUT.with(|lanes| lanes[lane % LANES].get());
        // What another telemetry left here is less than a step of its own.
        let own = if last >> STEP_BITS == number { STEP } else { 1 };
        if own == STEP {
            self.sampled_out.fetch_add(STEP, Ordering::Relaxed);
        }
        SAMPLED_OUT.with(|lanes| lanes[lane % LANES].set((number << STEP_BITS) | (own % STEP)));
    }

    pub(crate) fn count_collected(&self, events: u64, dropped: u64) {
        self.collected.fetch_add(events, Ordering::Relaxed);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    pub(crate) fn count_after_end(&self) {
        self.after_end.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_invalid_name(&self) {
        self.invalid_names.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_invalid_event(&self) {
        self.invalid_events.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            collected: self.collected.load(Ordering::Relaxed),
            sampled_out: self.sampled_out.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            after_end: self.after_end.load(Ordering::Relaxed),
            invalid_names: self.invalid_names.load(Ordering::Relaxed),
            invalid_events: self.invalid_events.load(Ordering::Relaxed),
        }
    }
}
