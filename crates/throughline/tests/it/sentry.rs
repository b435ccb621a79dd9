//! The Sentry transport against a server that reads envelopes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use throughline::transport::{Delivery, Sentry, Transport};
use throughline::{ErrorInfo, Report, Telemetry, emit};

use crate::TIMEOUT;
use crate::server::{Answer, Request, Server, ok};

fn telemetry(server: &Server, delivery: impl FnOnce(Delivery) -> Delivery) -> Telemetry {
    let dsn = format!("{}/prefix/42", server.url.replace("http://", "http://pk_abc:old_secret@"));
    let sentry = Sentry::dsn(&dsn).unwrap();
    let delivery = delivery(sentry.delivery().backoff(Duration::from_millis(1)));
    let builder = Telemetry::builder("shop").environment("test").version("1.2");
    builder.transport_with(sentry, delivery).build().unwrap()
}

/// The event in an envelope, which is read as strictly as Sentry's relay does.
fn event(request: &Request) -> Value {
    assert_eq!(request.path, "/prefix/api/42/envelope/");
    assert_eq!(request.header("content-type"), Some("application/x-sentry-envelope"));
    let auth = request.header("x-sentry-auth").unwrap();
    assert!(auth.starts_with("Sentry sentry_version=7, ") && auth.ends_with("sentry_key=pk_abc"), "{auth}");
    let mut lines = request.body.splitn(3, |byte| *byte == b'\n');
    let mut json = || serde_json::from_slice::<Value>(lines.next().unwrap()).unwrap();
    let (head, about) = (json(), json());
    assert_eq!(about["type"], "event");
    let rest = lines.next().unwrap();
    let (item, end) = rest.split_at(usize::try_from(about["length"].as_u64().unwrap()).unwrap());
    assert_eq!(end, b"\n");
    let event: Value = serde_json::from_slice(item).unwrap();
    let id = event["event_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(head["event_id"], event["event_id"]);
    event
}

#[test]
fn errors_are_exceptions_with_user_tags_and_contexts() {
    let server = Server::answering([]);
    let telemetry = telemetry(&server, |delivery| delivery);
    let session = telemetry.session().id("sess_1").actor("user", "usr_123").scope("organization", "org_456");
    session.run_sync(|| {
        telemetry.trace("not sent").run_sync(|| {
            let error = ErrorInfo {
                name: "CardDeclined".to_owned(),
                message: "insufficient\nfunds".to_owned(),
                code: Some(format!("E\n{}", "x".repeat(300))),
                stack: Some("caused by: bank".to_owned()),
            };
            emit!(telemetry, error, "payment.failed", error: error, "ctx.total" => 14999);
        });
        emit!(telemetry, warn, "not.sent");
        emit!(telemetry, fatal, "database.corrupted");
    });
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let [failed, corrupted] = &server.requests()[..] else { panic!("two requests") };
    let (failed, corrupted) = (event(failed), event(corrupted));
    assert_ne!(failed["event_id"], corrupted["event_id"]);
    assert_eq!((&failed["level"], &failed["release"]), (&json!("error"), &json!("1.2")));
    assert_eq!((&failed["environment"], &failed["user"]), (&json!("test"), &json!({"id": "usr_123"})));
    let exception = &failed["exception"]["values"][0];
    assert_eq!(
        (&exception["type"], &exception["value"]),
        (&json!("CardDeclined"), &json!("insufficient\nfunds"))
    );
    assert_eq!(failed["contexts"]["attributes"], json!({"ctx.total": 14999}));
    assert_eq!(failed["contexts"]["error"]["stack"], "caused by: bank");
    assert_eq!(failed["contexts"]["trace"]["trace_id"].as_str().unwrap().len(), 32);
    let tags = &failed["tags"];
    assert_eq!((&tags["event.name"], &tags["session.id"]), (&json!("payment.failed"), &json!("sess_1")));
    assert_eq!((&tags["actor.type"], &tags["scope.id"]), (&json!("user"), &json!("org_456")));
    assert_eq!(tags["error.code"], format!("E {}", "x".repeat(198)));
    assert_eq!((&corrupted["level"], &corrupted["exception"]), (&json!("fatal"), &Value::Null));
    assert_eq!(corrupted["logentry"]["formatted"], "database.corrupted");
}

/// Two events, of which the first is answered so.
fn limited(status: u16, headers: &'static str, give_up_after: Duration) -> (Report, usize, Duration) {
    let server = Server::answering([Answer::Status(status, headers, Vec::new()), ok()]);
    let telemetry = telemetry(&server, |delivery| delivery.give_up_after(give_up_after));
    let started = Instant::now();
    emit!(telemetry, error, "payment.failed");
    assert!(telemetry.flush(TIMEOUT).complete);
    emit!(telemetry, error, "payment.failed");
    let report = telemetry.shutdown(TIMEOUT);
    (report, server.requests().len(), started.elapsed())
}

#[test]
fn rate_limits_are_waited_out_and_nothing_is_sent_twice() {
    let headers = [
        (429, "retry-after: 1\r\n", 3),
        (
            429,
            "retry-after: 60\r\nx-sentry-rate-limits: 1:error;transaction:organization, 60:session:key\r\n",
            3,
        ),
        (200, "x-sentry-rate-limits: 1::organization\r\n", 2),
    ];
    for (status, header, requests) in headers {
        let (report, sent, took) = limited(status, header, TIMEOUT);
        assert_eq!((report.lost(), sent), (0, requests), "{header}");
        assert!(took >= Duration::from_millis(900), "{header}: {took:?}");
    }
}

#[test]
fn limits_of_other_things_are_none_of_ours() {
    let (report, sent, _) = limited(200, "x-sentry-rate-limits: 600:transaction;session:key\r\n", TIMEOUT);
    assert_eq!((report.complete, report.lost(), sent), (true, 0, 2));
}

#[test]
fn a_limit_longer_than_anybody_waits_costs_events_but_no_requests() {
    let (report, sent, _) =
        limited(429, "x-sentry-rate-limits: 600:error:key\r\n", Duration::from_millis(50));
    assert_eq!((report.complete, report.transports[0].failed, sent), (true, 2, 1));
    assert!(report.transports[0].last_error.as_ref().unwrap().contains("rate limit"), "{report:?}");
}

#[test]
fn a_dsn_that_is_none_is_an_error_and_the_key_is_not_shown() {
    for bad in
        ["", "https://host/42", "https://@host/42", "https://key@host", "https://key@/42", "https://k ey@h/1"]
    {
        assert_eq!(Sentry::dsn(bad).unwrap_err().code(), "TELEMETRY_CONFIGURATION_INVALID", "{bad}");
    }
    let sentry = Sentry::dsn("http://SECRET@host/42").unwrap();
    assert!(!format!("{sentry:?}").contains("SECRET"));
}
