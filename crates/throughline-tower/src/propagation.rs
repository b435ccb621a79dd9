//! W3C trace context and baggage, in and out.

use http::{HeaderMap, HeaderValue};
use throughline::{Baggage, SpanContext, TraceState, current_span, outgoing_headers};

use crate::RequestContext;

/// Writes where the program is into the headers of a request to another service: `traceparent` and `tracestate` of the
/// trace that it is in, and `baggage` with `session.id` and `user.id` beside what came in. A service that reads them,
/// with this crate or any OpenTelemetry SDK, continues the trace and the session.
///
/// ```
/// use throughline::Telemetry;
/// use throughline_tower::propagate;
///
/// let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// let mut headers = axum::http::HeaderMap::new();
/// telemetry.session().id("conv 1").run_sync(|| telemetry.trace("order").run_sync(|| propagate(&mut headers)));
///
/// assert_eq!(headers["baggage"], "session.id=conv%201");
/// assert!(headers["traceparent"].to_str().unwrap().starts_with("00-"));
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn propagate(headers: &mut HeaderMap) {
    for (name, value) in outgoing_headers().chain(baggage_beside_what_came_in()) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// Instead of what there is to say of the session alone.
fn baggage_beside_what_came_in() -> Option<(&'static str, String)> {
    let request = RequestContext::current()?;
    let own = Baggage::current().to_string();
    // Who speaks of a session of their own takes the caller's word for neither of the two.
    let is_said = |member: &str| !own.is_empty() && matches!(key(member), "session.id" | "user.id");
    let came_in = request.baggage().split(',').map(str::trim);
    let others = came_in.filter(|member| !member.is_empty() && !is_said(member));
    let members: Vec<_> =
        Some(own.as_str()).filter(|own| !own.is_empty()).into_iter().chain(others).collect();
    (!members.is_empty()).then(|| ("baggage", members.join(",")))
}

fn key(member: &str) -> &str {
    member.split('=').next().unwrap_or_default().trim()
}

/// What a caller says of the session.
pub(crate) fn baggage_in(headers: &HeaderMap) -> Baggage {
    joined(headers, "baggage").map_or_else(Baggage::default, |header| Baggage::parse(&header))
}

/// The span of a caller, and what came with it to be handed on.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    pub(crate) span: Option<SpanContext>,
    /// Nothing without its span.
    pub(crate) state: TraceState,
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let span = headers.get("traceparent").and_then(|header| header.to_str().ok()?.trim().parse().ok());
        let state = span.and_then(|_: SpanContext| joined(headers, "tracestate"));
        Self { span, state: state.map_or_else(TraceState::default, |state| TraceState::parse(&state)) }
    }

    /// Runs `f` inside the caller's span, unless the program is inside one already: that of an exporter, which goes on
    /// from the caller's.
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        match self.span {
            Some(span) if current_span().is_none() => span.enter(&self.state, f),
            _ => f(),
        }
    }
}

/// A list that may be spread over several headers, as it would be in one.
pub(crate) fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}
