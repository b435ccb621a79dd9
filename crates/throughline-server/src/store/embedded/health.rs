//! Whether the store can write, and the counters that its threads keep.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by all threads of one store.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Why nothing can be written until the server is started again.
    failure: Mutex<Option<String>>,
    /// Why nothing can be written until there is space again.
    out_of_space: Mutex<Option<String>>,
    log_bytes: AtomicU64,
    duplicates: AtomicU64,
    /// Batches acknowledged and not yet searchable.
    waiting: AtomicU64,
}

impl Health {
    /// Declares the store unable to write for good; the first reason stays. Returns the reason given.
    pub(super) fn fail(&self, reason: String) -> String {
        tracing::error!(%reason, "the store cannot write any more");
        lock(&self.0.failure).get_or_insert_with(|| reason.clone());
        reason
    }

    /// Why nothing can be written until the server is started again.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.0.failure).clone()
    }

    pub(super) fn set_out_of_space(&self, reason: Option<String>) {
        let mut current = lock(&self.0.out_of_space);
        match (&*current, &reason) {
            (None, Some(reason)) => tracing::error!(%reason, "the store cannot write until there is space"),
            (Some(_), None) => tracing::info!("the store can write again"),
            _ => {}
        }
        *current = reason;
    }

    pub(super) fn is_out_of_space(&self) -> bool {
        lock(&self.0.out_of_space).is_some()
    }

    /// Why nothing can be written now.
    pub(super) fn write_error(&self) -> Option<String> {
        self.failure().or_else(|| lock(&self.0.out_of_space).clone())
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
