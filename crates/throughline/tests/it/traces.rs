//! Traces: what is inside what, and in which session.

use serde_json::json;
use throughline::{Level, ObservationType, Redaction, Status, Usage, current_span, emit};

use crate::{block_on, build, events, telemetry};

#[test]
fn work_is_inside_the_work_it_runs_in_and_events_name_it() {
    let (telemetry, memory) = telemetry();
    block_on(telemetry.session().id("conv_1").run(async {
        telemetry
            .trace("chat turn")
            .run(async {
                telemetry
                    .observation(ObservationType::Retriever, "find orders")
                    .run(async {
                        tokio::task::yield_now().await;
                        emit!(telemetry, "orders.found");
                    })
                    .await;
                emit!(telemetry, "answer.sent");
            })
            .await;
    }));
    let events = events(&telemetry, &memory);
    let spans = memory.spans();
    let [retriever, turn] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((turn.parent_id, retriever.parent_id), (None, Some(turn.span_id)));
    assert_eq!(retriever.trace_id, turn.trace_id);
    assert_eq!((events[0].trace_id, events[0].span_id), (Some(turn.trace_id), Some(retriever.span_id)));
    assert_eq!(events[1].span_id, Some(turn.span_id));
    assert!(spans.iter().all(|span| span.session.as_ref().unwrap().session_id.as_str() == "conv_1"));
    assert!(current_span().is_none());
}

#[test]
fn a_generation_says_what_a_model_call_is() {
    let clock = throughline::testing::ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
    let (telemetry, memory) = build(|builder| builder.clock(clock.clone()));
    let turn = telemetry.trace("chat turn").tags(["demo"]).start();
    let call =
        turn.generation("answer").model("gpt-4o").provider("openai").parameter("temperature", 0.2).start();
    clock.advance(std::time::Duration::from_millis(250));
    call.first_token_at(clock.now());
    call.set_model("gpt-4o-2024-08-06");
    call.set_usage(Usage {
        input_uncached: 36,
        cache_read: 64,
        output: 12,
        reasoning: 8,
        ..Usage::default()
    });
    call.set_cost(0.002);
    call.set_output(json!([{"role": "assistant", "content": "hi"}]));
    drop(call);
    turn.set_error(&std::fmt::Error);
    turn.end();
    turn.set_output("ignored");
    drop(turn);
    events(&telemetry, &memory);
    let spans = memory.spans();
    assert_eq!(spans.len(), 2);
    assert_eq!(
        json!(spans[0].attributes),
        json!({
            "gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai", "gen_ai.request.temperature": 0.2,
            "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 64,
            "gen_ai.usage.output_tokens": 20, "gen_ai.usage.reasoning.output_tokens": 8, "throughline.cost": 0.002,
        })
    );
    let turn = &spans[1];
    assert_eq!((turn.status, turn.level, turn.output.is_none()), (Status::Error, Level::Error, true));
    assert_eq!(turn.error.as_ref().unwrap().name, "Error");
    assert_eq!(turn.attributes["throughline.tags"], json!(["demo"]));
}

#[test]
fn a_trace_goes_on_from_another_process() {
    let (telemetry, memory) = telemetry();
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    telemetry.trace("job").parent(header.parse().unwrap()).run_sync(|| {
        assert!(current_span().unwrap().to_string().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    });
    events(&telemetry, &memory);
    assert_eq!(memory.spans()[0].parent_id.unwrap().to_string(), "00f067aa0ba902b7");
}

#[test]
fn what_others_want_handed_on_goes_with_the_trace_and_no_other() {
    use throughline::{TraceState, current_trace_state, outgoing_headers};
    let (telemetry, memory) = telemetry();
    let state = TraceState::parse("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    telemetry.session().id("conv_1").actor("user", "alice").run_sync(|| {
        telemetry.trace("request").parent(parent).trace_state(state.clone()).run_sync(|| {
            telemetry.observation(ObservationType::Tool, "call").run_sync(|| {
                let span = current_span().unwrap().to_string();
                let headers: Vec<_> = outgoing_headers().collect();
                assert_eq!(
                    headers,
                    [
                        ("traceparent", span),
                        ("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".to_owned()),
                        ("baggage", "session.id=conv_1,user.id=alice".to_owned()),
                    ]
                );
            });
            let elsewhere = telemetry.trace("another").start();
            elsewhere.enter(|| assert!(current_trace_state().is_empty()));
        });
    });
    events(&telemetry, &memory);
    let states: Vec<_> = memory.spans().into_iter().map(|span| span.trace_state).collect();
    assert_eq!(states, [state.clone(), TraceState::default(), state]);
}

#[test]
fn inputs_and_outputs_are_redacted() {
    let (telemetry, memory) = build(|builder| builder.redaction(Redaction::default()));
    let span = telemetry.trace("login").input(json!({"user": "a", "password": "SECRET"})).start();
    span.set_output("my api_key=SECRET");
    span.set_attribute("headers", json!({"authorization": "SECRET"}));
    span.set_error(&std::io::Error::other("token=SECRET"));
    span.end();
    events(&telemetry, &memory);
    let shown = serde_json::to_string(&memory.spans()).unwrap();
    assert!(!shown.contains("SECRET"), "{shown}");
}

#[test]
fn a_span_never_ends_before_it_began() {
    let (telemetry, memory) = telemetry();
    let start = "2024-01-15T10:30:00.000Z".parse().unwrap();
    let span = telemetry.trace("late").start_time(start).start();
    span.end_at("2024-01-15T10:29:00.000Z".parse().unwrap());
    events(&telemetry, &memory);
    assert_eq!(memory.spans()[0].end_time, start);
}
