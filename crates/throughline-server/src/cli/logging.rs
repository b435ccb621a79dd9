//! Where the server's own log goes and what it looks like.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat};

/// Sends the log to standard error. Called once, by the command that runs a server.
pub(super) fn start(config: &LogConfig) {
    let filter = EnvFilter::new(directives(&config.level));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.format {
        LogFormat::Human => {
            let colours = io::stderr().is_terminal();
            registry.with(layer().with_writer(io::stderr).with_target(false).with_ansi(colours)).try_init()
        }
        LogFormat::Json => {
            registry.with(layer().json().flatten_event(true).with_writer(io::stderr)).try_init()
        }
    };
    if let Err(error) = started {
        eprintln!("warning: no log: {error}");
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// A bare level is about our own code; libraries speak up only when something is wrong, or when everything is asked for.
fn directives(level: &str) -> String {
    match level.to_ascii_lowercase().as_str() {
        level @ ("error" | "off" | "trace") => level.to_owned(),
        level @ ("warn" | "info" | "debug") => format!("warn,throughline_server={level}"),
        _ => level.to_owned(),
    }
}
