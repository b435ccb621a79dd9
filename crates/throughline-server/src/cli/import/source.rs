//! What is in a file, found out by looking at it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::value::RawValue;
use throughline_model::Timestamp;
use throughline_model::otlp;

use super::super::failure::Failure;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// One thing found in a file, with its place in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    OtlpJson {
        signal: Signal,
        json: String,
        place: String,
    },
    Protobuf {
        signal: Signal,
        bytes: Vec<u8>,
        place: String,
    },
    Event {
        json: String,
        place: String,
    },
    /// What is none of these.
    Unknown {
        place: String,
        reason: String,
    },
}

pub(super) type Each<'a> = &'a mut dyn FnMut(Item) -> Result<(), Failure>;

/// Reads a file and hands on each thing found in it. `bar` follows the bytes as they lie on disk.
pub(super) fn read(path: &Path, bar: &ProgressBar, each: Each<'_>) -> Result<(), Failure> {
    let named = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let mut raw = BufReader::new(bar.wrap_read(File::open(path).map_err(named)?));
    let head = raw.fill_buf().map_err(named)?;
    let unpacked: Box<dyn Read> = if head.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(raw))
    } else if head.starts_with(&ZSTD) {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(named)?)
    } else {
        Box::new(raw)
    };
    contents(BufReader::with_capacity(256 << 10, unpacked), &named, each)
}

fn contents(
    mut reader: impl BufRead,
    named: &dyn Fn(io::Error) -> Failure,
    each: Each<'_>,
) -> Result<(), Failure> {
    let head = reader.fill_buf().map_err(named)?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if !matches!(head.first(), Some(b'{' | b'[')) {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(named)?;
        return protobuf(bytes, each);
    }
    let mut line = Vec::new();
    let mut number = 0;
    let mut by_line = false;
    while reader.read_until(b'\n', &mut line).map_err(named)? > 0 {
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() {
            by_line |= serde_json::from_str::<&RawValue>(text).is_ok();
            if !by_line {
                // The first line is no document by itself, so the document has several lines.
                reader.read_to_end(&mut line).map_err(named)?;
                return documents(&String::from_utf8_lossy(&line), each);
            }
            classify(text, format!("line {number}"), each)?;
        }
        line.clear();
    }
    Ok(())
}

/// Documents of several lines, one after the other.
fn documents(text: &str, each: Each<'_>) -> Result<(), Failure> {
    let text = text.trim_start_matches('\u{feff}');
    for (index, document) in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().enumerate() {
        let place = format!("document {}", index + 1);
        match document {
            Ok(document) => classify(document.get(), place, each)?,
            // The iterator ends here: nothing after this can be told apart.
            Err(error) => each(Item::Unknown { place, reason: format!("not JSON: {error}") })?,
        }
    }
    Ok(())
}

/// What a line of a session that was exported as NDJSON tells of.
fn exported_as(fields: &HashMap<String, &RawValue>) -> Option<&'static str> {
    let kind = fields.get("kind")?.get().trim_matches('"');
    ["session", "trace", "observation", "event"].into_iter().find(|known| *known == kind)
}

/// Which of the things we know one JSON value is.
fn classify(json: &str, place: String, each: Each<'_>) -> Result<(), Failure> {
    const SIGNALS: [(&str, Signal); 3] = [
        ("resourceSpans", Signal::Traces),
        ("resourceLogs", Signal::Logs),
        ("resourceMetrics", Signal::Metrics),
    ];
    if json.starts_with('[') {
        return match serde_json::from_str::<Vec<&RawValue>>(json) {
            Ok(items) => items.iter().enumerate().try_for_each(|(index, item)| {
                classify(item.get(), format!("{place}, item {}", index + 1), each)
            }),
            Err(error) => each(Item::Unknown { place, reason: format!("not JSON: {error}") }),
        };
    }
    let mut fields: HashMap<String, &RawValue> = match serde_json::from_str(json) {
        Ok(fields) => fields,
        Err(error) => return each(Item::Unknown { place, reason: format!("not a JSON object: {error}") }),
    };
    if let Some(kind) = exported_as(&fields) {
        if kind != "event" {
            let reason = format!("a {kind} as it is shown; its spans are in the export with --format otlp");
            return each(Item::Unknown { place, reason });
        }
        fields.remove("kind");
        let json = serde_json::to_string(&fields).unwrap_or_default();
        return each(Item::Event { json, place });
    }
    let json = json.to_owned();
    match SIGNALS.into_iter().find(|(key, _)| fields.contains_key(*key)) {
        Some((_, signal)) => each(Item::OtlpJson { signal, json, place }),
        None if fields.contains_key("name") => each(Item::Event { json, place }),
        None => each(Item::Unknown {
            place,
            reason: "neither an OTLP request nor an event with a name".to_owned(),
        }),
    }
}

/// One request, or several each behind its length as four bytes (what the Collector's file exporter writes) or as a
/// varint (what protobuf libraries write).
fn protobuf(bytes: Vec<u8>, each: Each<'_>) -> Result<(), Failure> {
    if bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    if let Some(signal) = signal_of(&bytes) {
        return each(Item::Protobuf { signal, bytes, place: "the whole file".to_owned() });
    }
    for split in [behind_u32, behind_varint] {
        let Some(messages) = messages(&bytes, split) else { continue };
        if messages.first().is_some_and(|first| signal_of(first).is_some()) {
            return messages.into_iter().enumerate().try_for_each(|(index, message)| {
                let place = format!("message {}", index + 1);
                each(match signal_of(message) {
                    Some(signal) => Item::Protobuf { signal, bytes: message.to_vec(), place },
                    None => Item::Unknown { place, reason: "not an OTLP request".to_owned() },
                })
            });
        }
    }
    let reason = "neither JSON nor OTLP protobuf".to_owned();
    each(Item::Unknown { place: "the whole file".to_owned(), reason })
}

/// The signal that the bytes are a request of. Traces and logs look alike from outside; only one of them makes sense.
fn signal_of(bytes: &[u8]) -> Option<Signal> {
    // Times do not matter here, so the latest that there is allows them all.
    let now = Timestamp::from_nanos(i64::MAX);
    let sound =
        |checked: Result<otlp::Checked, _>| checked.map_or(0, |checked: otlp::Checked| checked.accepted);
    let (spans, logs) = (sound(otlp::check_traces(bytes, now)), sound(otlp::check_logs(bytes, now)));
    match (spans, logs) {
        (0, 0) => {
            let metrics = ExportMetricsServiceRequest::decode(bytes).ok()?;
            (!metrics.resource_metrics.is_empty()).then_some(Signal::Metrics)
        }
        (spans, logs) if spans >= logs => Some(Signal::Traces),
        _ => Some(Signal::Logs),
    }
}

type Split = fn(&[u8]) -> Option<(usize, &[u8])>;

/// The messages behind lengths that `split` reads, if the lengths come out even.
fn messages(mut bytes: &[u8], split: Split) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = split(bytes)?;
        let (message, rest) = rest.split_at_checked(length)?;
        messages.push(message);
        bytes = rest;
    }
    Some(messages)
}

fn behind_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*length) as usize, rest))
}

fn behind_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut rest = bytes;
    let length = prost::encoding::decode_varint(&mut rest).ok()?;
    Some((usize::try_from(length).ok()?, rest))
}
