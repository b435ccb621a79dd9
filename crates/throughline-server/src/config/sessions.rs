//! Where sessions begin and end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::values::{self, ConfigError, Values};

/// The pause that splits sessions where nobody says how long it is.
const USUAL_PAUSE: Duration = Duration::from_secs(30 * 60);

/// Where sessions begin and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionsConfig {
    pub split: Split,
}

/// After how long a pause sessions are split; `None` for never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// In projects that are not named.
    pub usually: Option<Duration>,
    pub projects: BTreeMap<String, Option<Duration>>,
}

impl SessionsConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self { split: values.read("sessions.split", split)? })
    }
}

fn split(text: &str) -> Result<Split, String> {
    let mut split = Split::default();
    let mut usual_given = false;
    for part in text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
        let Some((project, after)) = part.split_once('=') else {
            if usual_given {
                return Err(format!(
                    "{part:?} is a second pause for all projects; name one as in shop = 45m"
                ));
            }
            (split.usually, usual_given) = (pause(part)?, true);
            continue;
        };
        let project = project.trim();
        if project.is_empty() {
            return Err(format!("{part:?} is not of the form PROJECT = PAUSE"));
        }
        if split.projects.insert(project.to_owned(), pause(after.trim())?).is_some() {
            return Err(format!("there are two pauses for the project {project:?}"));
        }
    }
    Ok(split)
}

fn pause(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        "on" => Ok(Some(USUAL_PAUSE)),
        _ => match values::duration(text) {
            Ok(pause) if pause >= Duration::from_secs(1) => Ok(Some(pause)),
            Ok(_) => Err("a pause that splits must be at least 1s".to_owned()),
            Err(_) => Err(format!("{text:?} is not `off`, `on` or a duration such as 45m")),
        },
    }
}
