//! Sends what is played to a running server, as clients do: traces over OTLP/HTTP, events as JSON.

use std::collections::BinaryHeap;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use throughline_model::{Event, Timestamp};

use super::cast::cast;
use super::scene::{Cue, Sent, play};
use super::script::Script;
use crate::http::Clock;

/// How many cues one request of the backlog carries.
const CUES_PER_REQUEST: usize = 400;
/// How long live cues are gathered before they are sent, as an SDK's batch would be.
const BATCH: Duration = Duration::from_millis(300);
/// Mean time from one live session's start to the next.
const BETWEEN_SESSIONS_SECONDS: f64 = 5.0;
const RETRIES: u32 = 10;

/// A player of scripts with a server to send to.
pub(super) struct Feed {
    agent: ureq::Agent,
    server: String,
    scripts: Vec<Script>,
    rng: fastrand::Rng,
    clock: Clock,
}

impl Feed {
    pub(super) fn new(server: String, scripts: Vec<Script>, seed: u64, clock: Clock) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .new_agent();
        Self { agent, server, scripts, rng: fastrand::Rng::with_seed(seed), clock }
    }

    /// Sends `sessions` that began within the last `span`, more of them by day than by night. `progress` hears
    /// how many have been sent.
    pub(super) fn backlog(
        &mut self,
        sessions: u32,
        span: Duration,
        progress: impl Fn(u32),
    ) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut pending = Vec::new();
        for number in 0..sessions {
            let start = self.start_in_the_past(now, span);
            let Some(casting) = cast(&self.scripts, &mut self.rng) else { break };
            pending.extend(play(&casting, start, &mut self.rng).into_iter().filter(|cue| cue.at <= now));
            if pending.len() >= CUES_PER_REQUEST {
                self.send(std::mem::take(&mut pending))?;
                progress(number);
            }
        }
        self.send(pending)?;
        progress(sessions);
        Ok(())
    }

    /// Plays new sessions in real time until the server goes away.
    pub(super) fn live(&mut self) -> anyhow::Result<()> {
        let mut due = BinaryHeap::new();
        let mut next_session = self.clock.now();
        loop {
            let now = self.clock.now();
            if now >= next_session {
                let Some(casting) = cast(&self.scripts, &mut self.rng) else { return Ok(()) };
                due.extend(play(&casting, now, &mut self.rng).into_iter().map(ByTime));
                let gap = -self.rng.f64().max(1e-6).ln() * BETWEEN_SESSIONS_SECONDS;
                next_session = now.plus_nanos((gap * 1e9) as i64);
            }
            let mut ready = Vec::new();
            while due.peek().is_some_and(|ByTime(cue)| cue.at <= now) {
                ready.extend(due.pop().map(|ByTime(cue)| cue));
            }
            self.send(ready)?;
            thread::sleep(BATCH);
        }
    }

    fn start_in_the_past(&mut self, now: Timestamp, span: Duration) -> Timestamp {
        const DAY: i64 = 86_400_000_000_000;
        loop {
            let ago = (span.as_secs_f64() * 1e9 * self.rng.f64()) as i64;
            let start = now.plus_nanos(-ago);
            let hour = start.as_nanos().rem_euclid(DAY) as f64 / DAY as f64 * 24.0;
            let busy = 0.15 + 0.85 * (-((hour - 15.0) / 5.0).powi(2)).exp();
            if self.rng.f64() < busy {
                return start;
            }
        }
    }

    fn send(&self, cues: Vec<Cue>) -> anyhow::Result<()> {
        let mut traces = ExportTraceServiceRequest::default();
        let mut events: Vec<Event> = Vec::new();
        for cue in cues {
            match cue.what {
                Sent::Spans(spans) => traces.resource_spans.push(*spans),
                Sent::Event(event) => events.push(*event),
            }
        }
        if !traces.resource_spans.is_empty() {
            self.post("/v1/traces", "application/x-protobuf", &traces.encode_to_vec())?;
        }
        if !events.is_empty() {
            self.post("/api/v1/events", "application/json", &serde_json::to_vec(&events)?)?;
        }
        Ok(())
    }

    /// Posts, waiting for as long as a busy server asks.
    fn post(&self, path: &str, content_type: &str, body: &[u8]) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.server);
        for _ in 0..RETRIES {
            let mut response = self
                .agent
                .post(&url)
                .content_type(content_type)
                .send(body)
                .with_context(|| format!("cannot post to {url}"))?;
            match response.status().as_u16() {
                200..=299 => return Ok(()),
                429 | 503 => {
                    let wait = response
                        .headers()
                        .get("retry-after")
                        .and_then(|value| value.to_str().ok()?.parse().ok());
                    thread::sleep(Duration::from_secs(wait.unwrap_or(1)));
                }
                status => {
                    let answer = response.body_mut().read_to_string().unwrap_or_default();
                    anyhow::bail!("{url} answered {status}: {answer}");
                }
            }
        }
        anyhow::bail!("{url} was still busy after {RETRIES} tries")
    }
}

/// Orders cues so that the heap's greatest is due first.
struct ByTime(Cue);

impl Ord for ByTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.at.cmp(&self.0.at)
    }
}

impl PartialOrd for ByTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByTime {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByTime {}
