//! A transport's queue and the thread that empties it: no transport waits for another.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use throughline_channel::suppress;

use super::collector::wait_until;
use super::{TransportReport, lock};
use crate::source::Random;
use crate::transport::{Delivery, Item, SendError, Transport};

/// A few of many are fewer than one of so many, or than one in so many bytes.
const MANY: usize = 8;
const MANY_BYTES: usize = 64 << 10;

pub(crate) struct Queue {
    pub(crate) delivery: Delivery,
    /// Whether the transport is to be told when traces begin.
    pub(crate) wants_starts: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// When the first of the items came.
    since: Option<Instant>,
    /// Items that ever came, and items that are delivered or given up.
    pushed: u64,
    settled: u64,
    /// Everything up to this one is asked for now.
    flush_to: u64,
    closing: bool,
    abandoned: bool,
    finished: bool,
    report: TransportReport,
}

impl Queue {
    pub(crate) fn new(transport: &str, delivery: Delivery, wants_starts: bool) -> Self {
        let report = TransportReport { transport: transport.to_owned(), ..TransportReport::default() };
        Self {
            delivery,
            wants_starts,
            state: Mutex::new(State { report, ..State::default() }),
            changed: Condvar::new(),
        }
    }

    /// Takes those of the items that the transport wants and that there is room for. They and what came with them take
    /// so many bytes.
    pub(crate) fn push(&self, items: &mut Vec<Item>, bytes: usize) {
        let came = items.len();
        if !self.delivery.wants_all() {
            items.retain(|item| self.delivery.wants(item));
        }
        let count = items.len();
        let mut state = lock(&self.state);
        let before = state.items.len();
        let taken = count.min(self.delivery.queue - before);
        // Whoever takes a few of many must not keep all of them in memory.
        if taken * MANY < came || bytes > taken * MANY_BYTES {
            state.items.extend(items.iter().take(taken).map(Item::detached));
        } else {
            state.items.extend(items.drain(..taken));
        }
        state.pushed += taken as u64;
        state.report.dropped += (count - taken) as u64;
        if before == 0 && !state.items.is_empty() {
            state.since = Some(Instant::now());
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Everything pushed before is settled, or the deadline is over.
    pub(crate) fn flush(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        let target = state.pushed;
        state.flush_to = state.flush_to.max(target);
        drop(state);
        self.changed.notify_all();
        wait_until(&self.state, &self.changed, deadline, |state| state.settled >= target || state.finished)
    }

    /// Nothing is pushed any more.
    pub(crate) fn close(&self) {
        lock(&self.state).closing = true;
        self.changed.notify_all();
    }

    /// The worker is done, or told to give up because the deadline is over.
    pub(crate) fn finish(&self, deadline: Option<Instant>) -> bool {
        let finished = wait_until(&self.state, &self.changed, deadline, |state| state.finished);
        if !finished {
            lock(&self.state).abandoned = true;
            self.changed.notify_all();
        }
        finished
    }

    pub(crate) fn report(&self) -> TransportReport {
        let state = lock(&self.state);
        TransportReport { waiting: state.pushed - state.settled, ..state.report.clone() }
    }

    /// Waits for items to send, into an empty `batch`; `false` when there will be none.
    fn next_batch(&self, batch: &mut Vec<Item>) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.abandoned || (state.closing && state.items.is_empty()) {
                return false;
            }
            let left = self.time_left(&state);
            if left.is_some_and(|left| left.is_zero()) {
                if state.items.len() <= self.delivery.batch {
                    // Nothing is moved, and both keep the memory they have.
                    let empty = VecDeque::from(std::mem::take(batch));
                    *batch = Vec::from(std::mem::replace(&mut state.items, empty));
                } else {
                    batch.extend(state.items.drain(..self.delivery.batch));
                }
                state.since = (!state.items.is_empty()).then(Instant::now);
                return true;
            }
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// How long a batch may still gather; `None` while there is nothing.
    fn time_left(&self, state: &State) -> Option<Duration> {
        let since = state.since?;
        let now = state.items.len() >= self.delivery.batch || state.flush_to > state.settled || state.closing;
        Some(if now { Duration::ZERO } else { self.delivery.max_delay.saturating_sub(since.elapsed()) })
    }

    fn settle(&self, delivered: usize, failed: usize, error: Option<&SendError>) {
        let mut state = lock(&self.state);
        state.settled += (delivered + failed) as u64;
        state.report.delivered += delivered as u64;
        state.report.failed += failed as u64;
        if let Some(error) = error {
            state.report.last_error = Some(error.message.clone());
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits before the next attempt; `false` if there is to be none.
    fn wait_to_retry(&self, delay: Duration) -> bool {
        let mut state = lock(&self.state);
        state.report.retries += 1;
        let waited = self.changed.wait_timeout_while(state, delay, |state| !state.abandoned);
        !waited.unwrap_or_else(PoisonError::into_inner).0.abandoned
    }
}

/// Sends what comes into the queue until it is closed and empty.
pub(crate) fn run_worker(queue: &Queue, mut transport: Box<dyn Transport>) {
    suppress(|| {
        let mut batch = Vec::new();
        while queue.next_batch(&mut batch) {
            deliver(queue, &mut *transport, &batch);
            batch.clear();
        }
        catch_unwind(AssertUnwindSafe(|| transport.stop())).ok();
    });
    lock(&queue.state).finished = true;
    queue.changed.notify_all();
}

fn deliver(queue: &Queue, transport: &mut dyn Transport, batch: &[Item]) {
    let (mut rest, mut attempt, started) = (batch, 0, Instant::now());
    loop {
        let sent = catch_unwind(AssertUnwindSafe(|| transport.send(rest)));
        let error = match sent {
            Ok(Ok(())) => return queue.settle(rest.len(), 0, None),
            Ok(Err(error)) => error,
            Err(_) => SendError::refused("the transport panicked"),
        };
        let accepted = error.accepted.min(rest.len());
        rest = &rest[accepted..];
        queue.settle(accepted, 0, Some(&error));
        if error.too_large && rest.len() > 1 {
            let (first, second) = rest.split_at(rest.len() / 2);
            deliver(queue, transport, first);
            return deliver(queue, transport, second);
        }
        let delay = error.retry_after.unwrap_or_else(|| backoff(&queue.delivery, attempt));
        let again = error.retry && started.elapsed().saturating_add(delay) <= queue.delivery.give_up_after;
        if rest.is_empty() || !again || !queue.wait_to_retry(delay) {
            return queue.settle(0, rest.len(), Some(&error));
        }
        attempt += 1;
    }
}

/// Doubles with each attempt, up to a limit; between half and the whole of that, so that many clients do not come back
/// at the same moment.
fn backoff(delivery: &Delivery, attempt: u32) -> Duration {
    let whole = delivery.backoff.saturating_mul(1 << attempt.min(16)).min(Duration::from_secs(30));
    let chance = (Random::Thread.next() >> 11) as f64 / (1u64 << 53) as f64;
    whole.mul_f64(0.5 + chance / 2.0)
}
