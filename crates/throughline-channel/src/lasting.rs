//! Something shared that is read at every publish and seldom changed, read without a lock or a count.
//!
//! Counting a reference costs 5 ns each way and a lock as much; calling a subscriber costs one. What is shown here is
//! leaked, so that nothing has to be known about who still reads it. That is for what stays anyway: subscriptions that
//! were told to last as long as the process.
#![expect(
    unsafe_code,
    reason = "one dereference of what was leaked; see the module's own text and the comment"
)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A place for a value that is never freed.
pub(crate) struct Lasting<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Lasting<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// From now on readers get this, or nothing. Those that are at it keep what they have.
    pub(crate) fn show(&self, value: Option<&'static T>) {
        // Readers only ever make a shared reference of it again.
        let pointer = value.map_or(ptr::null_mut(), |value| ptr::from_ref(value).cast_mut());
        self.0.store(pointer, Ordering::Release);
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&'static T> {
        // SAFETY: the pointer is null, or made by `show` of a reference that is valid for as long as the process. The
        // value was written before that reference was stored with `Release`, and is only read since.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_a_whole_value_or_none_while_it_changes() {
        static PLACE: Lasting<Vec<u32>> = Lasting::new();
        static VALUES: [std::sync::OnceLock<Vec<u32>>; 2] = [const { std::sync::OnceLock::new() }; 2];
        const ROUNDS: u32 = if cfg!(miri) { 20 } else { 2_000 };
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for round in 0..ROUNDS {
                    let value = VALUES[(round % 2) as usize].get_or_init(|| vec![round % 2; 8]);
                    PLACE.show(Some(value));
                    PLACE.show(None);
                }
            });
            for _ in 0..2 {
                threads.spawn(|| {
                    for value in (0..ROUNDS).filter_map(|_| PLACE.get()) {
                        assert!(value.len() == 8 && value.iter().all(|one| *one == value[0]));
                    }
                });
            }
        });
        assert_eq!(PLACE.get(), None);
    }
}
