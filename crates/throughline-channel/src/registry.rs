//! Every channel by its name: how subscribers by name find channels, also of several versions of one crate, and also
//! before the publisher is first used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::subscribers::next_id;
use crate::{EventKind, EventView, Subscription};

pub(crate) type Observer = Arc<dyn Fn(&EventView<'_>) + Send + Sync>;

/// A static that publishes under a name.
pub(crate) trait Endpoint: Sync {
    fn registered(&self);
    fn is_unregistered(&self) -> bool;
    fn add_observer(&'static self, id: u64, observer: Observer);
    fn remove_observer(&self, id: u64);
    fn describe(&self) -> Described;
}

pub(crate) struct Described {
    pub(crate) message_type: &'static str,
    pub(crate) subscribers: usize,
    pub(crate) panics: u64,
    pub(crate) dropped: u64,
}

#[derive(Default)]
struct Named {
    endpoints: Vec<&'static dyn Endpoint>,
    observers: Vec<(u64, Observer)>,
}

static REGISTRY: Mutex<BTreeMap<String, Named>> = Mutex::new(BTreeMap::new());

fn registry() -> MutexGuard<'static, BTreeMap<String, Named>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes `endpoint` known under `name`, once, and gives it the observers that already wait for the name.
pub(crate) fn register(name: &'static str, endpoint: &'static dyn Endpoint) {
    let mut registry = registry();
    if !endpoint.is_unregistered() {
        return;
    }
    let named = registry.entry(name.to_owned()).or_default();
    named.endpoints.push(endpoint);
    for (id, observer) in &named.observers {
        endpoint.add_observer(*id, observer.clone());
    }
    endpoint.registered();
}

/// Listens to everything published under a name, whoever publishes it and whatever its type: now, or once it is first
/// used. Several statics of one name (two versions of a crate, say) are one to an observer.
///
/// ```
/// use throughline_channel::{Channel, observe};
///
/// let _subscription = observe("shop.mail.sent", |event| assert_eq!(event.label(), "welcome"));
///
/// static SENT: Channel<&str> = Channel::new("shop.mail.sent");
/// SENT.publish(&"welcome");
/// ```
///
/// A name like `tracing:shop.db.query:error` stands for one event of a tracing channel, by the names that Node gives
/// them ([`EventKind::as_str`]):
///
/// ```
/// use throughline_channel::{EventKind, TracingChannel, observe};
///
/// let _subscription = observe("tracing:shop.db.query:end", |event| assert_eq!(event.kind(), EventKind::End));
///
/// static QUERY: TracingChannel<&str> = TracingChannel::new("shop.db.query");
/// QUERY.trace_sync(|| "select 1", || ());
/// ```
pub fn observe(name: &str, observer: impl Fn(&EventView<'_>) + Send + Sync + 'static) -> Subscription {
    match event_of(name) {
        Some((channel, kind)) => observe_channel(channel, move |event| {
            if event.kind() == kind {
                observer(event);
            }
        }),
        None => observe_channel(name, observer),
    }
}

/// The channel and event of a name like `tracing:shop.db.query:error`.
fn event_of(name: &str) -> Option<(&str, EventKind)> {
    let (channel, event) = name.strip_prefix("tracing:")?.rsplit_once(':')?;
    let kind = EventKind::OF_WORK.into_iter().find(|kind| kind.as_str() == event)?;
    Some((channel, kind))
}

fn observe_channel(name: &str, observer: impl Fn(&EventView<'_>) + Send + Sync + 'static) -> Subscription {
    let (id, observer): (_, Observer) = (next_id(), Arc::new(observer));
    let mut registry = registry();
    let named = registry.entry(name.to_owned()).or_default();
    named.observers.push((id, observer.clone()));
    for endpoint in &named.endpoints {
        endpoint.add_observer(id, observer.clone());
    }
    drop(registry);
    let name = name.to_owned();
    Subscription::new(move || forget_observer(&name, id))
}

fn forget_observer(name: &str, id: u64) {
    let mut registry = registry();
    let Some(named) = registry.get_mut(name) else { return };
    let endpoints = named.endpoints.clone();
    let gone: Vec<_> = named.observers.extract_if(.., |(known, _)| *known == id).collect();
    drop(registry);
    // What the observer owns is dropped outside the registry's lock.
    endpoints.iter().for_each(|endpoint| endpoint.remove_observer(id));
    drop(gone);
}

/// A channel name and what is known under it.
/// ```
/// use throughline_channel::{Channel, ChannelInfo, channels};
/// static SENT: Channel<u32> = Channel::new("shop.sent");
///
/// fn look_up(name: &str) -> Option<ChannelInfo> {
///     channels().into_iter().find(|channel| channel.name == name)
/// }
///
/// let _broken = SENT.subscribe(|_| panic!("out of tea"));
/// SENT.publish(&1);
/// let sent = look_up("shop.sent").unwrap();
/// assert_eq!((sent.subscribers, sent.panics, sent.dropped), (1, 1, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// The name.
    pub name: String,
    /// The message type of each static that publishes under it; empty if somebody waits for a name that nobody has
    /// published under yet. Type names are for people to read, not a contract.
    pub message_types: Vec<&'static str>,
    /// Subscriptions and bound stores, over all statics.
    pub subscribers: usize,
    /// How often a subscriber panicked.
    pub panics: u64,
    /// How many events a subscriber missed because subscribers published from within subscribers too deep.
    pub dropped: u64,
}

/// Every channel used or asked for so far, by name.
///
/// ```
/// use throughline_channel::{Channel, channels};
/// static SENT: Channel<u32> = Channel::new("shop.sent");
/// SENT.publish(&1);
/// assert!(channels().iter().any(|channel| channel.name == "shop.sent" && channel.message_types == ["u32"]));
/// ```
pub fn channels() -> Vec<ChannelInfo> {
    let described = |(name, named): (&String, &Named)| {
        let mut info = ChannelInfo {
            name: name.clone(),
            message_types: Vec::new(),
            subscribers: if named.endpoints.is_empty() { named.observers.len() } else { 0 },
            panics: 0,
            dropped: 0,
        };
        for described in named.endpoints.iter().map(|endpoint| endpoint.describe()) {
            info.message_types.push(described.message_type);
            info.subscribers += described.subscribers;
            info.panics += described.panics;
            info.dropped += described.dropped;
        }
        info
    };
    registry().iter().map(described).collect()
}
