//! The TOML file, flattened to `section.name`.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::registry::SETTINGS;
use super::values::{ConfigError, Origin, nearest};

type Given = BTreeMap<&'static str, (String, Origin)>;

/// Reads a file; a key that is no setting is an error.
pub(super) fn read(path: &Path) -> Result<Given, ConfigError> {
    let failed = |reason: String| ConfigError::File { path: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
    let mut given = Given::new();
    flatten("", &table, path, &mut given)?;
    Ok(given)
}

fn flatten(prefix: &str, table: &Table, path: &Path, given: &mut Given) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let value = match value {
            Value::Table(inner) if is_section(&key) => {
                flatten(&key, inner, path, given)?;
                continue;
            }
            Value::String(text) => text.clone(),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string(),
            _ => String::new(),
        };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            return Err(unknown(&key, path));
        };
        given.insert(setting.key, (value, Origin::File { path: path.to_owned(), key: setting.key }));
    }
    Ok(())
}

fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == key))
}

fn unknown(key: &str, path: &Path) -> ConfigError {
    let keys = SETTINGS.iter().map(|setting| setting.key);
    ConfigError::Unknown {
        origin: format!("{key} in {}", path.display()),
        // In a file everything is ours, so the nearest is named even if it is far.
        nearest: nearest(key, keys, usize::MAX).map(str::to_owned),
    }
}
