//! A clock that is cheap to read: the processor's own counter, turned into time later, by the collector.
//!
//! Asking the system costs 20 ns, which is a third of what an event costs its caller; the counter costs 8. Where it
//! cannot be trusted (the kernel does not, or it is not x86-64), ticks are the system's nanoseconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::Timestamp;

/// What ticks are on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticks {
    Counter,
    Nanoseconds,
}

impl Ticks {
    pub(crate) fn of_this_machine() -> Self {
        // The kernel lists the counter only if it runs at one rate and agrees between cores.
        let listed =
            std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/available_clocksource");
        let trusted = listed.is_ok_and(|listed| listed.split_whitespace().any(|source| source == "tsc"));
        if trusted && cfg!(target_arch = "x86_64") { Self::Counter } else { Self::Nanoseconds }
    }

    #[inline]
    pub(crate) fn now(self) -> u64 {
        match self {
            Self::Counter => counter(),
            Self::Nanoseconds => system_now().as_nanos().cast_unsigned(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "reading the counter is an intrinsic; see below")]
fn counter() -> u64 {
    // SAFETY: RDTSC is part of every x86-64 processor. (A kernel may forbid it to a process, with `PR_SET_TSC`; such a
    // process is ended by a signal. It asks for that itself.)
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    system_now().as_nanos().cast_unsigned()
}

#[inline]
pub(crate) fn system_now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(since.as_secs() as i64 * 1_000_000_000 + i64::from(since.subsec_nanos()))
}

/// Turns ticks into time. Kept up to date by who reads it, so that it follows the system's clock.
#[derive(Debug)]
pub(crate) struct Anchor {
    ticks: Ticks,
    /// Where the rate is measured from: a counter's value and what a clock that never jumps showed then.
    since: (u64, Instant),
    /// A counter's value, what the system's clock showed then, and nanoseconds in a tick.
    at: (u64, Timestamp),
    rate: f64,
    /// What it was at before, a second apart: spans begin long before they are read, and the system's clock may have
    /// been set meanwhile.
    past: VecDeque<(u64, Timestamp)>,
}

/// A second, in nanoseconds: how far apart the past is remembered.
const APART: i64 = 1_000_000_000;
/// How much of the past is remembered: an hour.
const MAX_PAST: usize = 3600;

impl Anchor {
    pub(crate) fn new(ticks: Ticks) -> Self {
        let now = ticks.now();
        let mut anchor = Self {
            ticks,
            since: (now, Instant::now()),
            at: (now, system_now()),
            rate: 1.0,
            past: VecDeque::new(),
        };
        if ticks == Ticks::Counter {
            // Long enough for a first rate that is right to some parts in a thousand; it gets better with time.
            std::thread::sleep(Duration::from_millis(1));
            anchor.renew();
        }
        anchor
    }

    /// Looks at all the clocks again.
    pub(crate) fn renew(&mut self) {
        if self.ticks == Ticks::Nanoseconds {
            return;
        }
        // The counter before and after, so that the moment between is known as well as it can be.
        let (before, instant, time, after) =
            (self.ticks.now(), Instant::now(), system_now(), self.ticks.now());
        let middle = before + after.saturating_sub(before) / 2;
        let (ticks, elapsed) = (middle.saturating_sub(self.since.0), instant.duration_since(self.since.1));
        if ticks > 0 && !elapsed.is_zero() {
            self.rate = elapsed.as_nanos() as f64 / ticks as f64;
            self.remember();
            self.at = (middle, time);
        }
    }

    fn remember(&mut self) {
        if self.past.back().is_none_or(|(ticks, _)| self.nanos(*ticks, self.at.0) >= APART) {
            if self.past.len() == MAX_PAST {
                self.past.pop_front();
            }
            self.past.push_back(self.at);
        }
    }

    /// From one reading of the counter to another.
    #[inline]
    fn nanos(&self, from: u64, to: u64) -> i64 {
        (to.wrapping_sub(from).cast_signed() as f64 * self.rate) as i64
    }

    #[inline]
    pub(crate) fn time(&self, ticks: u64) -> Timestamp {
        match self.ticks {
            Ticks::Nanoseconds => Timestamp::from_nanos(ticks.cast_signed()),
            Ticks::Counter => match self.nanos(self.at.0, ticks) {
                distance if distance > -APART => self.at.1.plus_nanos(distance),
                _ => self.time_long_ago(ticks),
            },
        }
    }

    /// By what was nearest then.
    #[cold]
    fn time_long_ago(&self, ticks: u64) -> Timestamp {
        let later = self.past.partition_point(|(at, _)| *at <= ticks);
        let (at, time) = self.past.get(later.saturating_sub(1)).copied().unwrap_or(self.at);
        time.plus_nanos(self.nanos(at, ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_the_time_they_were_taken_at() {
        let ticks = Ticks::of_this_machine();
        let mut anchor = Anchor::new(ticks);
        for pause in [0, 3, 20, 60] {
            std::thread::sleep(Duration::from_millis(pause));
            let (before, taken, after) = (system_now(), ticks.now(), system_now());
            std::thread::sleep(Duration::from_millis(5));
            anchor.renew();
            let slack = 200_000;
            let time = anchor.time(taken);
            assert!(
                (before.plus_nanos(-slack)..=after.plus_nanos(slack)).contains(&time),
                "{before} {time} {after} after {pause} ms of {ticks:?}"
            );
        }
    }

    #[test]
    fn what_began_before_the_clock_was_set_began_when_it_was() {
        let mut anchor = Anchor::new(Ticks::Counter);
        let second = (APART as f64 / anchor.rate) as u64;
        let (ticks, time) = anchor.at;
        // What it remembers was really read, from clocks some time apart.
        anchor.past.clear();
        for n in 0..10 {
            // After five seconds the clock is set an hour ahead.
            let set = if n < 5 { 0 } else { 3600 * APART };
            anchor.remember();
            anchor.at = (ticks + n * second, time.plus_nanos(n as i64 * APART + set));
        }
        let began = anchor.time(ticks + 3 * second + second / 2);
        assert!((began.nanos_since(time) - 3_500_000_000).abs() < 1000, "{began} {time}");
        let before_all = anchor.time(ticks - second);
        assert!((before_all.nanos_since(time) + APART).abs() < 1000, "{before_all} {time}");
    }

    #[test]
    fn later_ticks_are_later_times() {
        let ticks = Ticks::of_this_machine();
        let anchor = Anchor::new(ticks);
        let times: Vec<_> = (0..1000).map(|_| anchor.time(ticks.now())).collect();
        assert!(times.is_sorted());
    }
}
