//! A named place to publish the lifecycle of pieces of work.

use std::error::Error;
use std::fmt;
use std::hint::cold_path;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::active::Active;
use crate::registry::{Described, Endpoint, Observer, register};
use crate::subscribers::{Isolation, Subscribers, next_id};
use crate::trace::{CancelReason, Handler, Observed, TraceSubscriber, Typed};
use crate::{
    Context, ErrorRecord, Message, OpenTrace, Store, Subscription, Traced, TracedCallback, is_suppressed,
};

/// Publishes the lifecycle of pieces of work: a `static` in the library that does the work.
///
/// Each `trace_` method does the work it is given exactly as if it were not traced: the same result, the same panic,
/// the same drop order. While nobody listens that costs one relaxed load, and the message is not built. The events are
/// listed in the [crate's table](crate#what-happens-when).
///
/// ```
/// use throughline_channel::TracingChannel;
///
/// static QUERY: TracingChannel<&str> = TracingChannel::new("shop.db.query");
///
/// async fn count() -> Result<u64, std::io::Error> { Ok(3) }
///
/// # async fn example() -> Result<(), std::io::Error> {
/// let rows = QUERY.trace_try_future(|| "select count(*)", count()).await?;
/// let doubled = QUERY.trace_sync(|| "double", || rows * 2);
/// # Ok(()) }
/// ```
pub struct TracingChannel<C: 'static> {
    subscribers: Subscribers<Handler<C>>,
}

impl<C: Message + Send + Sync> TracingChannel<C> {
    /// A tracing channel with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { subscribers: Subscribers::new(name) }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.subscribers.isolation.channel
    }

    /// Whether anybody listens or has bound a store.
    #[inline]
    pub fn has_subscribers(&'static self) -> bool {
        self.subscribers.any_after_all(|| register(self.name(), self))
    }

    /// Traces a call that cannot fail, other than by a panic.
    ///
    /// ```
    /// # use throughline_channel::TracingChannel;
    /// static RENDER: TracingChannel<&str> = TracingChannel::new("shop.render");
    /// assert_eq!(RENDER.trace_sync(|| "page", || 2 + 2), 4);
    /// ```
    #[inline]
    pub fn trace_sync<R>(&'static self, message: impl FnOnce() -> C, f: impl FnOnce() -> R) -> R {
        self.trace_with(message, f, |_, _| None)
    }

    /// Traces a call that can fail.
    ///
    /// ```
    /// # use throughline_channel::TracingChannel;
    /// static PARSE: TracingChannel<&str> = TracingChannel::new("shop.parse");
    /// assert!(PARSE.trace_result(|| "price", || "12,5".parse::<f64>()).is_err());
    /// ```
    #[inline]
    pub fn trace_result<T, E: Error + 'static>(
        &'static self,
        message: impl FnOnce() -> C,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.trace_with(message, f, error_of_result)
    }

    /// Traces a call whose result `error_of` tells to be an error or not: for error types that are not
    /// [`Error`], and for results that are errors in other ways. It also gets the message, which may have a place to
    /// note what is known only now.
    ///
    /// ```
    /// # use throughline_channel::{ErrorRecord, TracingChannel};
    /// static PARSE: TracingChannel<&str> = TracingChannel::new("shop.parse");
    /// let result: Result<u32, String> = PARSE.trace_with(|| "price", || Err("too dear".to_owned()), |_, result| {
    ///     result.as_ref().err().map(ErrorRecord::from_display)
    /// });
    /// ```
    #[inline]
    pub fn trace_with<R>(
        &'static self,
        message: impl FnOnce() -> C,
        f: impl FnOnce() -> R,
        error_of: fn(&C, &R) -> Option<ErrorRecord>,
    ) -> R {
        match self.begin(message) {
            None => f(),
            Some(active) => traced_call(&active, f, error_of),
        }
    }

    /// Traces a future that cannot fail, other than by a panic. `Start` is published at the first poll.
    #[inline]
    pub fn trace_future<F: Future>(&'static self, message: impl FnOnce() -> C, future: F) -> Traced<F, C> {
        self.trace_future_with(message, future, |_, _| None)
    }

    /// Traces a future that can fail. `Start` is published at the first poll.
    #[inline]
    pub fn trace_try_future<F, T, E>(&'static self, message: impl FnOnce() -> C, future: F) -> Traced<F, C>
    where
        F: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        self.trace_future_with(message, future, error_of_result)
    }

    /// Traces a future whose result `error_of` tells to be an error or not.
    #[inline]
    pub fn trace_future_with<F: Future>(
        &'static self,
        message: impl FnOnce() -> C,
        future: F,
        error_of: fn(&C, &F::Output) -> Option<ErrorRecord>,
    ) -> Traced<F, C> {
        Traced::new(future, self.begin(message), error_of)
    }

    /// Traces the call that makes a future and the future as one piece of work: `Start` is published before the call,
    /// and the bound stores are entered for the call too. For services, whose `call` takes a request and may do part
    /// of the work. A `message` of `None` leaves this one call untraced.
    ///
    /// ```
    /// # use throughline_channel::TracingChannel;
    /// static REQUEST: TracingChannel<String> = TracingChannel::new("shop.request");
    ///
    /// async fn handle(path: String) -> usize { path.len() }
    ///
    /// let work = REQUEST.trace_call("/cart".to_owned(), |path| Some(path.clone()), handle, |_, _| None);
    /// # let _ = work;
    /// ```
    #[inline]
    pub fn trace_call<I, F: Future>(
        &'static self,
        input: I,
        message: impl FnOnce(&I) -> Option<C>,
        call: impl FnOnce(I) -> F,
        error_of: fn(&C, &F::Output) -> Option<ErrorRecord>,
    ) -> Traced<F, C> {
        if self.has_subscribers() {
            self.trace_call_listened_to(input, message, call, error_of)
        } else {
            Traced::untraced(call(input))
        }
    }

    #[inline(never)]
    fn trace_call_listened_to<I, F: Future>(
        &'static self,
        input: I,
        message: impl FnOnce(&I) -> Option<C>,
        call: impl FnOnce(I) -> F,
        error_of: fn(&C, &F::Output) -> Option<ErrorRecord>,
    ) -> Traced<F, C> {
        let Some(active) = self.begin_traced(|| message(&input)) else {
            return Traced::untraced(call(input));
        };
        let context = active.start();
        let future = context.run(|| match catch_unwind(AssertUnwindSafe(|| call(input))) {
            Ok(future) => future,
            Err(payload) => {
                active.settle(Some(ErrorRecord::from_panic(&*payload)));
                resume_unwind(payload)
            }
        });
        Traced::started(future, active, context, error_of)
    }

    /// The future as it is, in the type of a traced one: for the branch of a `call` in which nobody listens.
    ///
    /// ```
    /// # use throughline_channel::{Traced, TracingChannel};
    /// static REQUEST: TracingChannel<String> = TracingChannel::new("shop.request");
    ///
    /// fn call<F: Future<Output = u16>>(path: String, handle: impl FnOnce(String) -> F) -> Traced<F, String> {
    ///     if !REQUEST.has_subscribers() {
    ///         // The shortest way, for requests that are long to copy.
    ///         return REQUEST.untraced(handle(path));
    ///     }
    ///     REQUEST.trace_call(path, |path| Some(path.clone()), handle, |_, _| None)
    /// }
    /// # let _ = call(String::new(), |_| std::future::ready(200));
    /// ```
    #[inline]
    pub fn untraced<F: Future>(&'static self, future: F) -> Traced<F, C> {
        Traced::untraced(future)
    }

    /// Traces work that hands its result to a callback, at once or later, on any thread. `f` gets the callback to hand
    /// on; if that is dropped without being called, the work counts as cancelled.
    ///
    /// ```
    /// # use throughline_channel::{ErrorRecord, TracingChannel};
    /// static FETCH: TracingChannel<&str> = TracingChannel::new("shop.fetch");
    /// fn fetch(done: impl FnOnce(Result<u32, std::fmt::Error>) + Send + 'static) {
    ///     std::thread::spawn(move || done(Ok(7))).join().unwrap();
    /// }
    /// FETCH.trace_callback(
    ///     || "price",
    ///     |price| assert_eq!(price, Ok(7)),
    ///     |callback| fetch(move |price| callback.call(price)),
    /// );
    /// ```
    pub fn trace_callback<T, E: Error + 'static, R>(
        &'static self,
        message: impl FnOnce() -> C,
        callback: impl FnOnce(Result<T, E>) + Send + 'static,
        f: impl FnOnce(TracedCallback<T, E>) -> R,
    ) -> R {
        let Some(active) = self.begin(message) else { return f(TracedCallback::untraced(callback)) };
        let context = active.start();
        let callback = TracedCallback::traced(callback, active.clone(), context.clone());
        context.run(|| match catch_unwind(AssertUnwindSafe(|| f(callback))) {
            Ok(value) => {
                active.end_after_callback();
                value
            }
            Err(payload) => {
                active.settle(Some(ErrorRecord::from_panic(&*payload)));
                resume_unwind(payload)
            }
        })
    }

    /// Traces until the guard is dropped: for work that is not one call. Bound stores are not entered, since nothing
    /// that enters a context may outlive a call.
    ///
    /// ```
    /// # use throughline_channel::TracingChannel;
    /// static UPLOAD: TracingChannel<&str> = TracingChannel::new("shop.upload");
    /// let upload = UPLOAD.scope(|| "photo.jpg");
    /// // ...
    /// drop(upload);
    /// ```
    #[inline]
    pub fn scope(&'static self, message: impl FnOnce() -> C) -> TraceScope<C> {
        let active = self.begin(message);
        if let Some(active) = &active {
            active.start();
        }
        TraceScope(active)
    }

    /// Begins work that is neither one call nor one future, such as a response whose body outlives the future that
    /// made it. `Start` is published here, the bound stores are entered by [`OpenTrace::run`], and the work lasts until
    /// [`OpenTrace::settle`]. `None` if nobody listens.
    #[inline]
    pub fn open(&'static self, message: impl FnOnce() -> C) -> Option<OpenTrace<C>> {
        let active = self.begin(message)?;
        let context = active.start();
        Some(OpenTrace::new(active, context))
    }

    /// Calls `subscriber` for every piece of work that begins from now on.
    pub fn subscribe(&'static self, subscriber: impl TraceSubscriber<C>) -> Subscription {
        self.add(Handler::Subscriber(Box::new(Typed(subscriber))))
    }

    /// Gives `store` a value for the length of each piece of work: what `value` makes of the message and of the value
    /// the store had. It is there in the work itself, in all its events, and in everything that carries the context
    /// from there; the code that asked for the work keeps its own. That is how spans find their parents.
    ///
    /// ```
    /// use throughline_channel::{Store, TracingChannel};
    /// static PATH: Store<String> = Store::new();
    /// static STEP: TracingChannel<&str> = TracingChannel::new("shop.step");
    ///
    /// let _binding = STEP.bind(&PATH, |step, path| match path {
    ///     Some(path) => format!("{path}/{step}"),
    ///     None => step.to_string(),
    /// });
    /// let path = STEP.trace_sync(|| "order", || STEP.trace_sync(|| "pay", || PATH.get()));
    /// assert_eq!(path.as_deref(), Some("order/pay"));
    /// ```
    pub fn bind<V: Send + Sync + 'static>(
        &'static self,
        store: &'static Store<V>,
        value: impl Fn(&C, Option<&V>) -> V + Send + Sync + 'static,
    ) -> Subscription {
        let bind =
            move |message: &C, context: &Context| context.with(store, value(message, context.get(store)));
        self.add(Handler::Binding(Box::new(bind)))
    }

    /// Decides over the whole context of each piece of work: for stores that belong to somebody else, or several at
    /// once. `context` gets the message and the context so far, and gives the one to do the work in.
    ///
    /// ```
    /// use throughline_channel::{Context, Store, TracingChannel};
    /// static USER: Store<&str> = Store::new();
    /// static STEP: TracingChannel<&str> = TracingChannel::new("shop.step");
    ///
    /// let _binding = STEP.bind_context(|_, context: &Context| context.without(&USER));
    /// USER.run("alice", || STEP.trace_sync(|| "upkeep", || assert_eq!(USER.get(), None)));
    /// ```
    pub fn bind_context(
        &'static self,
        context: impl Fn(&C, &Context) -> Context + Send + Sync + 'static,
    ) -> Subscription {
        self.add(Handler::Binding(Box::new(context)))
    }

    fn add(&'static self, handler: Handler<C>) -> Subscription {
        register(self.name(), self);
        let id = next_id();
        self.subscribers.add(id, handler);
        Subscription::new(move || self.subscribers.remove(id))
    }

    #[inline]
    fn begin(&'static self, message: impl FnOnce() -> C) -> Option<Arc<Active<C>>> {
        if self.has_subscribers() {
            cold_path();
            self.begin_traced(|| Some(message()))
        } else {
            None
        }
    }

    #[inline(never)]
    fn begin_traced(&'static self, message: impl FnOnce() -> Option<C>) -> Option<Arc<Active<C>>> {
        if is_suppressed() {
            return None;
        }
        let subscribers = self.subscribers.snapshot()?;
        Some(Active::new(self, message()?, subscribers))
    }

    pub(crate) const fn isolation(&self) -> &Isolation {
        &self.subscribers.isolation
    }
}

fn error_of_result<C, T, E: Error + 'static>(_: &C, result: &Result<T, E>) -> Option<ErrorRecord> {
    result.as_ref().err().map(ErrorRecord::new)
}

#[inline(never)]
fn traced_call<C: Message + Send + Sync, R>(
    active: &Arc<Active<C>>,
    f: impl FnOnce() -> R,
    error_of: fn(&C, &R) -> Option<ErrorRecord>,
) -> R {
    active.start().run(|| match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => {
            active.settle(error_of(active.message(), &value));
            value
        }
        Err(payload) => {
            active.settle(Some(ErrorRecord::from_panic(&*payload)));
            resume_unwind(payload)
        }
    })
}

/// Traces until it is dropped. Made by [`TracingChannel::scope`].
/// ```
/// use throughline_channel::{TraceScope, TracingChannel};
/// static UPLOAD: TracingChannel<&str> = TracingChannel::new("shop.upload");
///
/// /// An upload is over when nobody has it any more.
/// struct Upload {
///     sent: usize,
///     _traced: TraceScope<&'static str>,
/// }
///
/// # let (sender, events) = std::sync::mpsc::channel();
/// # let subscription = throughline_channel::observe("shop.upload", move |event| sender.send(event.kind().as_str()).unwrap());
/// let mut upload = Upload { sent: 0, _traced: UPLOAD.scope(|| "photo.jpg") };
/// upload.sent += 4096;
/// drop(upload);
/// # drop(subscription);
/// # assert_eq!(events.iter().collect::<Vec<_>>(), ["start", "end", "complete"]);
/// ```
#[must_use = "the work is over when this is dropped"]
pub struct TraceScope<C: Message + Send + Sync>(Option<Arc<Active<C>>>);

impl<C: Message + Send + Sync> Drop for TraceScope<C> {
    fn drop(&mut self) {
        match self.0.take() {
            Some(active) if std::thread::panicking() => active.cancel(CancelReason::Unwinding),
            Some(active) => active.settle(None),
            None => {}
        }
    }
}

impl<C: Message + Send + Sync> fmt::Debug for TraceScope<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceScope").field("traced", &self.0.is_some()).finish()
    }
}

impl<C: Message + Send + Sync> Endpoint for TracingChannel<C> {
    fn registered(&self) {
        self.subscribers.registered();
    }

    fn is_unregistered(&self) -> bool {
        self.subscribers.is_unregistered()
    }

    fn add_observer(&'static self, id: u64, observer: Observer) {
        self.subscribers.add(id, Handler::Subscriber(Box::new(Observed(observer))));
    }

    fn remove_observer(&self, id: u64) {
        self.subscribers.remove(id);
    }

    fn describe(&self) -> Described {
        Described {
            message_type: std::any::type_name::<C>(),
            subscribers: self.subscribers.len(),
            panics: self.subscribers.isolation.panics.load(Ordering::Relaxed),
            dropped: self.subscribers.isolation.dropped.load(Ordering::Relaxed),
        }
    }
}

impl<C> fmt::Debug for TracingChannel<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingChannel")
            .field("name", &self.subscribers.isolation.channel)
            .finish_non_exhaustive()
    }
}
