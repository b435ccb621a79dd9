//! What is measured over many sessions.

use super::values::{ConfigError, Values};

/// What is measured over many sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnalyticsConfig {
    pub goals: Vec<GoalConfig>,
}

/// What sessions are hoped to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoalConfig {
    pub name: String,
    /// Of sessions, as it was written.
    pub filter: String,
}

impl AnalyticsConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self { goals: values.read("analytics.goals", goals)? })
    }
}

fn goals(text: &str) -> Result<Vec<GoalConfig>, String> {
    let definitions = text.split([';', '\n']).map(str::trim).filter(|definition| !definition.is_empty());
    let mut goals: Vec<GoalConfig> = Vec::new();
    for definition in definitions {
        let Some((name, filter)) = definition.split_once('=') else {
            return Err(format!("{definition:?} is not of the form NAME = FILTER"));
        };
        let goal = GoalConfig { name: name.trim().to_owned(), filter: filter.trim().to_owned() };
        if goal.name.is_empty() || goal.filter.is_empty() {
            return Err(format!("{definition:?} is not of the form NAME = FILTER"));
        }
        if goals.iter().any(|known| known.name == goal.name) {
            return Err(format!("there are two goals with the name {:?}", goal.name));
        }
        goals.push(goal);
    }
    Ok(goals)
}
