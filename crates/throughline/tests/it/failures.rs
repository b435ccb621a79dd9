//! Everything that can go wrong on the way, once for each transport that speaks HTTP.

use std::time::Duration;

use throughline::transport::{Chat, Http, Otlp, Sentry, Transport};
use throughline::{Report, Telemetry, emit};

use crate::TIMEOUT;
use crate::server::{Answer, Server, ok};

/// With how long a request may take.
type Make = fn(&str, Duration) -> Telemetry;

/// Something that goes wrong: its name, and how it is made for each transport.
type Case<T> = (&'static str, fn() -> T);

/// The transports, each to a server at this URL.
const TRANSPORTS: [(&str, Make); 6] = [
    ("http", |url, timeout| built(Http::new(format!("{url}/api/v1/events")).timeout(timeout))),
    ("otlp", |url, timeout| built(Otlp::new(url).timeout(timeout))),
    ("slack", |url, timeout| built(Chat::slack(format!("{url}/services/T0/B0/x")).timeout(timeout))),
    ("discord", |url, timeout| built(Chat::discord(format!("{url}/api/webhooks/1/x")).timeout(timeout))),
    ("telegram", |url, timeout| built(Chat::telegram_at(url, "1:x", "-100").timeout(timeout))),
    ("sentry", |url, timeout| {
        let dsn = format!("{}/42", url.replace("http://", "http://key@"));
        built(Sentry::dsn(&dsn).unwrap().timeout(timeout))
    }),
];

fn built(transport: impl Transport) -> Telemetry {
    let delivery = transport.delivery().backoff(Duration::from_millis(1)).max_delay(Duration::ZERO);
    Telemetry::builder("shop").environment("test").transport_with(transport, delivery).build().unwrap()
}

/// What becomes of one event if the server answers so, and how often it was sent.
fn answered(make: Make, timeout: Duration, answers: impl IntoIterator<Item = Answer>) -> (Report, usize) {
    let server = Server::answering(answers);
    let telemetry = make(&server.url, timeout);
    emit!(telemetry, error, "payment.failed");
    let report = telemetry.shutdown(TIMEOUT);
    assert!(report.complete, "{report:?}");
    (report, server.requests().len())
}

fn status(status: u16) -> Answer {
    Answer::Status(status, "", b"because".to_vec())
}

#[test]
fn what_may_work_later_is_tried_again_until_it_does() {
    let twice: [Case<[Answer; 2]>; 6] = [
        ("429 with Retry-After", || [Answer::Status(429, "retry-after: 0\r\n", Vec::new()), ok()]),
        ("408", || [status(408), ok()]),
        ("500", || [status(500), ok()]),
        ("502, then 503", || [status(502), Answer::Status(503, "retry-after: 0\r\n", Vec::new())]),
        ("504", || [status(504), ok()]),
        ("disconnects", || [Answer::Disconnect, Answer::BreakOff("HTTP/1.1 200 OK\r\ncontent-le")]),
    ];
    for (name, make) in TRANSPORTS {
        for (case, answers) in &twice {
            let failures = if matches!(*case, "502, then 503" | "disconnects") { 2 } else { 1 };
            let (report, sent) = answered(make, TIMEOUT, answers());
            let found = (report.lost(), report.transports[0].retries, sent);
            assert_eq!(found, (0, failures, 1 + usize::try_from(failures).unwrap()), "{name}: {case}");
            assert!(report.transports[0].last_error.is_some(), "{name}: {case}");
        }
    }
}

#[test]
fn what_never_works_is_given_up_at_once_and_says_why() {
    for (name, make) in TRANSPORTS {
        for code in [301, 400, 401, 403, 404, 413, 422, 501] {
            let (report, sent) = answered(make, TIMEOUT, [status(code)]);
            let transport = &report.transports[0];
            assert_eq!((transport.failed, transport.retries, sent), (1, 0, 1), "{name}: {code}");
            let said = transport.last_error.as_deref().unwrap();
            assert_eq!(said, format!("status {code}: because"), "{name}");
        }
    }
}

#[test]
fn a_slow_answer_is_waited_for_and_a_hang_is_not() {
    for (name, make) in TRANSPORTS {
        let slow = Answer::Slow(Duration::from_millis(150));
        let (report, sent) = answered(make, TIMEOUT, [slow]);
        assert_eq!((report.lost(), report.transports[0].retries, sent), (0, 0, 1), "{name}");
        let hang = Answer::Hang(TIMEOUT);
        let (report, sent) = answered(make, Duration::from_millis(150), [hang]);
        assert_eq!((report.lost(), sent), (0, 2), "{name}");
        assert!(report.transports[0].last_error.as_ref().unwrap().contains("timeout"), "{name}: {report:?}");
    }
}

#[test]
fn an_answer_that_breaks_off_after_saying_yes_is_a_yes() {
    for (name, make) in TRANSPORTS {
        let broken = Answer::BreakOff("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ok\":");
        let (report, sent) = answered(make, TIMEOUT, [broken]);
        assert_eq!((report.lost(), sent), (0, 1), "{name}");
    }
}

#[test]
fn shutdown_keeps_its_deadline_whatever_the_server_does_and_says_what_is_lost() {
    let cases: [Case<Option<Server>>; 3] = [
        ("nobody there", || None),
        ("a hang", || Some(Server::answering([Answer::Hang(3 * TIMEOUT)]))),
        ("a long Retry-After", || {
            Some(Server::answering([Answer::Status(429, "retry-after: 20\r\n", Vec::new())]))
        }),
    ];
    for (name, make) in TRANSPORTS {
        for (case, server) in &cases {
            let server = server();
            let url = server.as_ref().map_or("http://127.0.0.1:9", |server| server.url.as_str());
            let telemetry = make(url, 3 * TIMEOUT);
            emit!(telemetry, error, "payment.failed");
            // Had it waited for the transport, it would be complete.
            let report = telemetry.shutdown(Duration::from_millis(200));
            assert_eq!((report.complete, report.lost()), (false, 1), "{name}: {case}: {report:?}");
            assert_eq!(report.transports[0].transport, name);
        }
    }
}
