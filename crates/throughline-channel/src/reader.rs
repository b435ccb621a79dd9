//! Reading something shared without a lock or a count, while others may replace it.
//!
//! Counting a reference costs 5 ns each way and a lock as much; calling a subscriber costs one. So a thread only says
//! that it reads, in a place that it alone writes and everybody can see. Whoever replaces something looks who reads at
//! that moment, and gives each of them a share in what was replaced, to be dropped when they are done.
//!
//! That rests twice on the same argument. One thread writes A and then reads B, another writes B and then reads A, and
//! each passes a fence between the two: then at least one of them sees what the other wrote. Readers pass a [`light`]
//! fence and the others a [`heavy`] one, see there.
//!
//! This module is compiled twice: for use, and for a test that tries every order in which its steps can happen
//! (`tests/orders.rs`). So what it is made of comes from its parent, and it has no statics.
#![expect(unsafe_code, reason = "one dereference of what others may replace; see the module's own text")]

use std::any::Any;
use std::marker::PhantomData;
use std::sync::PoisonError;

use super::fence::{heavy, light};
use super::quiet::drop_quietly;
use super::sync::{Arc, AtomicBool, AtomicPtr, AtomicU8, Mutex, Ordering};

/// Something that was replaced.
pub(crate) type Retired = Arc<dyn Any + Send + Sync>;

/// What one thread says about its reading.
pub(crate) struct Reader {
    /// How many calls of [`reading`](Self::reading) the thread is inside of. Written by that thread alone.
    depth: AtomicU8,
    /// Whether there is anything in `shares`.
    owes: AtomicBool,
    /// In what was replaced while the thread may have read it.
    shares: Mutex<Vec<Retired>>,
}

/// That this thread is reading, and so may look at what can be replaced.
pub(crate) struct Reading<'a> {
    reader: PhantomData<&'a Reader>,
    depth: u8,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { depth: AtomicU8::new(0), owes: AtomicBool::new(false), shares: Mutex::new(Vec::new()) }
    }

    /// Runs `f`, during which nothing that is looked at is dropped. Only for the thread whose reader this is, and at
    /// most 255 deep. Should `f` panic, the thread counts as reading for ever.
    #[inline]
    pub(crate) fn reading<R>(&self, f: impl FnOnce(&Reading<'_>) -> R) -> R {
        match self.depth.load(Ordering::Relaxed) {
            // What is written is not computed from what is read: waiting for that takes as long as a subscriber.
            0 => self.reading_at(0, f),
            depth => self.reading_within(depth, f),
        }
    }

    #[cold]
    #[inline(never)]
    fn reading_within<R>(&self, depth: u8, f: impl FnOnce(&Reading<'_>) -> R) -> R {
        self.reading_at(depth, f)
    }

    #[inline(always)]
    fn reading_at<R>(&self, depth: u8, f: impl FnOnce(&Reading<'_>) -> R) -> R {
        self.depth.store(depth + 1, Ordering::Relaxed);
        light();
        let result = f(&Reading { reader: PhantomData, depth });
        self.depth.store(depth, Ordering::Release);
        light();
        if depth == 0 && self.owes.load(Ordering::Relaxed) {
            self.drop_shares();
        }
        result
    }

    /// Whether its thread may be reading something that is not shown any more. If not, what it did with that before
    /// has happened.
    fn is_reading(&self) -> bool {
        self.depth.load(Ordering::Acquire) > 0
    }

    fn give(&self, share: Retired) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.push(share);
        self.owes.store(true, Ordering::Relaxed);
    }

    /// What is dropped is somebody's subscriber, and no concern of whoever happens to read.
    #[cold]
    fn drop_shares(&self) {
        self.take_shares().into_iter().for_each(drop_quietly);
    }

    fn take_shares(&self) -> Vec<Retired> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        self.owes.store(false, Ordering::Relaxed);
        std::mem::take(&mut shares)
    }
}

impl Reading<'_> {
    /// How many others it is inside of on this thread.
    #[inline]
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    /// What `shown` points to, if anything.
    ///
    /// # Safety
    /// `shown` is null or points to what an `Arc` owns. After it was made to point elsewhere, that `Arc` was or will be
    /// given to [`retire`], with this reader among the readers, if it had looked by then.
    #[inline]
    pub(crate) unsafe fn look<'a, T>(&'a self, shown: &'a AtomicPtr<T>) -> Option<&'a T> {
        // SAFETY: the pointer was still shown after this thread had said that it reads. So whoever makes it point
        // elsewhere finds that said in `retire`, and gives this reader a share that it keeps for as long as `self`.
        unsafe { shown.load(Ordering::Acquire).as_ref() }
    }
}

/// Takes what is no longer shown, and returns what nobody reads any more, to be dropped. One call at a time.
pub(crate) fn retire(readers: &[&Reader], replaced: Retired) -> Vec<Retired> {
    // After this fence, whoever can still see what was replaced is seen to read.
    if !heavy() {
        // Then nobody can know, so nobody may drop it.
        std::mem::forget(replaced);
        return Vec::new();
    }
    let reading: Vec<_> = readers.iter().filter(|reader| reader.is_reading()).collect();
    reading.iter().for_each(|reader| reader.give(replaced.clone()));
    let mut unread = vec![replaced];
    // After this one, whoever still seems to read will see what it was given. The others may have missed it; nobody
    // gives them anything else meanwhile, and what they began to read since is shown.
    if !reading.is_empty() && heavy() {
        let done = reading.iter().filter(|reader| !reader.is_reading());
        unread.extend(done.flat_map(|reader| reader.take_shares()));
    }
    unread
}
