//! The printed tree of a memory transport.

use std::time::Duration;

use throughline::testing::ManualClock;
use throughline::{ErrorInfo, ObservationType, Sampling, emit};

use crate::{build, events};

#[test]
fn the_same_seed_and_clock_give_the_same_ids_and_chance() {
    let run = || {
        let clock = ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
        let half = Sampling::default().info(0.5);
        let (telemetry, memory) = build(|builder| builder.clock(clock).seed(7).sampling(half));
        (0..64).for_each(|n| emit!(telemetry, "step.done", "step" => n));
        telemetry
            .session()
            .run_sync(|| telemetry.trace("turn").run_sync(|| emit!(telemetry, warn, "step.failed")));
        let events = serde_json::to_string(&events(&telemetry, &memory)).unwrap();
        (events, serde_json::to_string(&memory.spans()).unwrap())
    };
    assert_eq!(run(), run());
}

#[test]
fn sessions_spans_and_events_are_where_they_happened() {
    let clock = ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
    let (telemetry, memory) = build(|builder| builder.clock(clock.clone()).seed(7));
    let pass = |milliseconds| clock.advance(Duration::from_millis(milliseconds));
    emit!(telemetry, "service.booted");
    pass(1000);
    let session = telemetry.session().id("conv_1").actor("user", "alice").scope("organization", "org_456");
    session.run_sync(|| {
        emit!(telemetry, "request.started");
        telemetry.trace("chat turn").run_sync(|| {
            pass(5);
            telemetry.observation(ObservationType::Retriever, "find orders").run_sync(|| {
                pass(20);
                emit!(telemetry, debug, "orders.found");
            });
            let error = ErrorInfo {
                name: "Timeout".to_owned(),
                message: "no\nanswer".to_owned(),
                ..Default::default()
            };
            let call = telemetry.observation(ObservationType::Generation, "answer").start();
            clock.advance(Duration::from_micros(1500));
            call.set_error(error.clone());
            drop(call);
            emit!(telemetry, error, "turn.failed", error: error);
            telemetry.session().id("inner").run_sync(|| {
                pass(1);
                telemetry
                    .observation(ObservationType::Tool, "refund")
                    .run_sync(|| emit!(telemetry, "refund.asked"));
            });
        });
        emit!(telemetry, "request.completed");
    });
    telemetry.session().id("conv_2").actor_kind("system").run_sync(|| emit!(telemetry, "batch.started"));
    events(&telemetry, &memory);
    insta::assert_snapshot!(memory.tree(), @"
    session conv_1  user:alice  in organization:org_456
      +0 ms  info request.started
      +0 ms  [span] chat turn  27.5 ms
        +5 ms  [retriever] find orders  20 ms
          +25 ms  debug orders.found
        +25 ms  [generation] answer  1.5 ms  error  Timeout: no answer
        +26.5 ms  error turn.failed  Timeout: no answer
      +27.5 ms  info request.completed
      +27.5 ms  session inner  user:alice  in organization:org_456
        +0 ms  [tool] refund  0 ms
          +0 ms  info refund.asked
    session conv_2  system
      +0 ms  info batch.started
    outside
      +0 ms  info service.booted
    ");
    assert_eq!((memory.spans_in_session("conv_1").len(), memory.spans_in_session("inner").len()), (3, 1));
}
