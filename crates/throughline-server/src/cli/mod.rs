//! The command line: one file per command.
//!
//! Answers go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or
//! configuration, 3 done but some of the input was skipped.

mod check;
mod client;
mod demo;
mod failure;
mod import;
mod logging;
mod openapi;
mod prices;
mod serve;
mod sessions;
mod settings;
mod tail;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Environment, Values};

use self::failure::Failure;
use self::settings::{ForClient, ForServer};

/// See what your sessions did: every event, request and model call under one session id.
///
/// Start `throughline serve`, then point any OpenTelemetry SDK at it: one with default settings needs no change. Open
/// http://127.0.0.1:4318 to look.
#[derive(Debug, Parser)]
#[command(name = "throughline", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done but some input was \
    skipped.\n\nEvery setting can be given as a flag, as an environment variable or in a TOML file, the first of \
    these winning; `throughline check` shows what is in force and who said so."
)]
struct Cli {
    /// Read settings from this TOML file instead of `throughline.toml` in the working directory.
    #[arg(long, global = true, value_name = "FILE", env = None)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: dashboard, API, and OpenTelemetry over HTTP and gRPC.
    Serve(ForServer),
    Demo(demo::Demo),
    /// Follow what arrives at a running server, as it arrives.
    Tail(tail::Tail),
    /// List, show, export or delete sessions of a running server.
    Sessions(sessions::Sessions),
    /// Send files to a running server: OTLP as JSON or protobuf, event envelopes as NDJSON, gzip or zstd or neither.
    Import(import::Import),
    /// Check the server's configuration and print what is in force.
    Check(ForServer),
    Prices(prices::PricesCommand),
    /// Print the description of the API (OpenAPI, JSON).
    Openapi,
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli, &Environment::of_process()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn execute(cli: Cli, environment: &Environment) -> Result<ExitCode, Failure> {
    let file = cli.config;
    let server = |flags: ForServer| Values::gather(&flags.0, environment.clone(), file.clone());
    let client = |flags: ForClient| {
        client::Client::from_values(&Values::gather(&flags.0, environment.clone(), file.clone())?)
    };
    match cli.command {
        Command::Serve(flags) => serve::run(&server(flags)?).map(|()| ExitCode::SUCCESS),
        Command::Demo(demo) => demo::run(&server(demo.settings)?, &demo.options).map(|()| ExitCode::SUCCESS),
        Command::Check(flags) => check::run(&server(flags)?).map(|()| ExitCode::SUCCESS),
        Command::Tail(tail) => tail::run(&client(tail.client)?, &tail.options).map(|()| ExitCode::SUCCESS),
        Command::Sessions(sessions) => {
            sessions::run(&client(sessions.client)?, sessions.action).map(|()| ExitCode::SUCCESS)
        }
        Command::Prices(prices) => {
            let flags = prices.flags();
            prices::run(&Values::gather(&flags, environment.clone(), file.clone())?, prices.action)
                .map(|()| ExitCode::SUCCESS)
        }
        Command::Openapi => openapi::run().map(|()| ExitCode::SUCCESS),
        Command::Import(import) => import::run(client(import.client)?, &import.options),
    }
}
