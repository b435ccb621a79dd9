//! A named place to publish messages.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::registry::{Described, Endpoint, Observer, register};
use crate::subscribers::{Subscribers, next_id};
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
    subscribers: Subscribers<Handler<M>>,
}

impl<M: Message> Channel<M> {
    /// A channel with this name.
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
        self.subscribers.any(|| register(self.name(), self))
    }

    /// Publishes a message to every subscriber, in the order they subscribed.
    #[inline]
    pub fn publish(&'static self, message: &M) {
        if self.has_subscribers() && !is_suppressed() {
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

    #[inline]
    fn deliver(&'static self, message: &M) {
        self.subscribers.each(move |handler| {
            if let Handler::Subscriber(handler) = handler {
                handler(message);
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
            if let Handler::Binding(bind) = &subscriber.handler {
                let bound = self.subscribers.isolation.call(|| bind(message, &context));
                context = bound.unwrap_or(context);
            }
        }
        context.run(|| {
            self.deliver(message);
            f()
        })
    }

    fn add(&'static self, handler: Handler<M>) -> Subscription {
        register(self.name(), self);
        let id = next_id();
        self.subscribers.add(id, handler);
        Subscription::new(move || self.subscribers.remove(id))
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
            let (channel, kind) = (self.name(), EventKind::Message);
            observer(&EventView { channel, kind, id: 0, parent: None, message, error: None, outcome: None });
        };
        self.subscribers.add(id, Handler::Subscriber(Box::new(see)));
    }

    fn remove_observer(&self, id: u64) {
        self.subscribers.remove(id);
    }

    fn describe(&self) -> Described {
        Described {
            message_type: std::any::type_name::<M>(),
            subscribers: self.subscribers.len(),
            panics: self.subscribers.isolation.panics.load(Ordering::Relaxed),
            dropped: self.subscribers.isolation.dropped.load(Ordering::Relaxed),
        }
    }
}

impl<M> fmt::Debug for Channel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.subscribers.isolation.channel).finish_non_exhaustive()
    }
}
