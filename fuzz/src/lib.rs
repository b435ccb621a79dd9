//! What must hold for every input from outside. Each target in `fuzz_targets` calls one of these functions.
//!
//! The server's rooms that read such input depend on nothing but the model, so they are compiled here by themselves,
//! without the engines.

use std::fmt::Debug;

use throughline::{Baggage, SpanContext, TraceState, transport};
use throughline_model::otlp::{self, Checked, Log, wire::Malformed};
use throughline_model::{Event, Timestamp};

#[path = "../../crates/throughline-server/src/domain/mod.rs"]
#[allow(dead_code, unused_imports, reason = "only the filters are read here")]
mod domain;
#[path = "../../crates/throughline-server/src/ingest/envelope.rs"]
mod envelope;

use domain::filter::{Filter, Target};

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000);

type Check = fn(&[u8], Timestamp) -> Result<Checked, Malformed>;

/// What passed the door passes it again, untouched.
fn checked(body: &[u8], check: Check) -> Option<(Vec<u8>, u64)> {
    let checked = check(body, NOW).ok()?;
    let sound = checked.body.unwrap_or_else(|| body.to_vec());
    let again = check(&sound, NOW).expect("what was found sound is well-formed");
    assert_eq!((again.accepted, again.rejected, again.body), (checked.accepted, 0, None));
    Some((sound, checked.accepted))
}

/// A request with spans, as protobuf.
pub fn otlp_traces(body: &[u8]) {
    let Some((sound, accepted)) = checked(body, otlp::check_traces) else { return };
    assert_eq!(spans(&sound), accepted);
    let json = otlp::traces_to_json(&sound).expect("what is sound can be shown");
    let back = otlp::traces_from_json(json.to_string().as_bytes()).expect("what is shown can be read");
    assert_eq!(spans(&back), accepted);
}

/// Maps every span, and says how many there are.
fn spans(body: &[u8]) -> u64 {
    let mut spans = 0;
    otlp::each_span(body, |span| {
        let observation = otlp::observation(&span.facts());
        shown_and_read(&observation);
        spans += 1;
    })
    .expect("what is sound can be walked");
    spans
}

/// A request with log records, as protobuf.
pub fn otlp_logs(body: &[u8]) {
    let Some((sound, accepted)) = checked(body, otlp::check_logs) else { return };
    let mut events = Vec::new();
    let mut records = 0;
    otlp::each_log(&sound, |log| {
        records += 1;
        match log {
            Log::Event(event) => events.push(*event),
            Log::Span(body) => assert_eq!(spans(body), 1),
        }
    })
    .expect("what is sound can be walked");
    assert_eq!(records, accepted);
    let written = otlp::events_to_logs(&events);
    let again = otlp::check_logs(&written, NOW).expect("what is written is well-formed");
    assert_eq!((again.accepted, again.rejected), (events.len() as u64, 0));
}

/// A request of either kind, as JSON.
pub fn otlp_json(json: &[u8]) {
    if let Ok(Checked { body: Some(body), accepted, .. }) = otlp::check_traces_json(json, NOW) {
        assert_eq!(spans(&body), accepted);
    }
    if let Ok(Checked { body: Some(body), .. }) = otlp::check_logs_json(json, NOW) {
        otlp_logs(&body);
    }
}

/// A filter: what is understood is printed as something that is understood in the same way, and what is not is shown.
pub fn filter(text: &str) {
    match Filter::parse(text, &Target::ALL, NOW) {
        Ok(filter) => {
            let printed = filter.to_string();
            assert_eq!(Filter::parse(&printed, &Target::ALL, NOW).as_ref(), Ok(&filter), "{printed}");
        }
        Err(error) => assert!(!error.render(text).is_empty()),
    }
}

/// An event as JSON.
pub fn envelope(json: &str) {
    let Ok(mut event) = envelope::read(json, NOW) else { return };
    event.id = envelope::name_by_content(envelope::fingerprint(&event), 0);
    let shown = serde_json::to_string(&event).expect("an event can be shown");
    let read: Event = serde_json::from_str(&shown).expect("what is shown can be read");
    assert_eq!(read, event);
    let again = envelope::read(&shown, NOW).expect("what the API shows, the door takes");
    assert_eq!(again, event);
}

/// `traceparent`, `tracestate`, baggage and the lines that say where to send to.
pub fn headers(text: &str) {
    if let Ok(span) = text.parse::<SpanContext>() {
        assert_eq!(span.to_string().parse().as_ref(), Ok(&span));
    }
    let baggage = Baggage::parse(text);
    // Escaping makes it longer, and what is too long is not read.
    if baggage.to_string().len() <= 8192 {
        assert_eq!(Baggage::parse(&baggage.to_string()), baggage);
    }
    let state = TraceState::parse(text);
    assert_eq!(TraceState::parse(&state.to_string()), state);
    // They have no value to compare: to be refused or taken is all.
    drop((transport::Otlp::dsn(text), transport::Sentry::dsn(text)));
}

fn shown_and_read<T: Debug + serde::Serialize>(value: &T) {
    let shown = serde_json::to_string(value).expect("it can be shown");
    serde_json::from_str::<serde_json::Value>(&shown).expect("what is shown is JSON");
}
