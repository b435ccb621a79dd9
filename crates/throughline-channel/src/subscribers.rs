//! Who listens: a list that is read at every event and seldom changed.

use std::any::Any;
use std::fmt;
use std::hint::cold_path;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::error_record::panic_text;
use crate::quiet::drop_quietly;
use crate::shared::{Shared, reader};
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
    pub(crate) handler: T,
}

/// Those who listen at one moment, in the order they came: as a rule, one.
pub(crate) struct List<T> {
    first: Arc<Subscriber<T>>,
    rest: Box<[Arc<Subscriber<T>>]>,
}

pub(crate) struct Subscribers<T: 'static> {
    state: AtomicU8,
    list: Shared<List<T>>,
    pub(crate) isolation: Isolation,
}

/// Calls the subscribers of a channel so that nothing they do reaches the publisher, and counts what went wrong.
pub(crate) struct Isolation {
    pub(crate) channel: &'static str,
    pub(crate) panics: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// A number for subscriptions and for pieces of work: never 0, never twice.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<T> List<T> {
    fn new(subscribers: Vec<Arc<Subscriber<T>>>) -> Option<Self> {
        let mut subscribers = subscribers.into_iter();
        Some(Self { first: subscribers.next()?, rest: subscribers.collect() })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Subscriber<T>>> {
        [&self.first].into_iter().chain(&self.rest)
    }
}

impl<T: Send + Sync + 'static> Subscribers<T> {
    /// Of the channel of this name.
    pub(crate) const fn new(channel: &'static str) -> Self {
        let isolation = Isolation { channel, panics: AtomicU64::new(0), dropped: AtomicU64::new(0) };
        Self { state: AtomicU8::new(UNREGISTERED), list: Shared::new(), isolation }
    }

    /// The fast path: one relaxed load. Nothing is read on its strength, so no order is needed.
    #[inline]
    pub(crate) fn any(&self, register: impl FnOnce()) -> bool {
        match self.state.load(Ordering::Relaxed) {
            IDLE => false,
            ACTIVE => true,
            _ => self.first_touch(register),
        }
    }

    /// The same where those who listen wait for much more than a jump: what is done for them is out of the way of what
    /// is done without them.
    #[inline]
    pub(crate) fn any_after_all(&self, register: impl FnOnce()) -> bool {
        if self.state.load(Ordering::Relaxed) == IDLE {
            return false;
        }
        cold_path();
        self.any(register)
    }

    #[cold]
    #[inline(never)]
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

    pub(crate) fn snapshot(&self) -> Option<Arc<List<T>>> {
        self.list.snapshot()
    }

    /// Calls `call` with each of them, as they are now, in isolation.
    #[inline]
    pub(crate) fn each(&self, call: impl Fn(&T) + Copy) {
        reader().reading(move |reading| {
            if self.isolation.is_too_deep(reading.depth()) {
                return;
            }
            let Some(list) = self.list.look(reading) else { return self.each_of_snapshot(call) };
            if list.rest.is_empty() {
                self.call_one(&list.first, call);
            } else {
                self.call_several(list, call);
            }
        });
    }

    #[inline]
    fn call_one(&self, subscriber: &Subscriber<T>, call: impl Fn(&T)) {
        if subscriber.is_active() {
            self.isolation.catch(|| call(&subscriber.handler));
        }
    }

    #[cold]
    fn each_of_snapshot(&self, call: impl Fn(&T) + Copy) {
        if let Some(list) = self.snapshot() {
            self.call_several(&list, call);
        }
    }

    #[cold]
    fn call_several(&self, list: &List<T>, call: impl Fn(&T) + Copy) {
        list.iter().for_each(|subscriber| self.call_one(subscriber, call));
    }

    pub(crate) fn len(&self) -> usize {
        self.snapshot().map_or(0, |list| list.iter().count())
    }

    pub(crate) fn add(&self, id: u64, handler: T) {
        let subscriber = Arc::new(Subscriber { id, active: AtomicBool::new(true), handler });
        self.replace(|mut list| {
            list.push(subscriber);
            list
        });
    }

    pub(crate) fn remove(&self, id: u64) {
        self.replace(|list| {
            let (gone, kept): (Vec<_>, Vec<_>) = list.into_iter().partition(|entry| entry.id == id);
            gone.iter().for_each(|entry| entry.active.store(false, Ordering::Relaxed));
            kept
        });
    }

    fn replace(&self, change: impl FnOnce(Vec<Arc<Subscriber<T>>>) -> Vec<Arc<Subscriber<T>>>) {
        let change = |now: Option<&List<T>>| {
            List::new(change(now.into_iter().flat_map(List::iter).cloned().collect()))
        };
        let note = |now: Option<&List<T>>| {
            self.state.store(if now.is_some() { ACTIVE } else { IDLE }, Ordering::Relaxed);
        };
        self.list.replace(change, note);
    }
}

impl<T> Subscriber<T> {
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }
}

impl Isolation {
    /// `None` if it panicked or is nested too deep.
    pub(crate) fn call<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        reader().reading(|reading| match self.is_too_deep(reading.depth()) {
            true => None,
            false => self.catch(call),
        })
    }

    /// Whether a subscriber within so many others is not to be called. Then that is counted.
    #[inline]
    fn is_too_deep(&self, depth: u8) -> bool {
        let too_deep = depth >= MAX_DEPTH;
        if too_deep {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        too_deep
    }

    #[inline]
    fn catch<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.panicked(payload);
                None
            }
        }
    }

    #[cold]
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        let (channel, message) = (self.channel, panic_text(&*payload));
        drop_quietly(payload);
        if channel != SUBSCRIBER_PANICS.name() {
            SUBSCRIBER_PANICS.publish(&SubscriberPanic { channel, message });
        }
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
/// ```
/// use throughline_channel::{Channel, SUBSCRIBER_PANICS, SubscriberPanic};
/// static SENT: Channel<u32> = Channel::new("shop.sent");
///
/// let (sender, panics) = std::sync::mpsc::channel();
/// let _watch = SUBSCRIBER_PANICS.subscribe(move |panic: &SubscriberPanic| sender.send(panic.clone()).unwrap());
/// let _broken = SENT.subscribe(|_| panic!("out of tea"));
/// SENT.publish(&1);
/// let panic = panics.recv().unwrap();
/// assert_eq!((panic.channel, &*panic.message), ("shop.sent", "out of tea"));
/// ```
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

/// Listens until it is dropped. What the subscriber owns is dropped with it, or once every thread that is in the middle
/// of publishing something just then is done.
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
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    pub(crate) fn new(remove: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(remove)))
    }

    /// Listens for as long as the process runs.
    ///
    /// ```
    /// # use throughline_channel::Channel;
    /// static SENT: Channel<u32> = Channel::new("shop.sent");
    /// SENT.subscribe(|number| println!("{number}")).forget();
    /// assert!(SENT.has_subscribers());
    /// ```
    pub fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(remove) = self.0.take() {
            remove();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_called_where_there_is_no_fence_too() {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let subscribers = Subscribers::new("test.no_fence");
        for (id, weight) in [(1, 10), (2, 20)] {
            subscribers.add(id, weight);
        }
        subscribers.list.hide();
        subscribers.each(|weight| _ = CALLS.fetch_add(*weight, Ordering::Relaxed));
        subscribers.remove(1);
        subscribers.list.hide();
        subscribers.each(|weight| _ = CALLS.fetch_add(*weight, Ordering::Relaxed));
        assert_eq!(CALLS.load(Ordering::Relaxed), 50);
    }
}
