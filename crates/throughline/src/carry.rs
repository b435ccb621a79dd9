//! Handing the current session and span on: to tasks, threads and callbacks.

use throughline_channel::{Context, InContext};

/// Hands the session and span that the program is in here to a future that will run elsewhere.
///
/// ```
/// use throughline::{InCurrentSession, Telemetry, emit, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// telemetry
///     .session()
///     .id("sess_1")
///     .run(async {
///         let telemetry = telemetry.clone();
///         let task = async move { emit!(telemetry, "mail.sent") };
///         tokio::spawn(task.in_current_session()).await.unwrap();
///     })
///     .await;
/// # });
/// telemetry.flush(std::time::Duration::from_secs(1));
/// assert_eq!(memory.in_session("sess_1").len(), 1);
/// # Ok::<(), throughline::Error>(())
/// ```
pub trait InCurrentSession: Sized {
    /// This future, in the session and span that are current now.
    fn in_current_session(self) -> InContext<Self> {
        Context::current().follow(self)
    }
}

impl<T> InCurrentSession for T {}

/// Hands the session and span that the program is in here to a closure that will run elsewhere: on another thread, in a
/// pool, as a callback.
///
/// ```
/// use throughline::{Telemetry, carry, current_session};
///
/// let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// telemetry.session().id("sess_1").run_sync(|| {
///     let thread = std::thread::spawn(carry(|| current_session().unwrap().session_id));
///     assert_eq!(thread.join().unwrap().as_str(), "sess_1");
/// });
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn carry<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    Context::current().wrap(f)
}
