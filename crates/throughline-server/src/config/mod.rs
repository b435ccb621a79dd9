//! Settings: one struct per concern, from flags, then the environment, then a TOML file, then defaults.
//!
//! [`SETTINGS`] is the one list of them: `--help`, the names of variables, the file's keys and the messages about
//! wrong ones all come from it. This is the only room that reads the environment.

mod analytics;
mod file;
mod limits;
mod listen;
mod log;
mod prices;
mod registry;
mod sessions;
mod store;
mod traces;
mod values;

use std::path::PathBuf;

pub use analytics::{AnalyticsConfig, GoalConfig};
pub use limits::LimitsConfig;
pub use listen::ListenConfig;
pub use log::{LogConfig, LogFormat};
pub use prices::PricesConfig;
pub use registry::{Audience, SETTINGS, Setting};
pub use sessions::{SessionsConfig, Split};
pub use store::{Engine, StoreConfig};
pub use traces::TracesConfig;
pub use values::{ConfigError, Environment, Origin, Values, distance};

/// The file that is read from the working directory when none is named.
pub const DEFAULT_FILE: &str = "throughline.toml";

/// Everything that the server can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub listen: ListenConfig,
    pub store: StoreConfig,
    pub sessions: SessionsConfig,
    pub traces: TracesConfig,
    pub limits: LimitsConfig,
    pub prices: PricesConfig,
    pub analytics: AnalyticsConfig,
    pub log: LogConfig,
}

impl Config {
    /// Reads every setting and checks it.
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            listen: ListenConfig::from_values(values)?,
            store: StoreConfig::from_values(values)?,
            sessions: SessionsConfig::from_values(values)?,
            traces: TracesConfig::from_values(values)?,
            limits: LimitsConfig::from_values(values)?,
            prices: PricesConfig::from_values(values)?,
            analytics: AnalyticsConfig::from_values(values)?,
            log: LogConfig::from_values(values)?,
        })
    }
}

/// What the client commands (`tail`, `sessions`, `import`) must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The server's address, without a slash at the end.
    pub server: String,
}

impl ClientConfig {
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let server = values.read("client.server", |text| {
            let text = text.trim_end_matches('/');
            match text.strip_prefix("http://") {
                Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(text.to_owned()),
                _ if text.starts_with("https://") => {
                    Err("TLS is not spoken here; reach a server elsewhere through an SSH tunnel".to_owned())
                }
                _ => Err("expected a URL like http://127.0.0.1:4318".to_owned()),
            }
        })?;
        Ok(Self { server })
    }
}

/// The file to read: the one named, else the default one if it is there.
fn chosen_file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()))
}
