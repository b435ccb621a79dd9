//! Something pinned with plain state beside it: what every future of this crate is made of.
//!
//! Projecting a pin to a field needs `unsafe`, here or in a dependency; the crate has no dependencies. All of it is in
//! this one macro.

/// State that has a say in how the pinned part is dropped.
pub(crate) trait Surround {
    /// Calls `drop_inner`, in whatever surroundings it is to be dropped. What is not dropped by then is dropped right
    /// afterwards, in none.
    fn surround_drop(&mut self, drop_inner: impl FnOnce());
}

/// Defines a struct of two fields: `inner`, an `Option` that is pinned when the whole is, and `state`, which never is.
/// Gives it `project`, `Unpin` if what is inside is, and a `Drop` that goes through [`Surround`].
macro_rules! pinned {
    (
        $(#[$meta:meta])*
        pub struct $name:ident<$inner:ident $(: $bound:path)? $(, $param:ident: $param_bound:tt)*>($state:ty);
    ) => {
        $(#[$meta])*
        pub struct $name<$inner $(: $bound)? $(, $param: $param_bound)*> {
            inner: Option<$inner>,
            state: $state,
        }

        impl<$inner $(: $bound)? $(, $param: $param_bound)*> $name<$inner $(, $param)*> {
            #[inline]
            #[expect(unsafe_code, reason = "pin projection")]
            fn project(
                self: ::std::pin::Pin<&mut Self>,
            ) -> (::std::pin::Pin<&mut Option<$inner>>, &mut $state) {
                // SAFETY: `inner` is handed out only pinned (here), is never moved out, and lies in a struct that is
                // `Unpin` only if it is itself, is not `packed`, and whose `Drop` does not move it. `state` is
                // handed out only unpinned.
                unsafe {
                    let this = self.get_unchecked_mut();
                    (::std::pin::Pin::new_unchecked(&mut this.inner), &mut this.state)
                }
            }
        }

        impl<$inner: Unpin $(+ $bound)? $(, $param: $param_bound)*> Unpin for $name<$inner $(, $param)*> {}

        impl<$inner $(: $bound)? $(, $param: $param_bound)*> Drop for $name<$inner $(, $param)*> {
            #[inline]
            #[expect(unsafe_code, reason = "a value being dropped may be treated as pinned")]
            fn drop(&mut self) {
                // SAFETY: a value being dropped is not moved any more.
                let (mut inner, state) = unsafe { ::std::pin::Pin::new_unchecked(self) }.project();
                $crate::pinned::Surround::surround_drop(state, || inner.set(None));
            }
        }
    };
}
pub(crate) use pinned;
