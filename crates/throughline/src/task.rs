//! Tasks that go on in the session and span they were started in.
//!
//! `tokio::spawn` starts a task without any context. These start it with that of the caller.
//!
//! ```
//! use throughline::{Telemetry, current_session, task};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! # let telemetry = Telemetry::builder("shop").environment("test").build().unwrap();
//! telemetry
//!     .session()
//!     .id("sess_1")
//!     .run(async {
//!         let task = task::spawn(async { current_session().unwrap().session_id });
//!         assert_eq!(task.await.unwrap().as_str(), "sess_1");
//!         let blocking = task::spawn_blocking(|| current_session().unwrap().session_id);
//!         assert_eq!(blocking.await.unwrap().as_str(), "sess_1");
//!     })
//!     .await;
//! # });
//! ```

use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::{InCurrentSession, carry};

/// Like `tokio::spawn`, in the session and span that are current here.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let telemetry = throughline::Telemetry::builder("shop").environment("test").build().unwrap();
/// let inside = telemetry.session().id("sess_1").run(async {
///     throughline::task::spawn(async { throughline::current_session().unwrap().session_id }).await
/// });
/// assert_eq!(inside.await.unwrap().as_str(), "sess_1");
/// # });
/// ```
///
/// # Panics
/// Outside a tokio runtime, like `tokio::spawn`.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(future.in_current_session())
}

/// Like `tokio::task::spawn_blocking`, in the session and span that are current here.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let telemetry = throughline::Telemetry::builder("shop").environment("test").build().unwrap();
/// let inside = telemetry.session().id("sess_1").run(async {
///     throughline::task::spawn_blocking(|| throughline::current_session().unwrap().session_id).await
/// });
/// assert_eq!(inside.await.unwrap().as_str(), "sess_1");
/// # });
/// ```
///
/// # Panics
/// Outside a tokio runtime, like `tokio::task::spawn_blocking`.
#[track_caller]
pub fn spawn_blocking<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    tokio::task::spawn_blocking(carry(f))
}

/// Starting tasks of a `JoinSet` in the session and span that are current here.
///
/// ```
/// use throughline::task::JoinSetExt;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let mut tasks = tokio::task::JoinSet::new();
/// tasks.spawn_in_current_session(async { throughline::current_session().is_none() });
/// assert_eq!(tasks.join_all().await, [true]);
/// # });
/// ```
pub trait JoinSetExt<T> {
    /// Like `JoinSet::spawn`.
    fn spawn_in_current_session<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static;
}

impl<T: Send + 'static> JoinSetExt<T> for JoinSet<T> {
    #[track_caller]
    fn spawn_in_current_session<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.spawn(future.in_current_session())
    }
}
