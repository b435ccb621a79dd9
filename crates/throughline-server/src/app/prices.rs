//! Reads the price table that the configuration names.

use std::path::Path;

use crate::config::PricesConfig;
use crate::domain::price::{InvalidPrices, Prices};

/// Why a price table cannot be used. Messages name the file as it was given.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    #[error("cannot read the price table {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("prices.file: {path}:{source}")]
    Invalid { path: String, source: InvalidPrices },
}

/// The rules in force: those of the file, then those that ship with the binary.
pub fn prices(config: &PricesConfig) -> Result<Prices, PricesError> {
    match &config.file {
        Some(path) => Ok(price_table(path)?.or(Prices::builtin())),
        None => Ok(Prices::builtin()),
    }
}

/// The rules of a file alone.
pub fn price_table(path: &Path) -> Result<Prices, PricesError> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| PricesError::Read { path: name(), source })?;
    Prices::parse(&text).map_err(|source| PricesError::Invalid { path: name(), source })
}
