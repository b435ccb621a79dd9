//! Futures, and anything else that is polled, with a context.

use std::fmt;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{self, Poll};

use crate::Context;
use crate::pinned::{OnDrop, Surround, pinned};

// SAFETY: nothing is gone before, so it is dropped.
#[expect(unsafe_code, reason = "a promise to `pinned`")]
unsafe impl Surround for Context {
    fn surround_drop(&mut self, drop_inner: impl FnOnce()) {
        let drop_inner = OnDrop::new(drop_inner);
        self.run(|| drop(drop_inner));
    }
}

pinned! {
    /// A future, or something else that is polled, that carries a [`Context`]: it is current during each poll and
    /// while the inner value is dropped.
    ///
    /// Made by [`Context::follow`], [`Store::follow`](crate::Store::follow) and [`InContextExt`]. Entering costs two
    /// writes to a thread-local, no reference count.
    /// ```
    /// use throughline_channel::{Context, InContext, Store};
    /// static USER: Store<&str> = Store::new();
    ///
    /// /// A task and its priority, to be run wherever there is room.
    /// struct Queued<F>(InContext<F>, u8);
    ///
    /// let task = Queued(Context::new().with(&USER, "alice").follow(async { USER.get() }), 3);
    /// assert_eq!(task.0.context().get(&USER), Some(&"alice"));
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let polled = std::pin::pin!(task.0).poll(&mut cx);
    /// # assert_eq!(polled, std::task::Poll::Ready(Some("alice")));
    /// ```
    #[must_use = "does nothing unless polled"]
    pub struct InContext<T>(Context);
}

impl<T> InContext<T> {
    pub(crate) const fn new(inner: T, context: Context) -> Self {
        Self { inner: ManuallyDrop::new(inner), state: context }
    }

    /// The context it carries.
    pub const fn context(&self) -> &Context {
        &self.state
    }

    /// Runs `f` on the inner value, in the context: the way to implement other polled traits for it, such as streams
    /// or response bodies.
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    /// # trait Stream { fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u8>>; }
    /// use throughline_channel::InContext;
    ///
    /// struct InContextStream<S>(InContext<S>);
    ///
    /// impl<S: Stream + Unpin> Stream for InContextStream<S> {
    ///     fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u8>> {
    ///         Pin::new(&mut self.get_mut().0).poll_inner(|stream| stream.poll_next(cx))
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn poll_inner<R>(self: Pin<&mut Self>, f: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let (inner, context) = self.project();
        context.run(|| f(inner))
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        self.poll_inner(|future| future.poll(cx))
    }
}

impl<T> fmt::Debug for InContext<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InContext").field("context", self.context()).finish_non_exhaustive()
    }
}

/// Carrying a context along, as methods of every future (and stream, and body).
///
/// ```
/// use throughline_channel::{InContextExt, Store};
///
/// static USER: Store<&'static str> = Store::new();
/// # fn spawn<F: Future + Send + 'static>(_: F) {}
///
/// USER.run("alice", || {
///     // `spawn` does not carry a context by itself.
///     spawn(async { assert_eq!(USER.get(), Some("alice")) }.in_current_context());
/// });
/// ```
pub trait InContextExt: Sized {
    /// With the context that is current now.
    fn in_current_context(self) -> InContext<Self> {
        Context::current().follow(self)
    }

    /// With this context.
    fn in_context(self, context: Context) -> InContext<Self> {
        context.follow(self)
    }
}

impl<T> InContextExt for T {}
