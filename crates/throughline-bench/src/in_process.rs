//! The store alone, without doors: what ingest costs and how long its answers take.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use throughline_model::{ProjectId, SessionId, Timestamp};
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::filter::{Filter, Target};
use throughline_server::domain::price::Prices;
use throughline_server::domain::query::{ListQuery, Sort, SortField, UsageGroup};
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};
use throughline_server::store::{AppendError, Store};

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
    /// Where to work; emptied afterwards.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
}

pub(crate) fn run(args: &StoreArgs) -> anyhow::Result<()> {
    let work = tempfile::Builder::new().prefix("throughline-bench-").tempdir_in(&args.directory)?;
    let load = Arc::new(Load::generate(args.bodies, 7));
    let mut config = EmbeddedConfig::new(work.path());
    config.index_threads = args.threads.unwrap_or(config.index_threads);
    let store = Arc::new(EmbeddedStore::open(&config, Prices::builtin())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let requests = args.spans / SPANS_PER_REQUEST;
        ingest(args, &load, &store, requests).await?;
        let status = store.status().await;
        let raw = load.bytes() as f64 / args.bodies as f64 * requests as f64;
        let (index, log) = (status.index_bytes as f64, status.log_bytes);
        println!(
            "{} spans stored; index {:.3} of the raw bytes, log {log} bytes",
            status.spans_stored,
            index / raw
        );
        ask(args, &load, &store, requests).await?;
        println!("{} MB anonymous after the questions", process::anonymous_mb(std::process::id()));
        store.shutdown().await;
        Ok(())
    })
}

async fn ingest(
    args: &StoreArgs,
    load: &Arc<Load>,
    store: &Arc<EmbeddedStore>,
    requests: usize,
) -> anyhow::Result<()> {
    let (begin, cpu) = (Instant::now(), process::cpu(std::process::id()));
    let next = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..args.senders)
        .map(|_| tokio::spawn(send(Arc::clone(load), Arc::clone(store), Arc::clone(&next), requests)))
        .collect();
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
    let (took, count) = (begin.elapsed(), (requests * SPANS_PER_REQUEST) as f64);
    let cpu = (process::cpu(std::process::id()) - cpu).as_secs_f64() * 1e6 / count;
    println!(
        "{:.0} spans/s searchable ({:.0} acknowledged), {cpu:.1} CPU us/span, ack p50 {:.1} p99 {:.1} ms, {peak} MB anonymous",
        count / took.as_secs_f64(),
        count / sent.as_secs_f64(),
        acks.quantile(0.5),
        acks.quantile(0.99)
    );
    Ok(())
}

async fn send(
    load: Arc<Load>,
    store: Arc<EmbeddedStore>,
    next: Arc<AtomicUsize>,
    requests: usize,
) -> anyhow::Result<Latencies> {
    let mut acks = Latencies::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return Ok(acks);
        }
        let mut body = Vec::new();
        load.request(number, &mut body);
        let batch = Batch {
            project: ProjectId::default(),
            received: Timestamp::from_nanos(EPOCH_NANOS as i64),
            content: BatchContent::Traces(body.into()),
        };
        let begin = Instant::now();
        loop {
            match store.append(batch.clone()).await {
                Ok(()) => break,
                Err(AppendError::Busy { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        acks.push(begin.elapsed());
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
    for group in [UsageGroup::Model, UsageGroup::Name, UsageGroup::User] {
        let mut latencies = Latencies::default();
        for _ in 0..args.times.min(20) {
            let begin = Instant::now();
            store.usage(&project, &Filter::All, None, None, group).await?;
            latencies.push(begin.elapsed());
        }
        print(&format!("usage by {group:?}"), latencies);
    }
    Ok(())
}

fn print(question: &str, mut latencies: Latencies) {
    println!("{question:<60} p50 {:.2} ms, p99 {:.2} ms", latencies.quantile(0.5), latencies.quantile(0.99));
}
