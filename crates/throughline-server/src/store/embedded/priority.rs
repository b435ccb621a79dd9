//! Who goes first where there are fewer cores than threads with work.

/// How far the writer stands behind, in the steps of `nice`.
#[cfg(target_os = "linux")]
const BEHIND: libc::c_int = 15;

/// Lets the doors and the log thread go before this thread and those it starts: what is to be indexed waits in memory
/// at no harm, while a sender waits for its acknowledgement.
#[cfg(target_os = "linux")]
pub(super) fn step_behind() {
    #[expect(unsafe_code, reason = "there is no safe wrapper in what the project uses; it touches no memory")]
    // SAFETY: takes three numbers. On Linux 0 is the calling thread alone.
    let outcome = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BEHIND) };
    if outcome != 0 {
        tracing::debug!("the writer keeps its priority");
    }
}

/// Elsewhere priorities belong to whole processes.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_behind() {}
