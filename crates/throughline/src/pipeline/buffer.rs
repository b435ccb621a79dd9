//! A thread's own buffer: filled by the thread, taken whole by the collector.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{Kept, lock};
use crate::event::Extra;
use crate::session::Shared;
use crate::{AttributeValue, Attributes, Callsite, SessionState, Span, SpanContext};

/// A thread may have so many events waiting; past half of it the collector is woken.
pub(crate) const MAX_EVENTS: usize = 8192;
/// And so many bytes of text.
const MAX_TEXT: usize = 4 << 20;

/// Attributes that are worked out by the collector.
pub(crate) type Describe = Box<dyn FnOnce(&mut Attributes) + Send>;

/// A span that has ended.
pub(crate) struct Finished {
    /// Boxed as it comes: it is large to copy.
    pub(crate) span: Box<Span>,
    pub(crate) describe: Option<Describe>,
}

impl Finished {
    /// The span with everything that is to be said of it. What the application says must not stop the collector.
    pub(crate) fn described(self) -> Box<Span> {
        let Self { mut span, describe } = self;
        if let Some(describe) = describe {
            catch_unwind(AssertUnwindSafe(|| describe(&mut span.attributes))).ok();
        }
        span
    }
}

/// An event without its attributes.
pub(crate) struct Entry<'a> {
    pub(crate) ticks: u64,
    pub(crate) site: Option<&'static Callsite>,
    pub(crate) session: Option<&'a Arc<Shared>>,
    pub(crate) span: Option<SpanContext>,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) kept: Kept,
}

/// An event as it lies in a buffer; its attributes are the next `values` of the buffer's.
pub(crate) struct Header {
    pub(crate) ticks: u64,
    pub(crate) site: Option<&'static Callsite>,
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) span: Option<SpanContext>,
    /// Index among the buffer's sessions.
    pub(crate) session: Option<u32>,
    pub(crate) values: u32,
    pub(crate) kept: Kept,
}

/// An attribute's value; a text is the next so many bytes of the buffer's.
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(u32),
    Json(Box<Value>),
}

/// Flat vectors, so that filling them allocates nothing once they have their size.
#[derive(Default)]
pub(crate) struct Buffer {
    pub(crate) headers: Vec<Header>,
    pub(crate) values: Vec<Scalar>,
    pub(crate) text: String,
    pub(crate) sessions: Vec<Remembered>,
    pub(crate) spans: Vec<Finished>,
    pub(crate) dropped: u64,
}

/// A session as it was when an event was emitted.
pub(crate) struct Remembered {
    shared: Arc<Shared>,
    version: u64,
    pub(crate) state: Arc<SessionState>,
}

/// What became of something that was to be put into a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Fits,
    /// It fits, and the collector should come now.
    Crowded,
    Full,
}

/// The buffer of one thread, and the one the collector gave back empty.
#[derive(Default)]
pub(crate) struct Shard {
    front: Mutex<Buffer>,
    back: Mutex<Buffer>,
}

impl Shard {
    #[inline]
    pub(crate) fn push(
        &self,
        entry: Entry<'_>,
        values: &mut [AttributeValue<'_>],
        max_text_bytes: usize,
    ) -> Pushed {
        lock(&self.front).push(entry, values, max_text_bytes)
    }

    pub(crate) fn push_span(&self, finished: Finished) -> Pushed {
        let mut front = lock(&self.front);
        if !front.has_room() {
            return Pushed::Full;
        }
        front.spans.push(finished);
        front.pushed()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let front = lock(&self.front);
        front.headers.is_empty() && front.spans.is_empty() && front.dropped == 0
    }

    /// Gives everything in the buffer to `read`. The thread goes on filling the other one meanwhile.
    pub(crate) fn take(&self, read: impl FnOnce(&mut Buffer)) {
        let mut back = lock(&self.back);
        std::mem::swap(&mut *lock(&self.front), &mut *back);
        read(&mut back);
        back.clear();
    }
}

impl Buffer {
    fn push(&mut self, entry: Entry<'_>, values: &mut [AttributeValue<'_>], max_text_bytes: usize) -> Pushed {
        if !self.has_room() {
            return Pushed::Full;
        }
        let text = &mut self.text;
        self.values.extend(values.iter_mut().map(|value| match value {
            AttributeValue::Null => Scalar::Null,
            AttributeValue::Bool(yes) => Scalar::Bool(*yes),
            AttributeValue::Int(number) => Scalar::Int(*number),
            AttributeValue::Uint(number) => Scalar::Uint(*number),
            AttributeValue::Float(number) => Scalar::Float(*number),
            AttributeValue::Text(own) => {
                let own = if own.len() <= max_text_bytes { own } else { shortened(own, max_text_bytes) };
                text.push_str(own);
                Scalar::Text(own.len() as u32)
            }
            AttributeValue::Json(value) => Scalar::Json(std::mem::take(value)),
        }));
        let session = entry.session.map(|shared| self.remember(shared));
        self.headers.push(Header {
            ticks: entry.ticks,
            site: entry.site,
            extra: entry.extra,
            span: entry.span,
            session,
            values: values.len() as u32,
            kept: entry.kept,
        });
        self.pushed()
    }

    #[inline]
    fn has_room(&mut self) -> bool {
        let has_room = self.headers.len() + self.spans.len() < MAX_EVENTS && self.text.len() < MAX_TEXT;
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
                let (version, state) = shared.versioned_state();
                self.sessions.push(Remembered { shared: shared.clone(), version, state });
            }
        }
        self.sessions.len() as u32 - 1
    }

    fn clear(&mut self) {
        self.headers.clear();
        self.values.clear();
        self.text.clear();
        self.sessions.clear();
        self.spans.clear();
        self.dropped = 0;
    }
}

#[cold]
fn shortened(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}
