//! What lies in a block, written as OTLP without anything between.

use throughline_model::keys;
use throughline_model::otlp::{
    AttributeWriter, OutgoingLog, OutgoingSpan, Request, attributes_of, is_reserved,
};

use super::block::{EventView, SpanView};
use super::buffer::Scalar;
use crate::session::Prepared;
use crate::transport::session_attributes;
use crate::{Attributes, Level, SessionState};

/// A session's attributes, written once for all its events or spans.
#[derive(Debug)]
pub(crate) struct Written {
    /// What its events say of it beside its attributes.
    pub(crate) log: Vec<u8>,
    /// Its attributes for events; `None` if one of them has a name that needs care.
    log_attributes: Option<Vec<(String, Vec<u8>)>>,
    /// What its spans say of it, its attributes included.
    span: Vec<(String, Vec<u8>)>,
}

impl Written {
    pub(crate) fn new(session: &SessionState) -> Self {
        let log = attributes_of(true, |writer| {
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
        Self { log, log_attributes: plain.then(|| pairs(true, &attributes)), span: pairs(false, &of_spans) }
    }
}

impl EventView<'_> {
    /// Appends it to a request of log records. `false` if that needs its envelope.
    pub(crate) fn put(&self, request: &mut Request) -> bool {
        let session = self.session().map(Prepared::written);
        let shared = match session {
            None => &[][..],
            Some(written) => match &written.log_attributes {
                Some(pairs) => pairs,
                None => return false,
            },
        };
        if self.overrides_session() || self.site().is_some_and(crate::Callsite::has_reserved_keys) {
            return false;
        }
        let (span, id) = (self.span(), self.id());
        let source = self.borrowed_source();
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
            session.iter().for_each(|session| writer.written(&session.log));
            let own = self.site().map_or(&[][..], |site| site.keys);
            for (key, written) in shared {
                if !own.contains(&key.as_str()) {
                    writer.written(written);
                }
            }
            self.values().for_each(|(key, value)| put(writer, key, value, self.text()));
            let weight = self.weight();
            if weight > 1.0 {
                writer.float(keys::SAMPLING_WEIGHT, weight);
            }
        });
        true
    }
}

impl SpanView<'_> {
    /// Appends it to a request of spans.
    pub(crate) fn put(&self, request: &mut Request) {
        let (finished, rare) = (self.finished(), self.rare());
        let (start_time, end_time) = self.times();
        let span = OutgoingSpan {
            trace_id: finished.context.trace_id,
            span_id: finished.context.span_id,
            parent_id: finished.parent_id,
            trace_state: rare.map_or("", |rare| rare.trace_state.as_str()),
            kind: finished.kind,
            name: self.name(),
            start_time,
            end_time,
            status: finished.status,
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
            if finished.level != Level::Info && !is_own(keys::LEVEL) {
                writer.text(keys::LEVEL, finished.level.as_str());
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
        Scalar::Null | Scalar::Since(_) => writer.null(key),
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
