//! Callbacks whose call is published.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::active::Active;
use crate::trace::CancelReason;
use crate::{Context, ErrorRecord, Message};

/// The callback of traced work. Made by [`TracingChannel::trace_callback`](crate::TracingChannel::trace_callback).
///
/// Called, it publishes how the work ended around the call of the callback it stands for, in the context of the work.
/// Dropped uncalled, it publishes that the work was cancelled.
/// ```
/// use std::fmt::Error;
/// use throughline_channel::{TracedCallback, TracingChannel};
/// static FETCH: TracingChannel<&str> = TracingChannel::new("shop.fetch");
///
/// /// Calls back from another thread.
/// fn fetch(done: TracedCallback<u32, Error>) {
///     std::thread::spawn(move || done.call(Ok(7))).join().unwrap();
/// }
/// # let (sender, events) = std::sync::mpsc::channel();
/// # let subscription = throughline_channel::observe("shop.fetch", move |event| sender.send(event.kind().as_str()).unwrap());
/// FETCH.trace_callback(|| "price", |price| assert_eq!(price, Ok(7)), fetch);
/// FETCH.trace_callback(|| "stock", |_| unreachable!(), |forgotten: TracedCallback<u32, Error>| drop(forgotten));
/// # drop(subscription);
/// # let events: Vec<_> = events.iter().collect();
/// # assert_eq!(events.last_chunk(), Some(&["start", "end", "cancel", "complete"]));
/// ```
#[must_use = "dropped without being called, it counts as cancelled work"]
pub struct TracedCallback<T, E> {
    callback: Box<dyn FnOnce(Result<T, E>) + Send>,
    work: Option<Box<dyn Called>>,
}

/// Traced work that waits for its callback.
trait Called: Send {
    fn called(self: Box<Self>, error: Option<ErrorRecord>, call: Box<dyn FnOnce() + '_>);
}

struct Waiting<C: Message + Send + Sync> {
    active: Option<Arc<Active<C>>>,
    context: Context,
}

impl<C: Message + Send + Sync> Called for Waiting<C> {
    fn called(mut self: Box<Self>, error: Option<ErrorRecord>, call: Box<dyn FnOnce() + '_>) {
        let Some(active) = self.active.take() else { return call() };
        self.context.run(|| {
            active.settle_before_callback(error);
            let called = catch_unwind(AssertUnwindSafe(call));
            active.settle_after_callback();
            if let Err(payload) = called {
                resume_unwind(payload);
            }
        });
    }
}

impl<C: Message + Send + Sync> Drop for Waiting<C> {
    fn drop(&mut self) {
        if let Some(active) = self.active.take() {
            self.context.run(|| active.abandon(CancelReason::now()));
        }
    }
}

impl<T, E: Error + 'static> TracedCallback<T, E> {
    pub(crate) fn untraced(callback: impl FnOnce(Result<T, E>) + Send + 'static) -> Self {
        Self { callback: Box::new(callback), work: None }
    }

    pub(crate) fn traced<C: Message + Send + Sync>(
        callback: impl FnOnce(Result<T, E>) + Send + 'static,
        active: Arc<Active<C>>,
        context: Context,
    ) -> Self {
        let work: Box<dyn Called> = Box::new(Waiting { active: Some(active), context });
        Self { callback: Box::new(callback), work: Some(work) }
    }

    /// Hands over the result.
    pub fn call(self, result: Result<T, E>) {
        let Self { callback, work } = self;
        match work {
            None => callback(result),
            Some(work) => {
                let error = result.as_ref().err().map(ErrorRecord::new);
                work.called(error, Box::new(move || callback(result)));
            }
        }
    }
}

impl<T, E> fmt::Debug for TracedCallback<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedCallback").field("traced", &self.work.is_some()).finish()
    }
}
