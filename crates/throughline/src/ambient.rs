//! What every emit finds without being handed it: the session and the span it happens in.

use std::sync::Arc;

use throughline_channel::{Context, Store};

use crate::session::Shared;
use crate::{SessionState, SpanId, TraceId, TraceState};

/// The one store of the SDK.
static AMBIENT: Store<Ambient> = Store::new();

#[derive(Debug, Clone, Default)]
pub(crate) struct Ambient {
    pub(crate) session: Option<Arc<Shared>>,
    pub(crate) span: Option<SpanContext>,
    pub(crate) trace_state: TraceState,
}

/// The place of something in a trace.
///
/// ```
/// use throughline::SpanContext;
/// let parent: SpanContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(parent.span_id.to_string(), "00f067aa0ba902b7");
/// assert_eq!(parent.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// # Ok::<(), throughline::InvalidTraceparent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span in it.
    pub span_id: SpanId,
}

impl Ambient {
    /// Runs `f` with what is ambient here.
    #[inline]
    pub(crate) fn with<R>(f: impl FnOnce(Option<&Self>) -> R) -> R {
        AMBIENT.with(f)
    }

    /// The same, unless nothing is to be said here.
    #[inline]
    pub(crate) fn with_unless_suppressed<R>(f: impl FnOnce(Option<&Self>) -> R) -> Option<R> {
        AMBIENT.with_unless_suppressed(f)
    }

    pub(crate) fn current() -> Self {
        AMBIENT.get().unwrap_or_default()
    }

    pub(crate) fn into_context(self) -> Context {
        Context::current().with(&AMBIENT, self)
    }
}

/// The session that the program is in here, as it is now.
///
/// ```
/// # use throughline::{Telemetry, current_session};
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// telemetry.session().id("sess_1").run_sync(|| {
///     assert_eq!(current_session().unwrap().session_id.as_str(), "sess_1");
/// });
/// assert!(current_session().is_none());
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn current_session() -> Option<SessionState> {
    let shared = Ambient::with(|ambient| ambient?.session.clone())?;
    Some((*shared.state()).clone())
}

/// The span that the program is in here.
///
/// ```
/// # use throughline::{Telemetry, current_span};
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// telemetry.trace("job").run_sync(|| {
///     let here = current_span().unwrap();
///     telemetry.generation("answer").run_sync(|| assert_eq!(current_span().unwrap().trace_id, here.trace_id));
/// });
/// assert!(current_span().is_none());
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn current_span() -> Option<SpanContext> {
    Ambient::with(|ambient| ambient?.span)
}
