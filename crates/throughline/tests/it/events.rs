//! The examples of the page on emitting events, one by one, with its values.

use serde_json::{Value, json};
use throughline::{
    Actor, Attributes, ErrorInfo, Level, Redaction, Sampling, Source, Telemetry, emit, testing::Memory,
    try_emit,
};

use crate::{build, events, telemetry};

fn one(telemetry: &Telemetry, memory: &Memory) -> Value {
    let [event] = &events(telemetry, memory)[..] else { panic!("one event: {:?}", memory.names()) };
    serde_json::to_value(event).unwrap()
}

#[test]
fn mode_a_direct() {
    let (telemetry, memory) = telemetry();
    emit!(telemetry, "service.booted", "ctx.service.startup_ms" => 142);
    emit!(telemetry, debug, "cache.warmed", "ctx.cache.keys_loaded" => 1200);
    let events = events(&telemetry, &memory);
    assert_eq!(events[0].attributes["ctx.service.startup_ms"], 142);
    assert_eq!((events[0].level, events[1].level), (Level::Info, Level::Debug));
    assert!(events.iter().all(|event| event.standalone));
    let ids: Vec<_> = events.iter().map(|event| event.session_id.clone().unwrap()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.as_str().starts_with("sess_")));
}

#[test]
fn mode_b_a_session_handle() {
    let (telemetry, memory) = telemetry();
    let session = telemetry
        .session()
        .actor("user", "usr_123")
        .actor_tag("role", "admin")
        .scope("organization", "org_456")
        .attribute("ctx.request.id", "req_abc")
        .start();
    emit!(session, "user.profile.updated", "ctx.user.field" => "email");
    emit!(session, "user.notification.sent", "ctx.notification.type" => "email");
    session.end();
    let events = events(&telemetry, &memory);
    let id = session.id();
    for event in &events {
        assert_eq!(event.session_id, Some(id.clone()));
        assert_eq!(json!(event.actor), json!({"type": "user", "id": "usr_123", "tags": {"role": "admin"}}));
        assert_eq!(json!(event.scope), json!({"type": "organization", "id": "org_456"}));
    }
    assert_eq!(json!(events[0].attributes), json!({"ctx.request.id": "req_abc", "ctx.user.field": "email"}));
    assert_eq!(
        json!(events[1].attributes),
        json!({"ctx.request.id": "req_abc", "ctx.notification.type": "email"})
    );
}

#[test]
fn every_level() {
    let (telemetry, memory) = telemetry();
    emit!(telemetry, "user.login.succeeded");
    emit!(telemetry, debug, "cache.miss");
    emit!(telemetry, info, "payment.processed");
    emit!(telemetry, warn, "rate_limit.approaching");
    emit!(telemetry, error, "payment.failed");
    emit!(telemetry, fatal, "database.corrupted");
    use Level::{Debug, Error, Fatal, Info, Warn};
    let levels: Vec<_> = events(&telemetry, &memory).iter().map(|event| event.level).collect();
    assert_eq!(levels, [Info, Debug, Info, Warn, Error, Fatal]);
}

#[test]
fn the_default_rates_of_production() {
    let (telemetry, memory) = build(|builder| builder.environment("production").seed(1));
    for _ in 0..8000 {
        emit!(telemetry, debug, "cache.miss");
        emit!(telemetry, info, "payment.processed");
    }
    for _ in 0..10 {
        emit!(telemetry, warn, "rate_limit.approaching");
        emit!(telemetry, error, "payment.failed");
        emit!(telemetry, fatal, "database.corrupted");
    }
    let events = events(&telemetry, &memory);
    let count = |level| events.iter().filter(|event| event.level == level).count();
    assert!((40..=130).contains(&count(Level::Debug)), "{}", count(Level::Debug));
    assert!((680..=920).contains(&count(Level::Info)), "{}", count(Level::Info));
    assert_eq!([Level::Warn, Level::Error, Level::Fatal].map(count), [10; 3]);
    let weight = |level| events.iter().find(|event| event.level == level).unwrap().sampling_weight;
    assert!((weight(Level::Info) - 10.0).abs() < 1e-9 && (weight(Level::Debug) - 100.0).abs() < 1e-9);
    assert!((weight(Level::Warn) - 1.0).abs() < 1e-9);
}

#[test]
fn attributes_keep_their_types() {
    let (telemetry, memory) = telemetry();
    emit!(telemetry, "order.shipped",
        "ctx.order.id" => "ord_789",
        "ctx.order.total" => 14999,
        "ctx.order.currency" => "usd",
        "ctx.shipment.carrier" => "fedex",
        "ctx.shipment.tracking_number" => "1Z999AA10123456784".to_owned(),
        "ctx.shipment.weight_kg" => 2.3,
        "express" => true,
        "gift" => None::<&str>,
        "big" => u64::MAX,
        "nan" => f64::NAN,
        "nested" => json!({"a": [1, {"b": null}]}),
    );
    assert_eq!(
        one(&telemetry, &memory)["attributes"],
        json!({
            "ctx.order.id": "ord_789", "ctx.order.total": 14999, "ctx.order.currency": "usd",
            "ctx.shipment.carrier": "fedex", "ctx.shipment.tracking_number": "1Z999AA10123456784",
            "ctx.shipment.weight_kg": 2.3, "express": true, "gift": null, "big": u64::MAX, "nan": "NaN",
            "nested": {"a": [1, {"b": null}]},
        })
    );
}

#[test]
fn an_event_s_attributes_go_before_the_session_s() {
    let (telemetry, memory) = telemetry();
    let session = telemetry
        .session()
        .attributes([("ctx.request.id", "req_abc"), ("ctx.request.method", "POST")])
        .start();
    emit!(session, "request.completed", "ctx.request.status" => 200, "ctx.request.method" => "GET");
    assert_eq!(
        one(&telemetry, &memory)["attributes"],
        json!({"ctx.request.id": "req_abc", "ctx.request.method": "GET", "ctx.request.status": 200})
    );
}

#[test]
fn an_error_by_hand() {
    let (telemetry, memory) = telemetry();
    let declined = ErrorInfo {
        name: "PaymentError".to_owned(),
        message: "Card declined by issuer".to_owned(),
        code: Some("CARD_DECLINED".to_owned()),
        stack: None,
    };
    emit!(telemetry, error, "payment.failed", error: declined,
        "ctx.payment.id" => "pay_456", "ctx.payment.provider" => "stripe");
    let event = one(&telemetry, &memory);
    assert_eq!(
        event["error"],
        json!({"name": "PaymentError", "message": "Card declined by issuer", "code": "CARD_DECLINED"})
    );
    assert_eq!(event["attributes"], json!({"ctx.payment.id": "pay_456", "ctx.payment.provider": "stripe"}));
}

#[derive(Debug, thiserror::Error)]
#[error("payment failed")]
struct PaymentError(#[source] std::num::ParseIntError);

#[test]
fn an_error_from_any_error_type_with_its_causes() {
    let (telemetry, memory) = telemetry();
    let error = PaymentError("x".parse::<u32>().unwrap_err());
    let boxed: Box<dyn std::error::Error + Send + Sync> =
        Box::new(PaymentError("".parse::<u32>().unwrap_err()));
    emit!(telemetry, error, "payment.failed", error: &error);
    emit!(telemetry, error, "payment.failed", error: &*boxed);
    let events = events(&telemetry, &memory);
    let errors: Vec<_> = events.iter().map(|event| json!(event.error)).collect();
    let expected = |cause: &str| json!({"name": "PaymentError", "message": "payment failed", "stack": cause});
    assert_eq!(errors[0], expected("caused by: invalid digit found in string"));
    assert_eq!(errors[1], expected("caused by: cannot parse integer from empty string"));
}

#[test]
fn the_source_is_the_call_site_unless_given() {
    let (telemetry, memory) = telemetry();
    let given = Source {
        causer: Some("@myapp/flags".to_owned()),
        file: Some("flags/evaluate.ts".to_owned()),
        line: Some(142),
    };
    emit!(telemetry, "feature.flag.evaluated", source: given.clone(),
        "ctx.flag.key" => "new-dashboard", "ctx.flag.value" => true);
    emit!(telemetry, "feature.flag.evaluated");
    telemetry.event("feature.flag.evaluated").emit();
    let session = telemetry.session().start();
    session.event("feature.flag.evaluated").emit();
    session.emit("feature.flag.evaluated");
    telemetry.emit("feature.flag.evaluated");
    let events = events(&telemetry, &memory);
    assert_eq!(
        json!(events[0].source),
        json!({"causer": "@myapp/flags", "file": "flags/evaluate.ts", "line": 142})
    );
    let here = events[1].source.as_ref().unwrap();
    assert_eq!(here.causer.as_deref(), Some("it::events"));
    assert!(here.file.as_ref().unwrap().ends_with("events.rs") && here.line.is_some());
    let mut line = here.line;
    for there in events[2..].iter().map(|event| event.source.as_ref().unwrap()) {
        assert!(there.file.as_ref().unwrap().ends_with("events.rs") && there.line > line, "{there:?}");
        line = there.line;
    }
}

#[test]
fn the_envelope_is_the_documented_one() {
    let clock = throughline::testing::ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
    let (telemetry, memory) = build(|builder| builder.version("1.42.0").clock(clock));
    let session = telemetry
        .session()
        .id("sess_1")
        .actor("user", "usr_123")
        .scope("organization", "org_456")
        .attribute("ctx.request.id", "req_abc")
        .start();
    emit!(session, warn, "rate_limit.approaching", "ctx.limit" => 0.9);
    let mut event = one(&telemetry, &memory);
    assert!(event["id"].as_str().unwrap().starts_with("evt_"));
    event.as_object_mut().unwrap().retain(|key, _| key != "id" && key != "source");
    assert_eq!(
        event,
        json!({
            "name": "rate_limit.approaching", "time": "2024-01-15T10:30:00.000Z", "level": "warn",
            "service": "shop", "environment": "test", "version": "1.42.0", "sessionId": "sess_1",
            "actor": {"type": "user", "id": "usr_123"}, "scope": {"type": "organization", "id": "org_456"},
            "attributes": {"ctx.request.id": "req_abc", "ctx.limit": 0.9},
        })
    );
}

#[test]
fn a_custom_session_id() {
    let (telemetry, memory) = telemetry();
    let session = telemetry.session().id("sess_1").actor("user", "usr_1").start();
    emit!(telemetry, "request.started", session_id: "trace_abc_123", "ctx.request.path" => "/api/orders");
    emit!(session, "request.started", session_id: "trace_abc_123");
    let events = events(&telemetry, &memory);
    assert!(events.iter().all(|event| event.session_id.as_ref().unwrap().as_str() == "trace_abc_123"));
    assert!(events.iter().all(|event| !event.standalone));
    assert_eq!(events[1].actor.as_ref().unwrap().id.as_deref(), Some("usr_1"));
}

#[test]
fn a_custom_time() {
    let (telemetry, memory) = telemetry();
    let time = "2024-01-15T10:30:00.000Z";
    emit!(telemetry, "historical.event", time: time.parse().unwrap(), "ctx.event.recorded_at" => time);
    let event = one(&telemetry, &memory);
    assert_eq!(
        (event["time"].as_str(), &event["attributes"]["ctx.event.recorded_at"]),
        (Some(time), &json!(time))
    );
}

#[test]
fn an_actor_of_the_event_replaces_the_session_s_whole() {
    let (telemetry, memory) = telemetry();
    let session = telemetry.session().actor("user", "usr_1").actor_tag("role", "admin").start();
    let robot = Actor { kind: "system".to_owned(), id: None, tags: Attributes::new() };
    emit!(session, "mail.sent", actor: robot);
    assert_eq!(one(&telemetry, &memory)["actor"], json!({"type": "system"}));
}

#[test]
fn nothing_is_evaluated_unless_the_event_is_kept() {
    let never = || -> &'static str { unreachable!("not evaluated") };
    let (telemetry, memory) = build(|builder| {
        builder.sampling(Sampling::keep_all().debug(0.0).never(["*.heartbeat"])).min_level(Level::Debug)
    });
    emit!(telemetry, debug, "cache.miss", "key" => never());
    emit!(telemetry, fatal, "db.heartbeat", error: &std::fmt::Error, "key" => never());
    let quiet = Telemetry::builder("shop").build().unwrap();
    assert!(!quiet.is_enabled(Level::Fatal), "nobody listens");
    emit!(quiet, fatal, "database.corrupted", "key" => never());
    let (high, _memory) = build(|builder| builder.min_level(Level::Error));
    emit!(high, warn, "rate_limit.approaching", "key" => never());
    assert!(events(&telemetry, &memory).is_empty());
}

#[test]
fn sampling_counts_what_it_leaves_out_and_not_what_is_below_the_level() {
    let never = |level| {
        build(|builder| builder.sampling(Sampling::keep_all().never(["*.heartbeat"])).min_level(level)).0
    };
    let (all, severe) = (never(Level::Debug), never(Level::Error));
    for _ in 0..640 {
        // One call site for both, so that what it remembers of one is in the way of the other.
        [&all, &severe].iter().for_each(|telemetry| emit!(telemetry, "db.heartbeat"));
    }
    (0..640).for_each(|_| emit!(all, "cache.heartbeat"));
    let left_out = [all, severe].map(|telemetry| telemetry.counters().sampled_out);
    assert_eq!(left_out, [1280, 0]);
}

#[test]
fn a_session_is_sampled_whole_if_asked_for() {
    let (telemetry, memory) = build(|builder| {
        builder.environment("production").sampling(Sampling::default().info(0.5).per_session())
    });
    for n in 0..200 {
        telemetry.session().id(format!("sess_{n}")).run_sync(|| {
            for _ in 0..5 {
                emit!(telemetry, "step.done");
            }
        });
    }
    let events = events(&telemetry, &memory);
    let kept = (0..200).map(|n| memory.in_session(&format!("sess_{n}")).len()).collect::<Vec<_>>();
    assert!(kept.iter().all(|events| *events == 0 || *events == 5), "{kept:?}");
    assert!((300..700).contains(&events.len()), "{}", events.len());
}

#[test]
fn what_is_denied_leaves_in_no_field() {
    let (telemetry, memory) = build(|builder| builder.redaction(Redaction::default().deny(["email"])));
    let session = telemetry
        .session()
        .actor("user", "usr_1")
        .actor_tag("email", "SECRET")
        .scope("organization", "org_1")
        .scope_tag("api_key", "SECRET")
        .attribute("ctx.password", "SECRET")
        .start();
    let error = ErrorInfo {
        name: "E".to_owned(),
        message: "login with password=SECRET".to_owned(),
        code: None,
        stack: Some("at f(token: SECRET)".to_owned()),
    };
    emit!(session, error, "login.failed", error: error, "user" => json!({"email": "SECRET", "n": [{"token": "SECRET"}]}));
    let event = one(&telemetry, &memory).to_string();
    assert!(!event.contains("SECRET"), "{event}");
    assert!(event.contains("login with password=[redacted]"), "{event}");
}

#[test]
fn a_name_that_is_none_is_repaired_and_counted_or_refused() {
    let (telemetry, memory) = telemetry();
    telemetry.emit("user logged:in");
    assert_eq!(events(&telemetry, &memory)[0].name, "user_logged_in");
    assert_eq!(telemetry.counters().invalid_names, 1);
    let error = telemetry.event("").try_emit().unwrap_err();
    assert_eq!(error.code(), "TELEMETRY_INVALID_EVENT_NAME");
}

#[test]
fn an_ended_session_emits_nothing_more() {
    let (telemetry, memory) = telemetry();
    let session = telemetry.session().start();
    session.end();
    session.end();
    emit!(session, "too.late");
    session.emit("too.late");
    assert_eq!(try_emit!(session, "too.late").unwrap_err().code(), "TELEMETRY_SESSION_ENDED");
    assert!(events(&telemetry, &memory).is_empty());
    assert_eq!(telemetry.counters().after_end, 3);
}

#[test]
fn set_up_fails_by_name() {
    let error = |configure: fn(throughline::Builder) -> throughline::Builder| {
        configure(Telemetry::builder("shop")).build().unwrap_err().to_string()
    };
    assert_eq!(error(|b| b.environment(" ")), "environment: must not be empty");
    assert_eq!(
        error(|b| b.sampling(Sampling::default().info(2.0))),
        "sampling.info: 2 is not a rate from 0 to 1"
    );
    assert_eq!(
        error(|b| b.sampling(Sampling::default().never(["a b"]))),
        "sampling.never: the pattern \"a b\" contains ' '"
    );
}
