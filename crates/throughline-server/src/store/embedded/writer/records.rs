//! The span index, as the writer writes it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tantivy::{Index, IndexWriter, TantivyDocument, TantivyError, Term};

use super::{close, commit_at};
use crate::store::embedded::queue::{DocumentQueue, QueuedDocument};
use crate::store::embedded::snapshot::IndexError;

/// Where records go. Only the writer uses it, and while it commits a thread of its own.
pub(super) struct Records {
    writer: Arc<Mutex<IndexWriter<QueuedDocument>>>,
    queue: DocumentQueue,
}

/// Documents that are handed to an index thread in one piece.
#[derive(Default)]
pub(super) struct Batch {
    documents: Vec<TantivyDocument>,
    bytes: usize,
}

/// A commit that others need not wait for.
#[must_use = "nothing else may be written before it is done"]
pub(super) struct Committing(JoinHandle<tantivy::Result<()>>);

impl Batch {
    pub(super) fn of(document: TantivyDocument, bytes: usize) -> Self {
        Self { documents: vec![document], bytes }
    }

    pub(super) fn push(&mut self, document: TantivyDocument, bytes: usize) {
        self.documents.push(document);
        self.bytes += bytes;
    }

    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }
}

impl Records {
    pub(super) fn new(writer: IndexWriter<QueuedDocument>, queue: DocumentQueue) -> Self {
        Self { writer: Arc::new(Mutex::new(writer)), queue }
    }

    fn writer(&self) -> MutexGuard<'_, IndexWriter<QueuedDocument>> {
        lock(&self.writer)
    }

    pub(super) fn index(&self) -> Index {
        self.writer().index().clone()
    }

    /// Hands documents to the index threads.
    pub(super) fn add(&self, batch: Batch) -> Result<(), IndexError> {
        if !batch.documents.is_empty() {
            let additions = self.queue.admit(batch.documents, batch.bytes);
            self.writer().run(additions)?;
        }
        Ok(())
    }

    /// Deletes all documents with this term that were added before.
    pub(super) fn delete(&self, term: Term) {
        self.writer().delete_term(term);
    }

    /// Commits what was written, up to this position of the log.
    pub(super) fn begin_to_commit(&self, position: u64) -> io::Result<Committing> {
        let writer = Arc::clone(&self.writer);
        let commit = move || commit_at(&mut lock(&writer), position);
        Ok(Committing(std::thread::Builder::new().name("commit".to_owned()).spawn(commit)?))
    }

    /// Lets merges that run come to their end.
    pub(super) fn close(self) -> tantivy::Result<()> {
        match Arc::into_inner(self.writer) {
            Some(writer) => close(writer.into_inner().unwrap_or_else(PoisonError::into_inner)),
            None => Err(TantivyError::SystemError("a commit of the records has not ended".to_owned())),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Committing {
    pub(super) fn wait(self) -> tantivy::Result<()> {
        self.0.join().unwrap_or_else(|_| {
            Err(TantivyError::ErrorInThread("the commit of the records panicked".to_owned()))
        })
    }
}
