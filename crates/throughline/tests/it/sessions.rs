//! The examples of the page on sessions, one by one, with its values, and what a session promises beyond them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::json;
use throughline::{
    Actor, Attributes, ErrorInfo, InCurrentSession, Scope, Telemetry, carry, current_session, emit,
};

use crate::{block_on, build, events, telemetry};

fn actor(kind: &str, id: Option<&str>) -> Actor {
    Actor { kind: kind.to_owned(), id: id.map(str::to_owned), tags: Attributes::new() }
}

fn scope(kind: &str, id: &str) -> Scope {
    Scope { kind: kind.to_owned(), id: id.to_owned(), tags: Attributes::new() }
}

async fn do_work() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn set_once_inherited_everywhere() {
    let (telemetry, memory) = telemetry();
    block_on(
        telemetry
            .session()
            .actor("user", "usr_123")
            .scope("organization", "org_456")
            .attribute("ctx.request.id", "req_abc")
            .run(async {
                emit!(telemetry, "step.one");
                do_work().await;
                emit!(telemetry, "step.two");
            }),
    );
    let events = events(&telemetry, &memory);
    assert_eq!(memory.names(), ["step.one", "step.two"]);
    for event in &events {
        assert_eq!(json!(event.actor), json!({"type": "user", "id": "usr_123"}));
        assert_eq!(json!(event.scope), json!({"type": "organization", "id": "org_456"}));
        assert_eq!(json!(event.attributes), json!({"ctx.request.id": "req_abc"}));
        assert_eq!(event.session_id, events[0].session_id);
    }
}

/// What sessions save: the same, said with every event.
#[test]
fn without_a_session_every_event_says_it_all() {
    let (telemetry, memory) = telemetry();
    let user = actor("user", Some("usr_123"));
    let team = scope("organization", "org_456");
    emit!(telemetry, "step.one", actor: user.clone(), scope: team.clone(), "ctx.request.id" => "req_abc");
    emit!(telemetry, "step.two", actor: user.clone(), scope: team.clone(), "ctx.request.id" => "req_abc");
    for event in events(&telemetry, &memory) {
        assert_eq!((event.actor.as_ref(), event.scope.as_ref()), (Some(&user), Some(&team)));
        assert_eq!(json!(event.attributes), json!({"ctx.request.id": "req_abc"}));
        assert!(event.standalone);
    }
}

/// The page's life of a session, step by step.
#[test]
fn a_session_s_life() {
    let clock = throughline::testing::ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
    let (telemetry, memory) = build(|builder| builder.clock(clock.clone()));
    let session = telemetry.session().actor("user", "usr_123").scope("organization", "org_456").start();
    clock.advance(Duration::from_secs(1));
    let state = json!(session.state());
    let id = state["sessionId"].clone();
    assert!(id.as_str().unwrap().starts_with("sess_"));
    assert_eq!(
        state,
        json!({
            "sessionId": id, "actor": {"type": "user", "id": "usr_123"},
            "scope": {"type": "organization", "id": "org_456"},
            "startedAt": "2024-01-15T10:30:00.000Z", "ended": false,
        })
    );
    session.set_id("sess_mine").unwrap();
    session.replace_actor(actor("user", None)).unwrap();
    session.replace_scope(scope("team", "t1")).unwrap();
    session.enter(|| emit!(telemetry, "step.one"));
    session.end();
    session.end();
    emit!(session, "step.two");
    let [event] = &events(&telemetry, &memory)[..] else { panic!("one event") };
    let expected = json!(["sess_mine", {"type": "user"}, {"type": "team", "id": "t1"}]);
    assert_eq!(json!([event.session_id, event.actor, event.scope]), expected);
    assert_eq!(telemetry.counters().after_end, 1);
}

/// The middleware of the web frameworks: headers that may be missing, and a completion that comes when the handler has
/// returned and its session's handle has ended.
#[test]
fn a_middleware_s_completion_comes_after_its_run() {
    fn middleware(
        telemetry: &Telemetry,
        user: Option<&str>,
        org: Option<&str>,
        status: u16,
    ) -> impl FnOnce() + use<> {
        let session = telemetry
            .session()
            .actor("user", user.unwrap_or("anonymous"))
            .scope("organization", org.unwrap_or("unknown"))
            .attributes([("ctx.request.method", "POST"), ("ctx.request.path", "/api/orders")])
            .attribute("ctx.request.ip", "unknown");
        session.run_sync(|| {
            emit!(telemetry, "request.started", "ctx.request.path" => "/api/orders");
            let telemetry = telemetry.clone();
            carry(move || emit!(telemetry, "request.completed", "ctx.request.status" => status))
        })
    }
    let (telemetry, memory) = telemetry();
    let first = middleware(&telemetry, Some("usr_123"), Some("org_456"), 201);
    let second = middleware(&telemetry, None, None, 404);
    second();
    first();
    let shown = |event: &throughline::Envelope| {
        let (actor, scope) = (event.actor.as_ref().unwrap(), event.scope.as_ref().unwrap());
        json!([event.name, actor.id, scope.id, event.attributes.get("ctx.request.status")])
    };
    assert_eq!(
        json!(events(&telemetry, &memory).iter().map(shown).collect::<Vec<_>>()),
        json!([
            ["request.started", "usr_123", "org_456", null],
            ["request.started", "anonymous", "unknown", null],
            ["request.completed", "anonymous", "unknown", 404],
            ["request.completed", "usr_123", "org_456", 201],
        ])
    );
}

/// Mode A: the webhook.
#[test]
fn a_manual_handle() {
    fn handle_webhook(telemetry: &Telemetry, fails: bool) {
        let session = telemetry
            .session()
            .actor("system", "webhook")
            .actor_tag("source", "stripe")
            .scope("organization", "org_1")
            .attribute("ctx.webhook.type", "payment_intent")
            .start();
        emit!(session, "webhook.received", "ctx.webhook.id" => "usr_1");
        if fails {
            let error = ErrorInfo {
                name: "Error".to_owned(),
                message: "no such intent".to_owned(),
                ..Default::default()
            };
            emit!(session, error, "webhook.failed", error: error);
        } else {
            emit!(session, "webhook.processed", "ctx.webhook.status" => "success");
        }
        session.end();
    }
    let (telemetry, memory) = telemetry();
    handle_webhook(&telemetry, false);
    handle_webhook(&telemetry, true);
    let events = events(&telemetry, &memory);
    assert_eq!(
        memory.names(),
        ["webhook.received", "webhook.processed", "webhook.received", "webhook.failed"]
    );
    assert_eq!(
        json!(events[0].actor),
        json!({"type": "system", "id": "webhook", "tags": {"source": "stripe"}})
    );
    assert!(events.iter().all(|event| event.attributes["ctx.webhook.type"] == "payment_intent"));
    assert_eq!(events[3].error.as_ref().unwrap().message, "no such intent");
    assert_ne!(events[0].session_id, events[2].session_id);
}

/// Mode B: the request handler.
#[test]
fn scoped_execution_returns_what_the_work_returns() {
    let (telemetry, memory) = telemetry();
    let session = telemetry.session().actor("user", "usr_123").scope("organization", "org_456");
    let session = session.attributes([("ctx.request.method", "GET"), ("ctx.request.path", "/orders")]);
    let result: Result<u16, std::fmt::Error> = block_on(session.run(async {
        emit!(telemetry, "request.started");
        do_work().await;
        emit!(telemetry, "request.completed", "ctx.request.status" => 200);
        Ok(200)
    }));
    assert_eq!(result, Ok(200));
    let completed = &events(&telemetry, &memory)[1];
    assert_eq!(
        json!(completed.attributes),
        json!({"ctx.request.method": "GET", "ctx.request.path": "/orders", "ctx.request.status": 200})
    );
}

/// Mode C: the batch job.
#[test]
fn nested_sessions_inherit_what_they_do_not_set() {
    let (telemetry, memory) = telemetry();
    block_on(telemetry.session().actor("system", "batch-job").scope("organization", "org_global").run(
        async {
            emit!(telemetry, "batch.started");
            for org in ["org_1", "org_2"] {
                telemetry
                    .session()
                    .scope("organization", org)
                    .run(async {
                        do_work().await;
                        emit!(telemetry, "batch.org_processed", "ctx.org.id" => org);
                    })
                    .await;
            }
            emit!(telemetry, "batch.completed");
        },
    ));
    let events = events(&telemetry, &memory);
    let seen: Vec<_> =
        events.iter().map(|event| (event.name.as_str(), event.scope.as_ref().unwrap().id.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("batch.started", "org_global"),
            ("batch.org_processed", "org_1"),
            ("batch.org_processed", "org_2"),
            ("batch.completed", "org_global"),
        ]
    );
    assert!(events.iter().all(|event| event.actor.as_ref().unwrap().id.as_deref() == Some("batch-job")));
    assert_eq!(events[0].session_id, events[3].session_id);
    assert_ne!(events[1].session_id, events[2].session_id);
}

#[test]
fn a_nested_session_knows_its_parent_and_merges_attributes_key_by_key() {
    let (telemetry, _memory) = telemetry();
    telemetry.session().id("outer").attributes([("a", 1), ("b", 1)]).run_sync(|| {
        telemetry.session().attributes([("b", 2), ("c", 2)]).run_sync(|| {
            let inner = current_session().unwrap();
            assert_eq!(inner.parent_session_id.unwrap().as_str(), "outer");
            assert_eq!(json!(inner.attributes), json!({"a": 1, "b": 2, "c": 2}));
        });
        assert_eq!(current_session().unwrap().session_id.as_str(), "outer");
    });
}

#[test]
fn whatever_is_said_of_a_session_is_in_its_state_and_in_its_events() {
    let (telemetry, memory) = telemetry();
    let builder = telemetry
        .session()
        .actor_tag("lost", "without an actor")
        .with_actor(actor("user", None))
        .actor_tag("role", "admin")
        .scope("organization", String::from("org_456"))
        .scope_tag("plan", "free")
        .scope_tag("plan", "pro")
        .attribute("n", 1)
        .attribute("yes", true)
        .attribute("none", None::<i64>)
        .attribute("n", 0.5)
        .attribute("large", u64::MAX)
        .attributes([
            ("list", json!([1, {"a": null}])),
            ("number", json!(7)),
            ("text", json!("x".repeat(300))),
        ]);
    let (first, second) = (builder.clone().id("first").start(), builder.id("second").start());
    let mut said = json!({"n": 0.5, "yes": true, "none": null, "large": u64::MAX, "list": [1, {"a": null}],
        "number": 7, "text": "x".repeat(300)});
    emit!(first, "before");
    second.set_attribute("n", 2).unwrap();
    emit!(second, "after");
    for (session, n) in [(&first, json!(0.5)), (&second, json!(2))] {
        said["n"] = n;
        let state = session.state();
        assert_eq!(json!(state.attributes), said);
        assert_eq!(json!(state.actor), json!({"type": "user", "tags": {"role": "admin"}}));
        assert_eq!(
            json!(state.scope),
            json!({"type": "organization", "id": "org_456", "tags": {"plan": "pro"}})
        );
        let of_session = |event: &throughline::Envelope| event.session_id.as_ref() == Some(&session.id());
        let event = events(&telemetry, &memory).into_iter().find(of_session).unwrap();
        assert_eq!(
            (json!(event.attributes), event.actor.clone(), event.scope.clone()),
            (said.clone(), state.actor, state.scope)
        );
        session.end();
        assert!(session.state().ended && !state.ended);
        assert_eq!(session.state().attributes, state.attributes);
    }
    assert_eq!((first.id().as_str(), second.id().as_str()), ("first", "second"));
}

#[test]
fn the_state_is_a_copy() {
    let (telemetry, _memory) = build(|builder| builder);
    let session = telemetry.session().actor("user", "usr_123").scope("organization", "org_456").start();
    let mut state = session.state();
    assert!(state.session_id.as_str().starts_with("sess_"));
    assert_eq!(json!(state.actor), json!({"type": "user", "id": "usr_123"}));
    assert_eq!(json!(state.scope), json!({"type": "organization", "id": "org_456"}));
    assert!(json!(state)["startedAt"].as_str().unwrap().ends_with('Z'));
    state.attributes.insert("mine".to_owned(), json!(1));
    assert!(session.state().attributes.is_empty());
    assert!(!session.is_ended());
}

#[test]
fn an_ended_session_refuses_changes() {
    let (telemetry, _memory) = telemetry();
    let session = telemetry.session().actor("user", "usr_123").start();
    session.set_attribute("a", 1).unwrap();
    session.end();
    let refused = [
        session.set_actor("user", "another_user"),
        session.set_scope("organization", "x"),
        session.set_attribute("a", 2),
        session.set_id("x"),
    ];
    assert!(refused.into_iter().all(|result| result.unwrap_err().code() == "TELEMETRY_SESSION_ENDED"));
    let state = session.state();
    assert!(state.ended);
    assert_eq!((state.actor.unwrap().id.as_deref(), &state.attributes["a"]), (Some("usr_123"), &json!(1)));
}

#[test]
fn the_active_session_is_there_inside_and_only_there() {
    let (telemetry, _memory) = telemetry();
    assert!(current_session().is_none());
    let handle = telemetry.session().id("sess_1").start();
    assert!(current_session().is_none(), "a handle is not ambient");
    handle.enter(|| assert_eq!(current_session().unwrap().session_id.as_str(), "sess_1"));
    assert!(!handle.is_ended(), "entering does not end it");
    assert!(current_session().is_none());
}

#[test]
fn a_change_of_a_session_is_seen_by_what_runs_in_it() {
    let (telemetry, memory) = telemetry();
    let session = telemetry.session().start();
    session.enter(|| {
        emit!(telemetry, "before");
        session.set_actor("user", "usr_1").unwrap();
        emit!(telemetry, "after");
    });
    let actors: Vec<_> = events(&telemetry, &memory).iter().map(|event| event.actor.is_some()).collect();
    assert_eq!(actors, [false, true]);
}

#[test]
fn run_ends_the_handle_but_not_the_context_of_what_it_started() {
    let (telemetry, memory) = telemetry();
    let late = block_on(async {
        let emitted = telemetry.clone();
        let task = telemetry.session().id("sess_1").run_sync(|| {
            let later = async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                emit!(emitted, "request.completed");
                current_session().unwrap()
            };
            tokio::spawn(later.in_current_session())
        });
        task.await.unwrap()
    });
    assert!(late.ended);
    assert_eq!(events(&telemetry, &memory)[0].session_id.as_ref().unwrap().as_str(), "sess_1");
}

#[test]
fn the_outer_session_is_restored_after_a_panic_and_a_cancellation() {
    let (telemetry, _memory) = telemetry();
    telemetry.session().id("outer").run_sync(|| {
        let inner = || telemetry.session().id("inner").run_sync(|| panic!("out"));
        assert!(catch_unwind(AssertUnwindSafe(inner)).is_err());
        assert_eq!(current_session().unwrap().session_id.as_str(), "outer");
    });
    block_on(async {
        let outer = telemetry.session().id("outer").run(async {
            let never = telemetry.session().id("inner").run(std::future::pending::<()>());
            assert!(tokio::time::timeout(Duration::from_millis(5), never).await.is_err());
            current_session().unwrap().session_id
        });
        assert_eq!(outer.await.as_str(), "outer");
    });
    assert!(current_session().is_none());
}

#[test]
fn a_cancelled_run_ends_its_session() {
    let (telemetry, _memory) = telemetry();
    let state = block_on(async {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let run = telemetry.session().run(async {
            sender.send(carry(current_session)).ok();
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), run).await.is_err());
        receiver.await.ok().unwrap()().unwrap()
    });
    assert!(state.ended);
}

#[test]
fn a_handle_ignores_the_session_around_it_and_a_handle_made_inside_inherits() {
    let (telemetry, memory) = telemetry();
    let handle = telemetry.session().id("handle").start();
    let inside = telemetry.session().id("ambient").actor("user", "u").run_sync(|| {
        emit!(handle, "by.handle");
        telemetry.session().id("inside").start()
    });
    emit!(inside, "from.outside");
    let events = events(&telemetry, &memory);
    assert_eq!(
        (events[0].session_id.as_ref().unwrap().as_str(), events[0].actor.is_none()),
        ("handle", true)
    );
    assert_eq!(
        (events[1].session_id.as_ref().unwrap().as_str(), events[1].actor.is_some()),
        ("inside", true)
    );
}

#[test]
fn one_session_may_run_in_many_places_at_once() {
    let (telemetry, memory) = telemetry();
    let session = telemetry.session().id("sess_1").start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| session.enter(|| session.enter(|| emit!(telemetry, "step.done"))));
        }
    });
    events(&telemetry, &memory);
    assert_eq!(memory.in_session("sess_1").len(), 8);
}

#[test]
fn tasks_threads_and_streams_go_on_in_the_session_they_are_handed() {
    use throughline::{stream_in_current_session, task};

    struct Once(bool);
    impl futures_core::Stream for Once {
        type Item = Option<String>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            let first = !std::mem::replace(&mut self.0, true);
            std::task::Poll::Ready(first.then(session_id))
        }
    }
    fn session_id() -> Option<String> {
        current_session().map(|session| session.session_id.to_string())
    }
    let (telemetry, _memory) = telemetry();
    block_on(async {
        let (task, blocking, bare, stream) = telemetry.session().id("sess_1").run_sync(|| {
            let task = task::spawn(async {
                tokio::task::yield_now().await;
                session_id()
            });
            let bare = tokio::spawn(async { session_id() });
            (task, task::spawn_blocking(session_id), bare, stream_in_current_session(Once(false)))
        });
        let mut stream = std::pin::pin!(stream);
        let item = std::future::poll_fn(|cx| futures_core::Stream::poll_next(stream.as_mut(), cx)).await;
        assert_eq!(
            [task.await.unwrap(), blocking.await.unwrap(), item.unwrap()],
            [(); 3].map(|()| Some("sess_1".to_owned()))
        );
        assert_eq!(bare.await.unwrap(), None);
    });
}
