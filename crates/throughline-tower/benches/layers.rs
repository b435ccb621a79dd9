//! What instrumentation costs: one request through a router with four layers, plain and traced.
//!
//! `cargo bench --package throughline-tower`. Rounds of the variants take turns, so that a noisy machine is noisy for
//! all of them; reported are the median round and the ratio of medians, with the middle half of the per-round ratios.
//!
//! With `-- only plain`, `traced` or `exported` it does nothing but so many requests, for a profiler to count instructions.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use throughline::Telemetry;
use throughline::transport::{Item, SendError, Transport};
use throughline_channel::{Outcome, Trace, TraceSubscriber};
use throughline_tower::{LAYER, LayerContext, LayerExporter, Router, routing};
use tower_service::Service;

const ROUNDS: usize = 301;
const REQUESTS: u32 = 400;

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

/// Like most, this handler has a state that is shared.
async fn handler(State(greeting): State<Arc<str>>) -> String {
    greeting.to_string()
}

fn plain(layers: usize) -> axum::Router {
    let router = axum::Router::new().route("/users/{id}", axum::routing::get(handler));
    (0..layers).fold(router, |router, _| router.layer(from_fn(pass))).with_state("hello".into())
}

fn traced(layers: usize) -> Router {
    let router = Router::new().route("/users/{id}", routing::get(handler));
    (0..layers).fold(router, |router, _| router.layer(from_fn(pass))).with_state("hello".into())
}

/// Every layer is ready at its first poll, so no runtime is needed.
fn round<S: Service<Request, Response = Response> + Clone>(service: &S) -> f64 {
    let mut cx = Context::from_waker(Waker::noop());
    let started = Instant::now();
    for _ in 0..REQUESTS {
        let request = Request::builder().uri("/users/7").body(Body::empty());
        let Ok(request) = request else { unreachable!("the request is well-formed") };
        let response = std::pin::pin!(service.clone().call(request)).poll(&mut cx);
        assert!(matches!(black_box(response), Poll::Ready(Ok(_))));
    }
    started.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
}

fn quantile(sorted: &[f64], at: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * at) as usize]
}

/// Times the variants in turns and prints each beside the first; gives their median rounds.
fn compare(title: &str, variants: &[(&str, &dyn Fn() -> f64)]) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(ROUNDS); variants.len()];
    for lap in 0..ROUNDS + 20 {
        for step in 0..variants.len() {
            let variant = (lap + step) % variants.len();
            let time = variants[variant].1();
            if lap >= 20 {
                times[variant].push(time);
            }
        }
    }
    println!("{title}");
    let first = times[0].clone();
    for ((name, _), times) in variants.iter().zip(&mut times) {
        let mut ratios: Vec<_> = times.iter().zip(&first).map(|(time, first)| time / first).collect();
        ratios.sort_by(f64::total_cmp);
        times.sort_by(f64::total_cmp);
        let (low, median, high) = (quantile(&ratios, 0.25), quantile(&ratios, 0.5), quantile(&ratios, 0.75));
        println!("  {name:<34} {:>7.0} ns   x{median:.3} ({low:.3} to {high:.3})", quantile(times, 0.5));
    }
    times.iter().map(|times| quantile(times, 0.5)).collect()
}

/// Takes spans and forgets them.
struct Forget;

impl Transport for Forget {
    fn name(&self) -> &str {
        "forget"
    }

    fn send(&mut self, _: &[Item]) -> Result<(), SendError> {
        Ok(())
    }
}

/// With the span exporter on, what a layer costs the request's thread; what becomes of the spans afterwards is the
/// business of another one, which is done before the next round begins.
fn exported(plain_service: &impl Fn() -> f64, traced_service: &impl Fn() -> f64) {
    let telemetry = Telemetry::builder("bench").transport(Forget).build();
    let Ok(telemetry) = telemetry else { unreachable!("the telemetry is well-formed") };
    let export = LayerExporter::new(&telemetry).start();
    let traced_round = || {
        let time = traced_service();
        telemetry.flush(Duration::from_secs(10));
        time
    };
    let medians = compare(
        "four layers, the handler and the request, exported as spans",
        &[("plain axum (not listened to)", plain_service), ("traced and exported", &traced_round)],
    );
    println!("  a layer, with a fifth of the request {:>7.0} ns", (medians[1] - medians[0]) / 5.0);
    drop(export);
    println!("  spans lost: {}", telemetry.shutdown(Duration::from_secs(10)).lost());
}

struct Nothing;

impl TraceSubscriber<LayerContext> for Nothing {
    type State = ();
    fn start(&self, _: &Trace<'_, LayerContext>) {}
    fn complete(&self, _: &Trace<'_, LayerContext>, (): (), _: &Outcome) {}
}

/// For `perf stat -e instructions:u`: as many requests as it says, of one variant.
fn only(variant: &str) {
    const ROUNDS: u32 = 500;
    let (plain, traced) = (plain(4), traced(4).into_service());
    let telemetry = Telemetry::builder("bench").transport(Forget).build();
    let Ok(telemetry) = telemetry else { unreachable!("the telemetry is well-formed") };
    let _export = (variant == "exported").then(|| LayerExporter::new(&telemetry).start());
    for _ in 0..ROUNDS {
        match variant {
            "plain" => round(&plain),
            "traced" | "exported" => round(&traced),
            _ => panic!("plain, traced or exported?"),
        };
        telemetry.flush(Duration::from_secs(10));
    }
    println!("{} requests", ROUNDS * REQUESTS);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "only") {
        return only(arguments.get(at + 1).map_or("", String::as_str));
    }
    let (plain_service, again, one_more) = (plain(4), plain(4), plain(5));
    let traced_service = traced(4).into_service();
    compare(
        "four layers, nobody listens",
        &[
            ("plain axum", &|| round(&plain_service)),
            ("plain axum, the same again", &|| round(&again)),
            ("traced", &|| round(&traced_service)),
            ("plain axum with a fifth layer", &|| round(&one_more)),
        ],
    );
    let subscription = LAYER.subscribe(Nothing);
    compare(
        "four layers and the handler, one subscriber that does nothing",
        &[
            ("plain axum (not listened to)", &|| round(&plain_service)),
            ("traced", &|| round(&traced_service)),
        ],
    );
    drop(subscription);
    exported(&|| round(&plain_service), &|| round(&traced_service));
}
