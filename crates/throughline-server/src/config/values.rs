//! What was given for each setting, and by whom, so that a message about a wrong value can say where it stands.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::registry::{SETTINGS, Setting};
use super::{chosen_file, file};

/// Why the configuration cannot be used. Messages name the setting as the person wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{origin}: {value:?} is not valid: {reason}")]
    Invalid { origin: String, value: String, reason: String },
    #[error("{origin}: there is no such setting{}", did_you_mean(.nearest.as_deref()))]
    Unknown { origin: String, nearest: Option<String> },
    #[error("cannot read {path}: {reason}")]
    File { path: String, reason: String },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

/// Variables of the environment, read once; made up in tests.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own variables. What is not UTF-8 cannot be one of ours.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Who gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    Variable(String),
    File { path: PathBuf, key: &'static str },
    Default(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, key } => write!(f, "{} in {}", key, path.display()),
            Self::Default(key) => write!(f, "the default of {key}"),
        }
    }
}

/// The value given for every setting.
#[derive(Debug, Clone)]
pub struct Values {
    given: BTreeMap<&'static str, (String, Origin)>,
    environment: Environment,
}

impl Values {
    /// Gathers flags (by key), the environment and the file, the first that says something winning.
    pub fn gather(
        flags: &BTreeMap<&'static str, String>,
        environment: Environment,
        file_named: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        refuse_misspelt(&environment)?;
        let named = file_named.or_else(|| environment.get("THROUGHLINE_CONFIG").map(PathBuf::from));
        let in_file = match chosen_file(named) {
            Some(path) => file::read(&path)?,
            None => BTreeMap::new(),
        };
        let of = |setting: &'static Setting| {
            let flag = flags.get(setting.key).map(|value| (value.clone(), Origin::Flag(setting.flag)));
            let variable = || {
                let name = setting.variable();
                environment.get(&name).map(str::to_owned).map(|value| (value, Origin::Variable(name)))
            };
            let default = || (setting.default.to_owned(), Origin::Default(setting.key));
            let value =
                flag.or_else(variable).or_else(|| in_file.get(setting.key).cloned()).unwrap_or_else(default);
            (setting.key, value)
        };
        Ok(Self { given: SETTINGS.iter().map(of).collect(), environment })
    }

    /// The value of a setting as given, with who gave it.
    pub fn given(&self, key: &str) -> (&str, &Origin) {
        const NOBODY: &Origin = &Origin::Default("");
        self.given.get(key).map_or(("", NOBODY), |(value, origin)| (value, origin))
    }

    /// A setting's value, read as what it must be.
    pub fn read<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let (value, origin) = self.given(key);
        parse(value.trim()).map_err(|reason| ConfigError::Invalid {
            origin: origin.to_string(),
            value: value.to_owned(),
            reason,
        })
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// The valid name nearest to `given`, if it can be what was meant.
pub(super) fn nearest<'a>(
    given: &str,
    valid: impl Iterator<Item = &'a str>,
    within: usize,
) -> Option<&'a str> {
    valid
        .map(|name| (distance(given, name), name))
        .filter(|(distance, _)| *distance <= within)
        .min()
        .map(|(_, name)| name)
}

/// Variables that begin like ours may be anybody's (orchestrators inject `THROUGHLINE_SERVICE_HOST` and the like);
/// only those that nearly are one of ours are taken for slips.
fn refuse_misspelt(environment: &Environment) -> Result<(), ConfigError> {
    const SLIP: usize = 2;
    let names: Vec<String> =
        SETTINGS.iter().map(Setting::variable).chain(["THROUGHLINE_CONFIG".to_owned()]).collect();
    for given in environment.0.keys().filter(|name| name.starts_with("THROUGHLINE_")) {
        if names.contains(given) {
            continue;
        }
        if let Some(nearest) = nearest(given, names.iter().map(String::as_str), SLIP) {
            return Err(ConfigError::Unknown { origin: given.clone(), nearest: Some(nearest.to_owned()) });
        }
    }
    Ok(())
}

/// Levenshtein's distance.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A number of bytes: `512`, `64KiB`, `16MiB`, `1GiB` (and `kB`, `MB`, `GB` for powers of ten).
pub(super) fn size(text: &str) -> Result<usize, String> {
    const EXPECTED: &str = "expected a size such as 16MiB";
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(EXPECTED.to_owned()),
    };
    let number: usize = number.parse().map_err(|_| EXPECTED.to_owned())?;
    match number.checked_mul(factor) {
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("it is too large".to_owned()),
    }
}

/// A length of time: `500ms`, `10s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    const EXPECTED: &str = "expected a duration such as 10s or 500ms";
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(EXPECTED.to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| EXPECTED.to_owned())?;
    number
        .checked_mul(millis)
        .map(std::time::Duration::from_millis)
        .ok_or_else(|| "it is too long".to_owned())
}
