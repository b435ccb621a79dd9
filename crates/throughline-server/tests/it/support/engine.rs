//! The engines that tests run on.

use std::sync::Arc;

use tempfile::TempDir;
use throughline_server::domain::price::Prices;
use throughline_server::store::Store;
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};
use throughline_server::store::memory::MemoryStore;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    Embedded,
}

impl Engine {
    /// A fresh store, and its directory if it has one.
    pub(crate) fn open(self) -> (Arc<dyn Store>, Option<TempDir>) {
        match self {
            Self::Memory => (Arc::new(MemoryStore::new(Prices::builtin())), None),
            Self::Embedded => {
                let directory = TempDir::new().unwrap();
                let config = EmbeddedConfig::new(directory.path());
                let store = EmbeddedStore::open(&config, Prices::builtin()).unwrap();
                (Arc::new(store), Some(directory))
            }
        }
    }
}
