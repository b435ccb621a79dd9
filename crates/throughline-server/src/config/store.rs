//! Where data is kept.

use std::path::PathBuf;

use super::values::{ConfigError, Environment, Values};

/// Where data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    pub engine: Engine,
    /// The directory of the embedded engine.
    pub path: PathBuf,
}

/// What keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Embedded,
    Memory,
}

impl StoreConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let path = |text: &str| match text {
            "" => Ok(default_path(values.environment())),
            _ => Ok(PathBuf::from(text)),
        };
        Ok(Self { engine: values.read("store.engine", engine)?, path: values.read("store.path", path)? })
    }
}

fn engine(text: &str) -> Result<Engine, String> {
    match text {
        "embedded" => Ok(Engine::Embedded),
        "memory" => Ok(Engine::Memory),
        _ => Err("expected `embedded` or `memory`".to_owned()),
    }
}

fn default_path(environment: &Environment) -> PathBuf {
    let data = environment.get("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || environment.get("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    data.or_else(home).map_or_else(|| PathBuf::from("throughline-data"), |data| data.join("throughline"))
}
