//! The one thread-local of the crate: which [`Context`] is current on this thread.
//!
//! It holds a pointer to a `Context` that somebody up the stack has borrowed. Holding the `Context` itself would be
//! safe code, but would cost an atomic increment and decrement for every read (9 ns where a read by pointer costs
//! less than one), and a read happens at every event that is emitted.
#![expect(
    unsafe_code,
    reason = "one dereference, and what it relies on; see the module's own text and the comments"
)]

use std::cell::Cell;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use crate::Context;

thread_local! {
    static CURRENT: Cell<*const Context> = const { Cell::new(ptr::null()) };
}

static EMPTY: Context = Context::new();

struct Restore(*const Context);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs `f` with `context` as the current one; afterwards the previous one is current again, also when `f` panics.
#[inline]
pub(crate) fn enter<R>(context: &Context, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.replace(context));
    f()
}

/// Runs `f` with a look at the current context.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Context) -> R) -> R {
    with_entered(|current| f(current.unwrap_or(&EMPTY)))
}

/// The same; `None` where none was entered, so that there is nothing to look into.
#[inline]
pub(crate) fn with_entered<R>(f: impl FnOnce(Option<&Context>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: `CURRENT` is written by `enter`, which holds a borrow of the context for as long as the pointer stays
    // there (`Restore` takes it out, on unwinding too, and cannot be forgotten: it is a local of `enter`), and by
    // `Entered`, which owns the context and whose maker promised not to drop it within `f`. So what is found here
    // outlives the call of `f`, and `f` cannot keep the reference longer than its own call, since it must accept any
    // lifetime.
    f(unsafe { current.as_ref() })
}

/// A context that is current between two calls that a scheduler makes, before and after it polls a task, and not for
/// the length of one. For hooks of async runtimes; everything else has [`Context::run`] and [`Context::follow`], which
/// need no promise.
///
/// ```
/// # #![allow(unsafe_code)]
/// use std::sync::Arc;
/// use throughline_channel::{Context, Entered, Store};
/// static USER: Store<&'static str> = Store::new();
///
/// let context = Arc::new(Context::new().with(&USER, "alice"));
/// // SAFETY: dropped below, with nothing entered in between that is still there.
/// let entered = unsafe { Entered::new(context) };
/// assert_eq!(USER.get(), Some("alice"));
/// drop(entered);
/// assert_eq!(USER.get(), None);
/// ```
#[must_use = "the context is current until this is dropped"]
pub struct Entered {
    previous: *const Context,
    _context: Arc<Context>,
}

impl Entered {
    /// Makes the context current on this thread until this is dropped.
    ///
    /// # Safety
    /// What is entered on a thread must be left in the opposite order: this must be dropped after everything that was
    /// entered after it, and before what was entered before it is left. In particular it must not be dropped by
    /// something that runs in it, such as a closure given to [`Store::with`](crate::Store::with).
    pub unsafe fn new(context: Arc<Context>) -> Self {
        let previous = CURRENT.replace(Arc::as_ptr(&context));
        Self { previous, _context: context }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.previous);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}
