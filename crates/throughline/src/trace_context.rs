//! W3C trace context: a span's place, as text.

use std::fmt;
use std::str::FromStr;

use throughline_channel::{Context, InContext};

use crate::ambient::Ambient;
use crate::{SpanContext, TraceState};

/// A text that is not a `traceparent`.
///
/// ```
/// use throughline::{InvalidTraceparent, SpanContext};
/// assert_eq!("00-0-0-00".parse::<SpanContext>(), Err(InvalidTraceparent));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent")]
pub struct InvalidTraceparent;

impl SpanContext {
    /// Runs `f` inside this span, which belongs to another process as a rule: that of the caller, with the state that
    /// came with it. What is observed and emitted there is part of its trace.
    ///
    /// ```
    /// use throughline::{SpanContext, Telemetry, TraceState, current_span};
    ///
    /// let telemetry = Telemetry::builder("shop").environment("test").build()?;
    /// let caller: SpanContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    /// caller.enter(&TraceState::default(), || {
    ///     let job = telemetry.generation("answer").start();
    ///     assert_eq!(job.context().trace_id, caller.trace_id);
    /// });
    /// assert!(current_span().is_none());
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn enter<R>(self, state: &TraceState, f: impl FnOnce() -> R) -> R {
        self.context(state).run(f)
    }

    /// A future that runs inside this span, like [`enter`](Self::enter).
    pub fn follow<F>(self, state: &TraceState, future: F) -> InContext<F> {
        self.context(state).follow(future)
    }

    fn context(self, state: &TraceState) -> Context {
        Ambient { span: Some(self), trace_state: state.clone(), ..Ambient::current() }.into_context()
    }
}

impl FromStr for SpanContext {
    type Err = InvalidTraceparent;

    /// Reads a `traceparent` header: version 00 exactly, later versions as far as 00 goes.
    fn from_str(header: &str) -> Result<Self, InvalidTraceparent> {
        let mut parts = header.split('-');
        let mut next = |len: usize| {
            let is_lower_hex =
                |part: &&str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            parts.next().filter(|part| part.len() == len && is_lower_hex(part)).ok_or(InvalidTraceparent)
        };
        let (version, trace_id, span_id, _flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let more = parts.next().is_some();
        if version == "ff" || (version == "00" && more) {
            return Err(InvalidTraceparent);
        }
        Ok(Self {
            trace_id: trace_id.parse().map_err(|_| InvalidTraceparent)?,
            span_id: span_id.parse().map_err(|_| InvalidTraceparent)?,
        })
    }
}

impl fmt::Display for SpanContext {
    /// As a `traceparent` header. Always marked as sampled: sampling here concerns events, not traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.trace_id, self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_traceparents_are_read() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert!([good, later].iter().all(|header| header.parse::<SpanContext>().is_ok()));
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(bad.parse::<SpanContext>(), Err(InvalidTraceparent), "{bad}");
        }
    }
}
