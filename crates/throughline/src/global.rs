//! One telemetry for the whole process, for programs that do not want to hand it around.

use std::sync::{LazyLock, OnceLock};

use crate::{Builder, Error, Telemetry};

static GLOBAL: OnceLock<Telemetry> = OnceLock::new();
static SILENT: LazyLock<Telemetry> = LazyLock::new(Builder::silent);

/// Makes this the telemetry that [`get`] returns, for as long as the process runs. Libraries leave that to programs.
///
/// ```standalone_crate
/// use std::time::Duration;
/// use throughline::{Telemetry, emit, transport::Console};
///
/// throughline::init(Telemetry::builder("chat").transport(Console::pretty()).build()?)?;
///
/// // From anywhere:
/// emit!(throughline::get(), "service.booted");
/// let turn = throughline::get().trace("chat-turn").session_id("conversation-abc123").user_id("user-456").start();
/// turn.set_output("Hello!").end();
///
/// // At the end, since nothing drops it:
/// throughline::get().shutdown(Duration::from_secs(5));
/// # Ok::<(), throughline::Error>(())
/// ```
///
/// # Errors
/// If there is one already; it stays.
pub fn init(telemetry: Telemetry) -> Result<(), Error> {
    GLOBAL.set(telemetry).map_err(|_| Error::AlreadyInitialized)
}

/// The telemetry that was given to [`init`]; before that, one that takes everything and sends nothing anywhere.
///
/// ```standalone_crate
/// assert!(!throughline::get().is_enabled(throughline::Level::Fatal), "nobody listens yet");
/// assert!(throughline::get().flush(std::time::Duration::from_secs(5)).complete);
/// ```
#[inline]
pub fn get() -> &'static Telemetry {
    GLOBAL.get().unwrap_or_else(|| &*SILENT)
}
