//! The channels.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use throughline_channel::{Channel, Store, TracingChannel};

use crate::eight_times;
use crate::lab::Lab;

static IDLE: TracingChannel<u64> = TracingChannel::new("bench.idle");
static BUSY: TracingChannel<u64> = TracingChannel::new("bench.busy");
static REQUEST: Store<u64> = Store::new();
static SENT: Channel<u64> = Channel::new("bench.sent");

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

/// Awaits what is new at each of eight places, then lets others have a turn, for ever.
macro_rules! eight_awaited {
    ($future:expr) => {
        async {
            loop {
                eight_times!(_ = black_box($future.await));
                <Wait>::default().await;
            }
        }
    };
}

/// By how much two identical things differ: the noise of what is compared beside them.
const FLOOR: &str = "floor: untraced";
const AGAIN: &str = "floor: untraced, compiled again";

pub(crate) fn idle(lab: &Lab) {
    lab.in_turns(
        "small call, nobody listens",
        &mut [
            (FLOOR, &mut || eight_times!(black_box(small(HEADER)))),
            (AGAIN, &mut || eight_times!(black_box(small(HEADER)))),
            ("throughline-channel, trace_sync", &mut || {
                eight_times!(black_box(IDLE.trace_sync(|| black_box(1), || small(HEADER))));
            }),
        ],
    );
    in_a_task(lab, "small future, nobody listens", 1, || async { small(HEADER) });
    in_a_task(lab, "small future that waits once, nobody listens", 9, || async {
        <Wait>::default().await;
        small(HEADER)
    });
    in_a_task(lab, "small future whose wait is known when compiled, nobody listens", 9, || async {
        Wait::<true>::default().await;
        small(HEADER)
    });
    on_a_runtime(lab, "small future that a runtime wakes once, nobody listens");
}

/// A future that waits as futures do outside benches: somebody is asked to wake it, and a runtime polls it again.
fn on_a_runtime(lab: &Lab, op: &str) {
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("no runtime, so no {op}: {error}"),
    };
    let work = || async {
        tokio::task::yield_now().await;
        small(HEADER)
    };
    let traced = || IDLE.trace_future(|| black_box(1), work());
    lab.in_turns(
        op,
        &mut [
            (FLOOR, &mut || runtime.block_on(async { eight_times!(_ = black_box(work().await)) })),
            (AGAIN, &mut || runtime.block_on(async { eight_times!(_ = black_box(work().await)) })),
            ("throughline-channel, trace_future", &mut || {
                runtime.block_on(async { eight_times!(_ = black_box(traced().await)) });
            }),
        ],
    );
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Futures awaited at eight places of a task, which is polled `polls` times through a pointer, as a runtime does it,
/// until it has been at all of them.
fn in_a_task<F: Future>(lab: &Lab, op: &str, polls: usize, work: impl Fn() -> F) {
    let traced = || IDLE.trace_future(|| black_box(1), work());
    let mut tasks: [(&str, Task<'_>); _] = [
        (FLOOR, Box::pin(eight_awaited!(work()))),
        (AGAIN, Box::pin(eight_awaited!(work()))),
        ("throughline-channel, trace_future", Box::pin(eight_awaited!(traced()))),
        ("a wrapper by hand", Box::pin(eight_awaited!(ByHand::new(std::pin::pin!(work()))))),
    ];
    let mut polled = tasks.each_mut().map(|(label, task)| {
        let poll = move || {
            let mut cx = Context::from_waker(Waker::noop());
            (0..polls).for_each(|_| _ = black_box(task.as_mut().poll(&mut cx)));
        };
        (*label, poll)
    });
    let mut variants = polled.each_mut().map(|(label, poll)| (*label, poll as &mut dyn FnMut()));
    lab.in_turns(op, &mut variants);
}

/// Pending once. As with anything that is waited for, the compiler does not know when it has come; unless it is `KNOWN`,
/// so that the compiler leaves an untraced one's first poll out. Nobody waits for such a thing; it is the worst that a
/// traced one can be compared with.
#[derive(Default)]
struct Wait<const KNOWN: bool = false>(bool);

impl<const KNOWN: bool> Future for Wait<KNOWN> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let waited = std::mem::replace(&mut self.0, true);
        let has_come = if KNOWN { waited } else { black_box(waited) };
        if has_come { Poll::Ready(()) } else { Poll::Pending }
    }
}

static LISTENED_TO: AtomicBool = AtomicBool::new(false);

/// What anybody would write who wants to know of a future's end when somebody listens: a flag is looked at, and
/// what is known of the work is carried along, in a box that is not there as a rule.
struct ByHand<F> {
    future: F,
    work: Option<Box<Instant>>,
}

impl<F> ByHand<F> {
    #[inline]
    fn new(future: F) -> Self {
        Self { future, work: LISTENED_TO.load(Ordering::Relaxed).then(|| Box::new(Instant::now())) }
    }
}

impl<F: Future + Unpin> Future for ByHand<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = Pin::new(&mut self.future).poll(cx);
        if self.work.is_some() && polled.is_ready() {
            self.over();
        }
        polled
    }
}

impl<F> ByHand<F> {
    #[cold]
    #[inline(never)]
    fn over(&mut self) {
        black_box(self.work.take());
    }
}

impl<F> Drop for ByHand<F> {
    #[inline]
    fn drop(&mut self) {
        if self.work.is_some() {
            self.over();
        }
    }
}

/// The same around next to nothing: what it costs in itself.
pub(crate) fn idle_least(lab: &Lab) {
    lab.hot8("least call, nobody listens", FLOOR, || eight_times!(black_box(least(3))));
    lab.hot8("least call, nobody listens", "throughline-channel, trace_sync", || {
        eight_times!(black_box(IDLE.trace_sync(|| black_box(1), || least(3))));
    });
    lab.hot8("least call, nobody listens", "throughline-channel, publish_with", || {
        eight_times!({
            black_box(least(3));
            SENT.publish_with(|| black_box(1));
        });
    });
    in_a_task(lab, "least future, nobody listens", 1, || async { least(3) });
}

type Listener = Box<dyn Fn(&u64) + Send + Sync>;

static LISTENER: AtomicPtr<Listener> = AtomicPtr::new(std::ptr::null_mut());

/// A call through a pointer, to what is not known when this is compiled.
#[expect(unsafe_code, reason = "the least that a list of one could cost")]
fn floor_publish(message: &u64) {
    let listener = LISTENER.load(Ordering::Acquire);
    // SAFETY: set once, before, to something that is never freed.
    if let Some(listener) = unsafe { listener.as_ref() } {
        listener(message);
    }
}

pub(crate) fn busy(lab: &Lab) {
    let listen = |message: &u64| _ = black_box(*message);
    LISTENER.store(Box::leak(Box::new(Box::new(listen) as Listener)), Ordering::Release);
    lab.hot("publish, one subscriber", "floor: indirect call", || floor_publish(&black_box(1)));
    let _subscription = SENT.subscribe(listen);
    lab.hot("publish, one subscriber", "throughline-channel", || SENT.publish(&black_box(1)));
    REQUEST.run(1, || {
        lab.hot("publish, one subscriber", "throughline-channel, in a context", || {
            SENT.publish(&black_box(1));
        });
    });
    let _watch = throughline_channel::observe("bench.busy", |event| _ = black_box(event.id()));
    lab.hot("traced call, one subscriber", "throughline-channel, trace_sync", || {
        black_box(BUSY.trace_sync(|| 1, || least(3)));
    });
}
