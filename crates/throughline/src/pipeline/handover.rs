//! A value that its owner changes all the time, and that somebody else takes away now and then.
//!
//! Behind a mutex the owner would pay for two locked instructions each time, and each of them waits until all that was
//! stored before has reached the cache: more than the rest of an event costs. Here the owner says by a plain store that
//! it is at it, then looks whether the value is wanted; whoever wants it says so, then looks whether the owner is at
//! it. One of the two must see the other, for which each needs a barrier between its store and its look. Linux lets who
//! wants it pay for both: `membarrier` has every running thread of the process pass one. Elsewhere both pay.

#![expect(unsafe_code, reason = "shares a value between two threads by a protocol of its own; see above")]

#[cfg(throughline_loom)]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard},
    thread::yield_now,
};
use std::sync::PoisonError;
#[cfg(not(throughline_loom))]
use std::{
    sync::atomic::{AtomicBool, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard},
    thread::yield_now,
};

/// The owner's side: one thread at a time has it.
pub(crate) struct Owner<T>(Arc<Shared<T>>);

/// The other side. It may be cloned: who takes waits for who took before.
pub(crate) struct Taker<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// The owner is at it, or about to look whether it may be.
    inside: AtomicBool,
    /// Somebody wants it, or has it.
    wanted: AtomicBool,
    /// The owner was at it since it was taken.
    used: AtomicBool,
    /// Held by who wants it, until it was taken.
    taking: Mutex<()>,
    /// Whether who takes pays for both barriers.
    asymmetric: bool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time; see `Owner::with` and `take_all`.
unsafe impl<T: Send> Sync for Shared<T> {}

/// A value to be handed over.
pub(crate) fn handover<T>(value: T) -> (Owner<T>, Taker<T>) {
    let shared = Arc::new(Shared {
        inside: AtomicBool::new(false),
        wanted: AtomicBool::new(false),
        used: AtomicBool::new(false),
        taking: Mutex::new(()),
        asymmetric: barrier::is_asymmetric(),
        value: UnsafeCell::new(value),
    });
    (Owner(shared.clone()), Taker(shared))
}

impl<T> Owner<T> {
    /// Works with the value. It must be short: who wants the value waits for it.
    #[inline]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        let shared = &*self.0;
        loop {
            shared.inside.store(true, Ordering::Relaxed);
            barrier::light(shared.asymmetric);
            if !shared.wanted.load(Ordering::Acquire) {
                break;
            }
            shared.stand_back();
        }
        let _inside = Inside(shared);
        // SAFETY: `&mut self` says that no other call of this is under way, for there is one owner. `take_all` is not at
        // it: it says `wanted` before a barrier and looks at `inside` after it, and here it is the other way round. So
        // if we did not see it want the value, it sees us and waits; or it is done, and we saw `wanted` as it left it,
        // so with what it did.
        shared.value.with_mut(|value| f(unsafe { &mut *value }))
    }

    /// Whether nobody is left who could take it.
    pub(crate) fn is_alone(&self) -> bool {
        is_alone(&self.0)
    }
}

/// Says that the owner is not at it any more, also after a panic.
struct Inside<'a, T>(&'a Shared<T>);

impl<T> Drop for Inside<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.used.store(true, Ordering::Relaxed);
        self.0.inside.store(false, Ordering::Release);
    }
}

impl<T> Shared<T> {
    /// Lets somebody take it.
    #[cold]
    fn stand_back(&self) {
        self.inside.store(false, Ordering::Release);
        drop(self.taking.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<T> Taker<T> {
    /// Whether the owner was at it since it was taken, as far as that is known here.
    pub(crate) fn is_used(&self) -> bool {
        self.0.used.load(Ordering::Acquire)
    }

    /// Whether there is nobody else any more: no owner.
    pub(crate) fn is_alone(&self) -> bool {
        is_alone(&self.0)
    }
}

fn is_alone<T>(shared: &Arc<Shared<T>>) -> bool {
    let alone = Arc::strong_count(shared) == 1;
    // What the other did before it went is known from here on.
    fence(Ordering::Acquire);
    alone
}

impl<T> Clone for Taker<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Takes them one after the other. `f` should be short: the owners may wait for it.
pub(crate) fn take_all<T>(takers: &[Taker<T>], mut f: impl FnMut(&mut T)) {
    if takers.is_empty() {
        return;
    }
    let claims: Vec<Claim<'_, T>> = takers.iter().map(|taker| Claim::new(&taker.0)).collect();
    barrier::heavy(takers[0].0.asymmetric);
    for Claim { shared, .. } in claims.iter() {
        while shared.inside.load(Ordering::Acquire) {
            yield_now();
        }
    }
    for claim in claims {
        claim.shared.used.store(false, Ordering::Relaxed);
        // SAFETY: the mutex of the claim keeps others off who take. The owner is not at it, and will not be until the
        // claim is dropped; see `Owner::with`.
        claim.shared.value.with_mut(|value| f(unsafe { &mut *value }));
    }
}

/// That a value is wanted, until it is dropped.
struct Claim<'a, T> {
    shared: &'a Shared<T>,
    _taking: MutexGuard<'a, ()>,
}

impl<'a, T> Claim<'a, T> {
    fn new(shared: &'a Shared<T>) -> Self {
        let taking = shared.taking.lock().unwrap_or_else(PoisonError::into_inner);
        shared.wanted.store(true, Ordering::Relaxed);
        Self { shared, _taking: taking }
    }
}

impl<T> Drop for Claim<'_, T> {
    fn drop(&mut self) {
        self.shared.wanted.store(false, Ordering::Release);
    }
}

/// As loom has it.
#[cfg(not(throughline_loom))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(throughline_loom))]
impl<T> UnsafeCell<T> {
    const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Both sides' barriers.
mod barrier {
    use std::sync::OnceLock;
    use std::time::Duration;

    use throughline_channel::fence as system;

    use super::{Ordering, fence};

    /// The owner's.
    #[inline]
    pub(super) fn light(asymmetric: bool) {
        if asymmetric {
            system::light();
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// That of who takes.
    pub(super) fn heavy(asymmetric: bool) {
        if asymmetric && !system::heavy() {
            // It was there when it was asked for: the process has forbidden it to itself since. Nothing stays on its
            // way to the cache for so long.
            std::thread::sleep(Duration::from_millis(1));
        }
        fence(Ordering::SeqCst);
    }

    /// Whether the system has such barriers to give.
    pub(super) fn is_asymmetric() -> bool {
        static IS_THERE: OnceLock<bool> = OnceLock::new();
        !cfg!(throughline_loom) && *IS_THERE.get_or_init(system::heavy)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(throughline_loom)]
    use loom::thread;
    #[cfg(not(throughline_loom))]
    use std::thread;

    use super::*;

    /// The owner counts to `count` while it is taken `times` times; what was taken, in that order.
    fn taken(count: u32, times: u32) -> Vec<u32> {
        let (mut owner, taker) = handover(Vec::new());
        let counting = thread::spawn(move || (0..count).for_each(|n| owner.with(|numbers| numbers.push(n))));
        let (takers, mut all) = ([taker], Vec::new());
        (0..times).for_each(|_| take_all(&takers, |numbers| all.append(numbers)));
        counting.join().unwrap();
        assert!(takers[0].is_alone());
        take_all(&takers, |numbers| all.append(numbers));
        assert!(!takers[0].is_used());
        all
    }

    #[cfg(not(throughline_loom))]
    #[test]
    fn everything_is_taken_once_and_in_order() {
        let count = if cfg!(miri) { 200 } else { 200_000 };
        assert_eq!(taken(count, count / 100), (0..count).collect::<Vec<_>>());
    }

    #[cfg(not(throughline_loom))]
    #[test]
    fn an_owner_that_panics_lets_go() {
        let (mut owner, taker) = handover(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            owner.with(|number| {
                *number += 1;
                panic!("half-way");
            })
        }));
        let mut seen = 0;
        take_all(&[taker], |number| seen = *number);
        assert_eq!((panicked.is_err(), seen), (true, 2));
        assert!(owner.is_alone());
    }

    /// Every way in which the two threads can go.
    #[cfg(throughline_loom)]
    #[test]
    fn everything_is_taken_once_and_in_order_however_threads_run() {
        loom::model(|| assert_eq!(taken(2, 1), [0, 1]));
    }
}
