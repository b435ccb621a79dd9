//! The whole run: ingest beside its floors, then questions at one size after another.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use crate::floor;
use crate::load::{Load, SPANS_PER_REQUEST};
use crate::process::{directory_bytes, wait_until_calm, written_bytes};
use crate::query::{self, Asked};
use crate::server::{Ingest, Server};

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Spans of the stretch that ingest and its floors are measured on.
    #[arg(long, default_value_t = 500_000)]
    ingest_spans: usize,
    /// Numbers of stored spans at which the questions are asked, ascending.
    #[arg(long, value_delimiter = ',', default_value = "1000000,5000000")]
    sizes: Vec<usize>,
    /// How often each question is asked.
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// Different request bodies to make before starting; later ones repeat these with new ids.
    #[arg(long, default_value_t = 200)]
    bodies: usize,
    /// Where to work; emptied afterwards. The disk it is on is the one measured.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let work = tempfile::Builder::new().prefix("throughline-bench-").tempdir_in(&args.directory)?;
    let load = Load::generate(args.bodies, 7);
    let raw = raw_bytes_per_span(&load, args.bodies);
    let requests = args.ingest_spans / SPANS_PER_REQUEST;
    println!("load: {SPANS_PER_REQUEST} spans a request, {raw:.0} raw bytes a span\n");

    println!("| floor | spans/s | CPU µs/span | bytes/span | p50 ms | p99 ms |\n|---|---|---|---|---|---|");
    let index_floor = floor::index(&load, requests, work.path())?;
    let floor_rate = index_floor.spans_per_second;
    println!(
        "| decode and index | {floor_rate:.0} | {:.1} | {:.0} | | |",
        index_floor.cpu_micros_per_span, index_floor.bytes_per_span
    );
    let mut log_floor = floor::append_and_sync(&load, 300, Duration::ZERO, work.path())?;
    println!(
        "| append and fdatasync | | | | {:.2} | {:.2} |",
        log_floor.quantile(0.5),
        log_floor.quantile(0.99)
    );
    let mut http_floor = floor::append_and_sync_behind_http(&load, 300, work.path())?;
    println!(
        "| the same behind HTTP | | | | {:.2} | {:.2} |\n",
        http_floor.quantile(0.5),
        http_floor.quantile(0.99)
    );

    let data_dir = work.path().join("data");
    let server = Server::start(&data_dir)?;
    println!(
        "| ingest over HTTP | spans/s | / floor | CPU µs/span | ack p50 ms | ack p99 ms | searchable p50 ms | p99 ms | anon MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let flat_out = server.ingest(&load, 0, requests, None)?;
    let rate = flat_out.spans_per_second;
    print_ingest("flat out", flat_out, floor_rate);
    let (begin, written) = (Instant::now(), written_bytes(server.pid()));
    let paced = server.ingest(&load, requests, requests * 2, Some(rate / 2.0))?;
    let written = (written_bytes(server.pid()) - written) as f64 / begin.elapsed().as_secs_f64();
    print_ingest("half of that", paced, floor_rate);
    // The log's own bytes are what the floor appends.
    let others = written - rate / 2.0 * raw;
    let pause = Duration::from_secs_f64(SPANS_PER_REQUEST as f64 / (rate / 2.0));
    let mut beside = floor::append_and_sync_beside_writes(&load, 300, pause, others, work.path())?;
    println!(
        "\nappend and fdatasync at that pace, beside writes of {:.0} MB/s as the index makes them: p50 {:.2} p99 {:.2} ms",
        others / 1e6,
        beside.quantile(0.5),
        beside.quantile(0.99)
    );

    let stored = fill_and_ask(args, &server, &load, requests * 2, &data_dir)?;
    server.stop().context("the server did not stop")?;
    println!("\n{stored} spans stored in all");
    Ok(())
}

fn raw_bytes_per_span(load: &Load, bodies: usize) -> f64 {
    load.bytes() as f64 / (bodies * SPANS_PER_REQUEST) as f64
}

fn print_ingest(name: &str, mut ingest: Ingest, floor_rate: f64) {
    println!(
        "| {name} | {:.0} | {:.2} | {:.1} | {:.2} | {:.2} | {:.0} | {:.0} | {} |",
        ingest.spans_per_second,
        ingest.spans_per_second / floor_rate,
        ingest.cpu_micros_per_span,
        ingest.acks.quantile(0.5),
        ingest.acks.quantile(0.99),
        ingest.searchable.quantile(0.5),
        ingest.searchable.quantile(0.99),
        ingest.peak_anonymous_mb,
    );
}

/// Grows the store to each size and asks every question there. Returns the spans stored at the end.
fn fill_and_ask(
    args: &ReportArgs,
    server: &Server,
    load: &Load,
    mut requests: usize,
    data_dir: &Path,
) -> anyhow::Result<usize> {
    for &size in &args.sizes {
        let wanted = (size / SPANS_PER_REQUEST).max(requests);
        if wanted > requests {
            let grown = server.ingest(load, requests, wanted, None)?;
            eprintln!(
                "grew to {size} spans at {:.0} spans/s, {} MB anonymous",
                grown.spans_per_second, grown.peak_anonymous_mb
            );
            requests = wanted;
        }
        wait_until_calm(server.pid());
        let spans = requests * SPANS_PER_REQUEST;
        // Log files are recycled, not grown: what they take does not depend on what is stored.
        let bytes_in = |directory: &str| directory_bytes(&data_dir.join(directory));
        // Kept to be written over, until nothing has come for some seconds.
        let spare_bytes = bytes_in("spans/spare") + bytes_in("derived/spare");
        let index_bytes = directory_bytes(data_dir) - bytes_in("log") - spare_bytes;
        let (bytes, raw) = (index_bytes as f64 / spans as f64, raw_bytes_per_span(load, args.bodies));
        println!(
            "\n{spans} spans, {bytes:.0} index bytes a span, {:.2} of the raw bytes; {} MB of files to be written over\n",
            bytes / raw,
            spare_bytes >> 20
        );
        println!("| question over HTTP | p50 ms | p99 ms |\n|---|---|---|");
        for Asked { question, mut latencies } in query::over_http(server, requests, &load.words, args.times)?
        {
            println!("| {question} | {:.2} | {:.2} |", latencies.quantile(0.5), latencies.quantile(0.99));
        }
    }
    Ok(requests * SPANS_PER_REQUEST)
}
