//! Opens the engine that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use throughline_model::ProjectId;

use crate::config::{Engine, SessionsConfig, StoreConfig};
use crate::domain::lifecycle::{Boundary, Lifecycle};
use crate::domain::price::Prices;
use crate::store::Store;
use crate::store::embedded::{EmbeddedConfig, EmbeddedStore};
use crate::store::memory::MemoryStore;

use super::StartError;

pub(super) fn open(
    config: &StoreConfig,
    lifecycle: Lifecycle,
    prices: Prices,
) -> Result<Arc<dyn Store>, StartError> {
    match config.engine {
        Engine::Memory => Ok(Arc::new(MemoryStore::new(prices).with_lifecycle(lifecycle))),
        Engine::Embedded => {
            let embedded = EmbeddedConfig { lifecycle, ..EmbeddedConfig::new(&config.path) };
            match EmbeddedStore::open(&embedded, prices) {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => Err(StartError::Store {
                    path: config.path.display().to_string(),
                    reason: error.to_string(),
                }),
            }
        }
    }
}

/// How sessions begin and end in each project.
pub(super) fn lifecycle(config: &SessionsConfig) -> Lifecycle {
    let split = &config.split;
    Lifecycle {
        boundary: boundary(split.usually),
        projects: split
            .projects
            .iter()
            .map(|(project, pause)| (ProjectId::from(project.as_str()), boundary(*pause)))
            .collect(),
    }
}

fn boundary(pause: Option<Duration>) -> Boundary {
    let nanos = |pause: Duration| i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX);
    pause.map_or(Boundary::Off, |pause| Boundary::Inactivity(nanos(pause)))
}
