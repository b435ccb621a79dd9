//! What transports see of values that are not to be seen.

use serde_json::json;
use throughline::{Redaction, emit};

use crate::{build, events};

#[test]
fn every_kind_of_value_is_redacted_in_events_and_spans() {
    let rules = Redaction::default().hash(["email", "age"]).max_text(8);
    let (telemetry, memory) = build(|builder| builder.redaction(rules));
    let nested = || json!({"token": "t", "name": "far too long", "email": "a@b.c"});
    for _ in 0..2 {
        emit!(telemetry, "user.seen",
            "a.password" => "hunter2", "email" => "a@b.c", "age" => 42, "ratio" => 0.5,
            "note" => "far too long", "user" => nested(), "none" => None::<i64>);
    }
    let span = telemetry.trace("look").attribute("a.password", 1).attribute("email", "a@b.c");
    let span = span.attribute("age", 42).attribute("ratio", 0.5).attribute("note", "far too long");
    drop(span.attribute("user", nested()).attribute("none", None::<i64>).start());
    let events = events(&telemetry, &memory);
    let hashed = |text: &str| events[0].attributes[text].as_str().unwrap().to_owned();
    assert!(hashed("email").starts_with("sha256:") && hashed("age").starts_with("sha256:"));
    let expected = json!({
        "email": hashed("email"), "age": hashed("age"), "ratio": 0.5, "note": "far too…", "none": null,
        "user": {"name": "far too…", "email": hashed("email")},
    });
    assert_eq!(json!(events[0].attributes), expected);
    assert_eq!(json!(events[1].attributes), expected);
    assert_eq!(json!(memory.spans()[0].attributes), expected);
}
