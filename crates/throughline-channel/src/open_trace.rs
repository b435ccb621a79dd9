//! Work that goes on after the call and the future that began it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::active::Active;
use crate::trace::CancelReason;
use crate::{Context, ErrorRecord, Message};

/// Traced work that lasts until somebody says how it ended. Made by
/// [`TracingChannel::open`](crate::TracingChannel::open).
///
/// Do the parts of the work in [`run`](Self::run), say [`end`](Self::end) when the synchronous part is over, and finish
/// with [`settle`](Self::settle). Dropped without that, the work counts as cancelled.
///
/// ```
/// use throughline_channel::TracingChannel;
/// static RESPONSE: TracingChannel<&str> = TracingChannel::new("shop.response");
///
/// # let _subscription = throughline_channel::observe("shop.response", |_| {});
/// if let Some(response) = RESPONSE.open(|| "GET /report") {
///     let head = response.run(|| "200 OK");
///     response.end();
///     // Later, perhaps on another thread:
///     response.run(|| println!("{head}, then the body"));
///     response.settle(None);
/// }
/// ```
#[must_use = "dropped without `settle`, the work counts as cancelled"]
pub struct OpenTrace<C: Message + Send + Sync> {
    active: Arc<Active<C>>,
    context: Context,
    settled: bool,
}

impl<C: Message + Send + Sync> OpenTrace<C> {
    pub(crate) const fn new(active: Arc<Active<C>>, context: Context) -> Self {
        Self { active, context, settled: false }
    }

    /// What the work tells about itself.
    pub fn message(&self) -> &C {
        self.active.message()
    }

    /// The context to do the work in.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Does a part of the work, in its context. Subscribers see it counted as a poll, and its time as busy.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.context.run(|| {
            let started = Instant::now();
            let done = catch_unwind(AssertUnwindSafe(f));
            self.active.polled(started.elapsed());
            done.unwrap_or_else(|payload| resume_unwind(payload))
        })
    }

    /// The synchronous part is over. Only the first call counts.
    pub fn end(&self) {
        self.context.run(|| {
            if !self.active.has_ended() {
                self.active.end();
            }
        });
    }

    /// The work is done, or failed with this error. What is inside must be dropped by then.
    pub fn settle(mut self, error: Option<ErrorRecord>) {
        self.settled = true;
        self.context.run(|| self.active.settle(error));
    }
}

impl<C: Message + Send + Sync> Drop for OpenTrace<C> {
    fn drop(&mut self) {
        if !self.settled {
            self.context.run(|| self.active.cancel(CancelReason::now()));
        }
    }
}

impl<C: Message + Send + Sync> fmt::Debug for OpenTrace<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTrace").field("label", &self.message().label()).finish_non_exhaustive()
    }
}
