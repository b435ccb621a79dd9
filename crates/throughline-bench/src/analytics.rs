//! Every view over many sessions, asked of the server in this process as a browser or a program would ask.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use clap::Args;
use http::Request;
use http_body_util::BodyExt;
use throughline_model::{Attributes, Event, ProjectId, Timestamp, TraceId};
use throughline_server::domain::analytics::Goal;
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::price::Prices;
use throughline_server::domain::score::{Score, ScoreValue};
use throughline_server::http::{Clock, Closer, Limits, Metrics, Outside, State, finish};
use throughline_server::store::embedded::{EmbeddedConfig, EmbeddedStore};
use throughline_server::store::{AppendError, Store};
use throughline_server::{api, dashboard};
use tower::ServiceExt;

use crate::conversations::{self, NOW_NANOS, SESSIONS_PER_REQUEST};
use crate::process::{self, Latencies};

/// What any view may take, in milliseconds.
const BAR: f64 = 300.0;
const SENDERS: usize = 3;

#[derive(Args)]
pub(crate) struct AnalyticsArgs {
    #[arg(long, default_value_t = 1_000_000)]
    sessions: usize,
    /// How often each view is asked for.
    #[arg(long, default_value_t = 50)]
    times: usize,
    /// Only views whose address has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// A store to keep: filled if there is none yet, else asked as it is.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Where to work otherwise; emptied afterwards.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
}

/// Pages, and the API by its parameters.
const VIEWS: &[&str] = &[
    "/analytics",
    "/analytics?range=7d",
    "/analytics?filter=tag:conversion",
    "/analytics/goals",
    "/analytics/journeys",
    "/analytics/journeys?by=tag&funnel=complaint%20%3E%20conversion",
    "/analytics/usage",
    "/analytics/usage?group=trace",
    "/analytics/usage?group=tag",
    "/analytics/usage?group=user",
    "/analytics/users",
    "/analytics/scores",
    "/api/v1/analytics/scores",
    "/api/v1/analytics/scores?filter=score.accuracy:%3E0.5",
    "/api/v1/analytics/sessions",
    "/api/v1/analytics/sessions?interval=hour&from=-7d",
    "/api/v1/analytics/sessions?filter=error:true",
    "/api/v1/analytics/sessions?filter=user:user-77",
    "/api/v1/analytics/sessions?filter=tag:conversion%20cost:%3E0.01",
    "/api/v1/analytics/sessions?filter=model:gpt-4o",
    "/api/v1/analytics/sessions?filter=name:checkout",
    "/api/v1/analytics/sessions?filter=order",
    "/api/v1/analytics/sessions?filter=-tag:conversion",
    "/api/v1/analytics/journeys",
    "/api/v1/analytics/journeys?funnel=ask%20%3E%20checkout%20%3E%20pay",
    "/api/v1/analytics/journeys?by=tag",
    "/api/v1/analytics/journeys?filter=order",
    "/api/v1/analytics/goals?goal=tag:conversion",
    "/api/v1/analytics/goals?goal=name:pay",
    "/api/v1/analytics/goals?goal=error:false",
    "/api/v1/analytics/goals?goal=score.accuracy:%3E0.5",
    "/api/v1/analytics/goals?goal=order",
    "/api/v1/analytics/goals?goal=tokens:%3E100&filter=model:gpt-4o",
    "/api/v1/analytics/usage?group=model&interval=day",
    "/api/v1/analytics/usage?group=user",
    "/api/v1/analytics/usage?group=user&limit=1000&sort=-cost",
    "/api/v1/analytics/usage?group=user&interval=hour",
    "/api/v1/analytics/usage?group=user&interval=hour&limit=1000",
    "/api/v1/analytics/usage?group=user&sessions=tag:conversion",
    "/api/v1/analytics/usage?group=model&filter=order&interval=hour",
    "/api/v1/analytics/usage?group=model&from=-15d&interval=hour",
    "/api/v1/analytics/usage?group=service&interval=day",
    "/api/v1/analytics/usage?group=environment&interval=day",
    "/api/v1/analytics/usage?group=name&interval=day",
    "/api/v1/analytics/usage?group=type&interval=day",
    "/api/v1/analytics/usage?group=trace&interval=hour",
    "/api/v1/analytics/usage?group=tag&interval=day",
    "/api/v1/analytics/usage?group=model&sessions=tag:conversion",
    "/api/v1/analytics/unpriced",
    "/api/v1/analytics/unpriced?filter=tag:conversion",
    "/api/v1/users?sort=-totalCost&limit=8",
    "/api/v1/users?sort=lastSeen&limit=1000",
    "/api/v1/users?filter=order",
];

pub(crate) fn run(args: &AnalyticsArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match &args.store {
        Some(path) => {
            let is_new = !path.exists();
            runtime.block_on(measure(args, path, is_new))
        }
        None => {
            let work = tempfile::Builder::new().prefix("throughline-bench-").tempdir_in(&args.directory)?;
            runtime.block_on(measure(args, &work.path().join("store"), true))
        }
    }
}

async fn measure(args: &AnalyticsArgs, path: &Path, is_new: bool) -> anyhow::Result<()> {
    let store = Arc::new(EmbeddedStore::open(&EmbeddedConfig::new(path), Prices::builtin())?);
    if is_new {
        fill(&store, args.sessions).await?;
    }
    let status = store.status().await;
    println!(
        "{} spans and {} events, {} MB of index, {} MB anonymous\n",
        status.spans_stored,
        status.events_stored,
        status.index_bytes >> 20,
        process::anonymous_mb(std::process::id())
    );
    let router = router(Arc::clone(&store) as Arc<dyn Store>)?;
    println!("| view | p50 ms | p99 ms | at most {BAR} ms |\n|---|--:|--:|---|");
    for view in VIEWS.iter().filter(|view| view.contains(&args.only)) {
        let mut latencies = ask(&router, view, args.times).await?;
        let (p50, p99) = (latencies.quantile(0.5), latencies.quantile(0.99));
        let held = if p99 <= BAR { "yes" } else { "**no**" };
        println!("| `{view}` | {p50:.0} | {p99:.0} | {held} |");
    }
    store.shutdown().await;
    Ok(())
}

/// The pages and the API over the store, at the time when its sessions are over.
fn router(store: Arc<dyn Store>) -> anyhow::Result<Router> {
    let now = Timestamp::from_nanos(NOW_NANOS);
    let state = State {
        lifecycle: Arc::default(),
        store,
        clock: Clock::fixed(now),
        metrics: Arc::new(Metrics::default()),
        limits: Limits::default(),
        closing: Closer::new().subscribe(),
        goals: Arc::new([
            Goal::parse("bought", "tag:conversion", now)?,
            Goal::parse("checked out", "name:checkout", now)?,
        ]),
        prices: Arc::new(Prices::builtin()),
    };
    let routes = dashboard::routes().merge(api::routes());
    Ok(finish(routes, state, Outside { guard: None, error_page: None }))
}

async fn ask(router: &Router, path: &str, times: usize) -> anyhow::Result<Latencies> {
    const WARM_UP: usize = 2;
    let mut latencies = Latencies::default();
    for number in 0..times + WARM_UP {
        let begin = Instant::now();
        let answer = router.clone().oneshot(Request::get(path).body(Body::empty())?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if number >= WARM_UP {
            latencies.push(begin.elapsed());
        }
        anyhow::ensure!(
            status == 200,
            "GET {path} answered {status}: {}",
            String::from_utf8_lossy(&body[..body.len().min(500)])
        );
    }
    Ok(latencies)
}

async fn fill(store: &Arc<EmbeddedStore>, sessions: usize) -> anyhow::Result<()> {
    let (begin, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let requests = sessions.div_ceil(SESSIONS_PER_REQUEST);
    let send = || tokio::spawn(send(Arc::clone(store), Arc::clone(&next), requests));
    let senders: Vec<_> = (0..SENDERS).map(|_| send()).collect();
    for sender in senders {
        sender.await??;
    }
    store.settle().await?;
    println!("{sessions} sessions stored in {:.0} s", begin.elapsed().as_secs_f64());
    process::wait_until_calm(std::process::id());
    Ok(())
}

/// Stores the requests that nobody has taken yet, until there are none.
async fn send(store: Arc<EmbeddedStore>, next: Arc<AtomicUsize>, requests: usize) -> Result<(), AppendError> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return Ok(());
        }
        let (spans, last_turns) = conversations::request(number);
        append(&store, BatchContent::Traces(spans.into())).await?;
        append(&store, BatchContent::Events(scores(&last_turns))).await?;
    }
}

async fn append(store: &EmbeddedStore, content: BatchContent) -> Result<(), AppendError> {
    let batch = Batch { project: ProjectId::default(), received: Timestamp::from_nanos(NOW_NANOS), content };
    loop {
        match store.append(batch.clone()).await {
            Err(AppendError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => return other,
        }
    }
}

/// Of every session a verdict: a number, a thumb or a tone, in turn.
fn scores(last_turns: &[(String, [u8; 16])]) -> Vec<Event> {
    let verdict = |(number, (session, trace)): (usize, &(String, [u8; 16]))| {
        let (name, value) = match number % 3 {
            0 => ("accuracy", ScoreValue::Number((number % 101) as f64 / 100.0)),
            1 => ("thumbs", ScoreValue::Flag(!number.is_multiple_of(4))),
            _ => ("tone", ScoreValue::Category(["kind", "curt", "dull"][number % 7 % 3].to_owned())),
        };
        let is_of_trace = number.is_multiple_of(2);
        let score = Score {
            id: format!("{name}:{session}"),
            name: name.to_owned(),
            value,
            comment: None,
            session_id: (!is_of_trace).then(|| session.as_str().into()),
            trace_id: TraceId::from_bytes(*trace).filter(|_| is_of_trace),
            observation_id: None,
            environment: None,
            time: Timestamp::from_nanos(NOW_NANOS),
            metadata: Attributes::new(),
        };
        score.into_event()
    };
    last_turns.iter().enumerate().map(verdict).collect()
}
