//! Traces: what is inside what, and in which session.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
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

/// The seed's `ChatSession`: every turn a trace of the conversation, the model call inside it without passing an id.
#[test]
fn turns_are_grouped_by_session_id_and_what_happens_inside_follows_by_itself() {
    let (telemetry, memory) = telemetry();
    for (number, message) in ["Hello!", "What can you help me with?"].into_iter().enumerate() {
        let turn = telemetry
            .trace("chat-turn")
            .session_id("chat-abc123")
            .user_id("user-123")
            .input(json!({"message": message, "turnNumber": number}))
            .metadata("messageCount", number)
            .start();
        block_on(turn.follow(async {
            let generation = telemetry.generation("generate-response").model("gpt-4o").start();
            emit!(telemetry, "answer.sent");
            generation.set_output(json!({"content": "Hi."})).set_tokens(12, 3).end();
        }));
        turn.set_output(json!({"response": "Hi."})).end();
    }
    let events = events(&telemetry, &memory);
    let spans = memory.spans();
    assert_eq!(spans.iter().filter(|span| span.parent_id.is_none()).count(), 2);
    for pair in spans.chunks(2) {
        let [generation, turn] = pair else { panic!("{spans:?}") };
        assert_eq!((generation.trace_id, generation.parent_id), (turn.trace_id, Some(turn.span_id)));
        assert_eq!(generation.attributes["gen_ai.usage.output_tokens"], 3);
    }
    let sessions = spans.iter().map(|span| span.session.as_ref().unwrap());
    for session in sessions {
        assert_eq!((session.session_id.as_str(), &session.parent_session_id), ("chat-abc123", &None));
        assert_eq!(session.actor.as_ref().unwrap().id.as_deref(), Some("user-123"));
    }
    assert!(events.iter().all(|event| event.actor.as_ref().unwrap().id.as_deref() == Some("user-123")));
}

#[test]
fn a_trace_in_a_session_may_name_its_own_session_and_user() {
    let (telemetry, memory) = telemetry();
    let request = telemetry.session().id("request_1").scope("organization", "org_1");
    request.run_sync(|| {
        telemetry.trace("same session").session_id("request_1").user_id("alice").run_sync(|| {});
        telemetry.trace("another").session_id("conv_1").run_sync(|| {});
    });
    telemetry.trace("no session").user_id("bob").run_sync(|| {});
    events(&telemetry, &memory);
    let spans = memory.spans();
    let session = |index: usize| spans[index].session.as_ref().unwrap();
    assert_eq!((session(0).session_id.as_str(), &session(0).parent_session_id), ("request_1", &None));
    assert_eq!(session(0).actor.as_ref().unwrap().id.as_deref(), Some("alice"));
    assert_eq!(session(1).session_id.as_str(), "conv_1");
    assert_eq!(session(1).parent_session_id.as_ref().unwrap().as_str(), "request_1");
    assert!((0..2).all(|index| session(index).scope.as_ref().unwrap().id == "org_1"), "inherited");
    assert_eq!((&spans[2].session, &spans[2].attributes["user.id"]), (&None, &json!("bob")));
}

#[test]
fn a_streamed_answer_is_collected_as_far_as_it_came() {
    let clock = throughline::testing::ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
    let (telemetry, memory) = build(|builder| builder.clock(clock.clone()));
    let pieces = |count| Pieces(vec!["", "It is ", "on its ", "way."].into_iter().take(count), clock.clone());
    let push = |call: &throughline::Observation, piece: &&str| {
        call.push_output(piece);
    };
    block_on(async {
        let mut whole = telemetry.generation("whole").start().stream(pieces(4), push);
        while poll_fn(|cx| Pin::new(&mut whole).poll_next(cx)).await.is_some() {}
        assert!(
            telemetry.flush(crate::TIMEOUT).complete && memory.spans().len() == 1,
            "ended with the stream"
        );
        let mut broken = telemetry.generation("broken").start().stream(pieces(4), push);
        for _ in 0..2 {
            poll_fn(|cx| Pin::new(&mut broken).poll_next(cx)).await;
        }
    });
    events(&telemetry, &memory);
    let spans = memory.spans();
    let outputs = spans.iter().map(|span| span.output.clone().unwrap());
    assert_eq!(outputs.collect::<Vec<_>>(), ["It is on its way.", "It is "]);
    // The empty piece is none: models send one to begin with.
    assert!(spans.iter().all(|span| span.attributes["gen_ai.response.time_to_first_chunk"] == 0.2));
}

/// A stream that takes 100 ms for each piece.
struct Pieces<I>(I, throughline::testing::ManualClock);

impl<I: Iterator + Unpin> Stream for Pieces<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        assert!(current_span().is_some(), "polled in the generation");
        self.1.advance(std::time::Duration::from_millis(100));
        Poll::Ready(self.0.next())
    }
}

#[test]
fn what_fails_says_so_and_ends() {
    let (telemetry, memory) = telemetry();
    let failed = block_on(telemetry.trace("try").try_run(async { Err::<(), _>(std::fmt::Error) }));
    assert!(failed.is_err());
    block_on(telemetry.trace("fine").try_run(async { Ok::<_, std::fmt::Error>(1) })).unwrap();
    let turn = telemetry.trace("turn").start();
    turn.error(&std::fmt::Error);
    turn.set_ok();
    events(&telemetry, &memory);
    let statuses: Vec<_> = memory.spans().iter().map(|span| span.status).collect();
    assert_eq!(statuses, [Status::Error, Status::Unset, Status::Error]);
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
            let handed_on = |parent: throughline::SpanContext| {
                let elsewhere = telemetry.observation(ObservationType::Tool, "there").parent(parent);
                elsewhere.run_sync(|| !current_trace_state().is_empty())
            };
            assert!(handed_on(current_span().unwrap()) && !handed_on(elsewhere.context()));
        });
    });
    events(&telemetry, &memory);
    let states: Vec<_> = memory.spans().into_iter().map(|span| span.trace_state).collect();
    let none = TraceState::default;
    assert_eq!(states, [state.clone(), state.clone(), none(), none(), state]);
}

#[test]
fn inputs_and_outputs_are_redacted() {
    let (telemetry, memory) = build(|builder| builder.redaction(Redaction::default()));
    let messages = json!([
        {"role": "user", "content": "password: SECRET"},
        {"tool_calls": [{"function": {"arguments": r#"{"password": "SECRET"}"#}}]},
    ]);
    let input = json!({"user": "a", "password": "SECRET", "messages": messages});
    let span = telemetry.trace("login").input(input).start();
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

#[test]
fn of_what_is_said_often_the_last_counts() {
    let (telemetry, memory) = telemetry();
    let work = telemetry.trace("first name").attribute("kept", true).start();
    let long = "x".repeat(2000);
    for round in 0..40 {
        work.set_name(format!("name {round}"));
        work.set_attribute("list", throughline::json([round, round + 1]));
        (0..200).for_each(|key| {
            work.set_attribute(format!("key.{key}"), format!("{long}{round}"));
        });
    }
    std::thread::spawn(move || work.set_attribute("key.7", "elsewhere").end()).join().unwrap();
    events(&telemetry, &memory);
    let span = &memory.spans()[0];
    assert_eq!((span.name.as_str(), span.attributes.len()), ("name 39", 202));
    assert_eq!(span.attributes["list"], json!([39, 40]));
    assert_eq!((&span.attributes["kept"], &span.attributes["key.7"]), (&true.into(), &"elsewhere".into()));
    assert_eq!(span.attributes["key.199"], format!("{long}39"));
}

#[test]
fn of_few_attributes_the_last_of_a_key_counts_too() {
    let (telemetry, memory) = telemetry();
    let work = telemetry.trace("work").attribute("state", "new").attribute("n", 1).start();
    work.set_attribute("state", throughline::json([1]))
        .set_attribute("state", "done")
        .set_attribute("n", 2.5);
    // Nobody has such a key; whoever has is told apart by its beginning.
    work.set_attribute("k".repeat(70_000), true);
    drop(work);
    events(&telemetry, &memory);
    let attributes = &memory.spans()[0].attributes;
    assert_eq!((&attributes["state"], &attributes["n"]), (&"done".into(), &2.5.into()));
    let long = attributes.keys().find(|key| key.starts_with("kkk")).unwrap();
    assert_eq!((attributes.len(), long.len()), (3, 65_535));
}

#[test]
fn spans_that_follow_each_other_have_nothing_of_those_before() {
    let (telemetry, memory) = telemetry();
    let sessions = ["a", "b"].map(|id| telemetry.session().id(id).start());
    let span = |n: usize| {
        let span = telemetry.trace(format!("span {n}")).attribute(format!("only.{n}"), n);
        let span = if n.is_multiple_of(5) {
            span.input("asked").tags(["odd"]).kind(ObservationType::Tool)
        } else {
            span
        };
        let span = span.start();
        match n % 4 {
            0 => drop(span),
            1 => span.end(),
            2 => span.error(&"x".parse::<u32>().unwrap_err()),
            // It is dropped in another session than it was started in.
            _ => sessions[0].enter(|| drop(span)),
        }
    };
    for n in 0..120 {
        match n % 3 {
            0 => span(n),
            which => sessions[which - 1].enter(|| span(n)),
        }
        if n % 40 == 39 {
            telemetry.flush(std::time::Duration::from_secs(5));
        }
    }
    let spans = memory.spans();
    assert_eq!(spans.len(), 120);
    for (n, span) in spans.iter().enumerate() {
        let session = span.session.as_ref().map(|session| session.session_id.as_str());
        let failed = n % 4 == 2;
        assert_eq!(session, [None, Some("a"), Some("b")][n % 3], "{span:?}");
        assert_eq!((span.name.as_str(), span.parent_id), (format!("span {n}").as_str(), None));
        assert_eq!((span.status == Status::Error, span.error.is_some()), (failed, failed), "{span:?}");
        assert_eq!((span.input.is_some(), span.kind == ObservationType::Tool), (n % 5 == 0, n % 5 == 0));
        assert_eq!(span.attributes.len(), 1 + usize::from(n % 5 == 0), "{span:?}");
        assert_eq!(span.attributes[&format!("only.{n}")], n);
    }
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| (span.trace_id, span.span_id)).collect();
    assert_eq!(ids.len(), 120);
}

#[test]
fn what_describes_a_span_runs_elsewhere_and_may_panic() {
    let (telemetry, memory) = telemetry();
    let here = std::thread::current().id();
    let work = telemetry.trace("work").start();
    work.end_described_at(telemetry.now(), move |attributes| {
        let elsewhere = std::thread::current().id() != here;
        attributes.insert("elsewhere".to_owned(), elsewhere.into());
        panic!("half-way");
    });
    telemetry.trace("next").start().end();
    telemetry.flush(std::time::Duration::from_secs(5));
    let spans = memory.spans();
    assert_eq!((spans.len(), &spans[0].attributes["elsewhere"]), (2, &true.into()));
}
