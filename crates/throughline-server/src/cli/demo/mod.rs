//! `throughline demo`: a server that feeds itself.
//!
//! A script (`scripts.toml`) is cast (`cast`) and played out in time (`scene`) by applications that use the SDK and send
//! over the wire (`feed`), so that what the dashboard shows has come in through the same doors as anybody's data.

mod cast;
mod feed;
mod scene;
mod script;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::feed::Feed;
use self::script::Script;
use super::failure::Failure;
use super::settings::ForServer;
use super::{logging, serve};
use crate::app::{self, Addresses};
use crate::config::{AnalyticsConfig, Config, Engine, GoalConfig, Origin, Values};

/// Run a server that feeds itself the conversations of an imaginary bicycle shop: some days of the past first, then
/// live. Everything goes in through the SDK over OTLP, as an application's would.
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    pub(super) settings: ForServer,
    #[command(flatten)]
    pub(super) options: Options,
}

/// What is kept in a temporary directory is gone when the demo ends; name a directory with --store-path to keep it.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Sessions of the past to begin with.
    #[arg(long, default_value_t = 400, value_name = "N")]
    sessions: u32,
    /// How many days back these reach.
    #[arg(long, default_value_t = 3, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// Same seed, same people, words and failures.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

pub(super) fn run(values: &Values, options: &Options) -> Result<(), Failure> {
    let mut config = Config::from_values(values)?;
    logging::start(&config.log);
    // Lives until the server has stopped, then takes its files with it.
    let temporary = tempfile::Builder::new().prefix("throughline-demo-").tempdir()?;
    if let (_, Origin::Default(_)) = values.given("store.path") {
        config.store.path = temporary.path().join("data");
    }
    if config.analytics.goals.is_empty() {
        config.analytics = goals();
    }
    let scripts =
        script::all().map_err(|error| Failure::new(format!("the demo's scripts are broken: {error}")))?;
    serve::until_stopped(&config, |Addresses { http, .. }| {
        let (options, kept) = (options.clone(), kept(&config, temporary.path()));
        std::thread::spawn(move || {
            if let Err(error) = play(scripts, &options, &format!("http://{http}"), &kept) {
                tracing::error!("the demo stopped: {error:#}");
            }
        });
    })
}

/// What the demo's people want.
fn goals() -> AnalyticsConfig {
    let goal = |name: &str, filter: &str| GoalConfig { name: name.to_owned(), filter: filter.to_owned() };
    AnalyticsConfig { goals: vec![goal("bought", "tag:conversion"), goal("resolved", "tag:resolved")] }
}

fn kept(config: &Config, temporary: &Path) -> String {
    match config.store.engine {
        Engine::Memory => "Kept in memory only.".to_owned(),
        Engine::Embedded if config.store.path.starts_with(temporary) => {
            "Kept in a temporary directory, gone when the demo ends.".to_owned()
        }
        Engine::Embedded => format!("Kept in {}.", config.store.path.display()),
    }
}

/// The past, then the present, until the program ends.
fn play(scripts: Vec<Arc<Script>>, options: &Options, server: &str, kept: &str) -> anyhow::Result<()> {
    let bar = ProgressBar::new(u64::from(options.sessions));
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} sessions") {
        bar.set_style(style);
    }
    bar.set_message("Sending the past");
    let past = Duration::from_secs(u64::from(options.days) * 86_400);
    let mut feed = Feed::new(server, scripts, options.seed, app::system_clock())?;
    // A runtime of its own: what the demo's applications do costs the server's requests nothing but the processor.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let played = feed.backlog(options.sessions, past, |sent| bar.set_position(u64::from(sent))).await;
        bar.finish_and_clear();
        played?;
        println!(
            "{} sessions of the past {} days are in, new ones begin every few seconds.\n\n  Open {server}\n\n{kept} Ctrl-C stops.",
            options.sessions, options.days
        );
        feed.live().await;
        Ok(())
    })
}
