//! Traces: units of work inside units of work, model calls among them.

mod builder;
mod draft;
mod handle;
#[cfg(feature = "stream")]
mod streamed;

use serde::Serialize;
use serde_json::Value;

pub use self::builder::ObservationBuilder;
pub(crate) use self::draft::{Draft, Head, Moment, Note, Rare, References, Said};
pub use self::handle::Observation;
#[cfg(feature = "stream")]
pub use self::streamed::StreamedOutput;
use crate::{
    Attributes, ErrorInfo, Level, ObservationType, SessionState, SpanId, Status, Timestamp, TraceId,
    TraceState,
};

/// A finished unit of work, as transports get it.
///
/// ```
/// # use throughline::{Telemetry, testing::Memory};
/// # let memory = Memory::new();
/// # let telemetry = Telemetry::builder("chat").environment("test").transport(memory.clone()).build()?;
/// telemetry.trace("chat-turn").input("Hello!").run_sync(|| {});
/// # telemetry.flush(std::time::Duration::from_secs(1));
/// let span = &memory.spans()[0];
/// assert_eq!((span.name.as_str(), span.input.as_ref().unwrap()), ("chat-turn", &"Hello!".into()));
/// assert!(span.start_time <= span.end_time);
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Span {
    /// The trace it is part of.
    pub trace_id: TraceId,
    /// Its own id.
    #[serde(rename = "id")]
    pub span_id: SpanId,
    /// The span it happened in.
    pub parent_id: Option<SpanId>,
    /// What other tracing systems want handed on with the trace.
    #[serde(skip)]
    pub trace_state: TraceState,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub kind: ObservationType,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// How serious it is.
    pub level: Level,
    /// How it ended.
    pub status: Status,
    /// What is to be said about how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// What went in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Everything else, under OpenTelemetry's names where it has any.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// The session it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionState>,
}
