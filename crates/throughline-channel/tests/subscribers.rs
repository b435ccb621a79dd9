//! What subscribers may do to each other and to the publisher: nothing.
#![allow(clippy::unwrap_used, clippy::let_underscore_must_use, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use throughline_channel::{
    Channel, Context, EventKind, Store, Subscription, TracingChannel, channels, is_suppressed, observe,
    suppress,
};

macro_rules! channel {
    ($message:ty) => {{
        static CHANNEL: Channel<$message> = Channel::new(concat!("test.subscribers.", line!()));
        &CHANNEL
    }};
}

macro_rules! tracing_channel {
    () => {{
        static CHANNEL: TracingChannel<&'static str> =
            TracingChannel::new(concat!("test.subscribers.", line!()));
        &CHANNEL
    }};
}

fn count(channel: &'static Channel<u32>) -> (Subscription, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    (channel.subscribe(move |_| _ = counted.fetch_add(1, SeqCst)), count)
}

#[test]
fn a_subscriber_that_panics_harms_nobody() {
    let channel = channel!(u32);
    let told = Arc::new(Mutex::new(Vec::new()));
    let (log, name) = (told.clone(), channel.name());
    let _watch = throughline_channel::SUBSCRIBER_PANICS.subscribe(move |panic| {
        if panic.channel == name {
            log.lock().unwrap().push(panic.message.clone());
        }
    });
    let _broken = channel.subscribe(|_| panic!("out of tea"));
    let (_subscription, seen) = count(channel);
    channel.publish(&1);
    channel.publish(&2);
    assert_eq!(seen.load(SeqCst), 2);
    assert_eq!(*told.lock().unwrap(), ["out of tea", "out of tea"]);
    assert_eq!(channels().iter().find(|info| info.name == name).unwrap().panics, 2);
}

#[test]
fn a_tracing_subscriber_whose_start_panics_sees_nothing_more_of_that_work() {
    let channel = tracing_channel!();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let _subscription = observe(channel.name(), move |event| {
        log.lock().unwrap().push(event.kind());
        assert!(event.kind() != EventKind::Start || event.label() != "bad", "no good");
    });
    assert_eq!(channel.trace_sync(|| "bad", || 7), 7);
    assert_eq!(channel.trace_sync(|| "good", || 7), 7);
    use EventKind::{Complete, End, Start};
    assert_eq!(*seen.lock().unwrap(), [Start, Start, End, Complete]);
}

#[test]
fn subscribing_and_leaving_during_a_publish_are_harmless() {
    let channel = channel!(u32);
    let late = Arc::new(Mutex::new(Vec::new()));
    let (_second, seen) = count(channel);
    let kept = late.clone();
    let first = channel.subscribe(move |_| kept.lock().unwrap().push(count(channel)));
    channel.publish(&1);
    assert_eq!(seen.load(SeqCst), 1);
    assert_eq!(
        late.lock().unwrap()[0].1.load(SeqCst),
        0,
        "a late subscriber does not see the message in flight"
    );
    drop(first);
    channel.publish(&2);
    assert_eq!(late.lock().unwrap()[0].1.load(SeqCst), 1);
    late.lock().unwrap().clear();
}

#[test]
fn a_subscriber_may_drop_its_own_subscription() {
    let channel = channel!(u32);
    let own = Arc::new(Mutex::new(None::<Subscription>));
    let (mine, calls) = (own.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = calls.clone();
    *own.lock().unwrap() = Some(channel.subscribe(move |_| {
        counted.fetch_add(1, SeqCst);
        drop(mine.lock().unwrap().take());
    }));
    channel.publish(&1);
    channel.publish(&2);
    assert_eq!(calls.load(SeqCst), 1);
    assert!(!channel.has_subscribers());
}

#[test]
fn what_a_subscriber_owns_is_dropped_with_its_subscription() {
    let channel = channel!(u32);
    let owned = Arc::new(());
    let inside = owned.clone();
    let subscription = channel.subscribe(move |_| drop(inside.clone()));
    channel.publish(&1);
    drop(subscription);
    soon(|| Arc::strong_count(&owned) == 1);
}

/// What a thread may be reading at that moment, that thread drops: here another test's.
fn soon(is_true: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_true() {
        assert!(started.elapsed().as_secs() < 20, "never");
        std::thread::yield_now();
    }
}

#[test]
fn a_tracing_subscriber_that_comes_or_goes_during_work_sees_nothing_of_it_then() {
    let channel = tracing_channel!();
    let log = Arc::new(Mutex::new(Vec::new()));
    let listen = |who: &'static str| {
        let log = log.clone();
        observe(channel.name(), move |event| log.lock().unwrap().push((who, event.kind())))
    };
    let early = listen("early");
    let _late = channel.trace_sync(
        || "",
        || {
            drop(early);
            listen("late")
        },
    );
    assert_eq!(*log.lock().unwrap(), [("early", EventKind::Start)]);
}

#[test]
fn publishing_from_within_subscribers_stops_at_a_depth() {
    let channel = channel!(u32);
    let (_subscription, seen) = count(channel);
    let _echo = channel.subscribe(move |depth| channel.publish(&(depth + 1)));
    channel.publish(&0);
    assert_eq!(seen.load(SeqCst), 16);
    assert!(channels().iter().find(|info| info.name == channel.name()).unwrap().dropped > 0);
}

#[test]
fn nothing_is_published_under_suppression_and_it_follows_futures() {
    let (channel, traced) = (channel!(u32), tracing_channel!());
    let (_subscription, seen) = count(channel);
    let _watch = observe(traced.name(), |event| unreachable!("{event:?}"));
    suppress(|| {
        assert!(is_suppressed());
        channel.publish(&1);
        channel.publish_with(|| unreachable!());
        channel.run(&1, || ());
        assert_eq!(traced.trace_sync(|| "", || 7), 7);
    });
    assert!(!is_suppressed());
    let mut future = std::pin::pin!(Context::current().suppressed().follow(async { channel.publish(&1) }));
    let _ = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert_eq!(seen.load(SeqCst), 0);
}

#[test]
fn observers_wait_for_a_name_and_join_every_static_of_it() {
    static FIRST: Channel<u32> = Channel::new("test.subscribers.joined");
    static SECOND: Channel<String> = Channel::new("test.subscribers.joined");
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kept, owned) = (log.clone(), Arc::downgrade(&log));
    let subscription = observe("test.subscribers.joined", move |event| {
        kept.lock().unwrap().push((event.message::<u32>().copied(), event.label().to_owned()));
    });
    FIRST.publish(&7);
    SECOND.publish(&"seven".to_owned());
    assert_eq!(*log.lock().unwrap(), [(Some(7), String::new()), (None, "seven".to_owned())]);
    let info = channels().into_iter().find(|info| info.name == "test.subscribers.joined").unwrap();
    assert_eq!((info.message_types.len(), info.subscribers), (2, 2));
    drop((subscription, log));
    assert!(!FIRST.has_subscribers() && !SECOND.has_subscribers());
    soon(|| owned.upgrade().is_none());
}

#[test]
fn a_binding_that_panics_leaves_the_store_as_it_was() {
    static DEPTH: Store<u32> = Store::new();
    let channel = tracing_channel!();
    let _broken = channel.bind(&DEPTH, |message, depth| match *message {
        "bad" => panic!("no"),
        _ => depth.copied().unwrap_or(0) + 1,
    });
    let inner = channel.trace_sync(|| "good", || channel.trace_sync(|| "bad", || DEPTH.get()));
    assert_eq!(inner, Some(1));
    assert_eq!(DEPTH.get(), None);
}

#[test]
fn publishers_and_subscribers_on_many_threads_lose_nothing() {
    const MESSAGES: usize = if cfg!(miri) { 50 } else { 20_000 };
    const SUBSCRIPTIONS: usize = if cfg!(miri) { 10 } else { 500 };
    let channel = channel!(u32);
    let (_subscription, steady) = count(channel);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..MESSAGES).for_each(|n| channel.publish(&(n as u32))));
        }
        scope.spawn(|| (0..SUBSCRIPTIONS).for_each(|_| drop(count(channel))));
    });
    assert_eq!(steady.load(SeqCst), 2 * MESSAGES);
}

#[test]
fn one_event_of_a_tracing_channel_has_a_name_of_its_own() {
    static WORK: TracingChannel<&str> = TracingChannel::new("test.one_event");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watch = |name: &str| {
        let seen = seen.clone();
        observe(name, move |event| seen.lock().unwrap().push(event.kind().as_str()))
    };
    let names =
        ["tracing:test.one_event:end", "tracing:test.one_event:error", "tracing:test.one_event:nonsense"];
    let _subscriptions = names.map(watch);
    WORK.trace_sync(|| "", || ());
    let _failed = WORK.trace_result(|| "", || Err::<(), _>(std::io::Error::other("x1")));
    assert_eq!(*seen.lock().unwrap(), ["end", "error", "end"]);
}

#[test]
fn what_subscribers_own_is_dropped_although_others_publish_all_the_time() {
    const SUBSCRIPTIONS: usize = if cfg!(miri) { 5 } else { 300 };
    let (channel, over) = (channel!(u32), AtomicBool::new(false));
    let owned: Vec<Arc<AtomicUsize>> = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    channel.publish(&1);
                }
            });
        }
        let come_and_go = || {
            let (subscription, calls) = count(channel);
            channel.publish(&1);
            drop(subscription);
            calls
        };
        let owned = (0..SUBSCRIPTIONS).map(|_| come_and_go()).collect();
        over.store(true, SeqCst);
        owned
    });
    assert!(owned.iter().all(|calls| calls.load(SeqCst) > 0));
    soon(|| owned.iter().all(|calls| Arc::strong_count(calls) == 1));
}

#[test]
fn a_destructor_that_panics_harms_nobody_who_publishes() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }
    let channel = channel!(u32);
    let own = Arc::new(Mutex::new(None::<Subscription>));
    let (mine, bomb) = (own.clone(), Bomb);
    let (_subscription, seen) = count(channel);
    *own.lock().unwrap() = Some(channel.subscribe(move |_| {
        let _keep = &bomb;
        drop(mine.lock().unwrap().take());
    }));
    channel.publish(&1);
    channel.publish(&2);
    assert_eq!(seen.load(SeqCst), 2);
}

#[test]
fn subscribers_that_last_are_called_beside_others_that_come_and_go() {
    let channel = channel!(u32);
    let (lasting, calls) = count(channel);
    lasting.forget();
    channel.publish(&1);
    let (passing, passing_calls) = count(channel);
    channel.publish(&2);
    drop(passing);
    channel.publish(&3);
    assert_eq!((calls.load(SeqCst), passing_calls.load(SeqCst)), (3, 1));
}

#[test]
fn a_subscriber_may_subscribe_and_publish_from_within() {
    let channel = channel!(u32);
    let (seen, inner) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
    let (counted, kept) = (seen.clone(), inner.clone());
    channel
        .subscribe(move |n| {
            counted.fetch_add(1, SeqCst);
            if *n == 1 {
                *kept.lock().unwrap() = Some(count(channel));
                channel.publish(&2);
            }
        })
        .forget();
    channel.publish(&1);
    let (_subscription, calls) = inner.lock().unwrap().take().unwrap();
    assert_eq!((seen.load(SeqCst), calls.load(SeqCst)), (2, 1));
}
