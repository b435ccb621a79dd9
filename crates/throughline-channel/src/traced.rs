//! Futures whose lifecycle is published.

use std::fmt;
use std::hint::cold_path;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;

use crate::active::Active;
use crate::pinned::{OnDrop, Surround, drop_early, pinned};
use crate::trace::CancelReason;
use crate::{Context, ErrorRecord, Message};

pinned! {
    /// A future whose lifecycle is published. Made by the `trace_` methods of
    /// [`TracingChannel`](crate::TracingChannel).
    ///
    /// While nobody listens it is the future itself and one pointer.
    /// ```
    /// use throughline_channel::{Traced, TracingChannel};
    /// static QUERY: TracingChannel<&str> = TracingChannel::new("shop.db.query");
    ///
    /// /// A future by name, for a struct or for the `Future` type of a service.
    /// type Counting = Traced<std::future::Ready<u64>, &'static str>;
    ///
    /// fn count() -> Counting {
    ///     QUERY.trace_future(|| "select count(*)", std::future::ready(3))
    /// }
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(std::pin::pin!(count()).poll(&mut cx), std::task::Poll::Ready(3));
    /// ```
    #[must_use = "does nothing unless polled"]
    pub struct Traced<F: Future, C: TracedMessage>(Tracing<F::Output, C>);
}

/// Short for the bounds that a traced message has. Implemented for every message that has them.
#[doc(hidden)]
pub trait TracedMessage: Message + Send + Sync {}
impl<C: Message + Send + Sync> TracedMessage for C {}

pub(crate) struct Tracing<T, C: TracedMessage> {
    /// `None` if nobody listened when the work was asked for: then the future is there for as long as this is. Otherwise
    /// the work, which is taken out once it is over, and the future is there until then.
    ///
    /// Taken out by `surround_drop`, and not dropped again, so that an untraced future is dropped in as little code as
    /// it had before.
    work: ManuallyDrop<Option<Work<T, C>>>,
}

type Work<T, C> = Box<Option<InProgress<T, C>>>;

struct InProgress<T, C: TracedMessage> {
    active: Arc<Active<C>>,
    error_of: fn(&C, &T) -> Option<ErrorRecord>,
    /// `None` until `Start` is published.
    context: Option<Context>,
    /// Whether the future is gone.
    is_over: bool,
}

impl<F: Future, C: TracedMessage> Traced<F, C> {
    #[inline]
    pub(crate) fn new(
        future: F,
        active: Option<Arc<Active<C>>>,
        error_of: fn(&C, &F::Output) -> Option<ErrorRecord>,
    ) -> Self {
        // Only the pointer comes out of the branch: a whole that is put together on two ways is put together in memory,
        // and then copied, which costs an untraced future more than all the rest.
        let work = active.and_then(|active| InProgress::boxed(active, error_of, None));
        Self { inner: ManuallyDrop::new(future), state: Tracing { work: ManuallyDrop::new(work) } }
    }

    #[inline]
    pub(crate) const fn untraced(future: F) -> Self {
        Self { inner: ManuallyDrop::new(future), state: Tracing { work: ManuallyDrop::new(None) } }
    }

    pub(crate) fn started(
        future: F,
        active: Arc<Active<C>>,
        context: Context,
        error_of: fn(&C, &F::Output) -> Option<ErrorRecord>,
    ) -> Self {
        let work = InProgress::boxed(active, error_of, Some(context));
        Self { inner: ManuallyDrop::new(future), state: Tracing { work: ManuallyDrop::new(work) } }
    }
}

impl<T, C: TracedMessage> InProgress<T, C> {
    #[cold]
    #[inline(never)]
    #[expect(
        clippy::unnecessary_wraps,
        reason = "its caller needs the pointer that it comes to, and nothing else"
    )]
    fn boxed(
        active: Arc<Active<C>>,
        error_of: fn(&C, &T) -> Option<ErrorRecord>,
        context: Option<Context>,
    ) -> Option<Work<T, C>> {
        Some(Box::new(Some(Self { active, error_of, context, is_over: false })))
    }
}

impl<F: Future, C: TracedMessage> Future for Traced<F, C> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let (inner, state) = self.as_mut().project();
        if state.work.is_none() {
            inner.poll(cx)
        } else {
            cold_path();
            poll_traced(self, cx)
        }
    }
}

#[inline(never)]
#[expect(unsafe_code, reason = "a future that is over is dropped before the whole")]
fn poll_traced<F: Future, C: TracedMessage>(
    traced: Pin<&mut Traced<F, C>>,
    cx: &mut task::Context<'_>,
) -> Poll<F::Output> {
    let (mut inner, state) = traced.project();
    let Some(work) = state.work.as_deref_mut() else { polled_after_completion() };
    let Some(InProgress { active, error_of, context, is_over }) = work else { polled_after_completion() };
    if *is_over {
        polled_after_completion();
    }
    let context = context.get_or_insert_with(|| active.start());
    let polled = context.run(|| {
        let started = Instant::now();
        let polled = catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx)));
        active.polled(started.elapsed());
        if let Ok(Poll::Pending) = polled {
            if !active.has_ended() {
                active.end();
            }
            return Ok(Poll::Pending);
        }
        // What is inside closes before we do: drop it first. Its destructor may panic too.
        *is_over = true;
        // SAFETY: so it counts as gone, and it is not polled again (above).
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { drop_early(inner) }));
        let polled = polled.and_then(|polled| dropped.map(|()| polled));
        let error = match &polled {
            Ok(Poll::Ready(value)) => error_of(active.message(), value),
            Ok(Poll::Pending) => None,
            Err(payload) => Some(ErrorRecord::from_panic(&**payload)),
        };
        active.settle(error);
        polled
    });
    if !matches!(polled, Ok(Poll::Pending)) {
        *work = None;
    }
    polled.unwrap_or_else(|payload| resume_unwind(payload))
}

#[cold]
fn polled_after_completion() -> ! {
    panic!("a traced future was polled after it was ready")
}

// SAFETY: only `poll_traced` drops the future early, and says so before (`is_over`), then takes the work out.
#[expect(unsafe_code, reason = "a promise to `pinned`")]
unsafe impl<T, C: TracedMessage> Surround for Tracing<T, C> {
    #[inline]
    fn surround_drop(&mut self, drop_inner: impl FnOnce()) {
        // Looked at and not taken, so that nothing is written where an untraced future was.
        if self.work.is_none() {
            drop_inner();
        } else {
            cold_path();
            cancel(&mut self.work, drop_inner);
        }
    }
}

#[cold]
#[inline(never)]
fn cancel<T, C: TracedMessage>(work: &mut Option<Work<T, C>>, drop_inner: impl FnOnce()) {
    let Some(work) = work.take().and_then(|work| *work) else { return };
    let InProgress { active, context, is_over, .. } = work;
    let drop_inner = (!is_over).then(|| OnDrop::new(drop_inner));
    // Never polled: nothing was published, so nothing is to be closed.
    let Some(context) = context else { return };
    context.run(|| {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(drop_inner)));
        active.cancel(CancelReason::now());
        if let Err(payload) = dropped {
            resume_unwind(payload);
        }
    });
}

impl<F: Future, C: TracedMessage> fmt::Debug for Traced<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").field("traced", &self.state.work.is_some()).finish_non_exhaustive()
    }
}
