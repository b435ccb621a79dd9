//! A span while it goes on: what is said of it lies flat in a record that its thread uses again for the next span, so
//! that a span costs no allocation. Whatever can wait until the span has ended is left to the collector.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::pipeline::{Begun, Describe, Piece, Scalar};
use crate::session::Shared;
use crate::{
    AttributeValue, Attributes, ErrorInfo, Level, ObservationType, SessionId, SpanContext, SpanId, Status,
    Telemetry, Timestamp, TraceId, TraceState,
};

/// A moment as it was taken: by a clock that is cheap to read, or given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Ticks(u64),
    Time(Timestamp),
}

/// An attribute as it is noted down. Its key is a piece of the record's text; what follows the key there, if the value
/// is a text, is the value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    start: u32,
    key: u16,
    kind: Kind,
    /// The value, or how long it is, or which of the record's values.
    bits: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Int,
    Uint,
    Float,
    Text,
    Value,
    SinceTicks,
    SinceTime,
}

impl Note {
    #[inline]
    pub(crate) const fn key(self) -> Piece {
        Piece::new(self.start as usize, self.key as usize)
    }

    #[inline]
    const fn text(self) -> Piece {
        Piece::new(self.start as usize + self.key as usize, self.bits as usize)
    }

    /// How much of the text is its own.
    const fn len(self) -> usize {
        self.key as usize + if matches!(self.kind, Kind::Text) { self.bits as usize } else { 0 }
    }

    /// The attribute, of a text that begins with so many bytes more.
    #[inline]
    pub(crate) fn said(
        self,
        bytes: usize,
        values: &mut [Value],
        seconds_since_start: impl Fn(Moment) -> f64,
    ) -> Said {
        let since = |moment| Scalar::Float(seconds_since_start(moment));
        let value = match self.kind {
            Kind::Null => Scalar::Null,
            Kind::Bool => Scalar::Bool(self.bits != 0),
            Kind::Int => Scalar::Int(self.bits.cast_signed()),
            Kind::Uint => Scalar::Uint(self.bits),
            Kind::Float => Scalar::Float(f64::from_bits(self.bits)),
            Kind::Text => Scalar::Text(self.text().after(bytes)),
            Kind::Value => match values.get_mut(self.bits as usize) {
                Some(value) => Scalar::Json(Box::new(std::mem::take(value))),
                None => Scalar::Null,
            },
            Kind::SinceTicks => since(Moment::Ticks(self.bits)),
            Kind::SinceTime => since(Moment::Time(Timestamp::from_nanos(self.bits.cast_signed()))),
        };
        Said { key: self.key().after(bytes), value }
    }
}

/// An attribute whose key, and value if that is a text, are pieces of a text.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) key: Piece,
    pub(crate) value: Scalar,
}

/// What every span says, as it goes into a buffer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Head {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) kind: ObservationType,
    pub(crate) level: Level,
    pub(crate) status: Status,
    /// Set when it is started at the latest.
    pub(crate) start: Option<Moment>,
    pub(crate) name: Piece,
}

impl Head {
    pub(crate) const fn context(&self) -> SpanContext {
        SpanContext { trace_id: self.trace_id, span_id: self.span_id }
    }
}

/// Who it is about, as a builder is told it.
#[derive(Default)]
pub(crate) struct Named {
    pub(crate) session_id: Option<SessionId>,
    pub(crate) user_id: Option<String>,
}

/// What most spans say nothing of.
#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) trace_state: TraceState,
    pub(crate) status_message: Option<String>,
    pub(crate) error: Option<ErrorInfo>,
    pub(crate) input: Option<Value>,
    pub(crate) output: Option<Value>,
    /// Those of attributes that are no short texts, numbers or the like.
    pub(crate) values: Vec<Value>,
    /// Behind a mutex only because transports share what comes after it.
    pub(crate) describe: Mutex<Option<Describe>>,
    /// Before the span is started: the session and user that it is to be in and for, by their ids.
    pub(crate) named: Named,
    /// Whether the trace state is that of the trace that the program was in.
    pub(crate) inherits_state: bool,
    /// The attributes once it has run: these and no others.
    pub(crate) described: Option<Attributes>,
}

/// It is handed on as a whole, from the builder to the span and to the next builder: what is copied from place to place
/// just after it was written is slow to read.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) references: References,
    /// Kept as long as the span goes on, where somebody is told of that.
    pub(crate) begun: Option<Arc<Begun>>,
    pub(crate) has_ended: bool,
    pub(crate) head: Head,
    pub(crate) rare: Option<Box<Rare>>,
    /// Of a key that is among them twice the last counts.
    pub(crate) notes: Vec<Note>,
    pub(crate) text: String,
}

/// What a span refers to. A draft that no span uses keeps it: the next span most likely refers to the same, and counting
/// references takes longer than most else that a span does. It is kept only until the collector comes, so that nothing
/// lives longer for that.
#[derive(Default)]
pub(crate) struct References {
    /// There while a span uses the draft.
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) session: Option<Arc<Shared>>,
}

impl References {
    #[inline]
    pub(crate) fn telemetry(&self) -> &Telemetry {
        match &self.telemetry {
            Some(telemetry) => telemetry,
            None => unreachable!("whoever takes a draft makes it refer to a telemetry"),
        }
    }
}

/// A longer text has a place of its own, so that records stay small.
const MAX_INLINE: usize = 16 << 10;
/// From so many bytes of text on it is looked for what is overruled before there is more.
const MUCH_TEXT: usize = 32 << 10;
/// The attributes and bytes of text that a draft has room for at first, and those beyond which it is not kept.
const NOTES: (usize, usize) = (16, 256);
const TEXT: (usize, usize) = (512, 4 << 10);

impl Draft {
    /// An empty one for a span of this telemetry and session, used before if possible.
    #[inline]
    pub(crate) fn take(telemetry: &Telemetry, session: Option<&Arc<Shared>>) -> Box<Self> {
        let mut draft = telemetry.core().unused_draft().unwrap_or_else(Self::new_box);
        let references = &mut draft.references;
        if references.telemetry.is_none() {
            references.telemetry = Some(telemetry.clone());
        }
        match (&references.session, session) {
            (Some(before), Some(session)) if Arc::ptr_eq(before, session) => {}
            (None, None) => {}
            (_, session) => references.session = session.cloned(),
        }
        draft
    }

    #[cold]
    fn new_box() -> Box<Self> {
        Box::new(Self {
            notes: Vec::with_capacity(NOTES.0),
            text: String::with_capacity(TEXT.0),
            ..Self::default()
        })
    }

    /// Makes it an empty one, but for what it refers to.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.begun = None;
        self.has_ended = false;
        self.head = Head::default();
        self.rare = None;
        self.notes.clear();
        self.text.clear();
    }

    /// Whether it is worth keeping.
    #[inline]
    pub(crate) fn is_small(&self) -> bool {
        self.text.capacity() <= TEXT.1 && self.notes.capacity() <= NOTES.1
    }

    /// The trace is the parent's.
    #[inline]
    pub(crate) const fn set_parent(&mut self, parent: SpanContext) {
        (self.head.trace_id, self.head.parent_id) = (parent.trace_id, Some(parent.span_id));
    }

    /// As it was set.
    pub(crate) fn parent(&self) -> Option<SpanContext> {
        self.head.parent_id.map(|span_id| SpanContext { trace_id: self.head.trace_id, span_id })
    }

    pub(crate) fn name(&self) -> &str {
        self.head.name.of(&self.text)
    }

    #[inline]
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn set_name(&mut self, name: &str) {
        self.make_room(name.len());
        self.head.name = Piece::new(self.text.len(), name.len());
        self.text.push_str(name);
    }

    /// The last one said of a key counts.
    ///
    /// Inlined by force: where it is called it is known which kind of value that is.
    #[inline(always)]
    pub(crate) fn set(&mut self, key: &str, value: AttributeValue<'_>) {
        match value {
            AttributeValue::Null => self.note(key, Kind::Null, 0),
            AttributeValue::Bool(yes) => self.note(key, Kind::Bool, yes.into()),
            AttributeValue::Int(number) => self.note(key, Kind::Int, number.cast_unsigned()),
            AttributeValue::Uint(number) => self.note(key, Kind::Uint, number),
            AttributeValue::Float(number) => self.note(key, Kind::Float, number.to_bits()),
            AttributeValue::Text(text) => self.note_text(key, text),
            AttributeValue::Json(value) => self.note_value(key, *value),
        }
    }

    /// The same with seconds since the start.
    pub(crate) fn set_since(&mut self, key: &str, moment: Moment) {
        match moment {
            Moment::Ticks(ticks) => self.note(key, Kind::SinceTicks, ticks),
            Moment::Time(time) => self.note(key, Kind::SinceTime, time.as_nanos().cast_unsigned()),
        }
    }

    #[inline(never)]
    fn note(&mut self, key: &str, kind: Kind, bits: u64) {
        let key = self.make_room_for(key, 0);
        let start = self.text.len() as u32;
        self.text.push_str(key);
        self.notes.push(Note { start, key: key.len() as u16, kind, bits });
    }

    #[inline(never)]
    fn note_text(&mut self, key: &str, text: &str) {
        if text.len() > MAX_INLINE {
            return self.note_value(key, Value::String(text.to_owned()));
        }
        let key = self.make_room_for(key, text.len());
        let start = self.text.len() as u32;
        self.text.push_str(key);
        self.text.push_str(text);
        self.notes.push(Note { start, key: key.len() as u16, kind: Kind::Text, bits: text.len() as u64 });
    }

    #[cold]
    fn note_value(&mut self, key: &str, value: Value) {
        let values = &mut self.rare().values;
        let place = values.len() as u64;
        values.push(value);
        self.note(key, Kind::Value, place);
    }

    /// For an attribute with this key, or what is left of one that is absurdly long, and so many bytes of text.
    #[inline]
    fn make_room_for<'k>(&mut self, key: &'k str, bytes: usize) -> &'k str {
        self.make_room(key.len() + bytes);
        if key.len() <= u16::MAX.into() { key } else { &key[..key.floor_char_boundary(u16::MAX.into())] }
    }

    /// For one attribute more with so many bytes of text.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        if self.notes.len() == self.notes.capacity() || self.text.capacity() - self.text.len() < bytes {
            self.grow(bytes);
        }
    }

    /// Keeps to what is not overruled, so that an attribute may be set as often as one likes.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        if self.notes.len() == self.notes.capacity() || self.text.len() > MUCH_TEXT {
            self.forget_overruled();
        }
        // At least as much again, so that this does not happen often.
        self.notes.reserve(self.notes.len().max(NOTES.0));
        self.text.reserve(self.text.len().max(bytes));
    }

    /// Of each key keeps the last attribute.
    fn forget_overruled(&mut self) {
        let old = std::mem::take(&mut self.text);
        let mut values = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.values)).unwrap_or_default();
        let mut seen = HashSet::new();
        let mut notes: Vec<Note> =
            self.notes.iter().rev().filter(|note| seen.insert(note.key().of(&old))).copied().collect();
        notes.reverse();
        self.head.name = self.keep(self.head.name.of(&old));
        for note in &mut notes {
            let own = Piece::new(note.start as usize, note.len());
            note.start = self.keep(own.of(&old)).start() as u32;
            if note.kind == Kind::Value {
                let value = values.get_mut(note.bits as usize).map(std::mem::take).unwrap_or_default();
                let kept = &mut self.rare().values;
                note.bits = kept.len() as u64;
                kept.push(value);
            }
        }
        self.notes = notes;
    }

    fn keep(&mut self, text: &str) -> Piece {
        let piece = Piece::new(self.text.len(), text.len());
        self.text.push_str(text);
        piece
    }

    fn last(&self, key: &str) -> Option<&Note> {
        self.notes.iter().rev().find(|note| note.key().of(&self.text) == key)
    }

    /// The attribute with this key, if it is a short text.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.last(key).filter(|note| note.kind == Kind::Text).map(|note| note.text().of(&self.text))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.last(key).is_some()
    }
}
