//! Dropping what belongs to others.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops something whose destructor may panic, which then goes no further.
pub(crate) fn drop_quietly(value: impl Sized) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(value))) {
        // What was thrown may have such a destructor again, and so on.
        std::mem::forget(payload);
    }
}
