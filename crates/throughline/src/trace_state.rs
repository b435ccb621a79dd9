//! W3C `tracestate`: what other tracing systems want handed on, untouched.

use std::fmt;
use std::sync::Arc;

use crate::{Baggage, SpanContext, ambient::Ambient, current_span};

/// A `tracestate` header: entries of other tracing systems that travel with a trace. Cheap to clone; usually empty.
///
/// ```
/// use throughline::{Telemetry, TraceState, current_trace_state};
///
/// let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// let state = TraceState::parse("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE");
/// let job = telemetry
///     .trace("job")
///     .parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap())
///     .trace_state(state);
/// job.run_sync(|| {
///     assert_eq!(current_trace_state().get("congo"), Some("t61rcWkgMzE"));
///     assert_eq!(current_trace_state().to_string(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
/// });
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceState(Option<Arc<str>>);

/// What W3C allows.
const MAX_ENTRIES: usize = 32;
const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 256;

impl TraceState {
    /// Reads a header; several headers are read as one, joined by commas. As W3C asks, a header that breaks the grammar
    /// is dropped whole: the result is empty.
    pub fn parse(header: &str) -> Self {
        let trimmed = header.split(',').map(|entry| entry.trim_matches([' ', '\t']));
        let entries: Vec<&str> = trimmed.filter(|entry| !entry.is_empty()).collect();
        let pairs: Option<Vec<_>> = entries.iter().map(|entry| entry.split_once('=')).collect();
        let is_valid = pairs.is_some_and(|pairs| {
            let twice = |at: usize| pairs[..at].iter().any(|(key, _)| *key == pairs[at].0);
            pairs.len() <= MAX_ENTRIES
                && (0..pairs.len()).all(|at| is_key(pairs[at].0) && is_value(pairs[at].1) && !twice(at))
        });
        Self((is_valid && !entries.is_empty()).then(|| entries.join(",").into()))
    }

    /// The value of an entry.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// The entries, the latest first.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split(',').filter_map(|entry| entry.split_once('='))
    }

    /// As a header; empty if there is nothing to hand on.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is nothing to hand on.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// With this entry in front, instead of an earlier one of its key. Unchanged if the key or value is none.
    ///
    /// ```
    /// # use throughline::TraceState;
    /// let state = TraceState::parse("rojo=1,congo=2").with("congo", "3");
    /// assert_eq!(state.to_string(), "congo=3,rojo=1");
    /// ```
    #[must_use = "it is immutable: this is the changed one"]
    pub fn with(&self, key: &str, value: &str) -> Self {
        if !is_key(key) || !is_value(value) {
            return self.clone();
        }
        let others = self.entries().filter(|(own, _)| *own != key).take(MAX_ENTRIES - 1);
        let all = std::iter::once((key, value)).chain(others);
        Self(Some(all.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",").into()))
    }
}

fn is_key(key: &str) -> bool {
    let lower = |b: u8| b.is_ascii_lowercase();
    let allowed = |b: u8| lower(b) || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*' | b'/');
    let (tenant, system) = key.split_once('@').map_or((key, None), |(tenant, system)| (tenant, Some(system)));
    let begins_well = |part: &str, digits: bool| {
        part.bytes().next().is_some_and(|b| lower(b) || (digits && b.is_ascii_digit()))
    };
    key.len() <= MAX_KEY
        && begins_well(tenant, system.is_some())
        && tenant.bytes().all(allowed)
        && system.is_none_or(|system| begins_well(system, false) && system.bytes().all(allowed))
}

fn is_value(value: &str) -> bool {
    let allowed = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    !value.is_empty() && value.len() <= MAX_VALUE && value.bytes().all(allowed) && !value.ends_with(' ')
}

impl fmt::Display for TraceState {
    /// As a header; empty if there is nothing to hand on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What other tracing systems want handed on with the trace that the program is in here.
///
/// ```
/// # use throughline::{Telemetry, TraceState, current_trace_state};
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
/// let request = telemetry.trace("request").parent(parent).trace_state(TraceState::parse("congo=t61rcWkgMzE"));
/// request.run_sync(|| assert_eq!(current_trace_state().as_str(), "congo=t61rcWkgMzE"));
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn current_trace_state() -> TraceState {
    Ambient::with(|ambient| ambient.map(|ambient| ambient.trace_state.clone())).unwrap_or_default()
}

/// The headers that take the current trace and session to another process: `traceparent`, `tracestate` and `baggage`,
/// each only if there is something to say.
///
/// ```
/// # use throughline::{Telemetry, outgoing_headers};
/// # let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// telemetry.session().id("conv_1").run_sync(|| {
///     telemetry.trace("job").run_sync(|| {
///         let names: Vec<_> = outgoing_headers().map(|(name, _)| name).collect();
///         assert_eq!(names, ["traceparent", "baggage"]);
///     });
/// });
/// assert_eq!(outgoing_headers().count(), 0);
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn outgoing_headers() -> impl Iterator<Item = (&'static str, String)> {
    let parent = current_span().as_ref().map(SpanContext::to_string).unwrap_or_default();
    let state = current_trace_state().to_string();
    let baggage = Baggage::current().to_string();
    let all = [("traceparent", parent), ("tracestate", state), ("baggage", baggage)];
    all.into_iter().filter(|(_, value)| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_breaks_the_grammar_is_dropped_whole() {
        for good in ["a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "1t@sys=x y", "a/b-c*d_e=~!"] {
            assert_eq!(TraceState::parse(good).to_string(), good);
        }
        assert_eq!(TraceState::parse(" a=1 ,,\tb=2 ").to_string(), "a=1,b=2");
        let too_many: Vec<_> = (0..33).map(|n| format!("k{n}=1")).collect();
        let too_long = format!("a={}", "x".repeat(257));
        for bad in [
            "", ",", "a", "a=", "A=1", "1=1", "a=1,a=2", "a=1,b", "a=b=c", "a@1s=1", "a@=1", "ä=1", "a=ü",
            "a b=1",
        ] {
            assert!(TraceState::parse(bad).is_empty(), "{bad}");
        }
        assert!(TraceState::parse(&too_many.join(",")).is_empty() && TraceState::parse(&too_long).is_empty());
    }

    #[test]
    fn a_new_entry_goes_first_and_the_last_of_too_many_goes() {
        let full: Vec<_> = (0..32).map(|n| format!("k{n}=1")).collect();
        let state = TraceState::parse(&full.join(",")).with("new", "1");
        assert_eq!((state.entries().next(), state.entries().count()), (Some(("new", "1")), 32));
        assert!(state.get("k31").is_none() && state.get("k30").is_some());
        assert_eq!(state.with("Bad", "1"), state);
    }

    proptest! {
        #[test]
        fn what_is_read_is_sent_and_read_again(header in "[a-z@=, 1é]{0,40}") {
            let state = TraceState::parse(&header);
            prop_assert_eq!(TraceState::parse(&state.to_string()), state);
        }
    }
}
