//! Keeps everything in memory: for tests.

use std::sync::{Arc, Mutex};

use super::{Item, SendError, Transport};
use crate::pipeline::lock;
use crate::{Envelope, Span};

/// Keeps everything in memory: for tests. Keep a clone and read it after a [`flush`](crate::Telemetry::flush).
///
/// ```
/// use std::time::Duration;
/// use throughline::{Telemetry, emit, testing::Memory};
///
/// let memory = Memory::new();
/// let telemetry = Telemetry::builder("shop").environment("test").transport(memory.clone()).build()?;
/// telemetry.session().id("sess_1").run_sync(|| emit!(telemetry, "cart.opened"));
/// emit!(telemetry, "service.booted");
/// telemetry.flush(Duration::from_secs(1));
///
/// assert_eq!(memory.names(), ["cart.opened", "service.booted"]);
/// assert_eq!(memory.in_session("sess_1").len(), 1);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<Item>>>);

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything so far, in order.
    pub fn items(&self) -> Vec<Item> {
        lock(&self.0).clone()
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Envelope> {
        lock(&self.0).iter().filter_map(Item::event).cloned().collect()
    }

    /// The names of the events so far.
    pub fn names(&self) -> Vec<String> {
        lock(&self.0).iter().filter_map(Item::event).map(|event| event.name.clone()).collect()
    }

    /// The events of one session.
    pub fn in_session(&self, id: &str) -> Vec<Envelope> {
        let is_in =
            |event: &Envelope| event.session_id.as_ref().is_some_and(|session| session.as_str() == id);
        self.events().into_iter().filter(is_in).collect()
    }

    /// The finished spans so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.0).iter().filter_map(Item::span).cloned().collect()
    }

    /// The finished spans of one session.
    pub fn spans_in_session(&self, id: &str) -> Vec<Span> {
        let is_in = |span: &Span| span.session.as_ref().is_some_and(|own| own.session_id.as_str() == id);
        self.spans().into_iter().filter(is_in).collect()
    }

    /// Everything so far as a tree: sessions, in them the finished spans and the events, with levels, and with times
    /// since the first of the session. With a manual clock it is the same in every run, so a test can hold it as a
    /// snapshot.
    ///
    /// ```
    /// use throughline::{Telemetry, emit, testing::{ManualClock, Memory}};
    ///
    /// let (memory, clock) = (Memory::new(), ManualClock::at("2024-01-15T10:30:00.000Z".parse()?));
    /// let telemetry = Telemetry::builder("shop").environment("test").clock(clock.clone()).transport(memory.clone()).build()?;
    /// telemetry.session().id("sess_1").actor("user", "usr_123").run_sync(|| {
    ///     telemetry.trace("checkout").run_sync(|| {
    ///         clock.advance(std::time::Duration::from_millis(20));
    ///         emit!(telemetry, warn, "card.declined");
    ///     });
    /// });
    /// telemetry.flush(std::time::Duration::from_secs(1));
    /// assert_eq!(memory.tree(), "\
    /// session sess_1  user:usr_123
    ///   +0 ms  [span] checkout  20 ms
    ///     +20 ms  warn card.declined
    /// ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tree(&self) -> String {
        crate::testing::tree(&lock(&self.0))
    }

    /// Forgets everything.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl Transport for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        lock(&self.0).extend_from_slice(batch);
        Ok(())
    }
}
