//! Plays sessions in applications whose telemetry goes to a running server, over OTLP.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use throughline::transport::{Delivery, Otlp};
use throughline::{Report, Sampling, Telemetry};
use throughline_model::Timestamp;
use tokio::task::JoinSet;

use super::cast::{Casting, ENVIRONMENTS, cast};
use super::scene::play;
use super::script::Script;
use crate::http::Clock;

const VERSION: &str = "2026.11.2";
/// After so many sessions of the past it is waited until they are with the server.
const SESSIONS_PER_FLUSH: u32 = 10;
/// A server that takes longer than this to catch up is stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long live telemetry is gathered before it is sent.
const BATCH: Duration = Duration::from_millis(300);
/// Mean time from one live session's start to the next.
const BETWEEN_SESSIONS_SECONDS: f64 = 5.0;

/// A player of scripts.
pub(super) struct Feed {
    applications: HashMap<(String, &'static str), Telemetry>,
    scripts: Vec<Arc<Script>>,
    rng: fastrand::Rng,
    clock: Clock,
    playing: JoinSet<()>,
}

impl Feed {
    /// One application for each service and environment, all of which send to `server`.
    pub(super) fn new(
        server: &str,
        scripts: Vec<Arc<Script>>,
        seed: u64,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let mut applications = HashMap::new();
        for (script, environment) in
            scripts.iter().flat_map(|script| ENVIRONMENTS.map(|environment| (script, environment)))
        {
            if let Entry::Vacant(place) = applications.entry((script.service.clone(), environment)) {
                let telemetry = telemetry(server, &script.service, environment)?;
                place.insert(telemetry);
            }
        }
        let rng = fastrand::Rng::with_seed(seed);
        Ok(Self { applications, scripts, rng, clock, playing: JoinSet::new() })
    }

    /// Plays `sessions` that began within the last `span`, more of them by day than by night; those that are not over
    /// by now go on live. `progress` hears how many have been sent.
    pub(super) async fn backlog(
        &mut self,
        sessions: u32,
        span: Duration,
        progress: impl Fn(u32),
    ) -> anyhow::Result<()> {
        let now = self.clock.now();
        for number in 1..=sessions {
            let start = self.start_in_the_past(now, span);
            self.begin(start);
            if number % SESSIONS_PER_FLUSH == 0 || number == sessions {
                // The sessions' turn: what lies in the past they do without a pause.
                tokio::task::yield_now().await;
                self.delivered()?;
                progress(number);
            }
        }
        Ok(())
    }

    /// Plays new sessions in real time, for ever.
    pub(super) async fn live(&mut self) {
        loop {
            let gap = -self.rng.f64().max(1e-6).ln() * BETWEEN_SESSIONS_SECONDS;
            tokio::time::sleep(Duration::from_secs_f64(gap)).await;
            self.begin(self.clock.now());
            while self.playing.try_join_next().is_some() {}
        }
    }

    fn begin(&mut self, start: Timestamp) {
        let Some(casting) = cast(&self.scripts, &mut self.rng) else { return };
        let Casting { script, environment, .. } = &casting;
        let Some(telemetry) = self.applications.get(&(script.service.clone(), *environment)) else { return };
        let session = play(casting, telemetry.clone(), self.clock.clone(), start, self.rng.fork());
        self.playing.spawn(session);
    }

    /// Waits until the server has what was played so far.
    fn delivered(&self) -> anyhow::Result<()> {
        for telemetry in self.applications.values() {
            let report = telemetry.flush(PATIENCE);
            anyhow::ensure!(report.complete && report.lost() == 0, "{}", reason(&report));
        }
        Ok(())
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
}

fn telemetry(server: &str, service: &str, environment: &str) -> anyhow::Result<Telemetry> {
    Telemetry::builder(service)
        .environment(environment)
        .version(VERSION)
        .sampling(Sampling::keep_all())
        .transport_with(Otlp::new(server), Delivery::default().max_delay(BATCH))
        .build()
        .with_context(|| format!("cannot set up the telemetry of {service}"))
}

fn reason(report: &Report) -> String {
    let error = report.transports.iter().find_map(|transport| transport.last_error.as_deref());
    format!("{} of what was played did not arrive: {}", report.lost(), error.unwrap_or("too slow"))
}
