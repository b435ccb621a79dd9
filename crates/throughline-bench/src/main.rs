//! Measures the server against the bars of its design, beside floors from the same run.

mod analytics;
mod conversations;
mod floor;
mod in_process;
mod load;
mod page;
mod process;
mod query;
mod report;
mod server;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use throughline_server::store::priority::ask_for_short_turns;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(about)]
enum Command {
    /// Measure ingest and questions beside their floors, and print the tables. Build everything first, in release.
    Report(report::ReportArgs),
    /// Measure the store alone, in this process.
    Store(in_process::StoreArgs),
    /// Measure every view over many sessions, in this process.
    Analytics(analytics::AnalyticsArgs),
    /// Measure the pages of sessions of ten thousand observations.
    Page(page::PageArgs),
    /// Write request bodies as files, to load any OTLP server with.
    Load {
        directory: PathBuf,
        #[arg(long, default_value_t = 200)]
        requests: usize,
    },
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Report(args) => report::run(&args),
        Command::Store(args) => in_process::run(&args),
        Command::Analytics(args) => analytics::run(&args),
        Command::Page(args) => page::run(&args),
        Command::Load { directory, requests } => write_load(&directory, requests),
    }
}

/// Two threads that senders wait for, as the server's doors have them.
fn runtime() -> std::io::Result<Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.worker_threads(2).enable_all().on_thread_start(ask_for_short_turns).build()
}

fn write_load(directory: &std::path::Path, requests: usize) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let load = load::Load::generate(requests, 7);
    let mut body = Vec::new();
    for number in 0..requests {
        load.request(number, &mut body);
        std::fs::write(directory.join(format!("{number:06}.pb")), &body)?;
    }
    let spans = requests * load::SPANS_PER_REQUEST;
    println!("{spans} spans in {requests} requests, {:.0} bytes a span", load.bytes() as f64 / spans as f64);
    Ok(())
}
