//! The SDK from the outside.
#![allow(clippy::unwrap_used, reason = "tests")]

mod chat;
mod encoding;
mod events;
mod failures;
mod generations;
#[cfg(tokio_unstable)]
mod hooks;
mod isolation;
mod pipeline;
mod redaction;
mod redis;
mod sentry;
mod server;
mod sessions;
mod starts;
mod tls;
mod traces;
mod tree;
mod typed;
mod wire;

use std::time::Duration;

use throughline::testing::Memory;
use throughline::{Builder, Envelope, Telemetry};

/// Long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

fn telemetry() -> (Telemetry, Memory) {
    build(|builder| builder)
}

fn build(configure: impl FnOnce(Builder) -> Builder) -> (Telemetry, Memory) {
    let memory = Memory::new();
    let builder = Telemetry::builder("shop").environment("test").transport(memory.clone());
    (configure(builder).build().unwrap(), memory)
}

/// Everything emitted so far.
fn events(telemetry: &Telemetry, memory: &Memory) -> Vec<Envelope> {
    assert!(telemetry.flush(TIMEOUT).complete);
    memory.events()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
