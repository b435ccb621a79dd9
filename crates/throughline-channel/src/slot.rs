//! The one thread-local of the crate: which [`Context`] is current on this thread.
//!
//! It holds a pointer to a `Context` that somebody up the stack has borrowed. Holding the `Context` itself would be
//! safe code, but would cost an atomic increment and decrement for every read (9 ns where a read by pointer costs
//! less than one), and a read happens at every event that is emitted.
#![expect(unsafe_code, reason = "one dereference; see the module's own text and the comment beside it")]

use std::cell::Cell;
use std::ptr;

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
    let current = CURRENT.get();
    // SAFETY: `CURRENT` is written only by `enter`, which holds a borrow of the context for as long as the pointer
    // stays there (`Restore` takes it out, on unwinding too, and cannot be forgotten: it is a local of `enter`). So a
    // pointer found here is borrowed by a caller further up this thread's stack, which outlives the call of `f`, and
    // `f` cannot keep the reference longer than its own call, since it must accept any lifetime.
    let current = unsafe { current.as_ref() };
    f(current.unwrap_or(&EMPTY))
}
