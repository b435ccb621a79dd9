//! The channels.

use std::hint::black_box;
use std::sync::atomic::{AtomicPtr, Ordering};

use throughline_channel::{Channel, TracingChannel};

use crate::eight_times;
use crate::lab::{Lab, poll_once};

static IDLE: TracingChannel<u64> = TracingChannel::new("bench.idle");
static BUSY: TracingChannel<u64> = TracingChannel::new("bench.busy");
static SENT: Channel<u64> = Channel::new("bench.sent");
static PASSING: Channel<u64> = Channel::new("bench.passing");

/// Work worth two nanoseconds, less than anything that anybody would trace.
#[inline]
fn least(n: u64) -> u64 {
    (0..8).fold(black_box(n), |n, _| (n ^ (n >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A call as small as one that somebody might trace: a key is looked for in a header's value.
#[inline(never)]
fn small(header: &str) -> Option<usize> {
    header.split(';').position(|part| part.trim().starts_with(black_box("session=")))
}

const HEADER: &str = "theme=dark; locale=en-GB; session=0190163d8694739b95abc0270a5e3d13";

pub(crate) fn idle(lab: &Lab) {
    lab.hot8("small call, nobody listens", "floor: untraced", || eight_times!(black_box(small(HEADER))));
    lab.hot8("small call, nobody listens", "throughline-channel, trace_sync", || {
        eight_times!(black_box(IDLE.trace_sync(|| black_box(1), || small(HEADER))));
    });
    let ready = || poll_once(std::pin::pin!(async { black_box(small(HEADER)) }));
    lab.hot("small future, nobody listens", "floor: untraced", ready);
    let future = || async { black_box(small(HEADER)) };
    let traced = || poll_once(std::pin::pin!(IDLE.trace_future(|| black_box(1), future())));
    lab.hot("small future, nobody listens", "throughline-channel, trace_future", traced);
}

/// The same around next to nothing: what it costs in itself.
pub(crate) fn idle_least(lab: &Lab) {
    lab.hot8("least call, nobody listens", "floor: untraced", || eight_times!(black_box(least(3))));
    lab.hot8("least call, nobody listens", "throughline-channel, trace_sync", || {
        eight_times!(black_box(IDLE.trace_sync(|| black_box(1), || least(3))));
    });
    lab.hot8("least call, nobody listens", "throughline-channel, publish_with", || {
        eight_times!({
            black_box(least(3));
            SENT.publish_with(|| black_box(1));
        });
    });
    let ready = || poll_once(std::pin::pin!(async { black_box(least(3)) }));
    lab.hot("least future, nobody listens", "floor: untraced", ready);
    let future = || async { black_box(least(3)) };
    let traced = || poll_once(std::pin::pin!(IDLE.trace_future(|| black_box(1), future())));
    lab.hot("least future, nobody listens", "throughline-channel, trace_future", traced);
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
    SENT.subscribe(listen).forget();
    lab.hot("publish, one subscriber", "throughline-channel", || SENT.publish(&black_box(1)));
    let _subscription = PASSING.subscribe(listen);
    lab.hot("publish, one subscriber", "throughline-channel, one that may go", || {
        PASSING.publish(&black_box(1));
    });
    let _watch = throughline_channel::observe("bench.busy", |event| _ = black_box(event.id()));
    lab.hot("traced call, one subscriber", "throughline-channel, trace_sync", || {
        black_box(BUSY.trace_sync(|| 1, || least(3)));
    });
}
