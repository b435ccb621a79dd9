//! Events in a block, written as JSON without anything between: what an envelope's `Serialize` would write.

use serde::Serialize;

use super::block::EventView;
use super::buffer::Scalar;
use crate::{Callsite, Level, Resource, SessionState, SpanContext};

/// What all events of a place in the code say, written once.
#[derive(Debug)]
pub(crate) struct SiteJson {
    /// From the end of the id to the beginning of the time.
    name: Written,
    source: Vec<u8>,
    /// By key: where the value is among the event's, the key, and the key as JSON.
    keys: Vec<(usize, &'static str, Written)>,
}

/// Bytes that are written again and again. Of few, as many are copied as there is room for, and those that are too many
/// dropped again: a copy of a length that the compiler knows takes a few instructions and no call.
#[derive(Debug)]
enum Written {
    Short([u8; Self::ROOM], usize),
    Long(Vec<u8>),
}

impl Written {
    const ROOM: usize = 48;

    fn new(bytes: Vec<u8>) -> Self {
        if bytes.len() > Self::ROOM {
            return Self::Long(bytes);
        }
        let mut room = [0; Self::ROOM];
        room[..bytes.len()].copy_from_slice(&bytes);
        Self::Short(room, bytes.len())
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Short(room, length) => {
                let end = out.len() + length;
                out.extend_from_slice(room);
                out.truncate(end);
            }
            Self::Long(bytes) => out.extend_from_slice(bytes),
        }
    }
}

impl SiteJson {
    pub(crate) fn new(site: &Callsite) -> Self {
        let mut keys: Vec<_> =
            site.keys.iter().enumerate().map(|(at, key)| (at, *key, Written::new(key_json(key)))).collect();
        // Of a key that is said twice the last counts.
        keys.sort_by_key(|(at, key, _)| (*key, std::cmp::Reverse(*at)));
        keys.dedup_by_key(|(_, key, _)| *key);
        let mut name = b"\",\"name\":".to_vec();
        put(&mut name, site.name);
        name.extend_from_slice(b",\"time\":\"");
        Self { name: Written::new(name), source: field("source", &site.source()), keys }
    }
}

/// What all events of a session say, written once.
#[derive(Debug)]
pub(crate) struct SessionJson {
    /// Id, actor and scope, the latter two from there on.
    who: Vec<u8>,
    actor_at: usize,
    parent: Vec<u8>,
    /// By key: the key, and with the value as JSON.
    attributes: Vec<(String, Vec<u8>)>,
}

impl SessionJson {
    pub(crate) fn new(session: &SessionState) -> Self {
        let pair = |(key, value): (&String, _)| {
            let mut json = key_json(key);
            put(&mut json, value);
            (key.clone(), json)
        };
        let mut attributes: Vec<_> = session.attributes.iter().map(pair).collect();
        attributes.sort();
        let mut who = field("sessionId", &session.session_id);
        let actor_at = who.len();
        who.extend(session.actor.iter().flat_map(|actor| field("actor", actor)));
        who.extend(session.scope.iter().flat_map(|scope| field("scope", scope)));
        Self {
            who,
            actor_at,
            parent: session
                .parent_session_id
                .as_ref()
                .map(|id| field("parentSessionId", id))
                .unwrap_or_default(),
            attributes,
        }
    }
}

/// From the end of the time to the session, by level.
pub(super) fn resource_json(resource: &Resource) -> [Vec<u8>; 5] {
    [Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal].map(|level| {
        let mut json = b"\"".to_vec();
        json.extend(field("level", &level));
        json.extend(field("service", &resource.service));
        json.extend(field("environment", &resource.environment));
        json.extend(resource.version.iter().flat_map(|version| field("version", version)));
        json
    })
}

/// With a comma before it.
fn field(name: &str, value: &impl Serialize) -> Vec<u8> {
    let mut json = format!(",\"{name}\":").into_bytes();
    put(&mut json, value);
    json
}

/// With a comma before it.
fn key_json(key: &str) -> Vec<u8> {
    let mut json = vec![b','];
    put(&mut json, key);
    json.push(b':');
    json
}

/// What is written here has no maps with keys that are not texts, so it does not fail.
#[inline]
fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).ok();
}

impl EventView<'_> {
    /// Appends it as JSON. `false` if that needs its envelope.
    pub(crate) fn put_json(&self, out: &mut Vec<u8>) -> bool {
        let Some(site) = self.site().map(Callsite::json).filter(|_| !self.overrides_session()) else {
            return false;
        };
        out.extend_from_slice(b"{\"id\":\"");
        self.put_id(|piece| out.extend_from_slice(piece));
        site.name.put(out);
        self.put_time(out);
        out.extend_from_slice(self.resource_json());
        let session = self.session().map(|session| session.json());
        match (session, self.span()) {
            (Some(session), None) => out.extend_from_slice(&session.who),
            (Some(session), Some(span)) => {
                let (id, others) = session.who.split_at(session.actor_at);
                out.extend_from_slice(id);
                put_span(out, span);
                out.extend_from_slice(others);
            }
            (None, span) => {
                out.extend_from_slice(b",\"sessionId\":\"");
                self.put_own_session_id(|piece| out.extend_from_slice(piece));
                out.push(b'"');
                span.into_iter().for_each(|span| put_span(out, span));
            }
        }
        self.put_attributes(out, site, session.map_or(&[], |session| &session.attributes));
        if let Some(error) = self.error() {
            out.extend_from_slice(b",\"error\":");
            put(out, error);
        }
        match self.extra().and_then(|extra| extra.source.as_ref()) {
            Some(source) => out.extend_from_slice(&field("source", source)),
            None => out.extend_from_slice(&site.source),
        }
        match session {
            Some(session) => out.extend_from_slice(&session.parent),
            None => out.extend_from_slice(b",\"standalone\":true"),
        }
        let weight = self.weight();
        if weight > 1.0 {
            out.extend_from_slice(b",\"samplingWeight\":");
            put(out, &weight);
        }
        out.push(b'}');
        true
    }

    /// Its own and its session's, by key; of a key that both have its own.
    fn put_attributes(&self, out: &mut Vec<u8>, site: &SiteJson, session: &[(String, Vec<u8>)]) {
        let (values, text) = (self.all_values(), self.text());
        const NAME: &[u8] = b",\"attributes\":";
        out.extend_from_slice(NAME);
        let start = out.len();
        let mut session = session.iter().peekable();
        for (at, key, key_json) in &site.keys {
            while let Some((_, written)) = session.next_if(|(other, _)| other.as_str() < *key) {
                out.extend_from_slice(written);
            }
            session.next_if(|(other, _)| other == key);
            if let Some(value) = values.get(*at).filter(|value| !matches!(value, Scalar::Removed)) {
                key_json.put(out);
                put_scalar(out, value, text);
            }
        }
        for (_, written) in session {
            out.extend_from_slice(written);
        }
        match out.get_mut(start) {
            Some(first_comma) => {
                *first_comma = b'{';
                out.push(b'}');
            }
            None => out.truncate(start - NAME.len()),
        }
    }
}

#[inline]
fn put_scalar(out: &mut Vec<u8>, value: &Scalar, text: &str) {
    match value {
        Scalar::Null | Scalar::Removed => out.extend_from_slice(b"null"),
        Scalar::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Scalar::Int(number) => {
            if *number < 0 {
                out.push(b'-');
            }
            put_whole(out, number.unsigned_abs());
        }
        Scalar::Uint(number) => put_whole(out, *number),
        Scalar::Float(number) if number.is_finite() => put_float(out, *number),
        Scalar::Text(piece) => put_text(out, piece.of(text)),
        Scalar::Json(value) => put(out, value),
        Scalar::Float(_) => put(out, &value.to_json(text)),
    }
}

/// Numbers below this are put together in a register. What is written behind a number waits until it is known how long
/// the number is: here the processor guesses that, of a general formatter's result it does not.
const SMALL: u64 = 100_000_000;

#[inline]
fn put_whole(out: &mut Vec<u8>, number: u64) {
    if number < SMALL { put_decimal(out, number as u32, 0) } else { put(out, &number) }
}

/// Most numbers have few decimals. If a decimal number with few digits is the nearest to this one, nothing shorter is.
#[inline]
fn put_float(out: &mut Vec<u8>, number: f64) {
    let size = number.abs();
    for (decimals, scale) in [(1, 10.0), (2, 100.0), (3, 1000.0)] {
        let scaled = size * scale;
        let whole = scaled as u32;
        // With a zero at the end it has fewer decimals than it seems to, where the product of before was rounded.
        let ends_well = decimals == 1 || !whole.is_multiple_of(10);
        if f64::from(whole) == scaled && ends_well && u64::from(whole) < SMALL && scaled / scale == size {
            if number.is_sign_negative() {
                out.push(b'-');
            }
            return put_decimal(out, whole, decimals);
        }
    }
    put(out, &number);
}

/// A small number divided by ten so many times.
#[inline]
fn put_decimal(out: &mut Vec<u8>, number: u32, decimals: usize) {
    // From the last digit to the first, which comes to lie lowest.
    let (mut rest, mut text, mut length) = (number, 0_u128, 0);
    loop {
        text = text << 8 | u128::from(b'0' + (rest % 10) as u8);
        (rest, length) = (rest / 10, length + 1);
        if length == decimals {
            text = text << 8 | u128::from(b'.');
            length += 1;
        } else if rest == 0 && length > decimals {
            break;
        }
    }
    let end = out.len() + length;
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(end);
}

/// Most texts need nothing but quotes.
#[inline]
fn put_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().fold(false, |any, byte| any | (byte < 0x20) | (byte == b'"') | (byte == b'\\')) {
        return put(out, text);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn put_span(out: &mut Vec<u8>, span: SpanContext) {
    out.extend_from_slice(b",\"traceId\":\"");
    put_hex(out, span.trace_id.as_bytes());
    out.extend_from_slice(b"\",\"spanId\":\"");
    put_hex(out, span.span_id.as_bytes());
    out.push(b'"');
}

fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &Scalar) -> String {
        let mut out = b"before".to_vec();
        put_scalar(&mut out, value, "");
        String::from_utf8(out).unwrap()
    }

    fn check(int: i64, uint: u64, float: f64) {
        assert_eq!(written(&Scalar::Int(int)), format!("before{}", serde_json::json!(int)));
        assert_eq!(written(&Scalar::Uint(uint)), format!("before{}", serde_json::json!(uint)));
        let value = Scalar::Float(float);
        assert_eq!(written(&value), format!("before{}", value.to_json("")), "{float:e}");
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_serde_writes_them(
            bits: u64, small in -2_000_000_000..2_000_000_000_i64, places in 0..8, off in -2..3_i64
        ) {
            check(bits.cast_signed(), bits, f64::from_bits(bits));
            // Near numbers with few decimals, and those themselves.
            let near = small as f64 / 10_f64.powi(places);
            let near = f64::from_bits(near.to_bits().wrapping_add_signed(off));
            check(small, small.unsigned_abs(), near);
            check(small / 10_i64.pow(places.unsigned_abs()), small.unsigned_abs() % 1000, near);
        }
    }

    #[test]
    fn numbers_at_the_edges_are_written_as_serde_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 99_999_999, 100_000_000, u64::MAX] {
            check(number.cast_signed(), number, number as f64);
            check(number.cast_signed().wrapping_neg(), number, -(number as f64));
            check(0, 0, number as f64 / 1000.0);
        }
        for float in [
            18_884.65,
            0.0,
            -0.0,
            0.001,
            0.0009,
            0.1 + 0.2,
            9_999_999.9,
            99_999.999,
            1e16,
            5e-324,
            f64::MAX,
            f64::NAN,
        ] {
            check(0, 0, float);
        }
    }
}
