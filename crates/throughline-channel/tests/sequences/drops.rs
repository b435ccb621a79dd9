//! What is inside a future of ours is dropped once, however it ends and whatever is done to it afterwards.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use throughline_channel::InContextExt;

use crate::{WORK, my_turn, record};

#[derive(Clone, Copy, Debug)]
enum Polled {
    Pending,
    Ready,
    Panics,
}

struct Counted {
    polled: Polled,
    drop_panics: bool,
    drops: Rc<Cell<u32>>,
}

impl Future for Counted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert_eq!(self.drops.get(), 0, "polled after it was dropped");
        match self.polled {
            Polled::Pending => Poll::Pending,
            Polled::Ready => Poll::Ready(()),
            Polled::Panics => panic!("poll"),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        assert!(!self.drop_panics, "drop");
    }
}

fn poll_and_drop(future: impl Future, polls: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    _ = catch_unwind(AssertUnwindSafe(|| {
        let mut future = pin!(future);
        for _ in 0..polls {
            _ = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready()));
        }
    }));
}

fn drops_of<F: Future>(wrap: impl Fn(Counted) -> F) {
    for polled in [Polled::Pending, Polled::Ready, Polled::Panics] {
        for (polls, drop_panics) in (0..3).flat_map(|polls| [(polls, false), (polls, true)]) {
            let drops = Rc::new(Cell::new(0));
            poll_and_drop(wrap(Counted { polled, drop_panics, drops: drops.clone() }), polls);
            assert_eq!(drops.get(), 1, "{polled:?}, {polls} polls, its destructor panics: {drop_panics}");
        }
    }
}

#[test]
fn an_untraced_future_is_dropped_once() {
    let _turn = my_turn();
    drops_of(|future| WORK.trace_future(|| "", future));
    drops_of(|future| WORK.trace_call(future, |_| Some(""), |future| future, |_, ()| None));
}

#[test]
fn a_traced_future_is_dropped_once() {
    let _subscription = record();
    drops_of(|future| WORK.trace_future(|| "", future));
    drops_of(|future| WORK.trace_call(future, |_| Some(""), |future| future, |_, ()| None));
}

#[test]
fn a_future_in_a_context_is_dropped_once() {
    drops_of(InContextExt::in_current_context);
}
