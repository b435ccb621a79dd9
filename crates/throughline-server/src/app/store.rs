//! Opens the engine that the configuration names.

use std::sync::Arc;

use crate::config::{Engine, StoreConfig};
use crate::domain::price::Prices;
use crate::store::Store;
use crate::store::embedded::{EmbeddedConfig, EmbeddedStore};
use crate::store::memory::MemoryStore;

use super::StartError;

pub(super) fn open(config: &StoreConfig, prices: Prices) -> Result<Arc<dyn Store>, StartError> {
    match config.engine {
        Engine::Memory => Ok(Arc::new(MemoryStore::new(prices))),
        Engine::Embedded => match EmbeddedStore::open(&EmbeddedConfig::new(&config.path), prices) {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => {
                Err(StartError::Store { path: config.path.display().to_string(), reason: error.to_string() })
            }
        },
    }
}
