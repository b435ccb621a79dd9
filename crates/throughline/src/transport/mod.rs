//! Where events and spans go.

#[cfg(feature = "chat")]
mod chat;
mod console;
mod file;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "http")]
mod http_date;
mod item;
mod memory;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sentry")]
mod sentry;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

#[cfg(feature = "chat")]
pub use self::chat::Chat;
pub use self::console::Console;
pub use self::file::RotatingFile;
#[cfg(feature = "http")]
pub use self::http::Http;
pub use self::item::{EventItem, Item, SpanItem};
pub use self::memory::Memory;
#[cfg(feature = "otlp")]
pub(crate) use self::otlp::session_attributes;
#[cfg(feature = "otlp")]
pub use self::otlp::{Otlp, OtlpEncoder};
#[cfg(feature = "redis")]
pub use self::redis::RedisStream;
#[cfg(feature = "sentry")]
pub use self::sentry::Sentry;
use crate::glob::Glob;
use crate::{Error, Level, Resource};

/// Delivers events and spans somewhere. Each transport has a thread and a queue of its own, so it may block.
///
/// ```
/// use throughline::transport::{Item, SendError, Transport};
///
/// struct Pager;
///
/// impl Transport for Pager {
///     fn name(&self) -> &str { "pager" }
///     fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
///         for event in batch.iter().filter_map(Item::event) {
///             println!("BEEP {}", event.name);
///         }
///         Ok(())
///     }
/// }
/// let telemetry = throughline::Telemetry::builder("shop").transport(Pager).build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
pub trait Transport: Send + 'static {
    /// What it is called in errors and reports.
    fn name(&self) -> &str;

    /// How items are brought to it unless [`transport_with`](crate::Builder::transport_with) says otherwise.
    fn delivery(&self) -> Delivery {
        Delivery::default()
    }

    /// Whether it is also told of traces that go on for a while, before any of it has ended: by an event with the name
    /// `throughline.trace.started` and the ids of the trace and its first span. It is no event of the application's.
    fn wants_trace_starts(&self) -> bool {
        false
    }

    /// Called once, when the telemetry is built.
    ///
    /// # Errors
    /// If it cannot work; then the telemetry is not built.
    #[expect(unused_variables, reason = "the parameter's name is documentation")]
    fn start(&mut self, resource: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(())
    }

    /// Delivers a batch, in its order. When it returns, the batch is delivered.
    ///
    /// # Errors
    /// If some of it could not be delivered; the error says how much was, and whether to try again.
    fn send(&mut self, batch: &[Item]) -> Result<(), SendError>;

    /// Called once, after the last batch.
    fn stop(&mut self) {}
}

/// Why a batch was not delivered.
///
/// ```
/// use std::time::Duration;
/// use throughline::transport::SendError;
///
/// fn of_status(status: u16) -> SendError {
///     match status {
///         429 => SendError::unavailable("too many requests").retry_after(Duration::from_secs(2)),
///         500.. => SendError::unavailable(format!("status {status}")),
///         _ => SendError::refused(format!("status {status}")),
///     }
/// }
/// assert_eq!(of_status(503).to_string(), "status 503");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SendError {
    pub(crate) message: String,
    pub(crate) retry: bool,
    pub(crate) too_large: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) accepted: usize,
}

impl SendError {
    /// It makes no sense to try again.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: false, too_large: false, retry_after: None, accepted: 0 }
    }

    /// It may work later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { retry: true, ..Self::refused(message) }
    }

    /// It is too much at once: its halves are sent next, one after the other, and so on down to single items.
    ///
    /// ```
    /// # use throughline::transport::SendError;
    /// let error = SendError::too_large("more than 100 rows");
    /// ```
    pub fn too_large(message: impl Into<String>) -> Self {
        Self { too_large: true, ..Self::refused(message) }
    }

    /// It may work after this time.
    pub const fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// So many of the batch, from its beginning, were delivered.
    pub const fn accepted(mut self, items: usize) -> Self {
        self.accepted = items;
        self
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for SendError {}

/// Which items a transport gets, and how.
///
/// ```
/// use throughline::{Level, Telemetry, transport::{Console, Delivery}};
/// let telemetry = Telemetry::builder("shop")
///     .transport_with(Console::pretty(), Delivery::default().min_level(Level::Warn).names(["payment.*"]))
///     .build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Delivery {
    pub(crate) min_level: Level,
    names: Vec<String>,
    globs: Vec<Glob>,
    pub(crate) queue: usize,
    pub(crate) batch: usize,
    pub(crate) max_delay: Duration,
    pub(crate) backoff: Duration,
    pub(crate) give_up_after: Duration,
}

impl Default for Delivery {
    /// Everything, at once; a queue of 16384; what fails is tried again for a minute.
    fn default() -> Self {
        Self {
            min_level: Level::Debug,
            names: Vec::new(),
            globs: Vec::new(),
            queue: 16_384,
            batch: 512,
            max_delay: Duration::ZERO,
            backoff: Duration::from_millis(250),
            give_up_after: Duration::from_secs(60),
        }
    }
}

impl Delivery {
    /// Only this level and above.
    pub const fn min_level(mut self, level: Level) -> Self {
        self.min_level = level;
        self
    }

    /// Only names that match one of these patterns (those of [`Sampling`](crate::Sampling)).
    pub fn names<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.names.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// How many items may wait; more are dropped and counted.
    pub const fn queue(mut self, items: usize) -> Self {
        self.queue = items;
        self
    }

    /// The most items in one batch.
    pub const fn batch(mut self, items: usize) -> Self {
        self.batch = items;
        self
    }

    /// How long items may wait for a batch to fill.
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// How long to wait before the second attempt; doubles with each, with some chance in it.
    pub const fn backoff(mut self, delay: Duration) -> Self {
        self.backoff = delay;
        self
    }

    /// How long a batch is tried again before it is given up.
    pub const fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = time;
        self
    }

    pub(crate) fn compile(mut self, transport: &str) -> Result<Self, Error> {
        let field = |name: &str| format!("transport {transport}: {name}");
        if self.queue == 0 || self.batch == 0 {
            return Err(Error::configuration(&field("queue and batch"), "must be at least 1"));
        }
        self.globs = Glob::parse_all(&field("names"), &self.names)?;
        Ok(self)
    }

    /// Whether it wants whatever comes.
    pub(crate) fn wants_all(&self) -> bool {
        self.min_level == Level::Debug && self.globs.is_empty()
    }

    pub(crate) fn wants(&self, item: &Item) -> bool {
        item.level() >= self.min_level
            && (self.globs.is_empty() || self.globs.iter().any(|glob| glob.matches(item.name())))
    }
}
