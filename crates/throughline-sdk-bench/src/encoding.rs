//! What is sent, written: by the SDK, by a serializer from a record, and by hand with everything known before.

use std::fmt::Write as _;
use std::hint::black_box;

use serde::Serialize;
use sha2::{Digest, Sha256};
use throughline::Envelope;
use throughline::transport::{Item, OtlpEncoder};

use crate::lab::Lab;
use crate::ours;

const EVENTS: usize = 256;
const KEYS: [&str; 5] = [
    "ctx.order.currency",
    "ctx.order.id",
    "ctx.order.total",
    "ctx.shipment.express",
    "ctx.shipment.weight_kg",
];

/// The event as somebody would write the type who has no other.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    name: &'a str,
    time: String,
    level: &'a str,
    service: &'a str,
    environment: &'a str,
    version: Option<&'a str>,
    #[serde(rename = "sessionId")]
    session_id: &'a str,
    actor: Who<'a>,
    scope: Who<'a>,
    attributes: Facts<'a>,
    source: Place<'a>,
}

#[derive(Serialize)]
struct Who<'a> {
    r#type: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct Facts<'a> {
    #[serde(rename = "ctx.order.currency")]
    currency: &'a str,
    #[serde(rename = "ctx.order.id")]
    id: &'a str,
    #[serde(rename = "ctx.order.total")]
    total: i64,
    #[serde(rename = "ctx.request.id")]
    request: &'a str,
    #[serde(rename = "ctx.request.method")]
    method: &'a str,
    #[serde(rename = "ctx.shipment.express")]
    express: bool,
    #[serde(rename = "ctx.shipment.weight_kg")]
    kg: f64,
}

#[derive(Serialize)]
struct Place<'a> {
    causer: &'a str,
    file: &'a str,
    line: u32,
}

fn record(event: &Envelope) -> Record<'_> {
    let text = |key: &str| event.attributes[key].as_str().expect("a text");
    let source = event.source.as_ref().expect("a place");
    let (actor, scope) = (event.actor.as_ref().expect("an actor"), event.scope.as_ref().expect("a scope"));
    Record {
        id: event.id.as_str(),
        name: &event.name,
        time: event.time.to_string(),
        level: event.level.as_str(),
        service: &event.service,
        environment: &event.environment,
        version: event.version.as_deref(),
        session_id: event.session_id.as_ref().expect("a session").as_str(),
        actor: Who { r#type: &actor.kind, id: actor.id.as_deref().expect("an id") },
        scope: Who { r#type: &scope.kind, id: &scope.id },
        attributes: Facts {
            currency: text(KEYS[0]),
            id: text(KEYS[1]),
            total: event.attributes[KEYS[2]].as_i64().expect("a number"),
            request: text("ctx.request.id"),
            method: text("ctx.request.method"),
            express: event.attributes[KEYS[3]].as_bool().expect("yes or no"),
            kg: event.attributes[KEYS[4]].as_f64().expect("a number"),
        },
        source: Place {
            causer: source.causer.as_deref().expect("a module"),
            file: source.file.as_deref().expect("a file"),
            line: source.line.expect("a line"),
        },
    }
}

/// What is between the values that differ from event to event, written before: in front of the id, between it and the
/// time, and so on.
fn between(whole: &str, values: &[String]) -> Vec<Vec<u8>> {
    let (mut rest, mut parts) = (whole, Vec::new());
    for value in values {
        let (part, after) = rest.split_once(value.as_str()).expect("the value is there");
        parts.push(part.as_bytes().to_vec());
        rest = after;
    }
    parts.push(rest.as_bytes().to_vec());
    parts
}

fn json(lab: &Lab, items: &[Item], out: &mut Vec<u8>) {
    const OP: &str = "event to JSON";
    let events: Vec<&Envelope> = items.iter().filter_map(Item::event).collect();
    let records: Vec<Record<'_>> = events.iter().map(|event| record(event)).collect();
    let mut written = Vec::new();
    items[0].write_json(&mut written);
    let whole = sonic_rs::to_string(&records[0]).expect("it is serializable");
    assert_eq!(String::from_utf8_lossy(&written), whole, "all write the same");
    lab.hot_many(OP, "throughline", items.len(), || {
        out.clear();
        items.iter().for_each(|item| item.write_json(out));
        black_box(&out);
    });
    lab.hot_many(OP, "sonic-rs, derived", items.len(), || {
        out.clear();
        records.iter().for_each(|record| sonic_rs::to_writer(&mut *out, record).expect("it is serializable"));
        black_box(&out);
    });
    let first = &records[0];
    let facts = &first.attributes;
    let values = [first.id, &first.time, facts.currency, facts.id, "14999", "true", "2.3"].map(str::to_owned);
    let parts = between(&whole, &values);
    let mut text = String::new();
    lab.hot_many(OP, "floor: by hand", items.len(), || {
        out.clear();
        for (event, record) in events.iter().zip(&records) {
            let facts = &record.attributes;
            let mut put = |part: usize, value: &str| {
                out.extend_from_slice(&parts[part]);
                out.extend_from_slice(value.as_bytes());
            };
            put(0, record.id);
            text.clear();
            write!(text, "{}", event.time).ok();
            put(1, &text);
            put(2, facts.currency);
            put(3, facts.id);
            text.clear();
            write!(text, "{}", facts.total).ok();
            put(4, &text);
            put(5, if facts.express { "true" } else { "false" });
            text.clear();
            write!(text, "{}", facts.kg).ok();
            put(6, &text);
            out.extend_from_slice(&parts[7]);
        }
        black_box(&out);
    });
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// A pair whose value is already encoded; each is short enough for lengths of one byte.
fn pair(out: &mut Vec<u8>, key: &str, tag: u8, value: &[u8]) {
    let text = tag == 0x0a;
    let inner = 1 + usize::from(text) + value.len();
    out.extend_from_slice(&[0x32, (4 + key.len() + inner) as u8, 0x0a, key.len() as u8]);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(&[0x12, inner as u8, tag]);
    if text {
        out.push(value.len() as u8);
    }
    out.extend_from_slice(value);
}

/// What does not differ from record to record: level, name and place in front of the id, session behind it.
fn shared(record: &Record<'_>) -> (Vec<u8>, Vec<u8>) {
    let texts = |out: &mut Vec<u8>, pairs: &[(&str, &str)]| {
        pairs.iter().for_each(|(key, text)| pair(out, key, 0x0a, text.as_bytes()));
    };
    let (mut front, mut session) = (vec![0x10, 9], Vec::new());
    field(&mut front, 3, b"INFO");
    field(&mut front, 12, record.name.as_bytes());
    texts(
        &mut front,
        &[("throughline.source.causer", record.source.causer), ("code.file.path", record.source.file)],
    );
    let mut line = Vec::new();
    length(&mut line, record.source.line as usize);
    pair(&mut front, "code.line.number", 0x18, &line);
    texts(
        &mut session,
        &[
            ("session.id", record.session_id),
            ("throughline.actor.type", record.actor.r#type),
            ("throughline.actor.id", record.actor.id),
            ("throughline.scope.type", record.scope.r#type),
            ("throughline.scope.id", record.scope.id),
            ("ctx.request.id", record.attributes.request),
            ("ctx.request.method", record.attributes.method),
        ],
    );
    (front, session)
}

fn otlp(lab: &Lab, encoder: &mut OtlpEncoder, items: &[Item], out: &mut Vec<u8>) {
    const OP: &str = "event to OTLP";
    lab.hot_many(OP, "throughline", items.len(), || {
        encoder.encode(items);
        black_box(encoder.logs());
    });
    let ours = encoder.logs().expect("there are events");
    let events: Vec<&Envelope> = items.iter().filter_map(Item::event).collect();
    let records: Vec<Record<'_>> = events.iter().map(|event| record(event)).collect();
    let (front, session) = shared(&records[0]);
    // What is in front of all records: it ends with the name of the scope.
    const SCOPE: &[u8] = b"\x0a\x0bthroughline";
    let heading = ours.windows(SCOPE.len()).position(|bytes| bytes == SCOPE).expect("there is a scope");
    let heading = &ours[..heading + SCOPE.len()];
    let mut message = Vec::new();
    lab.hot_many(OP, "floor: by hand", items.len(), || {
        out.clear();
        out.extend_from_slice(heading);
        for (event, record) in events.iter().zip(&records) {
            message.clear();
            let nanos = event.time.as_nanos().to_le_bytes();
            message.push(0x09);
            message.extend_from_slice(&nanos);
            message.push(0x59);
            message.extend_from_slice(&nanos);
            message.extend_from_slice(&front);
            pair(&mut message, "throughline.event.id", 0x0a, record.id.as_bytes());
            message.extend_from_slice(&session);
            let facts = &record.attributes;
            pair(&mut message, KEYS[1], 0x0a, facts.id.as_bytes());
            pair(&mut message, KEYS[2], 0x18, &[facts.total as u8 | 0x80, (facts.total >> 7) as u8]);
            pair(&mut message, KEYS[0], 0x0a, facts.currency.as_bytes());
            pair(&mut message, KEYS[3], 0x10, &[u8::from(facts.express)]);
            pair(&mut message, KEYS[4], 0x21, &facts.kg.to_le_bytes());
            field(out, 2, &message);
        }
        black_box(&out);
    });
    assert!(out.as_slice() == ours, "both write the same bytes");
}

pub(crate) fn all(lab: &Lab) {
    let (telemetry, items) = ours::items(EVENTS);
    let mut out = Vec::new();
    json(lab, &items, &mut out);
    otlp(lab, &mut OtlpEncoder::new(telemetry.resource().clone()), &items, &mut out);
}

/// What hashing a value takes at the least.
pub(crate) fn hashing(lab: &Lab) {
    let mut out = String::new();
    lab.hot("hash of a key", "floor: sha2 and hex", || {
        out.clear();
        let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
        let digest = Sha256::digest(black_box("ord_789abc"));
        out.extend(digest[..16].iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        black_box(&out);
    });
}
