//! Something pinned with plain state beside it: what every future of this crate is made of.
//!
//! Projecting a pin to a field needs `unsafe`, here or in a dependency; the crate has no dependencies. All of it is in
//! this one module, but for the promises of the two states.

#![expect(unsafe_code, reason = "pin projection")]

use std::pin::Pin;

/// State that has a say in how the pinned part is dropped.
///
/// # Safety
///
/// `surround_drop` calls `drop_inner`, however it ends ([`OnDrop`]), unless the pinned part is gone: then it must not.
pub(crate) unsafe trait Surround {
    /// Calls `drop_inner`, in whatever surroundings the pinned part is to be dropped.
    fn surround_drop(&mut self, drop_inner: impl FnOnce());
}

/// Calls the function when it is dropped: at the latest when the stack unwinds.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) const fn new(call: F) -> Self {
        Self(Some(call))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// Drops the pinned part before the whole.
///
/// # Safety
///
/// It is not used again, and it is gone from now on: the state knows.
pub(crate) unsafe fn drop_early<T>(inner: Pin<&mut T>) {
    // SAFETY: dropped where it is, and by the caller's promise the last that happens to it.
    unsafe { std::ptr::drop_in_place(inner.get_unchecked_mut()) }
}

/// Defines a struct of two fields: `inner`, which is pinned when the whole is, and `state`, which never is. Gives it
/// `project`, `Unpin` if what is inside is, and a `Drop` that leaves `inner` to [`Surround`].
///
/// `inner` is not in an `Option`, since to look at that at every poll, and to write it, is most of what a future costs
/// that does nothing else. Whether it is still there is for the state to know.
macro_rules! pinned {
    (
        $(#[$meta:meta])*
        pub struct $name:ident<$inner:ident $(: $bound:path)? $(, $param:ident: $param_bound:tt)*>($state:ty);
    ) => {
        $(#[$meta])*
        pub struct $name<$inner $(: $bound)? $(, $param: $param_bound)*> {
            inner: ::std::mem::ManuallyDrop<$inner>,
            state: $state,
        }

        impl<$inner $(: $bound)? $(, $param: $param_bound)*> $name<$inner $(, $param)*> {
            #[inline]
            #[expect(unsafe_code, reason = "pin projection")]
            fn project(self: ::std::pin::Pin<&mut Self>) -> (::std::pin::Pin<&mut $inner>, &mut $state) {
                // SAFETY: `inner` is handed out only pinned (here), is never moved out, and lies in a struct that is
                // `Unpin` only if it is itself, is not `packed`, and whose `Drop` does not move it. `state` is
                // handed out only unpinned.
                unsafe {
                    let this = self.get_unchecked_mut();
                    (::std::pin::Pin::new_unchecked(&mut *this.inner), &mut this.state)
                }
            }
        }

        impl<$inner: Unpin $(+ $bound)? $(, $param: $param_bound)*> Unpin for $name<$inner $(, $param)*> {}

        impl<$inner $(: $bound)? $(, $param: $param_bound)*> Drop for $name<$inner $(, $param)*> {
            #[inline]
            #[expect(unsafe_code, reason = "dropping a pinned value where it is")]
            fn drop(&mut self) {
                let Self { inner, state } = self;
                // SAFETY: called once, and not if it is gone; and this is the last that happens to the whole.
                $crate::pinned::Surround::surround_drop(state, || unsafe {
                    ::std::mem::ManuallyDrop::drop(inner);
                });
            }
        }
    };
}
pub(crate) use pinned;
