//! The page of a session of ten thousand observations, in one turn and in many: how soon its first byte comes, and how
//! many there are.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::load::{EPOCH_NANOS, Load, Words, int, text};
use crate::process::{Latencies, anonymous_mb, cpu, wait_until_calm};
use crate::server::Server;

#[derive(Args)]
pub(crate) struct PageArgs {
    /// Observations of each session.
    #[arg(long, default_value_t = 10_000)]
    observations: usize,
    /// Into how many turns they are divided, one session each.
    #[arg(long, value_delimiter = ',', default_value = "1,200,2000")]
    turns: Vec<usize>,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 100)]
    times: usize,
    /// Where to work; emptied afterwards.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
}

/// What asking for a page again and again showed.
struct Asked {
    first_byte: Latencies,
    whole: Latencies,
    /// The server's processor time for each answer, which does not depend on what else the machine does.
    cpu: Duration,
    bytes: usize,
}

pub(crate) fn run(args: &PageArgs) -> anyhow::Result<()> {
    let work = tempfile::Builder::new().prefix("throughline-bench-").tempdir_in(&args.directory)?;
    let server = Server::start(&work.path().join("data"))?;
    let words = Load::generate(1, 7).words;
    for &turns in &args.turns {
        send(&server, &words, turns, args.observations)?;
    }
    wait_until_calm(server.pid());
    println!(
        "| session of {} observations | first byte p50 ms | p99 ms | whole p50 ms | CPU ms | bytes |\n|---|---|---|---|---|---|",
        args.observations
    );
    for &turns in &args.turns {
        for (name, path) in pages(turns, args.observations) {
            let mut asked = ask(&server, &path, args.times)?;
            println!(
                "| {turns} turns, {name} | {:.1} | {:.1} | {:.1} | {:.1} | {} |",
                asked.first_byte.quantile(0.5),
                asked.first_byte.quantile(0.99),
                asked.whole.quantile(0.5),
                asked.cpu.as_secs_f64() * 1e3,
                asked.bytes
            );
        }
    }
    println!("\n{} MB anonymous after the questions", anonymous_mb(server.pid()));
    server.stop()
}

fn session(turns: usize) -> String {
    format!("session-of-{turns}")
}

/// The pages of a session by name; the first is the one that the bar is about.
fn pages(turns: usize, observations: usize) -> Vec<(&'static str, String)> {
    let session = format!("/sessions/{}", session(turns));
    let mut pages = vec![("the page", session.clone())];
    if turns == 1 {
        pages.push(("steps from the middle", format!("{session}?turn=1&step={}", observations / 2)));
        pages.push(("its trace", format!("/traces/{}", hex(&trace_id(turns, 0)))));
    } else {
        pages.push(("turns from the middle", format!("{session}?turn={}", turns.min(200) / 2)));
    }
    for (name, view) in [("waterfall", "waterfall"), ("cost", "cost")] {
        pages.push((name, format!("{session}?view={view}")));
    }
    pages.push(("replay", format!("{session}/replay")));
    pages.push(("export as HTML", format!("/api/v1{session}/export?format=html")));
    pages
}

fn ask(server: &Server, path: &str, times: usize) -> anyhow::Result<Asked> {
    const WARM_UP: usize = 3;
    let (mut first_bytes, mut wholes, mut bytes) = (Latencies::default(), Latencies::default(), 0);
    let before = cpu(server.pid());
    for number in 0..times + WARM_UP {
        let begin = Instant::now();
        let (first_byte, status, body) = server.get_timed(path)?;
        anyhow::ensure!(status == 200, "GET {path} answered {status}: {body}");
        if number >= WARM_UP {
            first_bytes.push(first_byte);
            wholes.push(begin.elapsed());
            bytes = body.len();
        }
    }
    let cpu = (cpu(server.pid()) - before).div_f64((times + WARM_UP) as f64);
    Ok(Asked { first_byte: first_bytes, whole: wholes, cpu, bytes })
}

/// Sends a session of so many turns, and waits until all of it can be read.
fn send(server: &Server, words: &Words, turns: usize, observations: usize) -> anyhow::Result<()> {
    const SPANS_PER_REQUEST: usize = 500;
    let mut rng = fastrand::Rng::with_seed(turns as u64);
    let per_turn = observations / turns;
    let spans: Vec<Span> =
        (0..turns).flat_map(|turn| turn_spans(turns, turn, per_turn, words, &mut rng)).collect();
    for spans in spans.chunks(SPANS_PER_REQUEST) {
        let scope_spans = vec![ScopeSpans { spans: spans.to_vec(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        server.post(&ExportTraceServiceRequest { resource_spans }.encode_to_vec())?;
    }
    let (begin, expected) = (Instant::now(), format!("\"observationCount\":{},", spans.len()));
    while !server.get(&format!("/api/v1/sessions/{}", session(turns)))?.1.contains(&expected) {
        anyhow::ensure!(
            begin.elapsed() < Duration::from_secs(60),
            "the session was not whole after a minute"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A turn: a root, and below it a model called, documents looked up and a tool run, again and again.
fn turn_spans(turns: usize, turn: usize, count: usize, words: &Words, rng: &mut fastrand::Rng) -> Vec<Span> {
    const STEP_NANOS: u64 = 200_000_000;
    let begin = EPOCH_NANOS + (turn * count) as u64 * STEP_NANOS * 2;
    let span_id =
        |step: usize| (((turns * 100_000 + turn) * 100_000 + step + 1) as u64).to_be_bytes().to_vec();
    let span = |step: usize| {
        let (name, kind) = match (step, step % 3) {
            (0, _) => ("chat-turn", "CHAIN"),
            (_, 1) => ("chat", "LLM"),
            (_, 2) => ("search", "RETRIEVER"),
            _ => ("look_up", "TOOL"),
        };
        let lasts = if step == 0 { count as u64 * STEP_NANOS } else { STEP_NANOS };
        let start = begin + step as u64 * STEP_NANOS;
        Span {
            trace_id: trace_id(turns, turn).to_vec(),
            span_id: span_id(step),
            parent_span_id: if step == 0 { Vec::new() } else { span_id(0) },
            name: name.to_owned(),
            kind: 1,
            start_time_unix_nano: start,
            end_time_unix_nano: start + lasts,
            attributes: attributes(turns, kind, words, rng),
            ..Span::default()
        }
    };
    (0..count).map(span).collect()
}

fn attributes(turns: usize, kind: &str, words: &Words, rng: &mut fastrand::Rng) -> Vec<KeyValue> {
    let mut said = |least, most| words.text(rng, least, most);
    let mut attributes = vec![text("session.id", &session(turns)), text("openinference.span.kind", kind)];
    match kind {
        "RETRIEVER" => {
            attributes.push(text("input.value", &said(3, 9)));
            for document in 0..3 {
                let prefix = format!("retrieval.documents.{document}.document");
                attributes.push(text(&format!("{prefix}.id"), &format!("page-{document}")));
                attributes.push(text(&format!("{prefix}.content"), &said(20, 80)));
            }
        }
        "LLM" => {
            for message in 0..3 {
                let prefix = format!("llm.input_messages.{message}.message");
                attributes
                    .push(text(&format!("{prefix}.role"), if message == 1 { "assistant" } else { "user" }));
                attributes.push(text(&format!("{prefix}.content"), &said(10, 60)));
            }
            attributes.push(text("llm.output_messages.0.message.role", "assistant"));
            attributes.push(text("llm.output_messages.0.message.content", &said(20, 160)));
            attributes.push(text("llm.model_name", "gpt-4o"));
            attributes.push(text("llm.provider", "openai"));
            attributes.push(int("llm.token_count.prompt", 900));
            attributes.push(int("llm.token_count.completion", 120));
        }
        _ => {
            attributes.push(text("input.value", &said(10, 60)));
            attributes.push(text("output.value", &said(20, 160)));
        }
    }
    attributes
}

fn trace_id(turns: usize, turn: usize) -> [u8; 16] {
    let mut id = [0xcd; 16];
    id[..8].copy_from_slice(&(turns as u64).to_be_bytes());
    id[8..].copy_from_slice(&(turn as u64 + 1).to_be_bytes());
    id
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
