//! Memory that is about to be written, claimed before.
//!
//! What a thread writes into a buffer goes to memory that others have read since, on other cores. A store there waits
//! until they have given up their copies, and the next store waits for it: that is four times what the rest of an event
//! costs. A line of the cache that is asked for while the events before it are written is there when it is needed. It
//! must be asked for to be written: a copy to be read, which is what a common prefetch asks for, is no help.

#![expect(unsafe_code, reason = "an instruction that there is no function for; see `claim`")]

/// So many bytes ahead: about as far as a thread gets in the time that a line takes.
const AHEAD: usize = 512;
/// Bytes in a line of the cache.
const LINE: usize = 64;

/// Claims as much as is being appended to these, a little further on.
#[inline(always)]
pub(super) fn claim_after<T>(written: &[T], appended_bytes: usize) {
    let end = written.as_ptr_range().end.cast::<u8>();
    for line in (0..appended_bytes.min(AHEAD)).step_by(LINE) {
        claim(end.wrapping_add(AHEAD + line));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
fn claim(address: *const u8) {
    // SAFETY: a hint. It changes nothing that a program can see, and is no access: no address makes it fault, as none
    // of what lies behind a buffer does. Processors that do not know it take it for one that does nothing.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
const fn claim(_: *const u8) {}
