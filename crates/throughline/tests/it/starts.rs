//! Traces that go on: who is told of them before they end.

use std::time::Duration;

use serde_json::json;
use throughline::testing::Memory;
use throughline::transport::{Item, SendError, Transport};
use throughline::{ObservationType, Telemetry};

/// Memory that is told when traces begin.
struct Told(Memory);

impl Transport for Told {
    fn name(&self) -> &str {
        "told"
    }

    fn wants_trace_starts(&self) -> bool {
        true
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        self.0.send(batch)
    }
}

fn flush(telemetry: &Telemetry) {
    assert!(telemetry.flush(Duration::from_secs(20)).complete);
}

#[test]
fn a_trace_that_goes_on_is_told_of_once_to_who_wants_it() {
    let (told, other) = (Memory::new(), Memory::new());
    let builder = Telemetry::builder("chat").environment("test").version("1.2");
    let telemetry = builder.transport(Told(told.clone())).transport(other.clone()).build().unwrap();
    let turn = telemetry.trace("chat-turn").session_id("conv_1").user_id("alice").start();
    let call = turn.generation("answer").start();
    telemetry.trace("short").run_sync(|| {});
    flush(&telemetry);
    let [start] = &told.events()[..] else { panic!("one event: {:?}", told.events()) };
    let (context, event) = (turn.context(), &start.event);
    assert_eq!((event.trace_id, event.span_id), (Some(context.trace_id), Some(context.span_id)));
    assert_eq!((event.name.as_str(), start.standalone), ("throughline.trace.started", false));
    assert_eq!(event.session_id.as_ref().unwrap().as_str(), "conv_1");
    assert_eq!((event.user_id(), event.service.as_str()), (Some("alice"), "chat"));
    let attributes = json!({"throughline.trace.name": "chat-turn", "throughline.observation.type": "span"});
    assert_eq!(json!(event.attributes), attributes);
    assert_eq!(other.events(), []);

    call.end();
    turn.end();
    flush(&telemetry);
    assert_eq!(told.events().len(), 1, "once");
    let names: Vec<_> = told.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["short", "answer", "chat-turn"]);
    assert_eq!(told.spans(), other.spans());
}

#[test]
fn what_is_told_is_redacted_and_names_the_user_without_a_session() {
    let told = Memory::new();
    let redaction = throughline::Redaction::default().deny(["plan"]);
    let builder = Telemetry::builder("chat").environment("test").redaction(redaction);
    let telemetry = builder.transport(Told(told.clone())).build().unwrap();
    let alone = telemetry.observation(ObservationType::Agent, "plan trip").user_id("alice").start();
    let session = telemetry.session().actor("user", "bob").actor_tag("plan", "pro").start();
    let inside = telemetry.trace("turn").session(&session).start();
    flush(&telemetry);
    let events = told.events();
    let [first, second] = &events[..] else { panic!("two events: {events:?}") };
    assert!(first.standalone && !second.standalone);
    assert_eq!((first.event.user_id(), second.event.user_id()), (Some("alice"), Some("bob")));
    assert_eq!(first.event.attributes["throughline.observation.type"], "agent");
    assert_eq!(second.event.actor.as_ref().unwrap().tags, throughline::Attributes::new());
    drop((alone, inside));
}
