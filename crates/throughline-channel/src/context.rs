//! Values that follow the flow of a program.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{InContext, slot};

/// The values of all [`Store`]s at one moment: immutable, cheap to clone, free to send to other threads.
///
/// A context becomes current for the length of a call ([`Context::run`]) or of each poll of a future
/// ([`Context::follow`]), and the previous one is restored afterwards, also after a panic. There is no guard to
/// hold, so none can be held across an `await`.
///
/// ```
/// use throughline_channel::{Context, Store};
///
/// static USER: Store<&'static str> = Store::new();
///
/// let context = Context::new().with(&USER, "alice");
/// context.run(|| assert_eq!(USER.get(), Some("alice")));
/// assert_eq!(USER.get(), None);
///
/// // Into another thread: capture here, run there.
/// context.run(|| {
///     let work = Context::current().wrap(|| USER.get());
///     assert_eq!(std::thread::spawn(work).join().unwrap(), Some("alice"));
/// });
/// ```
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Values>>);

#[derive(Clone, Default)]
struct Values {
    suppressed: bool,
    /// One entry per store that has a value: a handful, so a search beats a map.
    entries: Vec<(u64, Arc<dyn Any + Send + Sync>)>,
}

impl Context {
    /// The context without values.
    pub const fn new() -> Self {
        Self(None)
    }

    /// The context that is current here: a snapshot, not a view.
    ///
    /// ```
    /// # use throughline_channel::Context;
    /// assert!(Context::current().is_empty());
    /// ```
    pub fn current() -> Self {
        slot::with_current(Self::clone)
    }

    /// Whether no store has a value and nothing is suppressed.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|values| values.entries.is_empty() && !values.suppressed)
    }

    /// The value of `store` in this context.
    ///
    /// ```
    /// # use throughline_channel::{Context, Store};
    /// static DEPTH: Store<u32> = Store::new();
    /// assert_eq!(Context::new().with(&DEPTH, 3).get(&DEPTH), Some(&3));
    /// ```
    #[inline]
    #[expect(
        unsafe_code,
        reason = "asking the value for its type takes longer than all else an event does with it"
    )]
    pub fn get<V: Send + Sync + 'static>(&self, store: &'static Store<V>) -> Option<&V> {
        let id = store.id.load(Ordering::Relaxed);
        let (_, value) = self.0.as_ref()?.entries.iter().find(|(key, _)| *key == id)?;
        debug_assert!(value.is::<V>(), "only `with` puts a value there");
        // SAFETY: what stands under a store's number was put there by `with`, for a store of this number; no two have
        // the same, so it was this one, and the value is of its type.
        Some(unsafe { &*Arc::as_ptr(value).cast::<V>() })
    }

    /// This context with `store` set to `value`.
    #[must_use = "a context is immutable: this is the changed one"]
    pub fn with<V: Send + Sync + 'static>(&self, store: &'static Store<V>, value: V) -> Self {
        let id = store.id();
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        self.change(|values| match values.entries.iter_mut().find(|(key, _)| *key == id) {
            Some(entry) => entry.1 = value,
            None => values.entries.push((id, value)),
        })
    }

    /// This context without a value for `store`.
    ///
    /// ```
    /// # use throughline_channel::{Context, Store};
    /// static DEPTH: Store<u32> = Store::new();
    /// assert!(Context::new().with(&DEPTH, 3).without(&DEPTH).is_empty());
    /// ```
    #[must_use = "a context is immutable: this is the changed one"]
    pub fn without<V: Send + Sync + 'static>(&self, store: &'static Store<V>) -> Self {
        let id = store.id();
        self.change(|values| values.entries.retain(|(key, _)| *key != id))
    }

    /// This context, in which channels publish nothing. See [`suppress`].
    #[must_use = "a context is immutable: this is the changed one"]
    pub fn suppressed(&self) -> Self {
        self.change(|values| values.suppressed = true)
    }

    fn change(&self, change: impl FnOnce(&mut Values)) -> Self {
        let mut values = self.0.as_deref().cloned().unwrap_or_default();
        change(&mut values);
        Self(Some(Arc::new(values)))
    }

    /// Runs `f` with this context as the current one.
    #[inline]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        slot::enter(self, f)
    }

    /// Runs `f` without any context: for work that outlives what happens here, like the upkeep of a connection pool.
    ///
    /// ```
    /// # use throughline_channel::{Context, Store};
    /// static USER: Store<&'static str> = Store::new();
    /// USER.run("alice", || Context::detached(|| assert_eq!(USER.get(), None)));
    /// ```
    pub fn detached<R>(f: impl FnOnce() -> R) -> R {
        Self::new().run(f)
    }

    /// A closure that runs `f` in this context, wherever it is called: on another thread, in a callback.
    pub fn wrap<R>(self, f: impl FnOnce() -> R) -> impl FnOnce() -> R {
        move || self.run(f)
    }

    /// A future that has this context as the current one whenever it is polled, and when it is dropped.
    ///
    /// ```
    /// # use throughline_channel::{Context, Store};
    /// static USER: Store<&'static str> = Store::new();
    /// let future = Context::new().with(&USER, "alice").follow(async { USER.get() });
    /// # let mut future = std::pin::pin!(future);
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert_eq!(future.as_mut().poll(&mut cx), std::task::Poll::Ready(Some("alice")));
    /// ```
    pub const fn follow<F>(self, future: F) -> InContext<F> {
        InContext::new(future, self)
    }

    #[inline]
    fn is_suppressed(&self) -> bool {
        self.0.as_ref().is_some_and(|values| values.suppressed)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores = self.0.as_ref().map_or(0, |values| values.entries.len());
        f.debug_struct("Context").field("stores", &stores).field("suppressed", &self.is_suppressed()).finish()
    }
}

/// A value that follows the flow of the program: through calls, and through futures, tasks and threads that carry a
/// [`Context`].
///
/// Always a `static`. Each static is its own store, whatever its type.
///
/// ```
/// use throughline_channel::Store;
///
/// static REQUEST: Store<String> = Store::new();
///
/// fn log(line: &str) -> String {
///     REQUEST.with(|request| format!("[{}] {line}", request.map_or("-", String::as_str)))
/// }
/// assert_eq!(log("starting"), "[-] starting");
/// REQUEST.run("req_7".to_owned(), || assert_eq!(log("working"), "[req_7] working"));
/// ```
pub struct Store<V> {
    /// 0 until the first use; then its own, since so many are never made.
    id: AtomicU64,
    value: PhantomData<fn() -> V>,
}

impl<V: Send + Sync + 'static> Store<V> {
    /// A store without a value anywhere.
    pub const fn new() -> Self {
        Self { id: AtomicU64::new(0), value: PhantomData }
    }

    /// The value here, cloned.
    pub fn get(&'static self) -> Option<V>
    where
        V: Clone,
    {
        self.with(|value| value.cloned())
    }

    /// Runs `f` with the value here.
    #[inline]
    pub fn with<R>(&'static self, f: impl FnOnce(Option<&V>) -> R) -> R {
        slot::with_current(|context| f(context.get(self)))
    }

    /// The same, unless channels are silent here: one look at the context answers both.
    #[doc(hidden)]
    #[inline]
    pub fn with_unless_suppressed<R>(&'static self, f: impl FnOnce(Option<&V>) -> R) -> Option<R> {
        slot::with_current(|context| (!context.is_suppressed()).then(|| f(context.get(self))))
    }

    /// Runs `f` with this value, on top of the current context.
    pub fn run<R>(&'static self, value: V, f: impl FnOnce() -> R) -> R {
        slot::with_current(|context| context.with(self, value)).run(f)
    }

    /// A future that has this value, on top of the context that is current now, whenever it is polled.
    ///
    /// ```
    /// # use throughline_channel::Store;
    /// # async fn handle() {}
    /// static USER: Store<&'static str> = Store::new();
    /// let request = USER.follow("alice", async { handle().await });
    /// ```
    pub fn follow<F>(&'static self, value: V, future: F) -> InContext<F> {
        slot::with_current(|context| context.with(self, value)).follow(future)
    }

    #[inline]
    fn id(&self) -> u64 {
        match self.id.load(Ordering::Relaxed) {
            0 => self.assign_id(),
            id => id,
        }
    }

    #[cold]
    fn assign_id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.id.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => fresh,
            Err(other_thread_was_faster) => other_thread_was_faster,
        }
    }
}

impl<V: Send + Sync + 'static> Default for Store<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for Store<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("of", &std::any::type_name::<V>()).finish_non_exhaustive()
    }
}

/// Runs `f` with every channel silent, for code that exports what channels publish: if its own network client is
/// instrumented, each export would cause another. For futures: `Context::current().suppressed().follow(future)`.
///
/// ```
/// use throughline_channel::{Channel, suppress};
/// static SENT: Channel<u32> = Channel::new("shop.sent");
/// let _subscription = SENT.subscribe(|_| unreachable!("nothing is published"));
/// suppress(|| SENT.publish(&1));
/// ```
pub fn suppress<R>(f: impl FnOnce() -> R) -> R {
    slot::with_current(Context::suppressed).run(f)
}

/// Whether channels are silent here. See [`suppress`].
#[inline]
pub fn is_suppressed() -> bool {
    slot::with_entered(|context| context.is_some_and(Context::is_suppressed))
}
