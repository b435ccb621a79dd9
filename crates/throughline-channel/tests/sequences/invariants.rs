//! The invariants of the crate's page, over trees of work that nobody thought of: work that waits, fails, panics,
//! tries again, gives up on what it waits for, and goes on on another thread.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use throughline_channel::{EventKind, EventView, TracingChannel, observe};

use super::{Oops, later};

static TREE: TracingChannel<&'static str> = TracingChannel::new("test.tree");

type Work = Pin<Box<dyn Future<Output = Result<(), Oops>> + Send>>;

/// Draws numbers, always the same ones.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn other(&mut self) -> Self {
        Self(self.roll(u64::MAX) | 1)
    }
}

/// Goes on with something else beside it, which it has still not let go of when it is ready itself.
fn beside(held: impl Future + Send + 'static, mut work: Work) -> Work {
    let mut held = Box::pin(held);
    let mut is_waiting = true;
    Box::pin(poll_fn(move |cx| {
        is_waiting = is_waiting && held.as_mut().poll(cx).is_pending();
        work.as_mut().poll(cx)
    }))
}

fn grow(mut dice: Dice, depth: u32) -> Work {
    if depth < 4 && dice.roll(4) == 0 {
        let held = TREE.trace_try_future(|| "is held", grow(dice.other(), depth + 1));
        return beside(held, grow(dice, depth + 1));
    }
    Box::pin(async move {
        for _ in 0..dice.roll(5) {
            let inner = (depth < 4).then(|| grow(dice.other(), depth + 1));
            match (dice.roll(9), inner) {
                (0..2, Some(inner)) => TREE.trace_try_future(|| "passes on", inner).await?,
                (2, Some(inner)) => _ = TREE.trace_try_future(|| "recovers", inner).await,
                (3, Some(inner)) => give_up(TREE.trace_try_future(|| "gives up", inner), dice.roll(4)),
                (4, Some(inner)) => {
                    TREE.trace_call(inner, |_| Some("a call"), |inner| inner, |_, _| None).await.ok();
                }
                (5, _) => TREE.trace_result(|| "fails", || Err(Oops("x1")))?,
                (6, _) if dice.roll(4) == 0 => TREE.trace_sync(|| "panics", || panic!("p")),
                (7, _) => TREE.trace_sync(|| "returns", || ()),
                _ => later(()).await,
            }
        }
        Ok(())
    })
}

/// Asks so many times, and then no more.
fn give_up(work: impl Future, polls: u64) {
    let mut work = std::pin::pin!(work);
    for _ in 0..polls {
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
    }
}

/// Runs one tree, each poll perhaps on another thread, and sometimes not to its end.
fn run(dice: &mut Dice) {
    let work = grow(dice.other(), 0);
    let mut root = Box::pin(TREE.trace_try_future(|| "root", work));
    let patience = dice.roll(12);
    let mut poll = || root.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    for _ in 0..patience {
        let elsewhere = dice.roll(3) == 0;
        let polled = catch_unwind(AssertUnwindSafe(|| match elsewhere {
            true => std::thread::scope(|scope| scope.spawn(&mut poll).join().unwrap_or(false)),
            false => poll(),
        }));
        if !polled.unwrap_or(false) {
            return;
        }
    }
}

struct Seen {
    kind: EventKind,
    id: u64,
    parent: Option<u64>,
    has_outcome: bool,
    /// Of the error that began here.
    error: Option<u64>,
}

impl Seen {
    fn of(event: &EventView<'_>) -> Self {
        let began = event.error().filter(|_| event.kind() == EventKind::Error);
        Self {
            kind: event.kind(),
            id: event.id(),
            parent: event.parent(),
            has_outcome: event.outcome().is_some(),
            error: began.map(throughline_channel::ErrorRecord::sequence),
        }
    }
}

#[test]
fn every_tree_of_work_keeps_the_invariants() {
    const TREES: u64 = if cfg!(miri) { 15 } else { 2_000 };
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = log.clone();
    let _subscription = observe(TREE.name(), move |event| kept.lock().unwrap().push(Seen::of(event)));
    let (mut dice, mut kinds) = (Dice(0x9E37_79B9_7F4A_7C15), BTreeMap::<_, u64>::new());
    for _ in 0..TREES {
        run(&mut dice);
        let seen = std::mem::take(&mut *log.lock().unwrap());
        seen.iter().for_each(|event| *kinds.entry(event.kind.as_str()).or_default() += 1);
        check(&seen);
    }
    // Otherwise what was checked is too little.
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert_eq!((kinds["start"], kinds["start"]), (kinds["end"], kinds["complete"]));
}

fn check(seen: &[Seen]) {
    let mut work: BTreeMap<u64, Vec<(usize, &Seen)>> = BTreeMap::new();
    for (place, event) in seen.iter().enumerate() {
        work.entry(event.id).or_default().push((place, event));
    }
    for events in work.values() {
        let kinds: Vec<_> = events.iter().map(|(_, event)| event.kind).collect();
        let count = |kind: EventKind| kinds.iter().filter(|known| **known == kind).count();
        // 1 and 2
        assert_eq!((kinds[0], count(EventKind::Start), count(EventKind::End)), (EventKind::Start, 1, 1));
        // 3
        assert_eq!((kinds.last(), count(EventKind::Complete)), (Some(&EventKind::Complete), 1));
        let closes = |event: &Seen| match event.kind {
            EventKind::End => event.has_outcome,
            kind => matches!(kind, EventKind::AsyncEnd | EventKind::Cancel),
        };
        let closing: Vec<_> = (0..events.len()).filter(|at| closes(events[*at].1)).collect();
        assert_eq!(closing, [events.len() - 2], "{kinds:?}");
        // 6
        if let Some(around) = events[0].1.parent.and_then(|parent| work.get(&parent)) {
            let (complete, closed) = (events[events.len() - 1].0, around[around.len() - 2].0);
            assert!(complete < closed, "what is inside closes first");
        }
    }
    // 4; that errors come before the closing event is in 3.
    let mut errors: Vec<_> = seen.iter().filter_map(|event| event.error).collect();
    let all = errors.len();
    errors.sort_unstable();
    errors.dedup();
    assert_eq!(errors.len(), all, "an error is published once");
}
