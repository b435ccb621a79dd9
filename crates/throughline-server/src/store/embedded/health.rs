//! Whether the store can write, and the counters that its threads keep.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// A part of the store that may be unable to write for a while.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Log,
    Index,
}

/// Shared by all threads of one store.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Why nothing can be written until the server is started again.
    failure: Mutex<Option<String>>,
    /// Why nothing can be written until the log or the indexes have got over it: a full disk, as a rule.
    obstacles: [Mutex<Option<String>>; 2],
    log_bytes: AtomicU64,
    duplicates: AtomicU64,
    /// Batches acknowledged and not yet searchable.
    waiting: AtomicU64,
}

impl Health {
    /// Declares the store unable to write for good; the first reason stays.
    pub(super) fn fail(&self, reason: &str) {
        lock(&self.0.failure).get_or_insert_with(|| {
            tracing::error!(%reason, "the store cannot write any more");
            reason.to_owned()
        });
    }

    /// Says why a part of the store cannot write for now, or that it can again.
    pub(super) fn set_obstacle(&self, part: Part, reason: Option<String>) {
        let mut current = lock(&self.0.obstacles[part as usize]);
        match (&*current, &reason) {
            (None, Some(reason)) => tracing::error!(%reason, "the store cannot write for now"),
            (Some(_), None) => tracing::info!(?part, "the store can write again"),
            _ => {}
        }
        *current = reason;
    }

    pub(super) fn has_obstacle(&self, part: Part) -> bool {
        lock(&self.0.obstacles[part as usize]).is_some()
    }

    /// Why nothing can be written now.
    pub(super) fn write_error(&self) -> Option<String> {
        let reasons = std::iter::once(&self.0.failure).chain(&self.0.obstacles);
        reasons.map(|reason| lock(reason).clone()).find_map(|reason| reason)
    }

    pub(super) fn set_log_bytes(&self, bytes: u64) {
        self.0.log_bytes.store(bytes, Relaxed);
    }

    pub(super) fn log_bytes(&self) -> u64 {
        self.0.log_bytes.load(Relaxed)
    }

    pub(super) fn count_duplicates(&self, more: u64) {
        self.0.duplicates.fetch_add(more, Relaxed);
    }

    pub(super) fn one_more_waits(&self) {
        self.0.waiting.fetch_add(1, Relaxed);
    }

    pub(super) fn no_longer_wait(&self, batches: usize) {
        self.0.waiting.fetch_sub(batches as u64, Relaxed);
    }

    pub(super) fn waiting(&self) -> u64 {
        self.0.waiting.load(Relaxed)
    }

    pub(super) fn duplicates(&self) -> u64 {
        self.0.duplicates.load(Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
