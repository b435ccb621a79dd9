//! A bound in bytes on what waits for the index threads; the index library itself bounds only the number of documents.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tantivy::TantivyDocument;
use tantivy::indexer::UserOperation;
use tantivy::schema::document::CompactDocValue;
use tantivy::schema::{Document, Field};

/// What an index writer is asked to do.
type Addition = UserOperation<QueuedDocument>;

/// How many bytes of documents may wait.
#[derive(Clone)]
pub(super) struct DocumentQueue(Arc<Inner>);

struct Inner {
    limit: usize,
    waiting: Mutex<usize>,
    freed: Condvar,
}

/// A document that counts against the queue until an index thread is done with it and those it was admitted with.
pub(super) struct QueuedDocument {
    document: TantivyDocument,
    _charge: Arc<Charge>,
}

struct Charge {
    queue: Arc<Inner>,
    bytes: usize,
}

impl DocumentQueue {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, waiting: Mutex::new(0), freed: Condvar::new() }))
    }

    /// Waits until there is room for these documents of so many bytes together; what is larger than the whole queue
    /// goes alone. Index threads take them in one piece.
    pub(super) fn admit(&self, documents: Vec<TantivyDocument>, bytes: usize) -> Vec<Addition> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while *waiting > 0 && *waiting + bytes > self.0.limit {
            // The time-out only guards against an index thread that died with documents in hand.
            let patience = Duration::from_millis(100);
            (waiting, _) =
                self.0.freed.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner);
        }
        *waiting += bytes;
        let charge = Arc::new(Charge { queue: Arc::clone(&self.0), bytes });
        let queued = |document| QueuedDocument { document, _charge: Arc::clone(&charge) };
        documents.into_iter().map(queued).map(UserOperation::Add).collect()
    }
}

impl QueuedDocument {
    /// The first value that it has of a field.
    pub(super) fn first(&self, field: Field) -> Option<CompactDocValue<'_>> {
        self.document.get_first(field)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let was_full = *waiting + self.bytes > self.queue.limit / 2;
        *waiting -= self.bytes;
        if was_full {
            self.queue.freed.notify_one();
        }
    }
}

impl Document for QueuedDocument {
    type Value<'a> = <TantivyDocument as Document>::Value<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        self.document.iter_fields_and_values()
    }

    fn into_tantivy_document(self) -> TantivyDocument {
        self.document
    }
}
