//! A named place to publish messages.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::registry::{Described, Endpoint, Observer, register};
use crate::subscribers::{Subscribers, isolated, next_id};
use crate::trace::Bind;
use crate::{Context, EventKind, EventView, Message, Store, Subscription, is_suppressed};

/// How a channel calls a subscription.
enum Handler<M> {
    Subscriber(Box<dyn Fn(&M) + Send + Sync>),
    Binding(Bind<M>),
}

/// A named place to publish messages: a `static` in the library that publishes.
///
/// Names are made of dots: crate, component, operation. While nobody listens, publishing costs one relaxed load.
///
/// ```
/// use throughline_channel::Channel;
///
/// static SENT: Channel<String> = Channel::new("shop.mail.sent");
///
/// let (sender, sent) = std::sync::mpsc::channel();
/// let subscription = SENT.subscribe(move |to: &String| { let _ = sender.send(to.clone()); });
/// // The message is built only if somebody listens.
/// SENT.publish_with(|| "alice@example.com".to_owned());
/// drop(subscription);
/// SENT.publish_with(|| unreachable!("nobody listens"));
/// assert_eq!(sent.iter().collect::<Vec<_>>(), ["alice@example.com"]);
/// ```
pub struct Channel<M: 'static> {
    name: &'static str,
    subscribers: Subscribers<Handler<M>>,
}

impl<M: Message> Channel<M> {
    /// A channel with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, subscribers: Subscribers::new() }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether anybody listens or has bound a store.
    #[inline]
    pub fn has_subscribers(&'static self) -> bool {
        self.subscribers.any(|| register(self.name, self))
    }

    /// Publishes a message to every subscriber, in the order they subscribed.
    #[inline]
    pub fn publish(&'static self, message: &M) {
        if self.has_subscribers() {
            self.deliver(message);
        }
    }

    /// Publishes a message that is built only if somebody listens.
    #[inline]
    pub fn publish_with(&'static self, message: impl FnOnce() -> M) {
        if self.has_subscribers() && !is_suppressed() {
            self.deliver(&message());
        }
    }

    #[inline(never)]
    fn deliver(&'static self, message: &M) {
        if is_suppressed() {
            return;
        }
        self.subscribers.each(|subscriber| {
            if let Handler::Subscriber(handler) = &*subscriber.handler
                && subscriber.is_active()
            {
                isolated(self.name, &self.subscribers.counters, || handler(message));
            }
        });
    }

    /// Calls `subscriber` with every message from now on, inline, on the thread that publishes.
    pub fn subscribe(&'static self, subscriber: impl Fn(&M) + Send + Sync + 'static) -> Subscription {
        self.add(Handler::Subscriber(Box::new(subscriber)))
    }

    /// Gives `store` a value for the length of each [`run`](Self::run): what `value` makes of the message and the value
    /// the store had. If `value` panics, the store keeps what it had.
    ///
    /// ```
    /// use throughline_channel::{Channel, Store};
    /// static DEPTH: Store<u32> = Store::new();
    /// static NESTED: Channel<()> = Channel::new("shop.nested");
    ///
    /// let _binding = NESTED.bind(&DEPTH, |_, depth| depth.map_or(1, |depth| depth + 1));
    /// NESTED.run(&(), || NESTED.run(&(), || assert_eq!(DEPTH.get(), Some(2))));
    /// assert_eq!(DEPTH.get(), None);
    /// ```
    pub fn bind<V: Send + Sync + 'static>(
        &'static self,
        store: &'static Store<V>,
        value: impl Fn(&M, Option<&V>) -> V + Send + Sync + 'static,
    ) -> Subscription {
        let bind =
            move |message: &M, context: &Context| context.with(store, value(message, context.get(store)));
        self.add(Handler::Binding(Box::new(bind)))
    }

    /// Enters the bound stores, publishes the message, and runs `f`, all in that context.
    #[inline]
    pub fn run<R>(&'static self, message: &M, f: impl FnOnce() -> R) -> R {
        if !self.has_subscribers() || is_suppressed() {
            return f();
        }
        let mut context = Context::current();
        for subscriber in self.subscribers.snapshot().iter().flat_map(|list| list.iter()) {
            if let Handler::Binding(bind) = &*subscriber.handler {
                let bound = isolated(self.name, &self.subscribers.counters, || bind(message, &context));
                context = bound.unwrap_or(context);
            }
        }
        context.run(|| {
            self.deliver(message);
            f()
        })
    }

    fn add(&'static self, handler: Handler<M>) -> Subscription {
        register(self.name, self);
        let id = next_id();
        self.subscribers.add(id, Box::new(handler));
        Subscription::new(move |fate| self.subscribers.settle(id, fate))
    }
}

impl<M: Message> Endpoint for Channel<M> {
    fn registered(&self) {
        self.subscribers.registered();
    }

    fn is_unregistered(&self) -> bool {
        self.subscribers.is_unregistered()
    }

    fn add_observer(&'static self, id: u64, observer: Observer) {
        let see = move |message: &M| {
            let (channel, kind) = (self.name, EventKind::Message);
            observer(&EventView { channel, kind, id: 0, parent: None, message, error: None, outcome: None });
        };
        self.subscribers.add(id, Box::new(Handler::Subscriber(Box::new(see))));
    }

    fn remove_observer(&self, id: u64) {
        self.subscribers.remove(id);
    }

    fn describe(&self) -> Described {
        Described {
            message_type: std::any::type_name::<M>(),
            subscribers: self.subscribers.len(),
            panics: self.subscribers.counters.panics.load(Ordering::Relaxed),
            dropped: self.subscribers.counters.dropped.load(Ordering::Relaxed),
        }
    }
}

impl<M> fmt::Debug for Channel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}
