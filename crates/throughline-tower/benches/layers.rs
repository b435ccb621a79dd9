//! What instrumentation costs: one request through a router with four layers, plain and traced.
//!
//! `cargo bench --package throughline-tower`. Rounds of the variants take turns, so that a noisy machine is noisy for
//! all of them; reported are the median round and the median of the per-round ratios, with their middle half.
//!
//! While nobody listens the difference is smaller than what a process's addresses do to the same code: where its heap
//! and its stack lie beside each other makes two identical applications differ by up to two percent, for as long as the
//! process lives. So that comparison is made in several processes and, with every lap, from another depth of the stack;
//! reported are the median process and all of their range. Identical applications are in it too, to show the noise.
//!
//! With `-- only plain`, `traced` or `exported` it does nothing but so many requests, for a profiler to count instructions.

use std::hint::black_box;
use std::process::Command;
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
const PROCESSES: usize = 9;
const ROUNDS_OF_PROCESS: usize = 97;
const REQUESTS: u32 = 400;

/// With another `N` it is compiled again, and so is everything around it.
async fn pass<const N: u8>(request: Request, next: Next) -> Response {
    black_box(N);
    next.run(request).await
}

/// Like most, this handler has a state that is shared.
async fn handler<const N: u8>(State(greeting): State<Arc<str>>) -> String {
    black_box(N);
    greeting.to_string()
}

fn plain<const N: u8>(layers: usize) -> axum::Router {
    let router = axum::Router::new().route("/users/{id}", axum::routing::get(handler::<N>));
    (0..layers).fold(router, |router, _| router.layer(from_fn(pass::<N>))).with_state("hello".into())
}

fn traced<const N: u8>(layers: usize) -> Router {
    let router = Router::new().route("/users/{id}", routing::get(handler::<N>));
    (0..layers).fold(router, |router, _| router.layer(from_fn(pass::<N>))).with_state("hello".into())
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

/// A few calls further down the stack, each with a frame that no cache line divides.
#[inline(never)]
fn deeper(calls: usize, variant: &dyn Fn() -> f64) -> f64 {
    let frame = black_box([0_u8; 100]);
    let took = if calls == 0 { variant() } else { deeper(calls - 1, variant) };
    black_box(frame);
    took
}

struct Timed<'a> {
    name: &'a str,
    nanos: f64,
    /// By the first of them, round by round, sorted.
    ratios: Vec<f64>,
}

/// Times the variants in turns.
fn time<'a>(rounds: usize, variants: &[(&'a str, &dyn Fn() -> f64)]) -> Vec<Timed<'a>> {
    let mut times = vec![Vec::with_capacity(rounds); variants.len()];
    for lap in 0..rounds + 20 {
        for step in 0..variants.len() {
            let variant = (lap + step) % variants.len();
            let time = deeper(lap % 8, variants[variant].1);
            if lap >= 20 {
                times[variant].push(time);
            }
        }
    }
    let first = times[0].clone();
    let timed = variants.iter().zip(times).map(|((name, _), mut times)| {
        let mut ratios: Vec<_> = times.iter().zip(&first).map(|(time, first)| time / first).collect();
        ratios.sort_by(f64::total_cmp);
        times.sort_by(f64::total_cmp);
        Timed { name, nanos: quantile(&times, 0.5), ratios }
    });
    timed.collect()
}

fn print(name: &str, nanos: f64, median: f64, low: f64, high: f64) {
    println!("  {name:<34} {nanos:>7.0} ns   x{median:.3} ({low:.3} to {high:.3})");
}

/// Times the variants in turns and prints each beside the first; gives their median rounds.
fn compare(title: &str, variants: &[(&str, &dyn Fn() -> f64)]) -> Vec<f64> {
    println!("{title}");
    let timed = time(ROUNDS, variants);
    for Timed { name, nanos, ratios } in &timed {
        let (low, median, high) = (quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75));
        print(name, *nanos, median, low, high);
    }
    timed.iter().map(|timed| timed.nanos).collect()
}

/// One process's share of the comparison while nobody listens.
fn idle_of_process() {
    let (plain_service, again, one_more) = (plain::<1>(4), plain::<1>(4), plain::<1>(5));
    let (compiled_again, traced_service) = (plain::<2>(4), traced::<3>(4).into_service());
    let timed = time(
        ROUNDS_OF_PROCESS,
        &[
            ("plain axum", &|| round(&plain_service)),
            ("plain axum, the same again", &|| round(&again)),
            ("plain axum, compiled again", &|| round(&compiled_again)),
            ("traced", &|| round(&traced_service)),
            ("plain axum with a fifth layer", &|| round(&one_more)),
        ],
    );
    for Timed { name, nanos, ratios } in timed {
        println!("{name}\t{nanos}\t{}", quantile(&ratios, 0.5));
    }
}

fn idle() {
    println!("four layers, nobody listens");
    let mut rows: Vec<(String, Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..PROCESSES {
        let program = std::env::current_exe().expect("this program has a path");
        let output = Command::new(program).arg("idle").output().expect("this program can run itself");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let [name, nanos, ratio] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
            let at = rows.iter().position(|(known, ..)| known == name).unwrap_or_else(|| {
                rows.push((name.to_owned(), Vec::new(), Vec::new()));
                rows.len() - 1
            });
            rows[at].1.push(nanos.parse().expect("a process prints numbers"));
            rows[at].2.push(ratio.parse().expect("a process prints numbers"));
        }
    }
    for (name, mut nanos, mut ratios) in rows {
        nanos.sort_by(f64::total_cmp);
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        print(&name, quantile(&nanos, 0.5), quantile(&ratios, 0.5), low, high);
    }
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
    let (plain, traced) = (plain::<1>(4), traced::<3>(4).into_service());
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
    if arguments.iter().any(|argument| argument == "idle") {
        return idle_of_process();
    }
    idle();
    let (plain_service, traced_service) = (plain::<1>(4), traced::<3>(4).into_service());
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
