//! Log records that are mostly the same as others of their kind: that part is written once, and copied.

use serde_json::Value;

use super::request::{AttributeWriter, severity_text};
use super::sheet::Sheet;
use super::wire;
use crate::{Level, SpanId, Timestamp, TraceId, keys};

/// What the log records of one place in the code begin with: level, name, attributes that never change, and all of the
/// others but their values.
///
/// ```
/// use throughline_model::otlp::{Log, LogTemplate, Origin, Request, each_log};
/// use throughline_model::{Level, Timestamp};
///
/// let template = LogTemplate::new("order.shipped", Level::Info, &["ctx.order.id"], |_| {});
/// let mut request = Request::default();
/// request.begin(Origin { service: "shop", environment: "test", version: None });
/// for order in ["ord_1", "ord_2"] {
///     request.put_like(&template, Timestamp::from_nanos(1), &format!("evt_{order}"), |record| {
///         record.text(&template.keys()[0], order);
///     });
/// }
/// let mut orders = Vec::new();
/// each_log(request.finish(), |log| {
///     if let Log::Event(event) = log {
///         orders.push(event.attributes["ctx.order.id"].clone());
///     }
/// })?;
/// assert_eq!(orders, ["ord_1", "ord_2"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogTemplate {
    /// Everything before the id, with gaps for the times.
    head: Vec<u8>,
    id: WrittenKey,
    keys: Vec<WrittenKey>,
}

/// A key of an attribute with what stands around it, written once.
#[derive(Debug, Clone)]
pub struct WrittenKey {
    /// A pair up to its value, with gaps for the lengths of both.
    bytes: [u8; Self::SPACE],
    /// So many of the bytes, or none of a key that has no room there.
    length: u8,
    long: Box<str>,
}

/// Where the first time is in what a record begins with: behind its tag. The second is behind the next one's.
const TIME: usize = 1;
const OBSERVED: usize = TIME + 8 + 1;
/// Tag and length of a record: most take 128 bytes to 16 KB.
const RECORD: usize = 3;
/// The field of a request that has its records, and that of a log record that has its attributes.
const RECORDS: u8 = 2;
const ATTRIBUTES: u8 = 6;
/// What stands around a key: tag and length of the pair, of the key, of the value.
const AROUND: usize = 6;
/// A pair that is no longer has lengths of one byte.
const SHORT: usize = 0x7f;
/// Where the length of a pair is: behind its tag.
const PAIR_LENGTH: usize = 1;
/// A short pair, from wherever in it a key of at most 255 bytes ends, and some more.
const WINDOW: usize = 512;

impl LogTemplate {
    /// For records of this level and name with values for these keys, none of which
    /// [`is_reserved`](super::is_reserved); `attributes` appends those that never change.
    pub fn new(
        name: &str,
        level: Level,
        keys: &[&str],
        attributes: impl FnOnce(&mut AttributeWriter<'_>),
    ) -> Self {
        let mut head = Vec::new();
        wire::put_fixed64(&mut head, 1, 0);
        wire::put_fixed64(&mut head, 11, 0);
        wire::put_varint(&mut head, 2, u64::from(level.severity_number().cast_unsigned()));
        wire::put_bytes(&mut head, 3, severity_text(level));
        wire::put_bytes(&mut head, 12, name.as_bytes());
        attributes(&mut AttributeWriter { out: &mut head, field: ATTRIBUTES.into() });
        let keys = keys.iter().map(|key| WrittenKey::new(key)).collect();
        Self { head, id: WrittenKey::new(keys::EVENT_ID), keys }
    }

    /// Its keys, in their order.
    #[inline]
    pub fn keys(&self) -> &[WrittenKey] {
        &self.keys
    }
}

impl WrittenKey {
    /// Enough for most keys, and copied at once.
    const SPACE: usize = 64;

    fn new(key: &str) -> Self {
        let (mut bytes, length) = ([0; Self::SPACE], AROUND + key.len());
        let Some(pair) = bytes.get_mut(..length) else { return Self { bytes, length: 0, long: key.into() } };
        pair[..4].copy_from_slice(&[ATTRIBUTES << 3 | 2, 0, 0x0a, key.len() as u8]);
        pair[4..length - 2].copy_from_slice(key.as_bytes());
        pair[length - 2] = 0x12;
        Self { bytes, length: length as u8, long: Box::default() }
    }

    fn name(&self) -> &str {
        match usize::from(self.length) {
            0 => &self.long,
            length => str::from_utf8(&self.bytes[4..length - 2]).unwrap_or_default(),
        }
    }
}

/// Appends to a record what it does not share with others.
#[derive(Debug)]
pub struct RecordWriter<'a>(&'a mut Sheet);

impl<'a> RecordWriter<'a> {
    /// Writes a whole record.
    #[inline]
    pub(super) fn write(
        sheet: &'a mut Sheet,
        template: &LogTemplate,
        (time, id): (Timestamp, &str),
        rest: impl FnOnce(&mut Self),
    ) {
        let start = sheet.len();
        let length = RECORD + template.head.len();
        let head = &mut sheet.window(length)[RECORD..];
        head.copy_from_slice(&template.head);
        let nanos = time.as_nanos().max(0).to_le_bytes();
        head[TIME..TIME + 8].copy_from_slice(&nanos);
        head[OBSERVED..OBSERVED + 8].copy_from_slice(&nanos);
        sheet.advance(length);
        let mut writer = Self(sheet);
        writer.text(&template.id, id);
        rest(&mut writer);
        let Self(sheet) = writer;
        let length = sheet.len() - start - RECORD;
        if (0x80..0x4000).contains(&length) {
            let head = [RECORDS << 3 | 2, length as u8 | 0x80, (length >> 7) as u8];
            sheet.written_mut()[start..start + RECORD].copy_from_slice(&head);
        } else {
            sheet.settle(start, RECORD, RECORDS);
        }
    }

    /// Appends what an [`AttributeWriter`] for log records wrote.
    #[inline]
    pub fn written(&mut self, attributes: &[u8]) {
        self.0.push(attributes);
    }

    /// Appends a text.
    #[inline]
    pub fn text(&mut self, key: &WrittenKey, text: &str) {
        if usize::from(key.length) + text.len() > SHORT || key.length == 0 {
            return self.general(|writer| writer.text(key.name(), text));
        }
        self.short(key, |value| {
            (value[0], value[1]) = (0x0a, text.len() as u8);
            copy(&mut value[2..], text.as_bytes());
            2 + text.len()
        });
    }

    /// Appends yes or no.
    #[inline]
    pub fn bool(&mut self, key: &WrittenKey, yes: bool) {
        if key.length == 0 {
            return self.general(|writer| writer.bool(key.name(), yes));
        }
        self.short(key, |value| {
            (value[0], value[1]) = (0x10, u8::from(yes));
            2
        });
    }

    /// Appends a whole number.
    #[inline]
    pub fn int(&mut self, key: &WrittenKey, number: i64) {
        if key.length == 0 {
            return self.general(|writer| writer.int(key.name(), number));
        }
        self.short(key, |value| {
            value[0] = 0x18;
            1 + wire::write_varint(&mut value[1..], number.cast_unsigned())
        });
    }

    /// Appends a number.
    #[inline]
    pub fn float(&mut self, key: &WrittenKey, number: f64) {
        if key.length == 0 {
            return self.general(|writer| writer.float(key.name(), number));
        }
        self.short(key, |value| {
            value[0] = 0x21;
            value[1..9].copy_from_slice(&number.to_bits().to_le_bytes());
            9
        });
    }

    /// Appends nothing under a key.
    pub fn null(&mut self, key: &WrittenKey) {
        self.general(|writer| writer.null(key.name()));
    }

    /// Appends any JSON. Integers above `i64::MAX` become floats.
    pub fn json(&mut self, key: &WrittenKey, value: &Value) {
        self.general(|writer| writer.json(key.name(), value));
    }

    /// Appends the trace and the span that it was said in, after all attributes.
    pub fn span(&mut self, trace_id: TraceId, span_id: SpanId) {
        self.0.push_length(9, trace_id.as_bytes().len());
        self.0.push(trace_id.as_bytes());
        self.0.push_length(10, span_id.as_bytes().len());
        self.0.push(span_id.as_bytes());
    }

    /// Appends a pair whose lengths take one byte each; `value` writes its value and returns how long that is.
    #[inline]
    fn short(&mut self, key: &WrittenKey, value: impl FnOnce(&mut [u8]) -> usize) {
        let pair: &mut [u8; WINDOW] = self.0.array();
        pair[..WrittenKey::SPACE].copy_from_slice(&key.bytes);
        let at = usize::from(key.length);
        let length = value(&mut pair[at..]);
        pair[PAIR_LENGTH] = (at - 2 + length) as u8;
        pair[at - 1] = length as u8;
        self.0.advance(at + length);
    }

    /// Appends attributes that there is no shorter way for.
    #[cold]
    fn general(&mut self, write: impl FnOnce(&mut AttributeWriter<'_>)) {
        let mut out = Vec::new();
        write(&mut AttributeWriter { out: &mut out, field: ATTRIBUTES.into() });
        self.0.push(&out);
    }
}

/// Copies to the beginning of `to`, which is longer. Most texts are short: these are not worth the call that copying an
/// unknown number of bytes is, so their first and last bytes are copied, which may meet in the middle.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        4..8 => copy_ends::<4>(to, from),
        8..16 => copy_ends::<8>(to, from),
        16..32 => copy_ends::<16>(to, from),
        32..64 => copy_ends::<32>(to, from),
        length => to[..length].copy_from_slice(from),
    }
}

#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        to[..N].copy_from_slice(first);
        to[from.len() - N..from.len()].copy_from_slice(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{Log, Origin, Request, attributes_of, each_log};

    #[test]
    fn values_of_all_lengths_are_read_as_they_were_written() {
        for length in [0, 1, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 115, 121, 122, 127, 128, 300, 20_000] {
            let text: String = (0..length).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
            for key in ["k".to_owned(), "k".repeat(58), "k".repeat(59), "k".repeat(300)] {
                let template = LogTemplate::new("n", Level::Warn, &[&key, "i", "f", "b", "n", "j"], |_| {});
                let mut request = Request::default();
                request.begin(Origin { service: "shop", environment: "test", version: None });
                for number in [0, 1, -1, 127, 128, 14_999, i64::MIN, i64::MAX] {
                    request.put_like(
                        &template,
                        Timestamp::from_nanos(7),
                        &format!("evt_{number}"),
                        |record| {
                            let keys = template.keys();
                            record.text(&keys[0], &text);
                            record.int(&keys[1], number);
                            record.float(&keys[2], 0.5);
                            record.bool(&keys[3], true);
                            record.null(&keys[4]);
                            record.json(&keys[5], &serde_json::json!([number]));
                            record.written(&attributes_of(true, |writer| writer.text("w", "ritten")));
                        },
                    );
                    let mut expected = serde_json::json!({
                        "i": number, "f": 0.5, "b": true, "n": null, "j": [number], "w": "ritten",
                    });
                    expected[&key] = text.as_str().into();
                    let mut last = None;
                    let mut keep = |log: Log<'_>| match log {
                        Log::Event(event) => last = Some(event),
                        Log::Span(_) => panic!("no event"),
                    };
                    each_log(request.finish(), &mut keep).unwrap();
                    let last = last.unwrap();
                    assert_eq!(serde_json::Value::from(last.attributes), expected);
                    assert_eq!((last.level, last.name.as_str()), (Level::Warn, "n"));
                    assert_eq!((last.time.as_nanos(), last.id.as_str()), (7, &*format!("evt_{number}")));
                }
            }
        }
    }
}
