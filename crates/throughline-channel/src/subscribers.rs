//! Who listens: a list that is read at every event and seldom changed.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error_record::panic_text;
use crate::lasting::Lasting;
use crate::{Channel, Message, Value};

/// Nobody asked yet, so the registry does not know the channel.
const UNREGISTERED: u8 = 0;
const IDLE: u8 = 1;
const ACTIVE: u8 = 2;

/// How deep subscribers may publish from within subscribers.
const MAX_DEPTH: u8 = 16;

/// One subscription to `T`, which is how the channel calls it.
pub(crate) struct Subscriber<T> {
    pub(crate) id: u64,
    active: AtomicBool,
    /// It is never removed.
    lasts: AtomicBool,
    pub(crate) handler: Box<T>,
}

/// The list as it was at one moment.
pub(crate) type Snapshot<T> = Arc<[Arc<Subscriber<T>>]>;

pub(crate) struct Subscribers<T: 'static> {
    state: AtomicU8,
    list: RwLock<List<T>>,
    /// The list, while all that are on it last.
    lasting: Lasting<Snapshot<T>>,
    pub(crate) counters: Counters,
}

struct List<T: 'static> {
    now: Option<Snapshot<T>>,
    /// Those that were leaked: one is shown again when only its own are left, so that what comes and goes leaks nothing.
    leaked: Vec<&'static Snapshot<T>>,
}

/// What went wrong in subscribers.
pub(crate) struct Counters {
    pub(crate) panics: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// A number for subscriptions and for pieces of work: never 0, never twice.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<T: Send + Sync + 'static> Subscribers<T> {
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU8::new(UNREGISTERED),
            list: RwLock::new(List { now: None, leaked: Vec::new() }),
            lasting: Lasting::new(),
            counters: Counters { panics: AtomicU64::new(0), dropped: AtomicU64::new(0) },
        }
    }

    /// The fast path: one relaxed load. Nothing is read on its strength, so no order is needed.
    #[inline]
    pub(crate) fn any(&self, register: impl FnOnce()) -> bool {
        match self.state.load(Ordering::Relaxed) {
            IDLE => false,
            state => state == ACTIVE || self.first_touch(register),
        }
    }

    #[cold]
    fn first_touch(&self, register: impl FnOnce()) -> bool {
        register();
        self.state.load(Ordering::Relaxed) == ACTIVE
    }

    /// Called by the registry, under its lock, once it knows the channel.
    pub(crate) fn registered(&self) {
        self.state.compare_exchange(UNREGISTERED, IDLE, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    pub(crate) fn is_unregistered(&self) -> bool {
        self.state.load(Ordering::Relaxed) == UNREGISTERED
    }

    pub(crate) fn snapshot(&self) -> Option<Snapshot<T>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).now.clone()
    }

    /// Calls `f` with each of them, as they are now.
    #[inline]
    pub(crate) fn each(&self, f: impl FnMut(&Subscriber<T>)) {
        if let Some(list) = self.lasting.get() {
            list.iter().map(|subscriber| &**subscriber).for_each(f);
        } else if let Some(list) = self.snapshot() {
            list.iter().map(|subscriber| &**subscriber).for_each(f);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.snapshot().map_or(0, |list| list.len())
    }

    pub(crate) fn add(&self, id: u64, handler: Box<T>) {
        let (active, lasts) = (AtomicBool::new(true), AtomicBool::new(false));
        let subscriber = Arc::new(Subscriber { id, active, lasts, handler });
        self.replace(|list| list.iter().cloned().chain([subscriber]).collect());
    }

    pub(crate) fn remove(&self, id: u64) {
        self.replace(|list| {
            let (gone, kept): (Vec<_>, Vec<_>) = list.iter().cloned().partition(|entry| entry.id == id);
            gone.iter().for_each(|entry| entry.active.store(false, Ordering::Relaxed));
            kept
        });
    }

    /// What becomes of this one now that its subscription is given up.
    pub(crate) fn settle(&self, id: u64, fate: Fate) {
        match fate {
            Fate::Removed => self.remove(id),
            Fate::Lasting => {
                let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
                let all = list.now.iter().flat_map(|now| now.iter());
                all.filter(|entry| entry.id == id)
                    .for_each(|entry| entry.lasts.store(true, Ordering::Relaxed));
                self.show(&mut list);
            }
        }
    }

    fn replace(&self, change: impl FnOnce(&[Arc<Subscriber<T>>]) -> Vec<Arc<Subscriber<T>>>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(list.now.as_deref().unwrap_or_default());
        let state = if changed.is_empty() { IDLE } else { ACTIVE };
        let old = std::mem::replace(&mut list.now, (!changed.is_empty()).then(|| changed.into()));
        self.show(&mut list);
        self.state.store(state, Ordering::Relaxed);
        drop(list);
        // A subscriber dropped here may own another subscription, so not under the lock.
        drop(old);
    }

    /// Shows the list to publishers if it can be leaked.
    fn show(&self, list: &mut List<T>) {
        let lasts = |entry: &Arc<Subscriber<T>>| entry.lasts.load(Ordering::Relaxed);
        let Some(now) = list.now.as_ref().filter(|now| now.iter().all(lasts)) else {
            return self.lasting.show(None);
        };
        let is_now = |known: &&Snapshot<T>| {
            known.len() == now.len() && known.iter().zip(now.iter()).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let known = list.leaked.iter().copied().find(is_now);
        let lasting = known.unwrap_or_else(|| {
            let leaked: &'static _ = Box::leak(Box::new(now.clone()));
            list.leaked.push(leaked);
            leaked
        });
        self.lasting.show(Some(lasting));
    }
}

impl<T> Subscriber<T> {
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }
}

thread_local! {
    static DEPTH: Cell<u8> = const { Cell::new(0) };
}

/// Calls a subscriber so that nothing it does reaches the publisher: `None` if it panicked or is nested too deep.
pub(crate) fn isolated<R>(channel: &'static str, counters: &Counters, call: impl FnOnce() -> R) -> Option<R> {
    let depth = DEPTH.get();
    if depth >= MAX_DEPTH {
        counters.dropped.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    DEPTH.set(depth + 1);
    let called = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            counters.panics.fetch_add(1, Ordering::Relaxed);
            let message = panic_text(&*payload);
            // The payload's own destructor may panic as well.
            catch_unwind(AssertUnwindSafe(move || drop(payload))).ok();
            tell_of_panic(channel, message);
            None
        }
    };
    // Not what it is now less one: reading what was just written takes as long as a subscriber.
    DEPTH.set(depth);
    called
}

#[cold]
fn tell_of_panic(channel: &'static str, message: String) {
    if channel != SUBSCRIBER_PANICS.name() {
        SUBSCRIBER_PANICS.publish(&SubscriberPanic { channel, message });
    }
}

/// Where the panics of subscribers are told, except those of subscribers to this channel itself.
///
/// ```
/// use throughline_channel::{Channel, SUBSCRIBER_PANICS};
/// static SENT: Channel<u32> = Channel::new("shop.sent");
///
/// let _watch = SUBSCRIBER_PANICS.subscribe(|panic| eprintln!("{}: {}", panic.channel, panic.message));
/// let _broken = SENT.subscribe(|_| panic!("out of tea"));
/// SENT.publish(&1); // carries on
/// ```
pub static SUBSCRIBER_PANICS: Channel<SubscriberPanic> = Channel::new("throughline.channel.subscriber_panic");

/// A subscriber panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriberPanic {
    /// The channel it was subscribed to.
    pub channel: &'static str,
    /// What it said.
    pub message: String,
}

impl Message for SubscriberPanic {
    fn label(&self) -> &str {
        self.channel
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("channel", Value::Str(self.channel));
        visit("message", Value::Str(&self.message));
    }
}

/// Listens until it is dropped.
///
/// ```
/// # use throughline_channel::Channel;
/// static SENT: Channel<u32> = Channel::new("shop.sent");
/// let subscription = SENT.subscribe(|number| println!("{number}"));
/// assert!(SENT.has_subscribers());
/// drop(subscription);
/// assert!(!SENT.has_subscribers());
/// ```
#[must_use = "listens only until it is dropped: keep it, or call `forget` to listen for ever"]
pub struct Subscription(Option<Box<dyn FnOnce(Fate) + Send + Sync>>);

/// What becomes of a subscriber whose subscription is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Removed,
    Lasting,
}

impl Subscription {
    pub(crate) fn new(settle: impl FnOnce(Fate) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// Listens for as long as the process runs. A [`Channel`] whose subscribers all do publishes in a fraction of the
    /// time.
    pub fn forget(mut self) {
        if let Some(settle) = self.0.take() {
            settle(Fate::Lasting);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle(Fate::Removed);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
