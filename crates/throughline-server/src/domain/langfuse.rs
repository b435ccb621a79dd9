//! Ids that clients of Langfuse gave before its clients spoke OpenTelemetry: any text.

use sha2::{Digest, Sha256};
use throughline_model::{SpanId, TraceId};

/// The attribute that keeps the id a client gave to a trace.
pub const TRACE_ID: &str = "langfuse.trace.id";
/// The attribute that keeps the id a client gave to an observation.
pub const OBSERVATION_ID: &str = "langfuse.observation.id";

/// The trace that an id stands for: the id itself if it is 32 hexadecimal digits, a UUID without its dashes, or else
/// what its hash says.
pub fn trace_id(given: &str) -> TraceId {
    let digits = if is_uuid(given) { given.replace('-', "") } else { given.to_owned() };
    digits.parse().unwrap_or_else(|_| {
        let hash = Sha256::digest(given);
        TraceId::from_slice(&hash[..16]).unwrap_or_default()
    })
}

/// The span that an id stands for: the id itself if it is 16 hexadecimal digits, or else what its hash says.
pub fn observation_id(given: &str) -> SpanId {
    given.parse().unwrap_or_else(|_| hashed(given.as_bytes()))
}

/// The span that stands for a trace itself. Langfuse's traces say things that no observation in them says.
pub fn root_id(trace: TraceId) -> SpanId {
    hashed(&[b"trace ", &trace.as_bytes()[..]].concat())
}

fn hashed(bytes: &[u8]) -> SpanId {
    SpanId::from_slice(&Sha256::digest(bytes)[..8]).unwrap_or_default()
}

fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&dash| bytes[dash] == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_ours_already_stay_and_others_are_always_the_same() {
        assert_eq!(
            trace_id("0af7651916cd43dd8448eb211c80319c").to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(
            trace_id("0AF76519-16cd-43dd-8448-eb211c80319c").to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(observation_id("b7ad6b7169203331").to_string(), "b7ad6b7169203331");
        assert_eq!((trace_id("turn 1"), observation_id("é")), (trace_id("turn 1"), observation_id("é")));
        assert_ne!(trace_id("turn 1"), trace_id("turn 2"));
        assert_ne!(root_id(trace_id("turn 1")), observation_id("turn 1"));
        // An id of nothing but zeros is none in OpenTelemetry.
        assert_ne!(trace_id(&"0".repeat(32)), TraceId::default());
    }
}
