//! One log record, read as far as everything made of it needs.

use std::borrow::Cow;

use super::digest::{bounded_id, digest};
use super::mapping::{Field, INDEX};
use super::slots::Slots;
use super::value::{RawValue, key_value};
use super::wire::{self, Wire};
use crate::{Level, SpanId, Timestamp, TraceId, keys};

/// A log record with the resource and scope it came under.
pub(super) struct Record<'a> {
    pub(super) resource: &'a [u8],
    pub(super) scope: &'a [u8],
    /// What the table finds in the resource.
    pub(super) shared: &'a Slots<'a>,
    pub(super) scope_name: &'a [u8],
    pub(super) attributes: Vec<(&'a [u8], RawValue<'a>)>,
    pub(super) body: RawValue<'a>,
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
    bytes: &'a [u8],
    time: u64,
    observed: u64,
    severity: i32,
    severity_text: &'a [u8],
    event_name: &'a [u8],
}

/// Scopes of Claude Code.
pub(super) const CLAUDE_CODE: &[u8] = b"com.anthropic.claude_code";

impl<'a> Record<'a> {
    pub(super) fn read(resource: &'a [u8], shared: &'a Slots<'a>, scope: &'a [u8], bytes: &'a [u8]) -> Self {
        let scope_name = wire::checked(scope).find_map(|field| match field {
            (1, Wire::Bytes(name)) => Some(name),
            _ => None,
        });
        let mut record = Self {
            resource,
            scope,
            shared,
            scope_name: scope_name.unwrap_or_default(),
            attributes: Vec::new(),
            body: RawValue::Empty,
            trace_id: None,
            span_id: None,
            bytes,
            time: 0,
            observed: 0,
            severity: 0,
            severity_text: &[],
            event_name: &[],
        };
        for field in wire::checked(bytes) {
            match field {
                (1, Wire::Fixed64(nanos)) => record.time = nanos,
                (2, Wire::Varint(number)) => record.severity = i32::try_from(number).unwrap_or(0),
                (3, Wire::Bytes(text)) => record.severity_text = text,
                (5, Wire::Bytes(any)) => record.body = RawValue::read(any),
                (6, Wire::Bytes(attribute)) => record.attributes.push(key_value(attribute)),
                (9, Wire::Bytes(id)) => record.trace_id = TraceId::from_slice(id),
                (10, Wire::Bytes(id)) => record.span_id = SpanId::from_slice(id),
                (11, Wire::Fixed64(nanos)) => record.observed = nanos,
                (12, Wire::Bytes(name)) => record.event_name = name,
                _ => {}
            }
        }
        record
    }

    pub(super) fn attribute(&self, key: &str) -> Option<RawValue<'a>> {
        self.attributes.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| *value)
    }

    pub(super) fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        self.attribute(key)?.to_text()
    }

    /// When it happened; when it was observed, if it does not say.
    pub(super) fn time(&self) -> Timestamp {
        let nanos = if self.time == 0 { self.observed } else { self.time };
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    pub(super) fn level(&self) -> Level {
        Level::from_severity_number(self.severity)
            .or_else(|| Level::from_name(&wire::text(self.severity_text)))
            .unwrap_or_default()
    }

    /// Whether the record leaves its level to be guessed.
    pub(super) fn says_no_level(&self) -> bool {
        self.severity == 0 && self.severity_text.is_empty()
    }

    /// The whole `LogRecord` message.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn is_claude_code(&self) -> bool {
        self.scope_name.starts_with(CLAUDE_CODE)
            || matches!(self.body, RawValue::Text(text) if text.starts_with(b"claude_code."))
    }

    /// Its name, and whether the name is an attribute that need not be shown again.
    pub(super) fn name(&self) -> (Cow<'a, str>, bool) {
        let (name, from_attribute) = match (self.event_name, self.attribute("event.name")) {
            ([], Some(RawValue::Text(name))) if !name.is_empty() => (wire::text(name), true),
            ([], _) => (Cow::Borrowed("log"), false),
            (name, _) => (wire::text(name), false),
        };
        match self.is_claude_code() && !name.starts_with("claude_code.") {
            true => (Cow::Owned(format!("claude_code.{name}")), from_attribute),
            false => (name, from_attribute),
        }
    }

    /// The session named on the record, by any convention, or on its resource.
    pub(super) fn session(&self) -> Option<Cow<'a, str>> {
        let mut slots = Slots::new();
        for (key, value) in &self.attributes {
            if let Some(rule) = INDEX.rules(key).iter().find(|rule| rule.field == Field::Session) {
                slots.offer(rule, *value);
            }
        }
        let named = slots.value(Field::Session).or_else(|| self.shared.value(Field::Session));
        named.and_then(RawValue::to_text).map(bounded_id)
    }

    /// What tells this record from others: everything it says and where it comes from, but not when it was observed,
    /// which changes when it is sent again.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut said = Vec::with_capacity(self.bytes.len());
        for (number, wire) in wire::checked(self.bytes).filter(|(number, _)| *number != 11) {
            wire::put_wire(&mut said, number, wire);
        }
        digest(&[self.resource, self.scope, &said])
    }

    /// The id that our SDK gave it.
    pub(super) fn own_id(&self) -> Option<Cow<'a, str>> {
        self.text(keys::EVENT_ID).filter(|id| !id.is_empty()).map(bounded_id)
    }
}
