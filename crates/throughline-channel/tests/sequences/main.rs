//! The events of every path that traced work can take, as one line each:
//! `s` start, `e` end, `as` `ae` async start and end, `er` error, `c` cancel, `.` complete; `!` marks the last event
//! before complete; `[ok]`, `[err]`, `[panic]`, `[cancel]` the outcome known at that event. Work and callers write
//! words of their own in between.
#![allow(clippy::unwrap_used, clippy::let_underscore_must_use, reason = "tests")]

mod drops;
mod invariants;
mod recorder;

use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use recorder::{Recorder, said, say};
use throughline_channel::{ErrorRecord, Subscription, TracedCallback, TracingChannel};

static WORK: TracingChannel<&'static str> = TracingChannel::new("test.work");

/// One test at a time listens: they share the channel.
fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record() -> (Subscription, MutexGuard<'static, ()>) {
    let turn = my_turn();
    said();
    (WORK.subscribe(Recorder), turn)
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Oops(&'static str);

impl std::fmt::Display for Oops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Oops {}

/// Polls `future` up to `polls` times, then drops it. Every traced result is told before the caller goes on.
fn drive<F: Future>(future: F, polls: usize) {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut future = pin!(future);
        for poll in 0..polls {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(_) => return say("caller"),
                Poll::Pending if poll + 1 == polls => say("dropping"),
                Poll::Pending => say("..."),
            }
        }
    }));
    if caught.is_err() {
        say("caught");
    }
}

/// Pending once, then ready.
async fn later<T>(value: T) -> T {
    let mut first = true;
    poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
    value
}

fn called() -> std::future::Ready<()> {
    say("call");
    ready(())
}

fn panics_in_the_call() -> std::future::Ready<()> {
    panic!("p")
}

fn panics_in_a_scope() {
    let _scope = WORK.scope(|| "");
    panic!("p")
}

async fn panics_around() {
    let mut work = pin!(WORK.trace_future(|| "", pending::<()>()));
    poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await.is_pending().then(|| panic!("p"));
}

async fn fallible_panics(waits: bool) -> Result<(), Oops> {
    if waits {
        later(()).await;
    }
    panic!("p");
}

async fn panics_later() {
    later(()).await;
    panic!("late");
}

struct SaysWhenDropped(&'static str);

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        say(self.0);
    }
}

fn quietly(f: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(f)).is_err() {
        say("caught");
    }
}

type Path = (&'static str, fn(), &'static str);

fn check(paths: &[Path]) {
    for (name, path, expected) in paths {
        let _subscription = record();
        path();
        assert_eq!(said(), *expected, "{name}");
    }
}

#[test]
fn every_synchronous_path_has_its_sequence() {
    check(&[
        ("returns", || WORK.trace_sync(|| "", || say("f")), "s f e[ok]! ."),
        (
            "panics",
            || quietly(|| WORK.trace_sync(|| "", || panic!("p"))),
            "s er(p)[panic] e[panic]! . caught",
        ),
        ("ok", || _ = WORK.trace_result(|| "", || Ok::<_, Oops>(())), "s e[ok]! ."),
        (
            "a fallible call panics",
            || quietly(|| _ = WORK.trace_result(|| "", || -> Result<(), Oops> { panic!("p") })),
            "s er(p)[panic] e[panic]! . caught",
        ),
        ("err", || _ = WORK.trace_result(|| "", || Err::<(), _>(Oops("x1"))), "s er(x1)[err] e[err]! ."),
        ("scope", || drop((WORK.scope(|| ""), say("f"))), "s f e[ok]! ."),
        ("scope left by a panic", || quietly(panics_in_a_scope), "s e c[unwinding]! . caught"),
    ]);
}

#[test]
fn every_asynchronous_path_has_its_sequence() {
    check(&[
        ("ready at first poll", || drive(WORK.trace_future(|| "", ready(())), 1), "s e[ok]! . caller"),
        (
            "fails at first poll",
            || drive(WORK.trace_try_future(|| "", ready(Err::<(), _>(Oops("x1")))), 1),
            "s er(x1)[err] e[err]! . caller",
        ),
        (
            "panics at first poll",
            || drive(WORK.trace_future(|| "", async { panic!("p") }), 1),
            "s er(p)[panic] e[panic]! . caught",
        ),
        ("ready later", || drive(WORK.trace_future(|| "", later(())), 9), "s e ... as[ok] ae[ok]! . caller"),
        (
            "fails later",
            || drive(WORK.trace_try_future(|| "", later(Err::<(), _>(Oops("x1")))), 9),
            "s e ... er(x1)[err] as[err] ae[err]! . caller",
        ),
        (
            "panics later",
            || drive(WORK.trace_future(|| "", panics_later()), 9),
            "s e ... er(late)[panic] as[panic] ae[panic]! . caught",
        ),
        (
            "ready at first poll, fallible",
            || drive(WORK.trace_try_future(|| "", ready(Ok::<_, Oops>(()))), 1),
            "s e[ok]! . caller",
        ),
        (
            "fallible, panics at first poll",
            || drive(WORK.trace_try_future(|| "", fallible_panics(false)), 1),
            "s er(p)[panic] e[panic]! . caught",
        ),
        (
            "fallible, panics later",
            || drive(WORK.trace_try_future(|| "", fallible_panics(true)), 9),
            "s e ... er(p)[panic] as[panic] ae[panic]! . caught",
        ),
        (
            "fallible, dropped before any poll",
            || drive(WORK.trace_try_future(|| "", fallible_panics(true)), 0),
            "",
        ),
        (
            "fallible, dropped while pending",
            || drive(WORK.trace_try_future(|| "", fallible_panics(true)), 1),
            "s e dropping c[cancel]! .",
        ),
        ("dropped before any poll", || drive(WORK.trace_future(|| "", later(())), 0), ""),
        (
            "dropped while pending",
            || drive(WORK.trace_future(|| "", pending::<()>()), 2),
            "s e ... dropping c[cancel]! .",
        ),
        ("dropped by a panic around it", || drive(panics_around(), 1), "s e c[unwinding]! . caught"),
        (
            "call, dropped before any poll",
            || drive(WORK.trace_call((), |()| Some(""), |()| pending::<()>(), |_, ()| None), 0),
            "s e c[cancel]! .",
        ),
        (
            "call, ready",
            || drive(WORK.trace_call((), |()| Some(""), |()| called(), |_, ()| None), 1),
            "s call e[ok]! . caller",
        ),
        (
            "call, panics in the call",
            || {
                quietly(|| {
                    drive(WORK.trace_call((), |()| Some(""), |()| panics_in_the_call(), |_, ()| None), 1)
                })
            },
            "s er(p)[panic] e[panic]! . caught",
        ),
    ]);
}

type Callback = TracedCallback<u8, Oops>;

fn callback(result: Result<u8, Oops>) {
    say(if result.is_ok() { "cb" } else { "cb(err)" });
}

#[test]
fn every_callback_path_has_its_sequence() {
    type Path = (&'static str, fn(Callback) -> Option<Callback>, fn(Callback), &'static str);
    let paths: &[Path] = &[
        ("called later", Some, |cb| cb.call(Ok(1)), "s e later as[ok] cb ae[ok]! ."),
        (
            "called later with an error",
            Some,
            |cb| cb.call(Err(Oops("x1"))),
            "s e later er(x1)[err] as[err] cb(err) ae[err]! .",
        ),
        ("dropped later", Some, drop, "s e later c[cancel]! ."),
        (
            "called inside",
            |cb| {
                cb.call(Ok(1));
                None
            },
            drop,
            "s as[ok] cb ae[ok] e[ok]! .",
        ),
        (
            "dropped inside",
            |cb| {
                drop(cb);
                None
            },
            drop,
            "s e c[cancel]! .",
        ),
        ("panics with the callback", |_| panic!("p"), drop, "s er(p)[panic] e[panic]! . caught"),
        (
            "panics after the call",
            |cb| {
                cb.call(Ok(1));
                panic!("p")
            },
            drop,
            "s as[ok] cb ae[ok] er(p)[panic] e[panic]! . caught",
        ),
    ];
    for (name, inside, later, expected) in paths {
        let _subscription = record();
        quietly(|| {
            if let Some(callback) = WORK.trace_callback(|| "", callback, inside) {
                say("later");
                later(callback);
            }
        });
        assert_eq!(said(), *expected, "{name}");
    }
}

/// What a callback does is its caller's business: the work was done before.
#[test]
fn a_callback_that_panics_itself_does_not_fail_the_work() {
    let panics = |_: Result<u8, Oops>| panic!("in the callback");
    let _subscription = record();
    let later = WORK.trace_callback(|| "", panics, |callback| callback);
    quietly(|| later.call(Ok(1)));
    assert_eq!(said(), "s e as[ok] ae[ok]! . caught");
    quietly(|| WORK.trace_callback(|| "", panics, |callback| callback.call(Ok(1))));
    assert_eq!(said(), "s as[ok] ae[ok] er(in the callback)[panic] e[panic]! . caught");
}

#[test]
fn work_that_is_opened_lasts_until_it_is_settled() {
    let open = || WORK.open(|| "").unwrap();
    let _subscription = record();
    let run = |f: fn(&dyn Fn() -> throughline_channel::OpenTrace<&'static str>)| {
        f(&open);
        said()
    };
    let x1 = || Some(ErrorRecord::new(&Oops("x1")));
    assert_eq!(run(|open| open().settle(None)), "s e[ok]! .");
    assert_eq!(
        run(|open| {
            let work = open();
            work.run(|| say("head"));
            work.end();
            work.end();
            work.run(|| say("body"));
            work.settle(None);
        }),
        "s head e body as[ok] ae[ok]! ."
    );
    open().settle(x1());
    assert_eq!(said(), "s er(x1)[err] e[err]! .");
    assert_eq!(run(|open| drop(open())), "s e c[cancel]! .");
    let panics = || {
        let _work = open();
        panic!("p");
    };
    quietly(|| assert!(catch_unwind(AssertUnwindSafe(panics)).is_err()));
    assert_eq!(said(), "s e c[unwinding]! .");
}

#[test]
fn a_call_without_a_message_is_not_traced() {
    let _subscription = record();
    drive(WORK.trace_call(7, |_| None, ready::<u8>, |_, _| None), 1);
    assert_eq!(said(), "caller");
}

#[test]
fn a_callback_called_on_another_thread_still_closes_its_work() {
    let _subscription = record();
    let callback = WORK.trace_callback(|| "", |_: Result<u8, Oops>| say("cb"), |callback| callback);
    let there = std::thread::spawn(move || {
        callback.call(Ok(1));
        said()
    });
    assert_eq!(there.join().unwrap(), "as[ok] cb ae[ok]! .");
    assert_eq!(said(), "s e");
}

#[test]
fn work_inside_closes_before_the_work_around_it() {
    // A timeout layer that gives up on what it holds and then fails itself.
    async fn timeout(inner: impl Future<Output = ()>) -> Result<(), Oops> {
        let mut inner = pin!(inner);
        poll_fn(|cx| inner.as_mut().poll(cx)).await;
        Ok(())
    }
    let _subscription = record();
    let mut polls = 0;
    let mut handler = Box::pin(timeout(WORK.trace_future(|| "handler", pending())));
    let layer = WORK.trace_try_future(
        || "timeout",
        poll_fn(move |cx| {
            polls += 1;
            let _ = handler.as_mut().poll(cx);
            if polls < 2 { Poll::Pending } else { Poll::Ready(Err::<(), _>(Oops("elapsed"))) }
        }),
    );
    drive(layer, 9);
    assert_eq!(
        said(),
        "s:timeout s:handler e:handler e:timeout ... c:handler[cancel]! . \
         er(elapsed):timeout[err] as:timeout[err] ae:timeout[err]! . caller"
    );
}

#[test]
fn nested_work_is_nested_whether_sync_or_polled() {
    let _subscription = record();
    let handler = async { WORK.trace_future(|| "h", later(())).await };
    drive(WORK.trace_future(|| "a", WORK.trace_future(|| "b", handler)), 9);
    assert_eq!(
        said(),
        "s:a s:b s:h e:h e:b e:a ... as:h[ok] ae:h[ok]! . as:b[ok] ae:b[ok]! . as:a[ok] ae:a[ok]! . caller"
    );
}

#[test]
fn the_inner_future_is_dropped_inside_the_work_and_only_once() {
    let _subscription = record();
    let guard = SaysWhenDropped("dropped");
    drive(
        WORK.trace_future(|| "", async move {
            let _guard = guard;
            later(()).await;
        }),
        9,
    );
    // The work's own locals go when it returns; the future's captures when the wrapper drops it: both before `as`.
    assert_eq!(said(), "s e ... dropped as[ok] ae[ok]! . caller");
}

#[test]
fn a_panicking_destructor_counts_as_the_work_s_own_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    let _subscription = record();
    let bomb = Bomb;
    let mut first = true;
    let future = poll_fn(move |_| {
        let _keep = &bomb;
        if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
    });
    drive(WORK.trace_future(|| "", future), 9);
    assert_eq!(said(), "s e ... er(bomb)[panic] as[panic] ae[panic]! . caught");
}

#[test]
fn nothing_is_published_or_built_without_subscribers() {
    let _turn = my_turn();
    said();
    let never = || -> &'static str { unreachable!("nobody listens") };
    WORK.trace_sync(never, || say("f"));
    drive(WORK.trace_future(never, later(())), 9);
    assert_eq!(said(), "f ... caller");
}
