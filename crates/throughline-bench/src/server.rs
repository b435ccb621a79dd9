//! The real binary under load, as a process of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use throughline_server::store::priority::ask_for_short_turns;

use crate::load::{EPOCH_NANOS, Load, SPANS_PER_REQUEST};
use crate::process::{Latencies, anonymous_mb, cpu};

const CONNECTIONS: usize = 4;
/// How often a span is sent whose way to being searchable is timed.
const PROBE_EVERY: Duration = Duration::from_millis(400);

pub(crate) struct Server {
    child: Child,
    pub(crate) http: SocketAddr,
    agent: ureq::Agent,
}

/// What a stretch of load showed.
pub(crate) struct Ingest {
    pub(crate) spans_per_second: f64,
    pub(crate) cpu_micros_per_span: f64,
    pub(crate) acks: Latencies,
    pub(crate) searchable: Latencies,
    pub(crate) peak_anonymous_mb: u64,
}

impl Server {
    /// Starts the `throughline` binary that was built beside this one.
    pub(crate) fn start(data_dir: &Path) -> anyhow::Result<Self> {
        let binary = binary()?;
        let (http, grpc) = (free_address()?, free_address()?);
        let child = Command::new(&binary)
            .arg("serve")
            .args(["--listen-http", &http.to_string(), "--listen-grpc", &grpc.to_string()])
            .arg("--store-path")
            .arg(data_dir)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .new_agent();
        let server = Self { child, http, agent };
        let begin = Instant::now();
        while server.get("/ready").map_or(true, |(status, _)| status != 200) {
            anyhow::ensure!(
                begin.elapsed() < Duration::from_secs(60),
                "the server was not ready after a minute"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let (_, status, body) = self.get_timed(path)?;
        Ok((status, body))
    }

    /// The same, and how long until its head was there.
    pub(crate) fn get_timed(&self, path: &str) -> anyhow::Result<(Duration, u16, String)> {
        let begin = Instant::now();
        let mut response = self.agent.get(format!("http://{}{path}", self.http)).call()?;
        let first_byte = begin.elapsed();
        let body = response.body_mut().with_config().limit(256 << 20).read_to_string()?;
        Ok((first_byte, response.status().as_u16(), body))
    }

    /// Posts until it is acknowledged, as an exporter would; returns how long that took.
    pub(crate) fn post(&self, body: &[u8]) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        loop {
            let url = format!("http://{}/v1/traces", self.http);
            let mut response = self.agent.post(url).content_type("application/x-protobuf").send(body)?;
            match response.status().as_u16() {
                200 => {
                    response.body_mut().read_to_vec()?;
                    return Ok(begin.elapsed());
                }
                429 | 503 => std::thread::sleep(Duration::from_millis(50)),
                status => {
                    anyhow::bail!("the server answered {status}: {}", response.body_mut().read_to_string()?)
                }
            }
        }
    }

    /// Sends requests `from..to` of the load over a few connections: flat out, or `rate` spans a second.
    pub(crate) fn ingest(
        &self,
        load: &Load,
        from: usize,
        to: usize,
        rate: Option<f64>,
    ) -> anyhow::Result<Ingest> {
        let (next, done, peak) = (AtomicUsize::new(from), AtomicBool::new(false), AtomicU64::new(0));
        let (begin, cpu_before) = (Instant::now(), cpu(self.pid()));
        let (acks, took, searchable) = std::thread::scope(|scope| {
            let watch = || {
                while !done.load(Ordering::Relaxed) {
                    peak.fetch_max(anonymous_mb(self.pid()), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(100));
                }
            };
            scope.spawn(watch);
            let prober = scope.spawn(|| self.probe(from, &done));
            let send = || self.send(load, &next, to, |sent| rate.map(|rate| begin + due(sent - from, rate)));
            let senders: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(send)).collect();
            let acks = senders
                .into_iter()
                .map(|sender| sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))?);
            let acks: anyhow::Result<Vec<Latencies>> = acks.collect();
            let took = begin.elapsed();
            done.store(true, Ordering::Relaxed);
            (acks, took, prober.join())
        });
        let mut all = Latencies::default();
        acks?.into_iter().for_each(|acks| all.extend(acks));
        let spans = ((to - from) * SPANS_PER_REQUEST) as f64;
        Ok(Ingest {
            spans_per_second: spans / took.as_secs_f64(),
            cpu_micros_per_span: (cpu(self.pid()) - cpu_before).as_secs_f64() * 1e6 / spans,
            acks: all,
            searchable: searchable.map_err(|_| anyhow::anyhow!("the prober panicked"))??,
            peak_anonymous_mb: peak.into_inner(),
        })
    }

    fn send(
        &self,
        load: &Load,
        next: &AtomicUsize,
        to: usize,
        due: impl Fn(usize) -> Option<Instant>,
    ) -> anyhow::Result<Latencies> {
        // How long the sender waits for its own turn is not how long the server takes to answer.
        ask_for_short_turns();
        let (mut body, mut acks) = (Vec::new(), Latencies::default());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= to {
                return Ok(acks);
            }
            load.request(number, &mut body);
            if let Some(due) = due(number) {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            acks.push(self.post(&body)?);
        }
    }

    /// Sends single spans while the load runs, and times from each one's acknowledgement until it can be read.
    fn probe(&self, salt: usize, done: &AtomicBool) -> anyhow::Result<Latencies> {
        let mut searchable = Latencies::default();
        for number in 0u64.. {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let (trace, body) = probe_request(salt as u64, number);
            self.post(&body)?;
            let acknowledged = Instant::now();
            while self.get(&format!("/api/v1/traces/{trace}"))?.0 != 200 {
                anyhow::ensure!(
                    acknowledged.elapsed() < Duration::from_secs(120),
                    "a span was not searchable after two minutes"
                );
                std::thread::sleep(Duration::from_millis(10));
            }
            searchable.push(acknowledged.elapsed());
            std::thread::sleep(PROBE_EVERY);
        }
        Ok(searchable)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("cannot signal the server")?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn due(requests: usize, rate: f64) -> Duration {
    Duration::from_secs_f64((requests * SPANS_PER_REQUEST) as f64 / rate)
}

fn probe_request(salt: u64, number: u64) -> (String, Vec<u8>) {
    let mut trace_id = [0xabu8; 16];
    trace_id[..8].copy_from_slice(&salt.to_be_bytes());
    trace_id[8..].copy_from_slice(&(number + 1).to_be_bytes());
    let span = Span {
        trace_id: trace_id.to_vec(),
        span_id: vec![1; 8],
        name: "probe".to_owned(),
        start_time_unix_nano: EPOCH_NANOS,
        end_time_unix_nano: EPOCH_NANOS + 1,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    };
    (trace_id.iter().map(|byte| format!("{byte:02x}")).collect(), request.encode_to_vec())
}

fn binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("throughline");
    anyhow::ensure!(binary.exists(), "{} is not there: run `cargo build --release` first", binary.display());
    Ok(binary)
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
