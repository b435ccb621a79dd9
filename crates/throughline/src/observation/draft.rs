//! A span while it goes on: what is said of it lies flat in a record that its thread uses again for the next span, so
//! that a span costs no allocation.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::Value;

use crate::pipeline::{Describe, Piece, Scalar};
use crate::{
    AttributeValue, Attributes, ErrorInfo, Level, ObservationType, SpanContext, SpanId, Status, Timestamp,
    TraceId, TraceState,
};

/// A moment as it was taken: by a clock that is cheap to read, or given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Ticks(u64),
    Time(Timestamp),
}

/// An attribute whose key, and value if that is a text, are pieces of the record's text.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) key: Piece,
    pub(crate) value: Scalar,
}

impl Said {
    /// Makes it one of a text that begins with so many bytes more, and a number of a moment.
    #[inline]
    pub(crate) fn settle(&mut self, bytes: usize, seconds_since_start: impl Fn(Moment) -> f64) {
        self.key = self.key.after(bytes);
        match &mut self.value {
            Scalar::Text(piece) => *piece = piece.after(bytes),
            Scalar::Since(moment) => self.value = Scalar::Float(seconds_since_start(*moment)),
            _ => {}
        }
    }
}

/// What most spans say nothing of.
#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) trace_state: TraceState,
    pub(crate) status_message: Option<String>,
    pub(crate) error: Option<ErrorInfo>,
    pub(crate) input: Option<Value>,
    pub(crate) output: Option<Value>,
    /// Behind a mutex only because transports share what comes after it.
    pub(crate) describe: Mutex<Option<Describe>>,
    /// The attributes once it has run: these and no others.
    pub(crate) described: Option<Attributes>,
}

#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) kind: ObservationType,
    pub(crate) level: Level,
    pub(crate) status: Status,
    /// Set when it is started at the latest.
    pub(crate) start: Option<Moment>,
    pub(crate) name: Piece,
    pub(crate) rare: Option<Box<Rare>>,
    /// Each key once, up to [`SEARCHED`]; beyond that the last of a key counts.
    pub(crate) attributes: Vec<Said>,
    pub(crate) text: String,
    /// Bytes of the text that nothing refers to any more.
    wasted: usize,
}

/// Among so many attributes it is looked whether one has the key already.
pub(crate) const SEARCHED: usize = 64;
/// Beyond so many bytes that nothing refers to, the text is written anew.
const MAX_WASTED: usize = 16 << 10;
/// A longer text has a place of its own, so that records stay small.
const MAX_INLINE: usize = 16 << 10;
/// So many unused records a thread keeps.
const MAX_FREE: usize = 64;
/// And none whose text took more than this.
const MAX_KEPT_TEXT: usize = 4 << 10;

/// Boxed, since they are handed around: a record is too large to copy.
type Free = Vec<Box<Draft>>;

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Vec::new()) };
}

impl Draft {
    /// An empty one, used before if possible.
    #[inline]
    pub(crate) fn take() -> Box<Self> {
        let used = FREE.try_with(|free| free.try_borrow_mut().ok()?.pop()).ok().flatten();
        used.unwrap_or_else(Self::new_box)
    }

    #[cold]
    fn new_box() -> Box<Self> {
        Box::default()
    }

    /// Gives it back to be used again, by this thread.
    #[inline]
    pub(crate) fn give_back(mut self: Box<Self>) {
        if self.text.capacity() > MAX_KEPT_TEXT || self.attributes.capacity() > SEARCHED {
            return;
        }
        self.clear();
        // Without a place for it, it is freed.
        let keep = |free: &RefCell<Free>| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < MAX_FREE
            {
                free.push(self);
            }
        };
        FREE.try_with(keep).ok();
    }

    #[inline]
    fn clear(&mut self) {
        self.parent_id = None;
        self.start = None;
        self.kind = ObservationType::default();
        self.level = Level::default();
        self.status = Status::default();
        self.rare = None;
        self.name = Piece::default();
        self.attributes.clear();
        self.text.clear();
        self.wasted = 0;
    }

    /// The trace is the parent's.
    #[inline]
    pub(crate) const fn set_parent(&mut self, parent: SpanContext) {
        (self.trace_id, self.parent_id) = (parent.trace_id, Some(parent.span_id));
    }

    /// As it was set.
    pub(crate) fn parent(&self) -> Option<SpanContext> {
        self.parent_id.map(|span_id| SpanContext { trace_id: self.trace_id, span_id })
    }

    pub(crate) fn name(&self) -> &str {
        self.name.of(&self.text)
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn set_name(&mut self, name: &str) {
        self.make_room();
        self.wasted += self.name.len();
        self.name = self.push_text(name);
    }

    /// The last one said of a key counts.
    #[inline]
    pub(crate) fn set(&mut self, key: &str, value: AttributeValue<'_>) {
        self.make_room();
        let value = self.scalar(value);
        self.put(key, value);
    }

    /// The same with seconds since the start.
    pub(crate) fn set_since(&mut self, key: &str, moment: Moment) {
        self.make_room();
        self.put(key, Scalar::Since(moment));
    }

    #[inline]
    fn put(&mut self, key: &str, value: Scalar) {
        let text = self.text.as_str();
        let same = |said: &&mut Said| said.key.of(text) == key;
        if let Some(said) = self.attributes.iter_mut().take(SEARCHED).find(same) {
            if let Scalar::Text(old) = std::mem::replace(&mut said.value, value) {
                self.wasted += old.len();
            }
        } else {
            let key = self.push_text(key);
            self.attributes.push(Said { key, value });
        }
    }

    /// Before anything is added: pieces that nothing holds yet would not survive it.
    #[inline]
    fn make_room(&mut self) {
        if self.attributes.len() >= SEARCHED && self.attributes.len() == self.attributes.capacity() {
            self.forget_overruled();
        }
        if self.wasted > MAX_WASTED {
            self.rewrite_text();
        }
    }

    /// Of each key keeps the last attribute, and makes room for as many again.
    #[cold]
    fn forget_overruled(&mut self) {
        let (mut seen, text) = (HashSet::new(), self.text.as_str());
        self.attributes.reverse();
        self.attributes.retain(|said| seen.insert(said.key.of(text)));
        self.attributes.reverse();
        self.attributes.reserve(self.attributes.len());
        self.rewrite_text();
    }

    #[cold]
    fn rewrite_text(&mut self) {
        let old = std::mem::take(&mut self.text);
        self.wasted = 0;
        let mut copy = |piece: &mut Piece| {
            let start = self.text.len();
            self.text.push_str(piece.of(&old));
            *piece = Piece::new(start, piece.len());
        };
        copy(&mut self.name);
        for said in &mut self.attributes {
            copy(&mut said.key);
            if let Scalar::Text(piece) = &mut said.value {
                copy(piece);
            }
        }
    }

    /// The attribute with this key, if it is a short text.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        let said = self.attributes.iter().rev().find(|said| said.key.of(&self.text) == key)?;
        match &said.value {
            Scalar::Text(piece) => Some(piece.of(&self.text)),
            _ => None,
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|said| said.key.of(&self.text) == key)
    }

    #[inline]
    fn scalar(&mut self, value: AttributeValue<'_>) -> Scalar {
        match value {
            AttributeValue::Null => Scalar::Null,
            AttributeValue::Bool(yes) => Scalar::Bool(yes),
            AttributeValue::Int(number) => Scalar::Int(number),
            AttributeValue::Uint(number) => Scalar::Uint(number),
            AttributeValue::Float(number) => Scalar::Float(number),
            AttributeValue::Text(text) if text.len() <= MAX_INLINE => Scalar::Text(self.push_text(text)),
            AttributeValue::Text(text) => Scalar::Json(Box::new(Value::String(text.to_owned()))),
            AttributeValue::Json(value) => Scalar::Json(value),
        }
    }

    #[inline]
    fn push_text(&mut self, text: &str) -> Piece {
        let piece = Piece::new(self.text.len(), text.len());
        self.text.push_str(text);
        piece
    }
}
