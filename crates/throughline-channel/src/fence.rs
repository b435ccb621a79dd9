//! The two sides of a fence between what happens often and what happens seldom.
//!
//! A full fence takes as long as calling several subscribers. Linux puts one into every running thread of a process at
//! the request of one of them (`membarrier`), so there the many pay nothing and the few pay for all. Elsewhere, and
//! under Miri, both sides are full fences.

pub use imp::{heavy, light};

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod imp {
    #![expect(unsafe_code, reason = "a system call that the standard library has no name for")]

    use std::ffi::{c_int, c_long, c_uint};
    use std::sync::atomic::{Ordering, compiler_fence};

    const SYS_MEMBARRIER: c_long = if cfg!(target_arch = "x86_64") { 324 } else { 283 };
    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

    unsafe extern "C" {
        /// The C library's, which the standard library is linked with.
        fn syscall(number: c_long, ...) -> c_long;
    }

    fn membarrier(command: c_int) -> bool {
        let (flags, cpu): (c_uint, c_int) = (0, 0);
        // SAFETY: the call takes three integers and touches no memory of ours.
        unsafe { syscall(SYS_MEMBARRIER, command, flags, cpu) == 0 }
    }

    /// The compiler keeps the order; the processor's is kept by [`heavy`], wherever that is called meanwhile.
    #[inline]
    pub fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// A full fence here and in every other thread, wherever that is just now. `false` if the system has none to give
    /// (an old kernel, a sandbox): then nothing may be concluded.
    pub fn heavy() -> bool {
        // A process has to register before its first.
        membarrier(PRIVATE_EXPEDITED)
            || (membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED))
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod imp {
    use std::sync::atomic::{Ordering, fence};

    #[inline]
    pub fn light() {
        fence(Ordering::SeqCst);
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub fn heavy() -> bool {
        fence(Ordering::SeqCst);
        true
    }
}
