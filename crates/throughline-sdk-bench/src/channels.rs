//! The channels.

use std::hint::black_box;
use std::sync::atomic::{AtomicPtr, Ordering};

use throughline_channel::{Channel, TracingChannel};

use crate::eight_times;
use crate::lab::{Lab, poll_once};

static IDLE: TracingChannel<u64> = TracingChannel::new("bench.idle");
static BUSY: TracingChannel<u64> = TracingChannel::new("bench.busy");
static SENT: Channel<u64> = Channel::new("bench.sent");

/// Work worth some nanoseconds, less than anything that anybody would trace.
#[inline]
fn work(n: u64) -> u64 {
    (0..8).fold(black_box(n), |n, _| (n ^ (n >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

pub(crate) fn idle(lab: &Lab) {
    lab.hot8("call, nobody listens", "floor: untraced", || eight_times!(black_box(work(3))));
    lab.hot8("call, nobody listens", "throughline-channel, trace_sync", || {
        eight_times!(black_box(IDLE.trace_sync(|| black_box(1), || work(3))));
    });
    lab.hot8("call, nobody listens", "throughline-channel, publish_with", || {
        eight_times!({
            black_box(work(3));
            SENT.publish_with(|| black_box(1));
        });
    });
    let ready = || poll_once(std::pin::pin!(async { black_box(work(3)) }));
    lab.hot("future, nobody listens", "floor: untraced", ready);
    let traced =
        || poll_once(std::pin::pin!(IDLE.trace_future(|| black_box(1), async { black_box(work(3)) })));
    lab.hot("future, nobody listens", "throughline-channel, trace_future", traced);
}

static SUBSCRIBER: AtomicPtr<fn(&u64)> = AtomicPtr::new(std::ptr::null_mut());

#[expect(unsafe_code, reason = "the least that a list of one could cost")]
fn floor_publish(message: &u64) {
    let subscriber = SUBSCRIBER.load(Ordering::Acquire);
    // SAFETY: set once, before, to something that is never freed.
    if let Some(subscriber) = unsafe { subscriber.as_ref() } {
        subscriber(message);
    }
}

pub(crate) fn busy(lab: &Lab) {
    let listen: fn(&u64) = |message| _ = black_box(*message);
    SUBSCRIBER.store(Box::leak(Box::new(listen)), Ordering::Release);
    lab.hot("publish, one subscriber", "floor: pointer load and call", || floor_publish(&black_box(1)));
    let _subscription = SENT.subscribe(listen);
    lab.hot("publish, one subscriber", "throughline-channel", || SENT.publish(&black_box(1)));
    let _watch = throughline_channel::observe("bench.busy", |event| _ = black_box(event.id()));
    lab.hot("traced call, one subscriber", "throughline-channel, trace_sync", || {
        black_box(BUSY.trace_sync(|| 1, || work(3)));
    });
}
