//! The handle that everything begins with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::pipeline::Core;
use crate::{
    Builder, Counters, EventBuilder, Level, ObservationBuilder, ObservationType, Report, SessionBuilder,
    Timestamp,
};

/// Telemetry of one service: cheap to clone, to be handed to whatever emits.
///
/// Set-up can fail; use cannot. Nothing here panics, blocks or returns an error because of what happens to an event,
/// except in the methods whose names begin with `try_`.
///
/// ```
/// use std::time::Duration;
/// use throughline::{Telemetry, emit, transport::Console};
///
/// let telemetry = Telemetry::builder("shop").transport(Console::pretty()).build()?;
/// emit!(telemetry, "service.booted", "ctx.service.startup_ms" => 142);
/// telemetry.shutdown(Duration::from_secs(5));
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Telemetry(Arc<Life>);

/// Who the events are from.
///
/// ```
/// # use throughline::Telemetry;
/// let telemetry = Telemetry::builder("shop").environment("staging").version("1.4.2").build()?;
/// assert_eq!(telemetry.resource().environment, "staging");
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// The service's name.
    pub service: String,
    /// Where it runs.
    pub environment: String,
    /// Its version.
    pub version: Option<String>,
}

/// Dropped with the last handle: what lies in the buffers is still collected and sent, but nobody waits for it. Threads
/// that made spans may keep a handle for their next one, until the collector comes.
struct Life(Arc<Core>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.close();
        self.0.signal.stop();
    }
}

impl Telemetry {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self(Arc::new(Life(core)))
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.0.0
    }

    /// Begins to set telemetry up for the service of this name.
    pub fn builder(service: impl Into<String>) -> Builder {
        Builder::new(service.into())
    }

    /// Who the events are from.
    pub fn resource(&self) -> &Resource {
        &self.core().resource
    }

    /// The time, by the clock that everything here is stamped with.
    pub fn now(&self) -> Timestamp {
        self.core().clock.now()
    }

    /// Whether any transport wants events of this level.
    #[inline]
    pub fn is_enabled(&self, level: Level) -> bool {
        self.core().level_is_enabled(level)
    }

    /// Emits an event without attributes, of level info. With attributes: [`emit!`](crate::emit), or [`event`](Self::event).
    #[track_caller]
    pub fn emit(&self, name: &str) {
        self.event(name).emit();
    }

    /// An event whose name or keys are known only at run time.
    #[track_caller]
    pub fn event(&self, name: impl Into<String>) -> EventBuilder<'_> {
        EventBuilder::new(self, None, name)
    }

    /// A session to be set up and started.
    pub fn session(&self) -> SessionBuilder {
        SessionBuilder::new(self.clone())
    }

    /// The root of a new trace: a chat turn, a job, a request.
    #[inline]
    pub fn trace(&self, name: impl AsRef<str>) -> ObservationBuilder {
        ObservationBuilder::root(self, name.as_ref())
    }

    /// A unit of work, inside the one that the program is in here; otherwise the root of a new trace.
    #[inline]
    pub fn observation(&self, kind: ObservationType, name: impl AsRef<str>) -> ObservationBuilder {
        ObservationBuilder::here(self, kind, name.as_ref())
    }

    /// A model call, inside the work that the program is in here; otherwise the root of a new trace.
    pub fn generation(&self, name: impl AsRef<str>) -> ObservationBuilder {
        self.observation(ObservationType::Generation, name)
    }

    /// Waits until everything emitted before is delivered or given up, or until `timeout`.
    ///
    /// It blocks; in async code call it on a blocking thread.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.core().flush(timeout)
    }

    /// Stops taking events, delivers what was emitted before, and stops the transports. Returns at `timeout` at the
    /// latest; what could not be delivered by then is lost and in the report.
    pub fn shutdown(&self, timeout: Duration) -> Report {
        self.core().shutdown(timeout)
    }

    /// What happened to events so far, before any transport.
    pub fn counters(&self) -> Counters {
        self.core().report(true).counters
    }

    /// What happened to events so far, in the transports too.
    pub fn report(&self) -> Report {
        self.core().report(true)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("resource", &self.core().resource).finish_non_exhaustive()
    }
}
