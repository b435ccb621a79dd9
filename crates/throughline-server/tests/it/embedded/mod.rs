//! The embedded engine: agrees with the memory engine whatever comes in whatever order, crashes included.

mod agreement;
mod answers;
mod crash;
mod full_disk;
mod load;
mod opening;
mod repricing;
mod stored_sample;
mod vocabulary;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use throughline_server::domain::price::Prices;
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};

/// Small enough that every bound is met in a test.
pub(crate) fn config(dir: &Path) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(dir);
    config.log_file_bytes = 64 << 10;
    config.index_heap_bytes = 15 << 20;
    config.sample_bytes = 2 << 10;
    config.lifecycle = crate::conformance::lifecycle();
    config
}

crate::conformance::conformance! { conformance, store() }

/// An empty store, gone with its directory.
fn store() -> crate::conformance::TestStore {
    let dir = TempDir::new().unwrap();
    crate::conformance::TestStore::new(Arc::new(open(dir.path())), dir)
}

pub(crate) fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(&config(dir), Prices::builtin()).unwrap()
}
