//! W3C trace context and baggage, in and out.

use http::{HeaderMap, HeaderValue};
use throughline::{current_session, current_span};

use crate::RequestContext;

/// Names in baggage that other parties know too.
const SESSION: &str = "session.id";
const USER: &str = "user.id";

/// Writes where the program is into the headers of a request to another service: `traceparent`, `tracestate` as it
/// came in, and `baggage` with `session.id` and `user.id` beside what came in. A service that reads them, with this
/// crate or any OpenTelemetry SDK, continues the trace and the session.
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
    let request = RequestContext::current();
    if let Some(span) = current_span()
        && let Ok(value) = HeaderValue::try_from(span.to_string())
    {
        headers.insert("traceparent", value);
        if let Some(state) = request.as_ref().and_then(RequestContext::tracestate) {
            headers.insert("tracestate", state.clone());
        }
    }
    let came_in = request.as_ref().and_then(|request| request.baggage()?.to_str().ok()).unwrap_or_default();
    let mut members: Vec<String> = Vec::new();
    if let Some(session) = current_session() {
        members.push(format!("{SESSION}={}", encode(session.session_id.as_str())));
        let user = session.actor.filter(|actor| actor.kind == "user").and_then(|actor| actor.id);
        members.extend(user.map(|id| format!("{USER}={}", encode(&id))));
    }
    let ours = |member: &&str| [SESSION, USER].contains(&key(member)) && !members.is_empty();
    let others: Vec<_> =
        came_in.split(',').map(str::trim).filter(|member| !member.is_empty() && !ours(member)).collect();
    members.extend(others.into_iter().map(str::to_owned));
    if !members.is_empty()
        && let Ok(value) = HeaderValue::try_from(members.join(","))
    {
        headers.insert("baggage", value);
    }
}

/// The session that a caller names in its baggage.
pub(crate) fn session_in(headers: &HeaderMap) -> Option<String> {
    value_in(headers, SESSION)
}

/// The user that a caller names in its baggage.
pub(crate) fn user_in(headers: &HeaderMap) -> Option<String> {
    value_in(headers, USER)
}

fn value_in(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all("baggage").into_iter().filter_map(|line| line.to_str().ok());
    let member = lines.flat_map(|line| line.split(',')).find(|member| key(member) == name)?;
    // Properties may follow the value.
    let value = member.split_once('=')?.1.split(';').next()?.trim();
    decode(value).filter(|value| !value.is_empty())
}

fn key(member: &str) -> &str {
    member.split('=').next().unwrap_or_default().trim()
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'/' | b'@' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let (mut decoded, mut bytes) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push(match byte {
            b'%' => u8::try_from(digit()? * 16 + digit()?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baggage_is_read_with_its_escapes_and_properties() {
        let read = |baggage: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("baggage", HeaderValue::from_str(baggage).unwrap());
            session_in(&headers)
        };
        assert_eq!(read("user.id=alice, session.id = conv%201;ttl=3 ,x=y").as_deref(), Some("conv 1"));
        for nothing in
            ["", "session.id", "session.id=", "session.id=%zz", "session.id=%e9", "session.id=%4", "a=b"]
        {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn whatever_is_written_can_be_read() {
        for text in ["plain", "a b,c;d=e%f", "naïve \u{1f6b2}", "usr_1:2/3@x"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
    }
}
