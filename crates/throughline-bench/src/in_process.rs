//! The store alone, without doors: what ingest costs and how long its answers take.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use throughline_model::{ProjectId, SessionId, Timestamp};
use throughline_server::domain::analytics::{Goal, Interval, Selection, StepKind};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::{Filter, Target};
use throughline_server::domain::price::Prices;
use throughline_server::domain::query::{ListQuery, Sort, SortField, UsageGroup, UsageQuery};
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};
use throughline_server::store::{AppendError, Store};

use crate::floor;
use crate::load::{EPOCH_NANOS, Load, SPANS_PER_REQUEST, SPANS_PER_TRACE};
use crate::process::{self, Latencies};

#[derive(Args)]
pub(crate) struct StoreArgs {
    /// Spans to store, flat out.
    #[arg(long, default_value_t = 500_000)]
    spans: usize,
    /// Requests on their way at the same time.
    #[arg(long, default_value_t = 8)]
    senders: usize,
    /// Different request bodies to make before starting; later ones repeat these with new ids.
    #[arg(long, default_value_t = 200)]
    bodies: usize,
    /// How often each question is asked.
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// Index threads, if not as many as the store would take.
    #[arg(long)]
    threads: Option<usize>,
    /// How many of the spans come at the end at half the speed of the others.
    #[arg(long, default_value_t = 200_000)]
    paced: usize,
    /// Spans a second at which they come, if not half of what went flat out.
    #[arg(long)]
    rate: Option<f64>,
    /// Where to work; emptied afterwards.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Keep the data here. If an earlier run with the same numbers left some, only the questions are asked.
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(crate) fn run(args: &StoreArgs) -> anyhow::Result<()> {
    let work = tempfile::Builder::new().prefix("throughline-bench-").tempdir_in(&args.directory)?;
    let load = Arc::new(Load::generate(args.bodies, 7));
    let mut config = EmbeddedConfig::new(args.data.as_deref().unwrap_or(work.path()));
    config.index_threads = args.threads.unwrap_or(config.index_threads);
    let store = Arc::new(EmbeddedStore::open(&config, Prices::builtin())?);
    let runtime = crate::runtime()?;
    runtime.block_on(async {
        let requests = args.spans / SPANS_PER_REQUEST;
        if store.status().await.spans_stored > 0 {
            ask(args, &load, &store, requests).await?;
            store.shutdown().await;
            return Ok(());
        }
        let flat_out = requests.saturating_sub(args.paced / SPANS_PER_REQUEST).max(1);
        let mut floor = floor::append_and_sync(&load, 300, Duration::ZERO, work.path())?;
        println!(
            "append and fdatasync alone: p50 {:.2} p99 {:.2} ms",
            floor.quantile(0.5),
            floor.quantile(0.99)
        );
        let rate = ingest(args, &load, &store, 0..flat_out, None).await?;
        let half = args.rate.unwrap_or(rate / 2.0);
        let (begin, written) = (Instant::now(), process::written_bytes(std::process::id()));
        ingest(args, &load, &store, flat_out..requests, Some(half)).await?;
        let took = begin.elapsed().as_secs_f64();
        let written = (process::written_bytes(std::process::id()) - written) as f64 / took;
        process::wait_until_calm(std::process::id());
        // The log's own bytes are what the floor appends.
        let others = written - half * load.bytes() as f64 / (args.bodies * SPANS_PER_REQUEST) as f64;
        let pause = Duration::from_secs_f64(SPANS_PER_REQUEST as f64 / half);
        let mut beside =
            floor::append_and_sync_beside_writes(&load, 300, pause, others, work.path())?;
        println!(
            "append and fdatasync at that pace, beside writes of {:.0} MB/s as the index makes them: p50 {:.2} p99 {:.2} ms",
            others / 1e6,
            beside.quantile(0.5),
            beside.quantile(0.99)
        );
        let status = store.status().await;
        let raw = load.bytes() as f64 / args.bodies as f64 * requests as f64;
        let (index, log) = (status.index_bytes as f64, status.log_bytes);
        println!(
            "{} spans stored; index {:.3} of the raw bytes, log {log} bytes",
            status.spans_stored,
            index / raw
        );
        print_bytes(&config.data_dir, status.spans_stored);
        ask(args, &load, &store, requests).await?;
        println!("{} MB anonymous after the questions", process::anonymous_mb(std::process::id()));
        store.shutdown().await;
        Ok(())
    })
}

/// What a span takes in each kind of file of both indexes.
fn print_bytes(data_dir: &Path, spans: u64) {
    for index in ["spans", "derived"] {
        let bytes_of = |(kind, bytes): (String, u64)| format!(".{kind} {:.1}", bytes as f64 / spans as f64);
        let of_kinds: Vec<_> =
            process::bytes_by_kind(&data_dir.join(index)).into_iter().map(bytes_of).collect();
        println!("bytes a span in {index}: {}", of_kinds.join(", "));
    }
}

/// Stores these requests of the load, flat out or `rate` spans a second. Returns the spans stored a second.
async fn ingest(
    args: &StoreArgs,
    load: &Arc<Load>,
    store: &Arc<EmbeddedStore>,
    requests: Range<usize>,
    rate: Option<f64>,
) -> anyhow::Result<f64> {
    let (begin, cpu) = (Instant::now(), process::cpu(std::process::id()));
    let next = Arc::new(AtomicUsize::new(requests.start));
    let sender = Sender {
        load: Arc::clone(load),
        store: Arc::clone(store),
        next,
        requests: requests.clone(),
        begin: begin.into(),
        pause: rate.map(|rate| Duration::from_secs_f64(SPANS_PER_REQUEST as f64 / rate)),
    };
    let senders: Vec<_> = (0..args.senders).map(|_| tokio::spawn(sender.clone().send())).collect();
    let mut peak = 0;
    while senders.iter().any(|sender| !sender.is_finished()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        peak = process::anonymous_mb(std::process::id()).max(peak);
    }
    let mut acks = Latencies::default();
    for sender in senders {
        acks.extend(sender.await??);
    }
    let sent = begin.elapsed();
    store.settle().await?;
    let (took, count) = (begin.elapsed(), (requests.len() * SPANS_PER_REQUEST) as f64);
    let cpu = (process::cpu(std::process::id()) - cpu).as_secs_f64() * 1e6 / count;
    let stored = count / took.as_secs_f64();
    println!(
        "{}: {stored:.0} spans/s searchable ({:.0} acknowledged), {cpu:.1} CPU us/span, ack p50 {:.2} p99 {:.2} ms, {peak} MB anonymous",
        if rate.is_some() { "half load" } else { "flat out" },
        count / sent.as_secs_f64(),
        acks.quantile(0.5),
        acks.quantile(0.99)
    );
    Ok(stored)
}

#[derive(Clone)]
struct Sender {
    load: Arc<Load>,
    store: Arc<EmbeddedStore>,
    next: Arc<AtomicUsize>,
    requests: Range<usize>,
    begin: tokio::time::Instant,
    /// From one request to the next of all senders together.
    pause: Option<Duration>,
}

impl Sender {
    async fn send(self) -> anyhow::Result<Latencies> {
        let mut acks = Latencies::default();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests.end {
                return Ok(acks);
            }
            let mut body = Vec::new();
            self.load.request(number, &mut body);
            let batch = Batch {
                project: ProjectId::default(),
                received: Timestamp::from_nanos(EPOCH_NANOS as i64),
                content: BatchContent::Traces(body.into()),
            };
            if let Some(pause) = self.pause {
                tokio::time::sleep_until(self.begin + pause * (number - self.requests.start) as u32).await;
            }
            let begin = Instant::now();
            loop {
                match self.store.append(batch.clone()).await {
                    Ok(()) => break,
                    Err(AppendError::Busy { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            acks.push(begin.elapsed());
        }
    }
}

async fn ask(args: &StoreArgs, load: &Load, store: &EmbeddedStore, requests: usize) -> anyhow::Result<()> {
    let project = ProjectId::default();
    let now = Timestamp::from_nanos(EPOCH_NANOS as i64);
    let mut rng = fastrand::Rng::with_seed(7);
    let traces = requests.min(args.bodies) * SPANS_PER_REQUEST / SPANS_PER_TRACE;
    let (mut detail, mut session) = (Latencies::default(), Latencies::default());
    for _ in 0..args.times {
        let id = SessionId::from(Load::session_of(rng.usize(..traces)));
        let begin = Instant::now();
        store.session(&project, &id, now).await?;
        store.session_traces(&project, &id, None, 50).await?;
        session.push(begin.elapsed());
        let begin = Instant::now();
        store.timeline(&project, &id, None, 100).await?;
        detail.push(begin.elapsed());
    }
    print("session with its traces", session);
    print("timeline of a session", detail);
    let (common, rarer) = (load.words.word(40), load.words.word(400));
    let filters = [
        String::new(),
        "error:true cost:>0.01".to_owned(),
        "user:user-77 errors:>0".to_owned(),
        format!("{common} user:user-77"),
        format!("{common} {rarer} model:gpt-4o"),
        format!("{common} model:gpt-4o"),
        "attr.ctx.request.id:req_777".to_owned(),
    ];
    for text in filters {
        let filter = Filter::parse(&text, &[Target::Session], now)?;
        let sort = Sort { by: SortField::EndTime, descending: true };
        let query = ListQuery { filter, from: None, to: None, sort, limit: 50, after: None, now };
        let mut latencies = Latencies::default();
        let mut rows = 0;
        for _ in 0..args.times.min(50) {
            let begin = Instant::now();
            rows = store.sessions(&project, &query).await?.rows.len();
            latencies.push(begin.elapsed());
        }
        print(&format!("sessions: {text:?} ({rows} rows)"), latencies);
    }
    let mut latencies = Latencies::default();
    for _ in 0..args.times {
        let mut word = || load.words.word(rng.usize(20..200));
        let text = format!("{} {} model:gpt-4o", word(), word());
        let filter = Filter::parse(&text, &[Target::Trace], now)?;
        let sort = Sort { by: SortField::StartTime, descending: true };
        let query = ListQuery { filter, from: None, to: None, sort, limit: 20, after: None, now };
        let begin = Instant::now();
        store.traces(&project, &query).await?;
        latencies.push(begin.elapsed());
    }
    print("traces: two common words and a model", latencies);
    for group in [UsageGroup::Model, UsageGroup::Name, UsageGroup::User, UsageGroup::Trace, UsageGroup::Tag] {
        let mut latencies = Latencies::default();
        for _ in 0..args.times.min(20) {
            let begin = Instant::now();
            store.usage(&project, &UsageQuery::by(group, now)).await?;
            latencies.push(begin.elapsed());
        }
        print(&format!("usage by {group:?}"), latencies);
    }
    analyse(args, store, now).await
}

/// The views over many sessions.
async fn analyse(args: &StoreArgs, store: &EmbeddedStore, now: Timestamp) -> anyhow::Result<()> {
    let project = ProjectId::default();
    let selection = Selection { filter: Filter::All, from: None, to: None, now };
    let goal = Goal::parse("errors", "error:true", now)?;
    let mut sessions = 0;
    let mut latencies = [Latencies::default(), Latencies::default(), Latencies::default()];
    for _ in 0..args.times.min(20) {
        let begin = Instant::now();
        sessions = store.session_statistics(&project, &selection, Interval::Hour).await?.sessions;
        latencies[0].push(begin.elapsed());
        let begin = Instant::now();
        store.journeys(&project, &selection, StepKind::Name, &[]).await?;
        latencies[1].push(begin.elapsed());
        let begin = Instant::now();
        store.goal(&project, &selection, &goal, Interval::Hour).await?;
        latencies[2].push(begin.elapsed());
    }
    for (view, latencies) in ["statistics", "journeys", "goal error:true"].into_iter().zip(latencies) {
        print(&format!("{view} over {sessions} sessions"), latencies);
    }
    Ok(())
}

fn print(question: &str, mut latencies: Latencies) {
    println!("{question:<60} p50 {:.2} ms, p99 {:.2} ms", latencies.quantile(0.5), latencies.quantile(0.99));
}
