//! The door's check of a request: what is well-formed and sound passes untouched, what is not is cut out and counted.

use super::json::fitting_from_json;
use super::schema::{Kind, Message, is_text};
use super::wire::{self, Fields, Malformed, Wire, WireError};
use crate::{SpanId, Timestamp, TraceId};

/// What [`check_traces`] and [`check_logs`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How many spans or log records are sound.
    pub accepted: u64,
    /// How many were cut out.
    pub rejected: u64,
    /// Why the first of them was.
    pub first_reason: Option<String>,
    /// The request without what was cut out, and with texts made valid; `None` if the given bytes can be used as they are.
    pub body: Option<Vec<u8>>,
}

/// Nanoseconds of 2000-01-01T00:00:00Z: nothing that speaks OpenTelemetry is older.
const EARLIEST: u64 = 946_684_800_000_000_000;
const DAY: i64 = 86_400_000_000_000;

/// Checks an `ExportTraceServiceRequest`.
///
/// A span is cut out, and the rest kept, when its ids are missing or of the wrong length, when it ends before it
/// starts (an end of 0 counts as the start), or when its times lie before the year 2000 or more than a day after `now`.
///
/// # Errors
/// When the request as a whole is not well-formed; the error says why and where.
///
/// ```
/// use throughline_model::{Timestamp, otlp};
///
/// let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
/// let checked = otlp::check_traces(b"", now).unwrap();
/// assert_eq!((checked.accepted, checked.body), (0, None));
/// assert!(otlp::check_traces(b"{\"resourceSpans\":[]}", now).is_err());
/// ```
pub fn check_traces(body: &[u8], now: Timestamp) -> Result<Checked, Malformed> {
    Check { signal: Signal::Traces, latest: latest(now), now }.run(body)
}

/// Checks an `ExportLogsServiceRequest`.
///
/// A record is cut out when its ids are of the wrong length or its times absurd. A record without any time gets `now`
/// as the time it was observed.
///
/// # Errors
/// When the request as a whole is not well-formed; the error says why and where.
///
/// ```
/// use throughline_model::{Timestamp, otlp};
///
/// let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
/// let json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"0102"},{"eventName":"tick"}]}]}]}"#;
/// let checked = otlp::check_logs(&otlp::logs_from_json(json).unwrap(), now).unwrap();
/// assert_eq!((checked.accepted, checked.rejected), (1, 1));
/// assert_eq!(checked.first_reason.unwrap(), "log record: its trace id has 2 bytes, 16 are needed");
/// ```
pub fn check_logs(body: &[u8], now: Timestamp) -> Result<Checked, Malformed> {
    Check { signal: Signal::Logs, latest: latest(now), now }.run(body)
}

/// Checks an OTLP/JSON `ExportTraceServiceRequest` as [`check_traces`] does; the body is protobuf.
///
/// A span with a value of the wrong type is cut out like any other that is not sound.
///
/// # Errors
/// When the text is not JSON, or not of a request's shape around its spans; the error says why and where.
///
/// ```
/// use throughline_model::{Timestamp, otlp};
///
/// let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
/// let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":{}}]}]}]}"#;
/// let checked = otlp::check_traces_json(json, now).unwrap();
/// assert_eq!((checked.accepted, checked.rejected), (0, 1));
/// let reason = "expected a text, got an object, at resourceSpans[0].scopeSpans[0].spans[0].name";
/// assert_eq!(checked.first_reason.unwrap(), reason);
/// ```
pub fn check_traces_json(json: &[u8], now: Timestamp) -> Result<Checked, Malformed> {
    check_json(json, now, Message::TracesData, check_traces)
}

/// Checks an OTLP/JSON `ExportLogsServiceRequest` as [`check_logs`] does; the body is protobuf.
///
/// # Errors
/// When the text is not JSON, or not of a request's shape around its records; the error says why and where.
pub fn check_logs_json(json: &[u8], now: Timestamp) -> Result<Checked, Malformed> {
    check_json(json, now, Message::LogsData, check_logs)
}

fn check_json(
    json: &[u8],
    now: Timestamp,
    message: Message,
    check: fn(&[u8], Timestamp) -> Result<Checked, Malformed>,
) -> Result<Checked, Malformed> {
    let (body, cut_out) = fitting_from_json(json, message)?;
    let checked = check(&body, now)?;
    Ok(Checked {
        rejected: checked.rejected + cut_out.count,
        first_reason: cut_out.first_reason.or(checked.first_reason),
        body: Some(checked.body.unwrap_or(body)),
        ..checked
    })
}

fn latest(now: Timestamp) -> u64 {
    u64::try_from(now.plus_nanos(DAY).as_nanos()).unwrap_or(0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Traces,
    Logs,
}

/// Whether a span, record, resource or scope can stay.
enum Verdict {
    Clean,
    Repair,
    Reject(String),
}

struct Check {
    signal: Signal,
    latest: u64,
    now: Timestamp,
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    first_reason: Option<String>,
    repair: bool,
}

/// The parts of a request, from outside in. Requests, their resources and scopes have the same shape in both signals:
/// the children are field 1 of a request and field 2 below; a resource or scope is field 1 and a schema URL field 3.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Request,
    OfResource,
    OfScope,
}

impl Part {
    fn child_field(self) -> u32 {
        if self == Self::Request { 1 } else { 2 }
    }

    fn child(self) -> Option<Self> {
        match self {
            Self::Request => Some(Self::OfResource),
            Self::OfResource => Some(Self::OfScope),
            Self::OfScope => None,
        }
    }

    fn kind(self, number: u32) -> Kind {
        match (self, number) {
            (Self::OfResource, 1) => Kind::Message(Message::Resource),
            (Self::OfScope, 1) => Kind::Message(Message::Scope),
            (Self::OfResource | Self::OfScope, 3) => Kind::Text,
            _ => Kind::Unknown,
        }
    }
}

impl Check {
    fn run(&self, body: &[u8]) -> Result<Checked, Malformed> {
        let mut tally = Tally::default();
        self.walk(Part::Request, body, &mut tally).map_err(|error| error.within(body))?;
        let rebuilt = (tally.rejected > 0 || tally.repair).then(|| {
            let mut out = Vec::with_capacity(body.len());
            self.rebuild(Part::Request, body, &mut out);
            out
        });
        let Tally { accepted, rejected, first_reason, .. } = tally;
        Ok(Checked { accepted, rejected, first_reason, body: rebuilt })
    }

    fn walk(&self, part: Part, bytes: &[u8], tally: &mut Tally) -> Result<(), WireError> {
        for field in Fields::new(bytes) {
            let (number, wire) = field?;
            match (part.kind(number), wire) {
                (_, Wire::Bytes(inner)) if number == part.child_field() => match part.child() {
                    Some(child) => self.walk(child, inner, tally)?,
                    None => self.count(inner, tally),
                },
                (_, _) if number == part.child_field() => {
                    Kind::Bytes.fits(wire, bytes)?;
                }
                (Kind::Text, Wire::Bytes(text)) => tally.repair |= !is_text(text),
                (Kind::Message(message), Wire::Bytes(inner)) => tally.repair |= !message.is_clean(inner)?,
                (kind, wire) => {
                    kind.fits(wire, bytes)?;
                }
            }
        }
        Ok(())
    }

    fn count(&self, item: &[u8], tally: &mut Tally) {
        match self.verdict(item) {
            Verdict::Clean => tally.accepted += 1,
            Verdict::Repair => {
                tally.accepted += 1;
                tally.repair = true;
            }
            Verdict::Reject(reason) => {
                tally.rejected += 1;
                tally.first_reason.get_or_insert(reason);
            }
        }
    }

    fn rebuild(&self, part: Part, bytes: &[u8], out: &mut Vec<u8>) {
        for (number, wire) in wire::checked(bytes) {
            match (part.kind(number), wire) {
                (_, Wire::Bytes(inner)) if number == part.child_field() => match part.child() {
                    Some(child) => wire::put_message(out, number, |out| self.rebuild(child, inner, out)),
                    None => self.keep(number, inner, out),
                },
                (Kind::Text, Wire::Bytes(text)) => {
                    wire::put_bytes(out, number, wire::text(text).as_bytes());
                }
                (Kind::Message(message), Wire::Bytes(inner)) => {
                    wire::put_message(out, number, |out| message.repair(inner, out));
                }
                (_, wire) => wire::put_wire(out, number, wire),
            }
        }
    }

    fn keep(&self, number: u32, item: &[u8], out: &mut Vec<u8>) {
        match self.verdict(item) {
            Verdict::Clean => wire::put_bytes(out, number, item),
            Verdict::Reject(_) => {}
            Verdict::Repair => wire::put_message(out, number, |out| match self.signal {
                Signal::Traces => Message::Span.repair(item, out),
                Signal::Logs => {
                    Message::LogRecord.repair(item, out);
                    if log_time(item) == 0 {
                        wire::put_fixed64(out, 11, self.now.as_nanos().max(0) as u64);
                    }
                }
            }),
        }
    }

    fn verdict(&self, item: &[u8]) -> Verdict {
        let clean = match self.signal {
            Signal::Traces => self.span(item),
            Signal::Logs => self.log_record(item),
        };
        match clean {
            Ok(true) => Verdict::Clean,
            Ok(false) => Verdict::Repair,
            Err(reason) => Verdict::Reject(reason),
        }
    }

    /// Whether the span is clean, or why it cannot be accepted.
    fn span(&self, bytes: &[u8]) -> Result<bool, String> {
        let malformed = |error: WireError| format!("span: {}", error.reason());
        let mut clean = true;
        let (mut trace_id, mut span_id, mut parent_id, mut name) = (&[][..], &[][..], &[][..], &[][..]);
        let (mut start, mut end) = (0, 0);
        for field in Fields::new(bytes) {
            let (number, wire) = field.map_err(malformed)?;
            clean &= Message::Span.is_field_clean(number, wire, bytes, 0).map_err(malformed)?;
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => trace_id = bytes,
                (2, Wire::Bytes(bytes)) => span_id = bytes,
                (4, Wire::Bytes(bytes)) => parent_id = bytes,
                (5, Wire::Bytes(bytes)) => name = bytes,
                (7, Wire::Fixed64(nanos)) => start = nanos,
                (8, Wire::Fixed64(nanos)) => end = nanos,
                _ => {}
            }
        }
        let refuse = |what: String| Err(format!("span {:?}: {what}", shortened(name)));
        if TraceId::from_slice(trace_id).is_none() {
            return refuse(bad_id("trace id", 16, trace_id));
        }
        if SpanId::from_slice(span_id).is_none() {
            return refuse(bad_id("span id", 8, span_id));
        }
        if parent_id.len() != 8 && parent_id.iter().any(|&byte| byte != 0) {
            return refuse(bad_id("parent span id", 8, parent_id));
        }
        if let Some(reason) = self.absurd("start time", start) {
            return refuse(reason);
        }
        if end != 0 && end < start {
            return refuse(format!("it ends {} ns before it starts", start - end));
        }
        match self.absurd("end time", end.max(start)) {
            Some(reason) => refuse(reason),
            None => Ok(clean),
        }
    }

    /// Whether the record is clean, or why it cannot be accepted.
    fn log_record(&self, bytes: &[u8]) -> Result<bool, String> {
        let clean =
            Message::LogRecord.is_clean(bytes).map_err(|error| format!("log record: {}", error.reason()))?;
        for field in wire::checked(bytes) {
            let absurd = match field {
                (9, Wire::Bytes(id)) if !matches!(id.len(), 0 | 16) => Some(bad_id("trace id", 16, id)),
                (10, Wire::Bytes(id)) if !matches!(id.len(), 0 | 8) => Some(bad_id("span id", 8, id)),
                (1, Wire::Fixed64(nanos)) if nanos != 0 => self.absurd("time", nanos),
                (11, Wire::Fixed64(nanos)) if nanos != 0 => self.absurd("observed time", nanos),
                _ => None,
            };
            if let Some(reason) = absurd {
                return Err(format!("log record: {reason}"));
            }
        }
        Ok(clean && log_time(bytes) != 0)
    }

    fn absurd(&self, what: &str, nanos: u64) -> Option<String> {
        let shown = || match i64::try_from(nanos) {
            Ok(nanos) => Timestamp::from_nanos(nanos).to_string(),
            Err(_) => format!("{nanos} ns"),
        };
        match nanos {
            0 => Some(format!("it has no {what}")),
            1..EARLIEST => Some(format!("its {what} {} lies before the year 2000", shown())),
            _ if nanos > self.latest => Some(format!("its {what} {} lies in the future", shown())),
            _ => None,
        }
    }
}

/// When a record happened, or else was observed; 0 if it does not say.
fn log_time(record: &[u8]) -> u64 {
    wire::checked(record)
        .map(|field| match field {
            (1 | 11, Wire::Fixed64(nanos)) => nanos,
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}

fn bad_id(what: &str, length: usize, given: &[u8]) -> String {
    match given.len() {
        0 => format!("it has no {what}"),
        n if n == length => format!("its {what} is all zero"),
        n => format!("its {what} has {n} bytes, {length} are needed"),
    }
}

fn shortened(name: &[u8]) -> String {
    wire::text(name).chars().take(64).collect()
}
