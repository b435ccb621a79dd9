//! The words of Throughline, as plain types: events, sessions, traces, observations and usage, exactly as the
//! API's JSON shows them, plus the mapping between them and OpenTelemetry's protocol (feature `otlp`).
//!
//! This crate knows nothing of files, sockets, clocks or async: time and ids are handed in.
//!
//! Start with [`Session`], the unit everything else hangs on; [`Trace`] and [`Observation`] are what LLM and
//! request work looks like inside one, [`Event`] is a single named fact.
#![warn(missing_docs)]

pub mod keys;
pub mod message;
#[cfg(feature = "otlp")]
pub mod otlp;

mod actor;
mod error_info;
mod event;
mod id;
mod level;
mod money;
mod observation;
mod session;
mod time;
mod trace;
mod usage;

pub use actor::{Actor, Scope};
pub use error_info::{ErrorInfo, Source};
pub use event::Event;
pub use id::{EventId, ProjectId, SessionId, SpanId, TraceId};
pub use level::Level;
pub use money::Money;
pub use observation::{Observation, ObservationType, Status, Tool};
pub use session::{Session, SessionPart, SessionState, SplitCause};
pub use time::{SecondText, TimeText, Timestamp, millis};
pub use trace::{Trace, Unfinished};
pub use usage::Usage;

/// Attributes as they are shown: flat keys, JSON values.
pub type Attributes = serde_json::Map<String, serde_json::Value>;
