//! A thread's own buffer: filled by the thread, taken whole by the collector.

use std::sync::{Arc, Weak};

use serde_json::Value;

use super::block::{EventFacts, SpanFacts};
use super::prefetch::claim_after;
use super::{Begun, Kept};
use crate::event::Extra;
use crate::observation::{Draft, Head, Moment, Note, Rare, Said};
use crate::session::{Prepared, Shared, Since};
use crate::{AttributeValue, Attributes, Callsite, SpanContext};

/// A thread may have so many events waiting; past half of it the collector is woken.
pub(crate) const MAX_EVENTS: usize = 8192;
/// And so many drafts kept.
const MAX_UNUSED: usize = 64;
/// And so many bytes of text.
const MAX_TEXT: usize = 4 << 20;

/// Attributes that are worked out by the collector.
pub(crate) type Describe = Box<dyn FnOnce(&mut Attributes) + Send>;

/// A piece of a text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Piece {
    start: u32,
    len: u32,
}

impl Piece {
    /// Texts in buffers are far shorter than what this could not count.
    #[inline]
    pub(crate) const fn new(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len as u32 }
    }

    #[inline]
    pub(crate) const fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    /// The piece of this text.
    #[inline]
    pub(crate) fn of(self, text: &str) -> &str {
        let start = self.start as usize;
        text.get(start..start + self.len as usize).unwrap_or_default()
    }

    /// Whether another piece says the same.
    #[inline]
    pub(crate) fn is_same(self, other: Self, text: &str) -> bool {
        self.len == other.len && self.of(text) == other.of(text)
    }

    /// The same piece of a text that begins with so many bytes more.
    #[inline]
    pub(crate) const fn after(self, bytes: usize) -> Self {
        Self { start: self.start + bytes as u32, len: self.len }
    }
}

/// A span that has ended, as it lies in a buffer. Its attributes are the next so many of the buffer's; the pieces that
/// they and its name are belong to the next so many bytes of the buffer's text of spans.
pub(crate) struct Finished {
    pub(crate) head: Head,
    pub(crate) end: Moment,
    pub(crate) rare: Option<Box<Rare>>,
    /// Index among the buffer's sessions.
    pub(crate) session: Option<u32>,
    pub(crate) attributes: u32,
    pub(crate) text: u32,
}

/// An event without its attributes.
pub(crate) struct Entry<'a> {
    pub(crate) ticks: u64,
    pub(crate) site: Option<&'static Callsite>,
    pub(crate) session: Option<&'a Arc<Shared>>,
    pub(crate) span: Option<&'a SpanContext>,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) kept: Kept,
}

/// An event as it lies in a buffer; its attributes are the next `values` of the buffer's.
pub(crate) struct Header {
    pub(crate) ticks: u64,
    pub(crate) site: Option<&'static Callsite>,
    pub(crate) extra: Option<Box<Extra>>,
    /// Index among the buffer's contexts.
    pub(crate) context: Option<u32>,
    /// Index among the buffer's sessions.
    pub(crate) session: Option<u32>,
    pub(crate) values: u32,
    pub(crate) kept: Kept,
}

/// An attribute's value.
#[derive(Debug, Clone)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Piece),
    Json(Box<Value>),
    /// What was there is not to be seen.
    Removed,
}

/// Boxed, since they are handed around: a draft is too large to copy.
type Unused = Vec<Box<Draft>>;

/// Flat vectors, so that filling them allocates nothing once they have their size.
#[derive(Default)]
pub(crate) struct Buffer {
    pub(crate) headers: Vec<Header>,
    pub(crate) values: Vec<Scalar>,
    pub(crate) text: String,
    pub(crate) sessions: Vec<Remembered>,
    /// The spans that events were said in.
    pub(crate) contexts: Vec<SpanContext>,
    pub(crate) spans: Vec<Finished>,
    pub(crate) notes: Vec<Note>,
    pub(crate) span_text: String,
    /// Traces that began, if anybody is to be told.
    pub(crate) begun: Vec<Weak<Begun>>,
    pub(crate) dropped: u64,
    /// For the next spans.
    pub(crate) unused: Unused,
    /// What the collector adds, for each event, span, attribute of a span and session.
    pub(crate) event_facts: Vec<EventFacts>,
    pub(crate) span_facts: Vec<SpanFacts>,
    pub(crate) said: Vec<Said>,
    pub(crate) prepared: Vec<Arc<Prepared>>,
}

/// A session as it was when an event was emitted.
pub(crate) struct Remembered {
    pub(super) shared: Arc<Shared>,
    version: u64,
    pub(super) since: Since,
}

/// What became of something that was to be put into a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Fits,
    /// It fits, and the collector should come now.
    Crowded,
    Full,
}

impl Buffer {
    pub(crate) fn push(
        &mut self,
        entry: Entry<'_>,
        values: &mut [AttributeValue<'_>],
        max_text_bytes: usize,
    ) -> Pushed {
        if !self.has_room() {
            return Pushed::Full;
        }
        claim_after(&self.headers, size_of::<Header>());
        claim_after(&self.values, values.len() * size_of::<Scalar>());
        let text_before = self.text.len();
        let text = &mut self.text;
        self.values.extend(values.iter_mut().map(|value| match value {
            AttributeValue::Null => Scalar::Null,
            AttributeValue::Bool(yes) => Scalar::Bool(*yes),
            AttributeValue::Int(number) => Scalar::Int(*number),
            AttributeValue::Uint(number) => Scalar::Uint(*number),
            AttributeValue::Float(number) => Scalar::Float(*number),
            AttributeValue::Text(own) => {
                let own = if own.len() <= max_text_bytes { own } else { shortened(own, max_text_bytes) };
                let piece = Piece::new(text.len(), own.len());
                text.push_str(own);
                Scalar::Text(piece)
            }
            AttributeValue::Json(value) => Scalar::Json(std::mem::take(value)),
        }));
        claim_after(self.text.as_bytes(), self.text.len() - text_before);
        let session = entry.session.map(|shared| self.remember(shared));
        let context = entry.span.map(|span| self.remember_context(span));
        self.headers.push(Header {
            ticks: entry.ticks,
            site: entry.site,
            extra: entry.extra,
            context,
            session,
            values: values.len() as u32,
            kept: entry.kept,
        });
        self.pushed()
    }

    #[inline]
    pub(crate) fn push_span(&mut self, draft: &mut Draft, end: Moment) -> Pushed {
        if !self.has_room() {
            return Pushed::Full;
        }
        claim_after(&self.spans, size_of::<Finished>());
        claim_after(&self.notes, size_of_val(&*draft.notes));
        claim_after(self.span_text.as_bytes(), draft.text.len());
        let session = draft.references.session.as_ref().map(|shared| self.remember(shared));
        self.spans.push(Finished {
            head: draft.head,
            end,
            rare: draft.rare.take(),
            session,
            attributes: draft.notes.len() as u32,
            text: draft.text.len() as u32,
        });
        self.notes.extend_from_slice(&draft.notes);
        self.span_text.push_str(&draft.text);
        self.pushed()
    }

    /// Keeps an empty draft, if there is room for it.
    #[inline]
    pub(crate) fn keep(&mut self, draft: Box<Draft>) -> Option<Box<Draft>> {
        if self.unused.len() < MAX_UNUSED && draft.is_small() {
            self.unused.push(draft);
            return None;
        }
        Some(draft)
    }

    #[inline]
    fn has_room(&mut self) -> bool {
        let few = self.headers.len() + self.spans.len() < MAX_EVENTS;
        let has_room = few && self.text.len() < MAX_TEXT && self.span_text.len() < MAX_TEXT;
        self.dropped += u64::from(!has_room);
        has_room
    }

    #[inline]
    fn pushed(&self) -> Pushed {
        let crowded = self.headers.len() + self.spans.len() == MAX_EVENTS / 2;
        if crowded { Pushed::Crowded } else { Pushed::Fits }
    }

    /// Most events are of the session of the event before: then no reference is counted.
    #[inline]
    fn remember(&mut self, shared: &Arc<Shared>) -> u32 {
        match self.sessions.last() {
            Some(last) if Arc::ptr_eq(&last.shared, shared) && last.version == shared.version() => {}
            _ => {
                let (version, since) = shared.versioned();
                self.sessions.push(Remembered { shared: shared.clone(), version, since });
            }
        }
        self.sessions.len() as u32 - 1
    }

    /// By index, since ids are bytes: what was stored byte by byte is slow to load as a whole just after.
    #[inline]
    fn remember_context(&mut self, span: &SpanContext) -> u32 {
        if self.contexts.last() != Some(span) {
            self.contexts.push(*span);
        }
        self.contexts.len() as u32 - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.spans.is_empty() && self.begun.is_empty() && self.dropped == 0
    }

    /// Notes that a trace began. If the collector cannot follow, it is not told of.
    pub(crate) fn push_begun(&mut self, trace: &Arc<Begun>) {
        if self.begun.len() < MAX_EVENTS {
            self.begun.push(Arc::downgrade(trace));
        }
    }

    pub(super) fn clear(&mut self) {
        self.headers.clear();
        self.values.clear();
        self.text.clear();
        self.sessions.clear();
        self.contexts.clear();
        self.spans.clear();
        self.notes.clear();
        self.span_text.clear();
        self.begun.clear();
        self.unused.clear();
        self.dropped = 0;
        self.event_facts.clear();
        self.span_facts.clear();
        self.said.clear();
        self.prepared.clear();
    }

    /// Makes room for as much as another buffer holds.
    pub(super) fn make_room_like(&mut self, other: &Self) {
        self.headers.reserve(other.headers.len());
        self.values.reserve(other.values.len());
        self.text.reserve(other.text.len());
        self.sessions.reserve(other.sessions.len());
        self.contexts.reserve(other.contexts.len());
        self.spans.reserve(other.spans.len());
        self.notes.reserve(other.notes.len());
        self.span_text.reserve(other.span_text.len());
    }

    /// Roughly.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.headers.capacity() * size_of::<Header>()
            + self.values.capacity() * size_of::<Scalar>()
            + self.text.capacity()
            + self.contexts.capacity() * size_of::<SpanContext>()
            + self.spans.capacity() * size_of::<Finished>()
            + self.notes.capacity() * size_of::<Note>()
            + self.said.capacity() * size_of::<Said>()
            + self.span_text.capacity()
    }

    /// Bytes that its contents take, roughly.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.headers)
            + size_of_val(&*self.values)
            + self.text.len()
            + size_of_val(&*self.contexts)
            + size_of_val(&*self.spans)
            + size_of_val(&*self.notes)
            + self.span_text.len()
    }
}

#[cold]
fn shortened(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}
