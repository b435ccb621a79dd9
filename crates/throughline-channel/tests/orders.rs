//! Every order in which the steps of reading and replacing can happen, tried out one by one:
//! `RUSTFLAGS="--cfg loom" cargo test --package throughline-channel --test orders`.
#![cfg(loom)]
#![allow(unsafe_code, clippy::unwrap_used, reason = "tests")]

#[path = "../src/quiet.rs"]
mod quiet;
#[path = "../src/reader.rs"]
mod reader;

mod fence {
    use loom::sync::atomic::{Ordering, fence};

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        true
    }
}

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};
    pub(crate) use loom::sync::{Arc, Mutex};
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicPtr, Ordering};
use reader::{Reader, Reading, retire};

/// Loom finds it when this is read while it is written.
struct Content(UnsafeCell<()>);

// SAFETY: whoever uses it lets loom see to it.
unsafe impl Sync for Content {}
// SAFETY: it is nothing.
unsafe impl Send for Content {}

/// Writes its content when it is dropped.
struct Value {
    content: Arc<Content>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.content.0.with_mut(|_| ());
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// One thread that reads, and what it reads.
struct Scene {
    reader: Reader,
    shown: AtomicPtr<Value>,
    dropped: Arc<AtomicUsize>,
}

impl Scene {
    fn value(&self) -> Arc<Value> {
        Arc::new(Value { content: Arc::new(Content(UnsafeCell::new(()))), dropped: self.dropped.clone() })
    }

    fn show(&self, value: &Arc<Value>) {
        self.shown.store(Arc::as_ptr(value).cast_mut(), Ordering::Release);
    }

    fn look(&self, reading: &Reading<'_>) {
        // SAFETY: what is shown is owned by an `Arc`, and given to `retire` after something else is shown.
        if let Some(value) = unsafe { reading.look(&self.shown) } {
            value.content.0.with(|_| ());
        }
    }
}

/// `read` on a thread of its own, while what is shown is replaced so many times.
fn while_replacing(replacements: usize, read: fn(&Scene)) {
    loom::model(move || {
        let (shown, dropped) = (AtomicPtr::new(std::ptr::null_mut()), Arc::default());
        let scene = Arc::new(Scene { reader: Reader::new(), shown, dropped });
        let mut now = scene.value();
        scene.show(&now);
        let there = scene.clone();
        let reading = loom::thread::spawn(move || read(&there));
        for _ in 0..replacements {
            let next = scene.value();
            scene.show(&next);
            let replaced = std::mem::replace(&mut now, next);
            drop(retire(&[&scene.reader], loom::sync::Arc::from_std(replaced)));
        }
        reading.join().unwrap();
        assert_eq!(scene.dropped.load(SeqCst), replacements, "what is read no more is dropped");
    });
}

#[test]
fn what_is_read_is_there_until_it_is_read_no_more_and_then_no_longer() {
    while_replacing(1, |scene| {
        scene.reader.reading(|reading| scene.look(reading));
        scene.reader.reading(|reading| scene.look(reading));
    });
}

#[test]
fn a_reader_may_find_one_after_the_other() {
    while_replacing(2, |scene| {
        scene.reader.reading(|reading| {
            scene.look(reading);
            scene.look(reading);
        });
    });
}

#[test]
fn only_the_outermost_reading_counts_as_done() {
    while_replacing(1, |scene| {
        scene.reader.reading(|reading| {
            scene.reader.reading(|inner| {
                assert_eq!((reading.depth(), inner.depth()), (0, 1));
                scene.look(inner);
            });
            scene.look(reading);
        });
    });
}
