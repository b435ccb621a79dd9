//! Events that are registered: what is found wrong with them, when, and what becomes of those.

use serde_json::json;
use throughline::{
    Actor, AttributeType, Events, Kind, Level, Sampling, Schema, Telemetry, TypedEvent, Validation,
    ValidationMode, emit, testing::Memory, try_emit,
};

use crate::{build, events};

const MARK: &str = "throughline.validation_error";

/// The page's shipped order, as a schema.
fn shipped() -> Schema {
    Schema::new()
        .required("ctx.order.id", AttributeType::Text)
        .required("ctx.order.total", AttributeType::Integer)
        .optional("ctx.order.currency", AttributeType::Text)
        .optional("ctx.shipment.weight_kg", AttributeType::Number)
}

fn shop() -> Events {
    Events::namespace("shop").event("order.shipped", shipped())
}

fn code(build: throughline::Builder) -> (&'static str, String) {
    let error = build.build().unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn what_is_as_registered_is_emitted_as_it_is() {
    let (telemetry, memory) = build(|builder| builder.events(shop().strict()));
    try_emit!(telemetry, "shop.order.shipped",
        "ctx.order.id" => "ord_789", "ctx.order.total" => 14999, "ctx.order.currency" => None::<&str>,
        "ctx.shipment.weight_kg" => 2.3, "ctx.shipment.carrier" => "fedex")
    .unwrap();
    let event = &events(&telemetry, &memory)[0];
    assert!(event.attributes.get(MARK).is_none() && event.source.as_ref().unwrap().line.is_some());
    assert_eq!(event.attributes["ctx.shipment.carrier"], "fedex");
    assert_eq!(telemetry.counters().invalid_events, 0);
}

#[test]
fn strict_refuses_and_says_everything_that_is_wrong_but_no_value() {
    let (telemetry, memory) = build(|builder| builder.events(shop().strict()));
    let error = try_emit!(telemetry, "shop.order.shipped", "ctx.order.total" => "SECRET").unwrap_err();
    assert_eq!(error.code(), "TELEMETRY_SCHEMA_VALIDATION_FAILED");
    assert_eq!(
        error.to_string(),
        "event shop.order.shipped: ctx.order.id is missing; ctx.order.total is not a whole number"
    );
    let error = telemetry.event("shop.order.shiped").try_emit().unwrap_err();
    assert_eq!(error.code(), "TELEMETRY_UNKNOWN_EVENT");
    assert_eq!(error.to_string(), "event shop.order.shiped is not registered");
    emit!(telemetry, "shop.order.shipped");
    try_emit!(telemetry, "elsewhere").unwrap();
    assert_eq!(events(&telemetry, &memory).len(), 1, "outside the namespace nothing is unknown");
    assert_eq!(telemetry.counters().invalid_events, 3);
}

#[test]
fn what_is_not_strict_marks_and_emits() {
    let (telemetry, memory) = build(|builder| builder.events(shop()));
    try_emit!(telemetry, "shop.order.shipped", "ctx.order.id" => 789, "ctx.order.total" => 14999).unwrap();
    emit!(telemetry, "shop.typo");
    let events = events(&telemetry, &memory);
    assert_eq!(events[0].attributes[MARK], "event shop.order.shipped: ctx.order.id is not a text");
    assert_eq!(events[0].attributes["ctx.order.id"], 789);
    assert_eq!(events[1].attributes[MARK], "event shop.typo is not registered");
    assert_eq!(telemetry.counters().invalid_events, 2);
}

#[test]
fn strict_everywhere_takes_registered_names_only() {
    let strict = Validation::default().strict();
    let (telemetry, memory) = build(|builder| {
        builder.events(shop()).events(Events::namespace("jobs").lenient()).validation(strict)
    });
    assert_eq!(try_emit!(telemetry, "elsewhere").unwrap_err().code(), "TELEMETRY_UNKNOWN_EVENT");
    try_emit!(telemetry, "jobs.any").unwrap();
    assert_eq!(events(&telemetry, &memory).len(), 1, "the namespace's own word goes before");
}

#[test]
fn the_longest_namespace_that_a_name_lies_in_decides() {
    let inner = Events::namespace("shop.mail").lenient();
    let (telemetry, _memory) = build(|builder| builder.events(shop().strict()).events(inner));
    try_emit!(telemetry, "shop.mail.sent").unwrap();
    try_emit!(telemetry, "shopping.done").unwrap();
    assert!(try_emit!(telemetry, "shop.mailing").is_err());
}

#[test]
fn modes_say_where_events_are_checked() {
    use ValidationMode::{Always, Development, None};
    for (mode, environment, checked) in [
        (Development, "development", true),
        (Development, "staging", true),
        (Development, "production", false),
        (Always, "production", true),
        (None, "development", false),
    ] {
        let validation = Validation::default().mode(mode).strict();
        let configure = |builder: throughline::Builder| {
            builder.environment(environment).sampling(Sampling::keep_all()).validation(validation)
        };
        let (telemetry, memory) = build(|builder| configure(builder).events(shop()));
        emit!(telemetry, "shop.order.shipped");
        assert_eq!(events(&telemetry, &memory).is_empty(), checked, "{mode:?} in {environment}");
        let (telemetry, memory) = build(|builder| configure(builder).events(shop().mode(Always)));
        emit!(telemetry, "shop.order.shipped");
        assert!(events(&telemetry, &memory).is_empty(), "a namespace's own mode goes before");
    }
}

#[test]
fn checking_comes_before_chance() {
    let never = Sampling::default().info(0.0).never(["shop.*"]);
    let (telemetry, memory) = build(|builder| builder.sampling(never).events(shop().strict()));
    assert!(try_emit!(telemetry, "shop.order.shipped").is_err());
    try_emit!(telemetry, "shop.order.shipped", "ctx.order.id" => "ord_789", "ctx.order.total" => 1).unwrap();
    assert!(events(&telemetry, &memory).is_empty());
    // And chance keeps its rate, and its weight.
    let half = Sampling::default().info(0.5);
    let (telemetry, memory) = build(|builder| builder.sampling(half).seed(7).events(shop().strict()));
    for _ in 0..1000 {
        emit!(telemetry, "shop.order.shipped", "ctx.order.id" => "ord_789", "ctx.order.total" => 1);
    }
    let events = events(&telemetry, &memory);
    assert!((400..600).contains(&events.len()), "{}", events.len());
    assert!((events[0].sampling_weight - 2.0).abs() < 1e-9);
}

#[test]
fn what_a_session_says_counts() {
    let closed = Events::namespace("shop").event("order.shipped", shipped().closed().level(Level::Info));
    let (telemetry, memory) = build(|builder| builder.events(closed.strict()));
    let session =
        telemetry.session().attribute("ctx.order.id", "ord_789").attribute("ctx.request.id", "req_abc");
    session.run_sync(|| {
        try_emit!(telemetry, "shop.order.shipped", "ctx.order.total" => 14999).unwrap();
        let error = try_emit!(telemetry, warn, "shop.order.shipped", "ctx.order.total" => 1, "total" => 1)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "event shop.order.shipped: the level is warn and not info; total is not an attribute of the event"
        );
    });
    assert_eq!(events(&telemetry, &memory).len(), 1);
}

#[test]
fn actors_and_scopes_are_of_registered_kinds() {
    let (telemetry, memory) = build(|builder| {
        builder
            .actor(Kind::new("user").description("A customer.").required())
            .actor(Kind::new("system"))
            .scope(Kind::new("organization"))
            .validation(Validation::default().strict())
    });
    let refused = |kind: &str, scope: &str| {
        let session = telemetry.session().actor_kind(kind).scope(scope, "x").start();
        try_emit!(session, "step.one").err().map(|error| error.to_string())
    };
    assert_eq!(refused("user", "organization"), None);
    let error = "event step.one: \"robot\" is not a registered kind of actor; \
                 \"team\" is not a registered kind of scope";
    assert_eq!(refused("robot", "team").unwrap(), error);
    assert_eq!(
        refused("system", "organization").unwrap(),
        "event step.one: its actor is system, and user is required"
    );
    let own = Actor { kind: "user".to_owned(), id: None, tags: throughline::Attributes::new() };
    try_emit!(telemetry, "step.one", actor: own).unwrap();
    assert!(try_emit!(telemetry, "step.one").is_err());
    assert_eq!(events(&telemetry, &memory).len(), 2);
}

#[test]
fn a_bad_registration_is_a_build_error_that_names_it() {
    let builder = || Telemetry::builder("shop");
    let event = |name| Events::namespace("shop").event(name, Schema::new());
    let group = |name| Events::namespace("shop").group(name, |group| group);
    let cases = [
        (builder().events(Events::namespace("a b")), "TELEMETRY_INVALID_NAMESPACE", "namespace \"a b\""),
        (builder().events(Events::namespace("a:b")), "TELEMETRY_INVALID_NAMESPACE", "namespace \"a:b\""),
        (builder().events(Events::namespace("a..b")), "TELEMETRY_INVALID_NAMESPACE", "namespace \"a..b\""),
        (builder().events(Events::namespace("__x")), "TELEMETRY_RESERVED_NAMESPACE", "namespace \"__x\""),
        (builder().events(shop()).events(shop()), "TELEMETRY_DUPLICATE_NAMESPACE", "namespace \"shop\""),
        (builder().events(event("")), "TELEMETRY_INVALID_EVENT_NAME", "event \"shop.\" of"),
        (builder().events(event("a\tb")), "TELEMETRY_INVALID_EVENT_NAME", "event \"shop.a\\tb\" of"),
        (builder().events(group("a:b")), "TELEMETRY_INVALID_EVENT_NAME", "event \"shop.a:b\" of"),
        (builder().events(event("__x")), "TELEMETRY_RESERVED_NAMESPACE", "event \"shop.__x\" of"),
        (
            builder().events(event("a.b").group("a", |a| a.event("b", Schema::new()))),
            "TELEMETRY_DUPLICATE_EVENT",
            "event \"shop.a.b\" of",
        ),
        (
            builder().events(Events::namespace("shop").event(
                "a",
                Schema::new().required("k", AttributeType::Text).optional("k", AttributeType::Any),
            )),
            "TELEMETRY_CONFIGURATION_INVALID",
            "attribute \"k\" of event \"shop.a\" of",
        ),
        (builder().actor(Kind::new("a b")), "TELEMETRY_INVALID_ACTOR", "actor \"a b\""),
        (builder().scope(Kind::new("__org")), "TELEMETRY_INVALID_SCOPE", "scope \"__org\""),
        (
            builder().actor(Kind::new("user")).actor(Kind::new("user")),
            "TELEMETRY_DUPLICATE_ACTOR",
            "actor \"user\"",
        ),
        (
            builder().scope(Kind::new("org")).scope(Kind::new("org")),
            "TELEMETRY_DUPLICATE_SCOPE",
            "scope \"org\"",
        ),
        (
            builder().validation(Validation::default().strict()),
            "TELEMETRY_CONFIGURATION_INVALID",
            "validation.strict",
        ),
    ];
    for (builder, expected, names) in cases {
        let (code, message) = code(builder);
        assert!(code == expected && message.starts_with(names), "{code} {message}, not {expected} {names}");
    }
}

/// A payment did not go through.
#[derive(TypedEvent)]
#[event(name = "shop.payment.failed", level = "error")]
struct PaymentFailed<'a, T: throughline::TypedAttribute> {
    /// As the provider
    /// numbers it.
    #[event(key = "ctx.payment.id")]
    id: &'a str,
    #[event(key = "ctx.payment.provider")]
    provider: Option<String>,
    amount: T,
}

#[derive(TypedEvent)]
#[event(name = "shop.opened")]
struct Opened;

#[test]
fn an_event_may_be_a_type() {
    let typed = Events::namespace("shop").typed::<PaymentFailed<'_, i64>>().typed::<Opened>().strict();
    assert_eq!(
        json!(typed.schema("payment.failed")),
        json!({
            "description": "A payment did not go through.", "level": "error", "closed": false,
            "attributes": [
                {"key": "ctx.payment.id", "type": "text", "required": true,
                    "description": "As the provider numbers it."},
                {"key": "ctx.payment.provider", "type": "text", "required": false},
                {"key": "amount", "type": "integer", "required": true},
            ],
        })
    );
    let (telemetry, memory) = build(|builder| builder.events(typed));
    let session = telemetry.session().id("sess_1").start();
    let failed = PaymentFailed { id: "pay_456", provider: None, amount: 14_999 };
    failed.try_emit(&session).unwrap();
    failed.event(&telemetry).error(&std::fmt::Error).session_id("sess_2").try_emit().unwrap();
    Opened.emit(&telemetry);
    let wrong = PaymentFailed { id: "pay_456", provider: None, amount: "much" };
    assert_eq!(wrong.try_emit(&telemetry).unwrap_err().code(), "TELEMETRY_SCHEMA_VALIDATION_FAILED");
    let events = events(&telemetry, &memory);
    assert_eq!(memory.names(), ["shop.payment.failed", "shop.payment.failed", "shop.opened"]);
    assert_eq!(events[0].level, Level::Error);
    assert_eq!(json!(events[0].attributes), json!({"ctx.payment.id": "pay_456", "amount": 14_999}));
    assert_eq!(events[0].session_id.as_ref().unwrap().as_str(), "sess_1");
    assert!(events[0].source.as_ref().unwrap().file.as_ref().unwrap().ends_with("typed.rs"));
    assert_eq!(events[1].error.as_ref().unwrap().name, "Error");
}

#[test]
fn a_typed_event_lies_in_the_namespace_it_is_registered_in() {
    let elsewhere = Events::namespace("jobs").typed::<Opened>();
    let (code, message) = code(Telemetry::builder("shop").transport(Memory::new()).events(elsewhere));
    assert_eq!(code, "TELEMETRY_INVALID_EVENT_NAME");
    assert_eq!(message, "event \"shop.opened\" of namespace \"jobs\": does not lie in the namespace");
}
