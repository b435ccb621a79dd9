//! `throughline serve`.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, Addresses};
use crate::config::{Config, Engine, LogFormat, StoreConfig, Values};
use crate::store::priority::ask_for_short_turns;

use super::failure::Failure;
use super::logging;

pub(super) fn run(values: &Values) -> Result<(), Failure> {
    let config = Config::from_values(values)?;
    logging::start(&config.log);
    until_stopped(&config, |addresses| announce(&config, addresses))
}

/// Serves until told to stop; `started` hears where, once it is so.
pub(super) fn until_stopped(config: &Config, started: impl FnOnce(Addresses)) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("throughline")
        .on_thread_start(ask_for_short_turns)
        .build()?;
    runtime.block_on(async {
        // Before anything can be written: a signal that comes while starting must not kill half-way.
        let mut stop = Stop::new()?;
        let running = app::start(config).await?;
        started(running.addresses);
        let name = stop.wait().await;
        tracing::info!("stopping on {name}; a second one stops at once");
        tokio::select! {
            () = running.stop() => Ok(()),
            name = stop.wait() => {
                Err(Failure::new(format!("stopped at once on {name}")).next("nothing that was acknowledged is lost"))
            }
        }
    })
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Says where everything is and how to send the first event: to a person as text, to a program as one log line.
fn announce(config: &Config, Addresses { http, grpc }: Addresses) {
    let data = data(&config.store);
    if config.log.format == LogFormat::Json {
        let grpc = grpc.map(|grpc| grpc.to_string());
        tracing::info!(%http, grpc, data, version = env!("CARGO_PKG_VERSION"), "running");
        return;
    }
    let grpc = grpc.map_or_else(|| "off".to_owned(), |grpc| format!("http://{grpc}"));
    let text = format!(
        "Throughline {version} is running.

  Dashboard and API  http://{http}
  OTLP over HTTP     http://{http}/v1/traces
  OTLP over gRPC     {grpc}
  Data               {data}

An OpenTelemetry SDK with default settings sends here by itself. To send a first event by hand:
  curl http://{http}/api/v1/events -H 'content-type: application/json' \\
    -d '{{\"name\":\"hello.world\",\"sessionId\":\"first\"}}'

Ctrl-C stops.
",
        version = env!("CARGO_PKG_VERSION"),
    );
    // A closed standard output is no reason to stop serving.
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        tracing::debug!("nobody reads standard output: {error}");
    }
}

fn data(store: &StoreConfig) -> String {
    match store.engine {
        Engine::Embedded => store.path.display().to_string(),
        Engine::Memory => "in memory only: gone when the server stops".to_owned(),
    }
}
