//! Where time and chance come from: the system, or a test.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::observation::Moment;
use crate::ticks::{Anchor, Ticks, system_now};
use crate::{EventId, SessionId, SpanId, Timestamp, TraceId};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    System(Ticks),
    Manual(ManualClock),
}

impl Default for Clock {
    fn default() -> Self {
        Self::System(Ticks::of_this_machine())
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System(_) => system_now(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Now, as whoever has the [`anchor`](Self::anchor) can tell later.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        match self {
            Self::System(ticks) => ticks.now(),
            Self::Manual(clock) => clock.now().as_nanos().cast_unsigned(),
        }
    }

    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        Moment::Ticks(self.ticks())
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor::new(match self {
            Self::System(ticks) => *ticks,
            Self::Manual(_) => Ticks::Nanoseconds,
        })
    }
}

/// A clock that stands still until it is moved: for tests.
///
/// ```
/// use std::time::Duration;
/// use throughline::testing::ManualClock;
///
/// let clock = ManualClock::at("2024-01-15T10:30:00.000Z".parse()?);
/// clock.advance(Duration::from_millis(1500));
/// assert_eq!(clock.now().to_string(), "2024-01-15T10:30:01.500Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.as_nanos())))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Where chance and ids come from.
#[derive(Default)]
pub(crate) enum Random {
    /// A generator for each thread, seeded by the system. Not for secrets.
    #[default]
    Thread,
    /// The same numbers in every run.
    Seeded(AtomicU64),
}

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(AtomicU64::new(seed))
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        match self {
            Self::Thread => thread_next(),
            Self::Seeded(state) => split_mix(state.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN)),
        }
    }

    #[inline]
    pub(crate) fn trace_id(&self) -> TraceId {
        loop {
            let first = self.next();
            // The second half follows from the first on a thread: its generator's state has no more to tell.
            let second = match self {
                Self::Thread => split_mix(first),
                Self::Seeded(_) => self.next(),
            };
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&first.to_be_bytes());
            bytes[8..].copy_from_slice(&second.to_be_bytes());
            if let Some(id) = TraceId::from_bytes(bytes) {
                return id;
            }
        }
    }

    #[inline]
    pub(crate) fn span_id(&self) -> SpanId {
        loop {
            if let Some(id) = SpanId::from_bytes(self.next().to_be_bytes()) {
                return id;
            }
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// Unique by chance.
pub(crate) fn session_id(time: Timestamp, chance: u64) -> SessionId {
    SessionId::from(IdText::session(time, chance).as_str().to_owned())
}

/// Unique in the process by its number, between processes by `process`, which is chance.
pub(crate) fn event_id(time: Timestamp, process: Process, number: u64) -> EventId {
    EventId::from(IdText::event(time, process, number).as_str().to_owned())
}

/// The hexadecimal digits of a number, the first one highest: all at once, since ids have thirty of them.
const fn eight_digits(number: u32) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut halves = number as u64;
    halves = (halves | halves << 16) & 0x0000_ffff_0000_ffff;
    halves = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    halves = (halves | halves << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Those from ten on, as ones: adding six carries into the upper half of the byte.
    let letters = (halves + 6 * ONES) >> 4 & ONES;
    halves + b'0' as u64 * ONES + (b'a' - b'0' - 10) as u64 * letters
}

/// Hands the pieces of an id to `put`, one after the other and each of a length that is known: whoever copies the whole
/// just after it was written waits for that.
#[inline(always)]
pub(crate) fn put_event_id(time: Timestamp, process: Process, number: u64, mut put: impl FnMut(&[u8])) {
    put(b"evt_");
    put_digits::<12>(millis(time).cast_unsigned(), &mut put);
    put(&process.0);
    put_digits::<8>(number, &mut put);
}

/// The same of an id by chance.
#[inline(always)]
pub(crate) fn put_session_id(time: Timestamp, chance: u64, mut put: impl FnMut(&[u8])) {
    put(b"sess_");
    put_digits::<12>(millis(time).cast_unsigned(), &mut put);
    put_digits::<16>(chance, &mut put);
}

/// In hexadecimal, with at least so many digits: from eight to sixteen.
#[inline(always)]
fn put_digits<const DIGITS: usize>(number: u64, put: &mut impl FnMut(&[u8])) {
    let high = eight_digits((number >> 32) as u32).to_be_bytes();
    let needed = (67 - number.leading_zeros() as usize) / 4;
    if needed <= DIGITS {
        put(&high[16 - DIGITS..]);
    } else {
        put(&high[16 - needed..]);
    }
    put(&eight_digits(number as u32).to_be_bytes());
}

/// What tells the processes of a service apart in ids: ten digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process([u8; 10]);

impl Process {
    pub(crate) fn new(chance: u64) -> Self {
        let (mut digits, mut length) = ([0; 10], 0);
        put_digits::<10>(chance >> 24, &mut |piece| {
            digits[length..length + piece.len()].copy_from_slice(piece);
            length += piece.len();
        });
        Self(digits)
    }
}

/// An id without a place of its own.
pub(crate) struct IdText {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl IdText {
    /// A prefix and two numbers of at most sixteen digits, or one and ten digits more.
    const MAX: usize = 5 + 2 * 16 + 10;

    pub(crate) fn event(time: Timestamp, process: Process, number: u64) -> Self {
        let mut text = Self { bytes: [0; Self::MAX], length: 0 };
        put_event_id(time, process, number, |piece| text.push(piece));
        text
    }

    pub(crate) fn session(time: Timestamp, chance: u64) -> Self {
        let mut text = Self { bytes: [0; Self::MAX], length: 0 };
        put_session_id(time, chance, |piece| text.push(piece));
        text
    }

    #[inline]
    fn push(&mut self, piece: &[u8]) {
        self.bytes[self.length..self.length + piece.len()].copy_from_slice(piece);
        self.length += piece.len();
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// Never negative, so that ids sort by time as text.
fn millis(time: Timestamp) -> i64 {
    (time.as_nanos() / 1_000_000).max(0)
}

/// The odd number nearest to 2^64 divided by the golden ratio: SplitMix64's step.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

const fn split_mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// xorshift64*: one multiplication, and its state is never 0.
#[inline]
fn thread_next() -> u64 {
    let mut state = STATE.get();
    if state == 0 {
        state = seed();
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    STATE.set(state);
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

#[cold]
fn seed() -> u64 {
    RandomState::new().hash_one(0u8) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_with_their_kind_and_sort_by_time() {
        let random = Random::default();
        let early = session_id(Timestamp::from_nanos(1_700_000_000_000_000_000), random.next());
        let late = session_id(Timestamp::from_nanos(1_700_000_000_001_000_000), random.next());
        assert!(early.as_str().starts_with("sess_") && early < late);
        let time = Timestamp::from_nanos(5_000_000);
        let process = Process::new(7 << 24);
        let (first, second) = (event_id(time, process, 1), event_id(time, process, 2));
        assert!(first < second && first.as_str().starts_with("evt_"));
        for number in [0, 1, 0x9a, 0xffff_ffff, 0x1_0000_0000, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(
                event_id(time, process, number).as_str(),
                format!("evt_{:012x}{:010x}{number:08x}", 5, 7)
            );
        }
    }

    #[test]
    fn seeded_chance_repeats_and_threads_differ() {
        let draw = || {
            std::iter::repeat_with({
                let random = Random::seeded(7);
                move || random.next()
            })
        };
        assert!(draw().take(100).eq(draw().take(100)));
        let here = Random::Thread.next();
        assert_ne!(here, std::thread::spawn(|| Random::Thread.next()).join().unwrap());
    }
}
