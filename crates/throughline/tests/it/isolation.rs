//! Interleaved sessions never mix: one event in a million in the wrong session fails this.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use throughline::transport::{Delivery, Item, SendError, Transport};
use throughline::{InCurrentSession, Telemetry, carry, emit};
use tokio::task::{JoinSet, yield_now};

use crate::TIMEOUT;

const SESSIONS: u64 = 500;
const STEPS: u64 = 1000;

/// Checks each event as it comes instead of keeping a million.
#[derive(Clone, Default)]
struct Checker {
    tally: Arc<Mutex<Tally>>,
    emitted: Arc<AtomicU64>,
    checked: Arc<AtomicU64>,
}

impl Checker {
    fn behind(&self) -> bool {
        self.emitted.load(Relaxed) - self.checked.load(Relaxed) > 10_000
    }
}

#[derive(Default)]
struct Tally {
    events: HashMap<u64, u64>,
    wrong: Vec<String>,
}

impl Transport for Checker {
    fn name(&self) -> &str {
        "checker"
    }

    fn delivery(&self) -> Delivery {
        Delivery::default().queue(10_000_000)
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        let mut tally = self.tally.lock().unwrap();
        self.checked.fetch_add(batch.len() as u64, Relaxed);
        for event in batch.iter().filter_map(Item::event) {
            let meant = event.attributes["meant"].as_u64().unwrap();
            let says = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
            let carried = [
                says(event.session_id.as_ref().map(|id| id.as_str())),
                says(event.actor.as_ref().and_then(|actor| actor.id.as_deref())),
                event.attributes.get("session").and_then(Value::as_u64),
            ];
            if carried != [Some(meant); 3] {
                tally.wrong.push(format!("{meant}: {carried:?}"));
            }
            *tally.events.entry(meant).or_default() += 1;
        }
        Ok(())
    }
}

/// Two events a step, one of them in a nested session, a task or a thread.
async fn work(telemetry: Telemetry, checker: Checker, own: u64) {
    for step in 0..STEPS {
        checker.emitted.fetch_add(2, Relaxed);
        emit!(telemetry, "step.done", "meant" => own);
        yield_now().await;
        let (inner, clone) = (own + SESSIONS, telemetry.clone());
        match (own + step) % 40 {
            0 => {
                let nested = async move {
                    yield_now().await;
                    emit!(clone, "nested.done", "meant" => inner);
                };
                let session = telemetry.session().id(inner.to_string()).actor("user", inner.to_string());
                session.attribute("session", inner).run(nested).await;
            }
            1 => {
                let task = async move { emit!(clone, "task.done", "meant" => own) };
                tokio::spawn(task.in_current_session()).await.unwrap();
            }
            2 => {
                let block = carry(move || emit!(clone, "thread.done", "meant" => own));
                tokio::task::spawn_blocking(block).await.unwrap();
            }
            3 => {
                // Left half-way: what comes after is in the outer session.
                let gone = telemetry.session().id("gone").run(std::future::pending::<()>());
                assert!(tokio::time::timeout(Duration::ZERO, gone).await.is_err());
                emit!(telemetry, "after.done", "meant" => own);
            }
            _ => emit!(telemetry, "step.done", "meant" => own),
        }
        // No faster than the checker: this is about sessions, not about overload.
        while step % 4 == 3 && checker.behind() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[test]
fn a_million_emits_in_hundreds_of_interleaved_sessions_never_mix() {
    let checker = Checker::default();
    let telemetry =
        Telemetry::builder("shop").environment("test").transport(checker.clone()).build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let dropped = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for own in 0..SESSIONS {
            let session = telemetry.session().id(own.to_string()).actor("user", own.to_string());
            tasks.spawn(session.attribute("session", own).run(work(telemetry.clone(), checker.clone(), own)));
        }
        tasks.join_all().await;
        telemetry.shutdown(TIMEOUT).counters.dropped
    });
    let tally = checker.tally.lock().unwrap();
    let some = &tally.wrong[..tally.wrong.len().min(5)];
    assert!(tally.wrong.is_empty(), "{} in a wrong session, such as {some:?}", tally.wrong.len());
    assert_eq!(tally.events.values().sum::<u64>() + dropped, SESSIONS * STEPS * 2);
    assert!(dropped < SESSIONS * STEPS / 10, "{dropped} were dropped");
}
