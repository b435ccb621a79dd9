//! Who goes first where there are fewer cores than threads with work: a sender waits for its acknowledgement, while what
//! is to be indexed waits in memory at no harm.
//!
//! Priorities alone do not do it. A scheduler that shares cores fairly lets the log thread, which has just written, wait
//! for the next tick, some milliseconds. So threads that index also offer their core, again and again, as long as
//! somebody waits; and those somebody waits for ask for short turns, which lets them go at once when they wake up.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How far threads that index stand behind, in the steps of `nice`: as far as there are.
#[cfg(target_os = "linux")]
const BEHIND: libc::c_int = 19;
/// The shortest turn that Linux gives, in nanoseconds.
#[cfg(target_os = "linux")]
const SHORT_TURN: u64 = 100_000;

/// The senders that wait for an acknowledgement.
#[derive(Debug, Clone, Default)]
pub struct Senders(Arc<AtomicUsize>);

/// A sender that waits, until this is dropped.
#[must_use = "nobody waits once this is dropped"]
pub struct Waiting(Senders);

impl Senders {
    pub fn one_waits(&self) -> Waiting {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }

    /// Offers the core to other threads if a sender waits. For threads that index, between any two small steps.
    #[inline]
    pub(crate) fn go_first(&self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets all others go before this thread and those it starts.
#[cfg(target_os = "linux")]
pub(crate) fn step_behind() {
    #[expect(unsafe_code, reason = "there is no safe wrapper in what the project uses; it touches no memory")]
    // SAFETY: takes three numbers. On Linux 0 is the calling thread alone.
    let outcome = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BEHIND) };
    if outcome != 0 {
        tracing::debug!("a thread that indexes keeps its priority");
    }
}

/// Elsewhere priorities belong to whole processes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn step_behind() {}

/// Runs this on a thread that stands behind, and so do those that it starts. Fails if there can be no more threads.
pub(crate) fn from_behind<T: Send>(run: impl FnOnce() -> T + Send) -> io::Result<T> {
    let step_behind_and_run = || {
        step_behind();
        run()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, step_behind_and_run)?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Asks for short turns for this thread, so that it need not wait for the end of another's: for those that senders wait
/// for, the doors' among them. Linux does so from version 6.12, and older ones take no notice.
#[cfg(target_os = "linux")]
pub fn ask_for_short_turns() {
    #[expect(unsafe_code, reason = "there is no safe wrapper in what the project uses")]
    // SAFETY: for both calls 0 is the calling thread; the second reads the structure, whose size is in it.
    let outcome = unsafe {
        let attributes = libc::sched_attr {
            size: size_of::<libc::sched_attr>() as u32,
            sched_policy: 0,
            sched_flags: libc::SCHED_FLAG_KEEP_POLICY as u64,
            sched_nice: libc::getpriority(libc::PRIO_PROCESS, 0),
            sched_priority: 0,
            sched_runtime: SHORT_TURN,
            sched_deadline: 0,
            sched_period: 0,
        };
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0)
    };
    if outcome != 0 {
        tracing::debug!("a thread that senders wait for has turns as long as any");
    }
}

#[cfg(not(target_os = "linux"))]
pub fn ask_for_short_turns() {}
