//! The context is where it should be, and nowhere else.
#![allow(clippy::unwrap_used, clippy::let_underscore_must_use, reason = "tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{self, Poll, Waker};

use throughline_channel::{Context, InContextExt, Store, TracingChannel};

static USER: Store<u64> = Store::new();
static OTHER: Store<String> = Store::new();

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut task::Context::from_waker(Waker::noop()))
}

#[test]
fn a_context_is_left_as_it_was_found_after_a_panic_too() {
    USER.run(1, || {
        let caught = catch_unwind(AssertUnwindSafe(|| USER.run(2, || panic!("out"))));
        assert!(caught.is_err());
        assert_eq!(USER.get(), Some(1));
        let mut future = pin!(USER.follow(3, async { panic!("out") }));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).is_err());
        assert_eq!(USER.get(), Some(1));
    });
    assert_eq!(USER.get(), None);
}

#[test]
fn stores_are_independent_and_contexts_immutable() {
    let one = Context::new().with(&USER, 1);
    let both = one.with(&OTHER, "x".to_owned());
    let without = both.without(&USER);
    assert_eq!((one.get(&USER), one.get(&OTHER)), (Some(&1), None));
    assert_eq!((both.get(&USER), both.get(&OTHER).map(String::as_str)), (Some(&1), Some("x")));
    assert_eq!((without.get(&USER), without.get(&OTHER).is_some()), (None, true));
    assert_eq!(both.with(&USER, 2).get(&USER), Some(&2));
    assert_eq!(both.get(&USER), Some(&1));
}

#[test]
fn a_future_is_dropped_in_its_context_also_unpolled() {
    struct Witness(std::sync::mpsc::Sender<Option<u64>>);
    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(USER.get());
        }
    }
    let (sender, seen) = std::sync::mpsc::channel();
    let witness = Witness(sender);
    drop(USER.follow(5, async move {
        let _witness = witness;
        std::future::pending::<()>().await;
    }));
    assert_eq!(seen.recv(), Ok(Some(5)));
}

#[test]
fn a_context_is_captured_when_asked_for_not_when_polled() {
    let future = USER.run(1, || async { USER.get() }.in_current_context());
    let mut future = pin!(future);
    USER.run(2, || assert_eq!(poll(future.as_mut()), Poll::Ready(Some(1))));
}

#[test]
fn threads_get_what_they_are_handed() {
    USER.run(1, || {
        assert_eq!(std::thread::spawn(|| USER.get()).join().unwrap(), None);
        assert_eq!(std::thread::spawn(Context::current().wrap(|| USER.get())).join().unwrap(), Some(1));
    });
}

#[test]
fn thousands_of_interleaved_futures_never_mix() {
    // Miri looks for what a thousand more would not show.
    const FUTURES: u64 = if cfg!(miri) { 20 } else { 10_000 };
    async fn work(user: u64) {
        for step in 0..20 {
            assert_eq!(USER.get(), Some(user));
            let mut ready = false;
            std::future::poll_fn(|_| {
                if std::mem::replace(&mut ready, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if step % 7 == user % 7 {
                USER.follow(user + 1_000_000, async { assert_eq!(USER.get(), Some(user + 1_000_000)) }).await;
            }
            assert_eq!(USER.get(), Some(user));
        }
    }
    type Slot = Option<Pin<Box<dyn Future<Output = ()>>>>;
    let future = |user| Some(Box::pin(USER.follow(user, work(user))) as Pin<Box<dyn Future<Output = ()>>>);
    let mut futures: Vec<Slot> = (0..FUTURES).map(future).collect();
    // Every third is abandoned half-way, polls go up and down, and nothing is left behind on the thread.
    for round in 0..25 {
        let turn = |(index, slot): (usize, &mut Slot)| {
            let done = slot.as_mut().is_some_and(|future| poll(future.as_mut()).is_ready());
            if done || (round == 10 && index % 3 == 0) {
                *slot = None;
            }
        };
        match round % 2 {
            0 => futures.iter_mut().enumerate().for_each(turn),
            _ => futures.iter_mut().enumerate().rev().for_each(turn),
        }
        assert_eq!(USER.get(), None);
    }
    assert!(futures.iter().all(Option::is_none));
}

#[test]
fn a_bound_value_is_seen_in_the_work_and_its_future_but_not_by_the_caller() {
    static WORK: TracingChannel<&'static str> = TracingChannel::new("test.context.bound");
    let _binding = WORK.bind(&USER, |_, user| user.copied().unwrap_or(0) + 1);
    let mut future = pin!(WORK.trace_future(|| "outer", async {
        let inner = WORK.trace_future(|| "inner", async { USER.get() }).await;
        (USER.get(), inner)
    }));
    assert_eq!(poll(future.as_mut()), Poll::Ready((Some(1), Some(2))));
    assert_eq!(USER.get(), None);
    let mut future =
        pin!(WORK.trace_call((), |()| Some("call"), |()| std::future::ready(USER.get()), |_, _| None));
    assert_eq!(poll(future.as_mut()), Poll::Ready(Some(1)));
}

#[test]
fn futures_stay_send_and_unpin_when_what_they_hold_is() {
    fn send<T: Send>(_: &T) {}
    fn unpin<T: Unpin>(_: &T) {}
    static WORK: TracingChannel<&'static str> = TracingChannel::new("test.context.auto");
    let in_context = std::future::ready(1).in_current_context();
    let traced = WORK.trace_future(|| "", std::future::ready(1));
    send(&in_context);
    unpin(&in_context);
    send(&traced);
    unpin(&traced);
    assert!(std::mem::size_of_val(&traced) <= 4 * std::mem::size_of::<usize>());
}
