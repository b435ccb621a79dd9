//! Telemetry whose unit is the session.
//!
//! Say once who acts and in which context; everything that is emitted from there on carries it, through every `await`,
//! task and thread it is handed to.
//!
//! ```
//! use std::time::Duration;
//! use throughline::{Telemetry, emit, transport::Console};
//!
//! # async fn charge() -> Result<(), std::fmt::Error> { Ok(()) }
//! # fn main() -> Result<(), throughline::Error> {
//! let telemetry = Telemetry::builder("shop").version("1.4.2").transport(Console::pretty()).build()?;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! telemetry
//!     .session()
//!     .actor("user", "usr_123")
//!     .scope("organization", "org_456")
//!     .run(async {
//!         emit!(telemetry, "payment.started", "ctx.payment.amount" => 14_999);
//!         if let Err(error) = charge().await {
//!             emit!(telemetry, error, "payment.failed", error: &error);
//!         }
//!     })
//!     .await;
//! # });
//!
//! // At the end of the program: what was emitted is delivered, or you are told what was not.
//! let report = telemetry.shutdown(Duration::from_secs(5));
//! assert_eq!(report.lost(), 0);
//! # Ok(()) }
//! ```
//!
//! # Parts
//!
//! * **Events** are single facts: [`emit!`], or [`Telemetry::event`] when names or keys are known only at run time.
//!   With [`Events`] and [`TypedEvent`] they are checked against what you said they are.
//! * **Sessions** carry actor, scope and attributes: [`Telemetry::session`]. They nest; an inner session inherits what
//!   it does not set and has an id of its own.
//! * **Traces** are units of work inside units of work: [`Telemetry::trace`], and inside one [`Telemetry::generation`]
//!   for a model call and [`Telemetry::observation`] for anything else.
//! * **[`Sampling`]** and **[`Redaction`]** decide what leaves the process.
//! * **[Transports](transport)** take it away, each with its own queue, thread and retries.
//! * **[`testing`]** has what tests of programs that emit need.
//!
//! A program hands its [`Telemetry`] around, in its state or as an argument, or keeps one for the process with [`init`]
//! and [`get`].
//!
//! # Conversations with models
//!
//! All traces with one session id are a conversation; each is a turn of it. What a turn does is inside it without
//! being told so.
//!
//! ```
//! # use throughline::{Telemetry, testing::Memory};
//! # let memory = Memory::new();
//! # let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
//! # async fn ask_the_model(_: &str) -> Result<Vec<String>, std::fmt::Error> { Ok(vec!["Hi ".into(), "Alice".into()]) }
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let turn = telemetry.trace("chat-turn").session_id("chat-1").user_id("alice").input("Hello!").start();
//! let answered = turn
//!     .follow(async {
//!         let call = telemetry.generation("answer").model("gpt-4o").provider("openai").start();
//!         for token in ask_the_model("Hello!").await? {
//!             call.push_output(&token); // the first notes the time to the first token
//!         }
//!         call.set_tokens(812, 41).end();
//!         Ok::<_, std::fmt::Error>("Hi Alice")
//!     })
//!     .await;
//! match &answered {
//!     Ok(answer) => turn.set_output(*answer).end(),
//!     Err(error) => turn.error(error),
//! }
//! # });
//! # telemetry.flush(std::time::Duration::from_secs(1));
//! # assert_eq!(memory.tree().lines().count(), 3, "{}", memory.tree());
//! # Ok::<(), throughline::Error>(())
//! ```
//!
//! # Context
//!
//! A session or observation that is *run* ([`SessionBuilder::run`], [`Session::follow`], [`Observation::follow`]) is
//! ambient: it follows the future through every `await`. Tasks and threads that the future starts do not inherit it by
//! themselves; hand it to them with [`in_current_session`](InCurrentSession::in_current_session) or [`carry`], or start
//! them with the functions of `task` (feature `tokio`); with `inherit_sessions` (feature `tokio-hooks`) a tokio runtime
//! does it for every task. To other processes it goes as [headers](outgoing_headers):
//! [`SpanContext`] as `traceparent`, [`TraceState`], [`Baggage`].
//!
//! # Promises
//!
//! Emitting never blocks, never panics and never fails. A thread writes into a buffer of its own; one background thread
//! makes envelopes; each transport has its queue and thread. What does not fit is dropped and counted
//! ([`Telemetry::report`]). Nothing is emitted from within transports, so exporting never feeds itself.
//!
//! # Features
//!
//! On unless turned off: `otlp` (and the `http` it is made of), `derive`, `hash`. Off: `tls` for `https`, `chat` (Slack,
//! Discord, Telegram), `sentry`, `redis`, `stream`, `tokio`, `tokio-hooks`. Without any, the crate brings 11 others.
#![warn(missing_docs)]

#[cfg(all(feature = "tokio-hooks", not(tokio_unstable)))]
compile_error!(
    "the feature `tokio-hooks` of throughline needs the hooks of tokio's runtime, which tokio has only with \
     `--cfg tokio_unstable`: set RUSTFLAGS=\"--cfg tokio_unstable\", or `rustflags` in .cargo/config.toml"
);

mod ambient;
mod attribute;
mod baggage;
mod builder;
mod callsite;
mod carry;
mod env;
mod envelope;
mod error;
mod event;
mod glob;
mod global;
#[cfg(all(feature = "tokio-hooks", tokio_unstable))]
mod hooks;
mod macros;
mod name;
mod observation;
mod pipeline;
mod redaction;
mod registry;
mod sampling;
mod session;
mod source;
#[cfg(feature = "stream")]
mod stream;
#[cfg(feature = "tokio")]
pub mod task;
mod telemetry;
pub mod testing;
mod ticks;
mod trace_context;
mod trace_state;
pub mod transport;

pub use throughline_model::{
    Actor, Attributes, ErrorInfo, Event, EventId, Level, ObservationType, Scope, SessionId, Source, SpanId,
    Status, Timestamp, TraceId, Usage,
};

pub use ambient::{SpanContext, current_session, current_span};
pub use attribute::{Attribute, AttributeValue, debug, display, json};
pub use baggage::Baggage;
pub use builder::Builder;
pub use carry::{InCurrentSession, carry};
pub use envelope::Envelope;
pub use error::Error;
pub use event::{Emitter, EventBuilder, IntoErrorInfo};
pub use global::{get, init};
#[cfg(all(feature = "tokio-hooks", tokio_unstable))]
pub use hooks::inherit_sessions;
#[cfg(feature = "stream")]
pub use observation::StreamedOutput;
pub use observation::{Observation, ObservationBuilder, Span};
pub use pipeline::{Counters, Report, TransportReport};
pub use redaction::Redaction;
pub use registry::{
    AttributeSchema, AttributeType, EventGroup, Events, Kind, Schema, TypedAttribute, TypedEvent, Validation,
    ValidationMode,
};
pub use sampling::Sampling;
pub use session::{Session, SessionBuilder, SessionState};
#[cfg(feature = "stream")]
pub use stream::{InSessionStream, stream_in_current_session};
pub use telemetry::{Resource, Telemetry};
pub use trace_context::InvalidTraceparent;
pub use trace_state::{TraceState, current_trace_state, outgoing_headers};

pub(crate) use callsite::Callsite;

/// Makes a struct a [`TypedEvent`]: its fields are the attributes, its documentation the descriptions.
///
/// On the struct `#[event(name = "...")]`, and `level = "warn"` if it is not info; on a field `#[event(key = "...")]`
/// if its key is not its name. A field of type `Option` is optional. A name or key that is none does not compile:
///
/// ```compile_fail
/// #[derive(throughline::TypedEvent)]
/// #[event(name = "not a name")]
/// struct Bad;
/// ```
#[cfg(feature = "derive")]
pub use throughline_macros::TypedEvent;

/// The README's program is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// What the macros expand to. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::callsite::Callsite;
    pub use crate::event::{Extra, decide, leave_out, leave_out_quietly, level, record, record_quietly};
    pub use crate::name::is_valid;
}
