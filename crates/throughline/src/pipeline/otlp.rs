//! What lies in a block, written as OTLP without anything between.

use throughline_model::keys;
use throughline_model::otlp::{
    AttributeWriter, LogTemplate, OutgoingLog, OutgoingSpan, RecordWriter, Request, WrittenKey,
    attributes_of, is_reserved,
};

use super::block::{EventView, SpanView};
use super::buffer::Scalar;
use crate::session::Prepared;
use crate::transport::session_attributes;
use crate::{Attributes, Callsite, Level, SessionState};

/// What all events of a place in the code say, written once.
#[derive(Debug)]
pub(crate) struct SiteOtlp {
    template: LogTemplate,
    /// Where it is, for records that do not begin with the template.
    source: Vec<u8>,
    /// Whether one of its keys has a name that needs care, or is said twice.
    needs_care: bool,
    keys: Keys,
}

impl SiteOtlp {
    pub(crate) fn new(site: &Callsite) -> Self {
        let source = attributes_of(true, |writer| {
            writer.text(keys::SOURCE_CAUSER, site.module);
            writer.text(keys::SOURCE_FILE, site.file);
            writer.int(keys::SOURCE_LINE, site.line.into());
        });
        Self {
            template: LogTemplate::new(site.name, site.level, site.keys, |writer| writer.written(&source)),
            source,
            needs_care: (site.keys.iter().enumerate())
                .any(|(at, key)| is_reserved(key) || site.keys[..at].contains(key)),
            keys: site.keys.iter().copied().collect(),
        }
    }
}

/// Some of what is to be said of a set of keys, so that most pairs of sets are known at once to have none in common.
#[derive(Debug, Clone, Copy, Default)]
struct Keys(u64);

impl Keys {
    const fn may_meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl<'a> FromIterator<&'a str> for Keys {
    fn from_iter<T: IntoIterator<Item = &'a str>>(keys: T) -> Self {
        let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let bit = |key: &str| 1 << (key.bytes().fold(0xcbf2_9ce4_8422_2325, mix) >> 58);
        Self(keys.into_iter().map(bit).fold(0, |set, bit: u64| set | bit))
    }
}

/// A session's attributes, written once for all its events or spans.
#[derive(Debug)]
pub(crate) struct Written {
    /// What its events say of it, its attributes at the end, which begin there.
    log: Vec<u8>,
    attributes_at: usize,
    /// Its attributes for events one by one; `None` if one of them has a name that needs care.
    log_attributes: Option<Vec<(String, Vec<u8>)>>,
    keys: Keys,
    /// What its spans say of it, its attributes included.
    span: Vec<(String, Vec<u8>)>,
}

impl Written {
    pub(crate) fn new(session: &SessionState) -> Self {
        let mut log = attributes_of(true, |writer| {
            writer.text(keys::SESSION_ID, session.session_id.as_str());
            session.actor.iter().for_each(|actor| writer.actor(actor));
            session.scope.iter().for_each(|scope| writer.scope(scope));
        });
        let pairs = |logs, attributes: &Attributes| -> Vec<_> {
            let pair = |(key, value): (&String, _)| {
                (key.clone(), attributes_of(logs, |writer| writer.json(key, value)))
            };
            attributes.iter().map(pair).collect()
        };
        let mut attributes = session.attributes.clone();
        if let Some(parent) = &session.parent_session_id {
            attributes.insert(keys::PARENT_SESSION_ID.to_owned(), parent.as_str().into());
        }
        let plain = !session.attributes.keys().any(|key| is_reserved(key));
        let mut of_spans = session.attributes.clone();
        of_spans.append(&mut session_attributes(session));
        let (attributes_at, of_events) = (log.len(), pairs(true, &attributes));
        of_events.iter().for_each(|(_, written)| log.extend_from_slice(written));
        Self {
            log,
            attributes_at,
            log_attributes: plain.then_some(of_events),
            keys: attributes.keys().map(String::as_str).collect(),
            span: pairs(false, &of_spans),
        }
    }

    /// Writes what events say of it that have attributes of their own with these keys.
    #[inline]
    fn write_beside(&self, keys: Keys, own: &[&str], mut write: impl FnMut(&[u8])) {
        if self.keys.may_meet(keys) {
            write(&self.log[..self.attributes_at]);
            let others = self.log_attributes.iter().flatten().filter(|(key, _)| !own.contains(&key.as_str()));
            others.for_each(|(_, written)| write(written));
        } else {
            write(&self.log);
        }
    }
}

impl EventView<'_> {
    /// Appends it to a request of log records. `false` if that needs its envelope.
    pub(crate) fn put(&self, request: &mut Request) -> bool {
        let (session, site) = (self.session().map(Prepared::written), self.site().map(Callsite::otlp));
        let needs_envelope = session.is_some_and(|session| session.log_attributes.is_none())
            || site.is_some_and(|site| site.needs_care)
            || self.overrides_session();
        match site {
            _ if needs_envelope => return false,
            Some(site) if self.extra().is_none() => self.put_like_others(request, site, session),
            _ => self.put_by_itself(request, site, session),
        }
        true
    }

    /// Says nothing that its place in the code and its session do not say, but values.
    #[inline]
    fn put_like_others(&self, request: &mut Request, site: &SiteOtlp, session: Option<&Written>) {
        request.put_like(&site.template, self.time(), self.id().as_str(), |record| {
            if let Some(session) = session {
                session.write_beside(site.keys, self.own_keys(), |written| record.written(written));
            }
            let values = site.template.keys().iter().zip(self.all_values());
            values.for_each(|(key, value)| put_value(record, key, value, self.text()));
            let weight = self.weight();
            if weight > 1.0 {
                record.written(&attributes_of(true, |writer| writer.float(keys::SAMPLING_WEIGHT, weight)));
            }
            if let Some(span) = self.span() {
                record.span(span.trace_id, span.span_id);
            }
        });
    }

    fn put_by_itself(&self, request: &mut Request, site: Option<&SiteOtlp>, session: Option<&Written>) {
        let own_source = self.has_own_source();
        let (span, id) = (self.span(), self.id());
        let source = if own_source { self.borrowed_source() } else { (None, None, None) };
        let log = OutgoingLog {
            id: id.as_str(),
            name: self.name(),
            time: self.time(),
            level: self.level(),
            trace_id: span.map(|span| span.trace_id),
            span_id: span.map(|span| span.span_id),
            error: self.error(),
            source,
        };
        request.put_log(&log, |writer| {
            if let Some(site) = site.filter(|_| !own_source) {
                writer.written(&site.source);
            }
            if let Some(session) = session {
                let keys = site.map(|site| site.keys).unwrap_or_default();
                session.write_beside(keys, self.own_keys(), |written| writer.written(written));
            }
            self.values().for_each(|(key, value)| put(writer, key, value, self.text()));
            let weight = self.weight();
            if weight > 1.0 {
                writer.float(keys::SAMPLING_WEIGHT, weight);
            }
        });
    }

    fn own_keys(&self) -> &'static [&'static str] {
        self.site().map_or(&[], |site| site.keys)
    }
}

impl SpanView<'_> {
    /// Appends it to a request of spans.
    pub(crate) fn put(&self, request: &mut Request) {
        let (head, rare) = (&self.finished().head, self.rare());
        let (start_time, end_time) = self.times();
        let span = OutgoingSpan {
            trace_id: head.trace_id,
            span_id: head.span_id,
            parent_id: head.parent_id,
            trace_state: rare.map_or("", |rare| rare.trace_state.as_str()),
            kind: head.kind,
            name: self.name(),
            start_time,
            end_time,
            status: head.status,
            status_message: rare.and_then(|rare| rare.status_message.as_deref()),
            error: rare.and_then(|rare| rare.error.as_ref()),
            attributes: Attributes::new(),
        };
        let described = rare.and_then(|rare| rare.described.as_ref());
        let is_own = |key: &str| {
            self.said().any(|(own, _)| own == key) || described.is_some_and(|own| own.contains_key(key))
        };
        request.put_span(&span, |writer| {
            let session = self.session().map(Prepared::written);
            for (key, written) in session.iter().flat_map(|session| &session.span) {
                if !is_own(key) {
                    writer.written(written);
                }
            }
            if head.level != Level::Info && !is_own(keys::LEVEL) {
                writer.text(keys::LEVEL, head.level.as_str());
            }
            for (key, value) in [
                (keys::INPUT, rare.and_then(|rare| rare.input.as_ref())),
                (keys::OUTPUT, rare.and_then(|rare| rare.output.as_ref())),
            ] {
                match value {
                    Some(value) if !is_own(key) => match value.as_str() {
                        Some(text) => writer.text(key, text),
                        None => writer.text(key, &value.to_string()),
                    },
                    _ => {}
                }
            }
            self.said().for_each(|(key, value)| put(writer, key, value, self.text()));
            described.into_iter().flatten().for_each(|(key, value)| writer.json(key, value));
        });
    }
}

/// Appends a value whose text is a piece of `text`.
#[inline]
fn put(writer: &mut AttributeWriter<'_>, key: &str, value: &Scalar, text: &str) {
    match value {
        Scalar::Null => writer.null(key),
        Scalar::Removed => {}
        Scalar::Bool(yes) => writer.bool(key, *yes),
        Scalar::Int(number) => writer.int(key, *number),
        Scalar::Uint(number) => match i64::try_from(*number) {
            Ok(number) => writer.int(key, number),
            Err(_) => writer.float(key, *number as f64),
        },
        Scalar::Float(number) if number.is_finite() => writer.float(key, *number),
        Scalar::Text(piece) => writer.text(key, piece.of(text)),
        Scalar::Float(_) | Scalar::Json(_) => writer.json(key, &value.to_json(text)),
    }
}

/// The same where all but the value is written already.
#[inline]
fn put_value(record: &mut RecordWriter<'_>, key: &WrittenKey, value: &Scalar, text: &str) {
    match value {
        Scalar::Null => record.null(key),
        Scalar::Removed => {}
        Scalar::Bool(yes) => record.bool(key, *yes),
        Scalar::Int(number) => record.int(key, *number),
        Scalar::Uint(number) => match i64::try_from(*number) {
            Ok(number) => record.int(key, number),
            Err(_) => record.float(key, *number as f64),
        },
        Scalar::Float(number) if number.is_finite() => record.float(key, *number),
        Scalar::Text(piece) => record.text(key, piece.of(text)),
        Scalar::Float(_) | Scalar::Json(_) => record.json(key, &value.to_json(text)),
    }
}
