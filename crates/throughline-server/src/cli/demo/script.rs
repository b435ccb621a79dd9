//! The conversations the demo plays, read from `scripts.toml`.

use std::sync::Arc;

use serde::Deserialize;

/// One conversation as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// What its traces are called.
    pub(super) name: String,
    pub(super) service: String,
    pub(super) model: String,
    /// How often it is played, relative to the others.
    pub(super) weight: u32,
    pub(super) tags: Vec<String>,
    pub(super) system: String,
    #[serde(rename = "turn")]
    pub(super) turns: Vec<Turn>,
}

/// What a user says, and what the application does about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    pub(super) user: String,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    /// Missing when the turn fails.
    pub(super) answer: Option<String>,
    pub(super) fails: Option<Failure>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) message: String,
}

/// One thing that happens before the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Step {
    Think { think: String },
    Embed { embed: String },
    Retrieve { retrieve: String, documents: Vec<String> },
    RetrieveFails { retrieve_fails: String, failure: Failure },
    Tool { tool: String, arguments: String, result: String },
    ToolFails { tool_fails: String, arguments: String, failure: Failure },
}

/// What the blanks of one session's script are filled with.
#[derive(Debug, Clone)]
pub(super) struct Blanks {
    pub(super) name: String,
    pub(super) city: String,
    pub(super) product: String,
    pub(super) order: u32,
    pub(super) amount: u32,
    pub(super) number: u32,
}

impl Blanks {
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{name}", &self.name)
            .replace("{city}", &self.city)
            .replace("{product}", &self.product)
            .replace("{order}", &self.order.to_string())
            .replace("{amount}", &self.amount.to_string())
            .replace("{number}", &self.number.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scripts {
    script: Vec<Script>,
}

/// The scripts that ship with the binary.
pub(super) fn all() -> Result<Vec<Arc<Script>>, toml::de::Error> {
    Ok(toml::from_str::<Scripts>(include_str!("scripts.toml"))?.script.into_iter().map(Arc::new).collect())
}
