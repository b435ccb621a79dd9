//! Diagnostic channels for library authors: publish what happens inside a library without choosing an observability
//! vendor, and without cost while nobody listens.
//!
//! * [`Channel`]: a named place to publish messages.
//! * [`TracingChannel`]: publishes the lifecycle of a piece of work, sync or async, as a fixed sequence of events.
//! * [`Store`] and [`Context`]: values that follow the flow of a program through calls, futures, tasks and threads.
//!
//! ```
//! use throughline_channel::{Message, TracingChannel, Value};
//!
//! // In a library: a static, and what each piece of work tells about itself.
//! struct Query { statement: &'static str }
//! impl Message for Query {
//!     fn label(&self) -> &str { self.statement }
//!     fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
//!         visit("db.query.text", Value::Str(self.statement));
//!     }
//! }
//! static QUERY: TracingChannel<Query> = TracingChannel::new("shop.db.query");
//!
//! fn run(statement: &'static str) -> Result<u32, std::num::ParseIntError> {
//!     QUERY.trace_result(|| Query { statement }, || statement.len().to_string().parse())
//! }
//!
//! // In an application, anywhere, any time: listen by type or by name.
//! let (sender, seen) = std::sync::mpsc::channel();
//! let subscription = throughline_channel::observe("shop.db.query", move |event| {
//!     let _ = sender.send(format!("{:?} {}", event.kind(), event.label()));
//! });
//! run("select 1")?;
//! drop(subscription);
//! run("select 2")?;
//! assert_eq!(seen.iter().collect::<Vec<_>>(), ["Start select 1", "End select 1", "Complete select 1"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What happens when
//!
//! | traced work | events |
//! |---|---|
//! | returns, or is ready at its first poll | `Start` `End` `Complete` |
//! | fails or panics there | `Start` `Error` `End` `Complete` |
//! | is pending first, then ready | `Start` `End` ... `AsyncStart` `AsyncEnd` `Complete` |
//! | is pending first, then fails or panics | `Start` `End` ... `Error` `AsyncStart` `AsyncEnd` `Complete` |
//! | is dropped before it is ready | `Start` `End` ... `Cancel` `Complete` |
//!
//! For every piece of work that began while somebody listened:
//!
//! 1. `Start` comes first, once.
//! 2. `End` comes exactly once: it closes the synchronous part.
//! 3. Exactly one event is the last before `Complete` ([`Trace::is_last_event`]): `End` if the outcome is known by
//!    then, else `AsyncEnd` or `Cancel`.
//! 4. A distinct error is published at most once, at its origin, before the closing event. Work that merely passes on
//!    the error of work inside it does not publish it again.
//! 5. The events of one piece of work are totally ordered, across threads too.
//! 6. Work inside closes before the work around it closes, cancelled work included: a traced future drops what is
//!    inside it before it publishes how it ended itself.
//!
//! # What a subscriber may rely on, and what it may do
//!
//! Subscribers run inline, on the thread that publishes, inside the context of the traced work; they must not block. A
//! subscriber that panics harms nobody: the panic is caught, counted, and told on [`SUBSCRIBER_PANICS`]. (Built with
//! `panic = "abort"` nothing can be caught.) A subscriber that arrives during a piece of work sees nothing of it; one
//! that leaves sees nothing more. Publishing from inside a subscriber works, up to a nesting depth of 16; beyond, the
//! message is dropped and counted ([`ChannelInfo::dropped`]). Under [`suppress`] nothing is published, so that an
//! exporter does not trace its own network client.
//!
//! # Stability
//!
//! For a library that publishes, the name of a channel, the keys of its fields and the events above are its contract.
//! Rust types are not: subscribers by name see fields, and reach the message itself only if they were built against
//! the same type ([`EventView::message`]).
#![warn(missing_docs)]

mod active;
mod callback;
mod channel;
mod context;
mod error_record;
/// For `throughline`; not part of what this crate promises.
#[doc(hidden)]
pub mod fence;
mod in_context;
mod message;
mod open_trace;
mod pinned;
mod quiet;
mod reader;
mod registry;
mod shared;
mod slot;
mod subscribers;
mod trace;
mod traced;
mod tracing_channel;

/// What [`reader`] is made of.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};
    pub(crate) use std::sync::{Arc, Mutex};
}

pub use callback::TracedCallback;
pub use channel::Channel;
pub use context::{Context, Store, is_suppressed, suppress};
pub use error_record::{ErrorKind, ErrorRecord, HandledBy, report_error};
pub use in_context::{InContext, InContextExt};
pub use message::{EventKind, EventView, Message, Value};
pub use open_trace::OpenTrace;
pub use registry::{ChannelInfo, channels, observe};
pub use slot::Entered;
pub use subscribers::{SUBSCRIBER_PANICS, SubscriberPanic, Subscription};
pub use trace::{CancelReason, Outcome, Trace, TraceSubscriber};
pub use traced::Traced;
pub use tracing_channel::{TraceScope, TracingChannel};
