//! A piece of traced work: its events in their order, its errors and what becomes of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::subscribers::{List, next_id};
use crate::trace::{CancelReason, Handler, Outcome, State, Trace};
use crate::{Context, ErrorKind, ErrorRecord, EventKind, HandledBy, Message, Store, TracingChannel};

/// The traced work that the program is inside of here.
pub(crate) static CURRENT: Store<Arc<dyn Work>> = Store::new();

/// What other work needs of the work around it.
pub(crate) trait Work: Send + Sync {
    fn id(&self) -> u64;
    fn depth(&self) -> u32;
    fn report(&self, record: ErrorRecord) -> ErrorRecord;
    fn known(&self, record: &ErrorRecord) -> Option<ErrorRecord>;
    fn child_failed(&self, record: &ErrorRecord);
}

/// A piece of work that somebody listens to.
pub(crate) struct Active<C: 'static> {
    pub(crate) channel: &'static TracingChannel<C>,
    pub(crate) id: u64,
    message: C,
    pub(crate) parent: Option<Arc<dyn Work>>,
    pub(crate) depth: u32,
    pub(crate) started: Instant,
    /// Whoever subscribes later sees nothing of this work.
    subscribers: Arc<List<Handler<C>>>,
    /// Locked for the length of each event, which gives the events of one piece of work their order.
    progress: Mutex<Progress>,
    /// Errors that began in this work or inside it and are neither handled nor passed on yet.
    open_errors: Mutex<Vec<ErrorRecord>>,
    /// Reported errors to be published by whoever holds `progress`: a subscriber may report one during an event.
    reported: Mutex<Vec<ErrorRecord>>,
}

/// Work may go on for days and have many errors inside it. What became of the oldest is not learnt then.
const MAX_OPEN_ERRORS: usize = 512;

#[derive(Default)]
struct Progress {
    /// One for each subscriber; `None` for bindings and for those whose `start` panicked.
    states: Vec<Option<State>>,
    polls: u64,
    busy: Duration,
    ended: bool,
    outcome: Option<Outcome>,
    /// The callback was dropped within the synchronous part: cancelled as soon as that is over.
    abandoned: Option<CancelReason>,
    complete: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest record of the same error, unless that was dealt with: then an equal one is another.
fn find(open: &[ErrorRecord], error: &ErrorRecord) -> Option<ErrorRecord> {
    open.iter().rfind(|known| known.is_same_as(error) && !known.is_handled()).cloned()
}

/// Remembers an error until it is known what becomes of it.
fn remember(open: &mut Vec<ErrorRecord>, error: ErrorRecord) {
    if open.len() == MAX_OPEN_ERRORS {
        open.remove(0);
    }
    open.push(error);
}

impl<C: Message + Send + Sync> Active<C> {
    pub(crate) fn new(
        channel: &'static TracingChannel<C>,
        message: C,
        subscribers: Arc<List<Handler<C>>>,
    ) -> Arc<Self> {
        let parent = CURRENT.get();
        Arc::new(Self {
            channel,
            id: next_id(),
            message,
            depth: parent.as_ref().map_or(0, |parent| parent.depth() + 1),
            parent,
            started: Instant::now(),
            subscribers,
            progress: Mutex::default(),
            open_errors: Mutex::default(),
            reported: Mutex::default(),
        })
    }

    /// Enters the bound stores and publishes `Start` inside them. The context is the one to do the work in.
    pub(crate) fn start(self: &Arc<Self>) -> Context {
        let mut context = Context::current();
        for subscriber in self.subscribers.iter().filter(|subscriber| subscriber.is_active()) {
            if let Handler::Binding(bind) = &subscriber.handler {
                context = self.isolated(|| bind(&self.message, &context)).unwrap_or(context);
            }
        }
        let work: Arc<dyn Work> = self.clone();
        let context = context.with(&CURRENT, work);
        context.run(|| {
            self.progress(|progress| {
                let trace = self.view(progress, false);
                let states = self.subscribers.iter().map(|subscriber| match &subscriber.handler {
                    Handler::Subscriber(listener) if subscriber.is_active() => {
                        self.isolated(|| listener.start(&trace))
                    }
                    _ => None,
                });
                progress.states = states.collect();
            });
        });
        context
    }

    /// `End`, with the outcome still open: the work goes on.
    pub(crate) fn end(&self) {
        self.progress(|progress| self.publish_end(progress, false));
    }

    pub(crate) const fn message(&self) -> &C {
        &self.message
    }

    pub(crate) fn polled(&self, busy: Duration) {
        let mut progress = lock(&self.progress);
        progress.polls += 1;
        progress.busy += busy;
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.progress).ended
    }

    /// The outcome is known: publishes an error that began here, the closing events, and `Complete`.
    pub(crate) fn settle(&self, error: Option<ErrorRecord>) {
        self.progress(|progress| {
            self.decide(progress, error);
            if progress.ended {
                self.publish(EventKind::AsyncStart, progress, None, false);
                self.publish(EventKind::AsyncEnd, progress, None, true);
            } else {
                self.publish_end(progress, true);
            }
            self.complete(progress);
        });
    }

    /// The first half of [`settle`](Self::settle) for a callback: its result is known, and it is about to be called.
    pub(crate) fn settle_before_callback(&self, error: Option<ErrorRecord>) {
        self.progress(|progress| {
            self.decide(progress, error);
            self.publish(EventKind::AsyncStart, progress, None, false);
        });
    }

    /// The second half: the callback returned. If it was called within the synchronous part, `End` still follows.
    pub(crate) fn settle_after_callback(&self) {
        self.progress(|progress| {
            let last = progress.ended;
            self.publish(EventKind::AsyncEnd, progress, None, last);
            if last {
                self.complete(progress);
            }
        });
    }

    /// The synchronous part returned and a callback had or will have the result.
    pub(crate) fn end_after_callback(&self) {
        self.progress(|progress| {
            let last = progress.outcome.is_some();
            self.publish_end(progress, last);
            if last {
                self.complete(progress);
            } else if let Some(reason) = progress.abandoned {
                self.publish_cancel(progress, reason);
            }
        });
    }

    /// The callback was dropped without being called.
    pub(crate) fn abandon(&self, reason: CancelReason) {
        self.progress(|progress| match progress.ended {
            true => self.publish_cancel(progress, reason),
            false => progress.abandoned = Some(reason),
        });
    }

    /// Nobody waits for the outcome any more.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        self.progress(|progress| {
            if !progress.ended {
                self.publish_end(progress, false);
            }
            self.publish_cancel(progress, reason);
        });
    }

    fn publish_cancel(&self, progress: &mut Progress, reason: CancelReason) {
        if progress.outcome.is_none() {
            progress.outcome = Some(Outcome::Cancelled(reason));
            self.publish(EventKind::Cancel, progress, None, true);
            self.complete(progress);
        }
    }

    fn publish_end(&self, progress: &mut Progress, last: bool) {
        progress.ended = true;
        self.publish(EventKind::End, progress, None, last);
    }

    /// Sets the outcome. Publishes the error unless work inside did already, and passes it on to the work around.
    fn decide(&self, progress: &mut Progress, error: Option<ErrorRecord>) {
        let Some(error) = error else {
            progress.outcome = Some(Outcome::Ok);
            lock(&self.open_errors).drain(..).for_each(|error| self.mark_handled(&error));
            return;
        };
        let mut open = lock(&self.open_errors);
        let known = find(&open, &error);
        open.drain(..).for_each(|earlier| error.note_cause(&earlier));
        drop(open);
        let (error, begins_here) = known.map_or((error, true), |known| (known, false));
        progress.outcome = Some(match error.kind() {
            ErrorKind::Panic => Outcome::Panicked(error.clone()),
            _ => Outcome::Err(error.clone()),
        });
        if begins_here {
            error.set_origin(self.channel.name(), self.message.label());
            self.publish(EventKind::Error, progress, Some(&error), false);
        }
        if let Some(parent) = &self.parent {
            parent.child_failed(&error);
        }
    }

    fn mark_handled(&self, error: &ErrorRecord) {
        let (channel, label) = (self.channel.name(), self.message.label().to_owned());
        let own = error.origin() == Some((channel, &label)) && error.kind() == ErrorKind::Reported;
        error.mark_handled(match own {
            true => HandledBy::Converted { channel, label },
            false => HandledBy::Recovered { channel, label },
        });
    }

    fn publish(&self, kind: EventKind, progress: &mut Progress, error: Option<&ErrorRecord>, last: bool) {
        if progress.complete {
            return;
        }
        let mut states = std::mem::take(&mut progress.states);
        let trace = self.view(progress, last);
        for (subscriber, state) in self.subscribers.iter().zip(&mut states) {
            if let (Handler::Subscriber(listener), Some(state)) = (&subscriber.handler, state)
                && subscriber.is_active()
            {
                self.isolated(|| listener.event(kind, &trace, state, error));
            }
        }
        progress.states = states;
    }

    fn complete(&self, progress: &mut Progress) {
        if std::mem::replace(&mut progress.complete, true) {
            return;
        }
        let states = std::mem::take(&mut progress.states);
        let trace = self.view(progress, false);
        for (subscriber, state) in self.subscribers.iter().zip(states) {
            if let (Handler::Subscriber(listener), Some(state), Some(outcome)) =
                (&subscriber.handler, state, trace.outcome)
            {
                // A removed subscriber's state is dropped here, also in isolation.
                self.isolated(|| match subscriber.is_active() {
                    true => listener.complete(&trace, state, outcome),
                    false => drop(state),
                });
            }
        }
    }

    fn view<'a>(&'a self, progress: &'a Progress, last: bool) -> Trace<'a, C> {
        let (polls, busy) = (progress.polls, progress.busy);
        Trace { active: self, outcome: progress.outcome.as_ref(), polls, busy, last }
    }

    fn isolated<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        self.channel.isolation().call(call)
    }

    /// Runs `f` on the progress, then publishes what was reported meanwhile. Whoever reports an error and finds the
    /// progress locked leaves it to the holder, so the holder looks again after unlocking.
    fn progress(&self, f: impl FnOnce(&mut Progress)) {
        let mut progress = lock(&self.progress);
        self.publish_reported(&mut progress);
        f(&mut progress);
        drop(progress);
        self.publish_reported_unless_locked();
    }

    fn publish_reported_unless_locked(&self) {
        while !lock(&self.reported).is_empty() {
            let mut progress = match self.progress.try_lock() {
                Ok(progress) => progress,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.publish_reported(&mut progress);
        }
    }

    /// What is reported in the context of work that is over, by a task that it left behind, the work around it tells.
    fn publish_reported(&self, progress: &mut Progress) {
        let reported = std::mem::take(&mut *lock(&self.reported));
        for error in reported {
            match &self.parent {
                Some(parent) if progress.complete => _ = parent.report(error),
                _ => self.publish(EventKind::Error, progress, Some(&error), false),
            }
        }
    }
}

impl<C: Message + Send + Sync> Work for Active<C> {
    fn id(&self) -> u64 {
        self.id
    }

    fn depth(&self) -> u32 {
        self.depth
    }

    fn report(&self, record: ErrorRecord) -> ErrorRecord {
        let mut open = lock(&self.open_errors);
        if let Some(known) = find(&open, &record) {
            return known;
        }
        open.iter().for_each(|earlier| record.note_cause(earlier));
        record.set_origin(self.channel.name(), self.message.label());
        remember(&mut open, record.clone());
        drop(open);
        lock(&self.reported).push(record.clone());
        self.publish_reported_unless_locked();
        record
    }

    fn known(&self, record: &ErrorRecord) -> Option<ErrorRecord> {
        find(&lock(&self.open_errors), record)
    }

    fn child_failed(&self, record: &ErrorRecord) {
        remember(&mut lock(&self.open_errors), record.clone());
    }
}
