//! Opens the engine that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use throughline_model::ProjectId;

use crate::config::{Config, Engine, StoreConfig};
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

/// How sessions and traces begin and end in each project.
pub(super) fn lifecycle(config: &Config) -> Lifecycle {
    let split = &config.sessions.split;
    Lifecycle {
        abandoned_after: nanos(config.traces.abandoned_after),
        boundary: boundary(split.usually),
        projects: split
            .projects
            .iter()
            .map(|(project, pause)| (ProjectId::from(project.as_str()), boundary(*pause)))
            .collect(),
    }
}

fn boundary(pause: Option<Duration>) -> Boundary {
    pause.map_or(Boundary::Off, |pause| Boundary::Inactivity(nanos(pause)))
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
