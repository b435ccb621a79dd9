//! Errors are published once, at their origin, and their records learn who handled them.
#![allow(clippy::unwrap_used, clippy::let_underscore_must_use, reason = "tests")]

use std::fmt;
use std::sync::{Arc, Mutex};

use throughline_channel::{
    Context, ErrorKind, ErrorRecord, EventKind, HandledBy, Subscription, TracingChannel, observe,
    report_error,
};

#[derive(Debug, Clone, PartialEq)]
struct Failure {
    text: &'static str,
    cause: Option<Box<Self>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

fn x1() -> Failure {
    Failure { text: "x1", cause: None }
}

type Records = Arc<Mutex<Vec<ErrorRecord>>>;

/// Runs `f` with every error event of the channel collected.
fn errors(channel: &'static TracingChannel<&'static str>, f: impl FnOnce()) -> Vec<ErrorRecord> {
    let records = Records::default();
    let _subscription = collect(channel.name(), &records);
    f();
    std::mem::take(&mut *records.lock().unwrap())
}

fn collect(name: &'static str, records: &Records) -> Subscription {
    let records = records.clone();
    observe(name, move |event| {
        if event.kind() == EventKind::Error {
            records.lock().unwrap().extend(event.error().cloned());
        }
    })
}

/// A channel of its own for each test: they run at the same time.
macro_rules! layer {
    () => {{
        static LAYER: TracingChannel<&'static str> = TracingChannel::new(concat!("test.errors.", line!()));
        &LAYER
    }};
}

fn origins(records: &[ErrorRecord]) -> Vec<(&str, &str)> {
    records.iter().map(|record| (record.origin().unwrap().1, record.message())).collect()
}

#[test]
fn an_error_that_nobody_handles_is_published_once_at_its_origin() {
    let layer = layer!();
    let records = errors(layer, || {
        let handler = || layer.trace_result(|| "handler", || Err::<(), _>(x1()));
        let inner = || layer.trace_result(|| "inner", handler);
        assert_eq!(layer.trace_result(|| "outer", inner), Err(x1()));
    });
    assert_eq!(origins(&records), [("handler", "x1")]);
    assert!(!records[0].is_handled());
}

#[test]
fn an_error_keeps_its_identity_when_it_is_boxed_on_its_way_out() {
    type BoxError = Box<dyn std::error::Error + Send + Sync>;
    let layer = layer!();
    let records = errors(layer, || {
        let boxed = || layer.trace_result(|| "handler", || Err::<(), _>(x1())).map_err(BoxError::from);
        let of_box = |_: &&str, result: &Result<(), BoxError>| {
            result.as_ref().err().map(|error| ErrorRecord::from_dyn(&**error))
        };
        let _ = layer.trace_with(|| "outer", boxed, of_box);
    });
    assert_eq!(origins(&records), [("handler", "x1")]);
}

#[test]
fn work_that_succeeds_around_a_failure_has_handled_it() {
    let layer = layer!();
    let records = errors(layer, || {
        layer.trace_sync(|| "fallback", || layer.trace_result(|| "handler", || Err::<(), _>(x1())).is_err());
    });
    assert_eq!(origins(&records), [("handler", "x1")]);
    let by = HandledBy::Recovered { channel: layer.name(), label: "fallback".to_owned() };
    assert_eq!(records[0].handled_by(), Some(&by));
}

#[test]
fn another_error_is_another_origin_and_knows_what_it_wraps() {
    let layer = layer!();
    let wrapper = || Failure { text: "x2", cause: Some(Box::new(x1())) };
    let unrelated = || Failure { text: "x3", cause: None };
    let records = errors(layer, || {
        let handler = || layer.trace_result(|| "handler", || Err::<(), _>(x1()));
        let _ = layer.trace_result(|| "wrapping", || handler().map_err(|_| wrapper()));
        let _ = layer.trace_result(|| "replacing", || handler().map_err(|_| unrelated()));
    });
    let expected = [("handler", "x1"), ("wrapping", "x2"), ("handler", "x1"), ("replacing", "x3")];
    assert_eq!(origins(&records), expected);
    assert_eq!(records[1].wraps().map(ErrorRecord::message), Some("x1"));
    assert_eq!(records[1].causes(), ["x1"]);
    assert!(records[3].wraps().is_none());
    assert!(records.iter().all(|record| !record.is_handled()));
}

#[test]
fn an_equal_error_after_a_recovery_is_a_new_one() {
    let layer = layer!();
    let records = errors(layer, || {
        let attempt = || layer.trace_result(|| "attempt", || Err::<(), _>(x1()));
        let _ = layer.trace_result(|| "retry", || attempt().or_else(|_| attempt()));
    });
    assert_eq!(origins(&records), [("attempt", "x1"), ("attempt", "x1")]);
    assert_ne!(records[0].sequence(), records[1].sequence());
}

/// Nobody dealt with the first but by trying again; the second went on.
#[test]
fn of_equal_errors_the_latest_is_the_one_that_is_passed_on() {
    let layer = layer!();
    let records = errors(layer, || {
        let attempt = || layer.trace_result(|| "attempt", || Err::<(), _>(x1()));
        let retry = || layer.trace_result(|| "retry", || attempt().or_else(|_| attempt()));
        layer.trace_sync(|| "fallback", || retry().is_err());
    });
    let handled: Vec<_> = records.iter().map(ErrorRecord::is_handled).collect();
    assert_eq!(handled, [false, true]);
}

#[test]
fn work_that_goes_on_for_long_remembers_only_so_many_errors() {
    let layer = layer!();
    let records = errors(layer, || {
        layer.trace_sync(
            || "connection",
            || (0..600).for_each(|_| drop(layer.trace_result(|| "message", || Err::<(), _>(x1())))),
        );
    });
    let handled: Vec<_> = records.iter().map(ErrorRecord::is_handled).collect();
    assert_eq!((handled.len(), handled.iter().filter(|handled| **handled).count()), (600, 512));
    assert!(!handled[87] && handled[88], "the latest");
}

#[test]
fn what_a_task_reports_that_outlives_its_work_the_work_around_it_tells() {
    let layer = layer!();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let watch = observe(layer.name(), move |event| {
        if event.kind() == EventKind::Error {
            log.lock().unwrap().push(event.label().to_owned());
        }
    });
    let left_behind = layer.trace_sync(
        || "request",
        || {
            let context = layer.trace_sync(|| "handler", Context::current);
            context.run(|| report_error(&x1()));
            context
        },
    );
    let late = left_behind.run(|| report_error(&Failure { text: "x2", cause: None }));
    assert_eq!((told.lock().unwrap().as_slice(), late.message()), (&["request".to_owned()][..], "x2"));
    drop(watch);
}

#[test]
fn a_reported_error_belongs_to_the_work_that_made_an_answer_of_it() {
    let layer = layer!();
    let records = errors(layer, || {
        let handler = || {
            report_error(&x1());
            report_error(&x1()); // the same again: known already
            500
        };
        layer.trace_sync(|| "auth", || layer.trace_sync(|| "handler", handler));
    });
    assert_eq!(origins(&records), [("handler", "x1")]);
    assert_eq!(records[0].kind(), ErrorKind::Reported);
    let by = HandledBy::Converted { channel: layer.name(), label: "handler".to_owned() };
    assert_eq!(records[0].handled_by(), Some(&by));
}

#[test]
fn an_error_that_is_reported_and_then_returned_is_published_once() {
    let layer = layer!();
    let records = errors(layer, || {
        let _ = layer.trace_result(
            || "handler",
            || {
                report_error(&x1());
                Err::<(), _>(x1())
            },
        );
    });
    assert_eq!(origins(&records), [("handler", "x1")]);
    assert!(!records[0].is_handled());
}

#[test]
fn a_panic_that_is_caught_further_out_is_handled_there() {
    let layer = layer!();
    let records = errors(layer, || {
        layer.trace_sync(
            || "catch",
            || std::panic::catch_unwind(|| layer.trace_sync(|| "handler", || panic!("boom"))).is_err(),
        );
    });
    assert_eq!(origins(&records), [("handler", "boom")]);
    assert_eq!(records[0].kind(), ErrorKind::Panic);
    assert!(records[0].is_handled());
}

#[test]
fn an_error_reported_by_a_subscriber_does_not_deadlock_its_own_work() {
    let layer = layer!();
    let reporter = observe(layer.name(), |event| {
        if event.kind() == EventKind::Start {
            report_error(&x1());
        }
    });
    let records = errors(layer, || layer.trace_sync(|| "handler", || ()));
    assert_eq!(origins(&records), [("handler", "x1")]);
    drop(reporter);
}

#[test]
fn the_first_to_say_who_handled_an_error_stands() {
    let layer = layer!();
    let by = HandledBy::Explicit { by: "the form".to_owned() };
    let records = errors(layer, || {
        layer.trace_sync(|| "handler", || report_error(&x1()).mark_handled(by.clone()));
    });
    assert_eq!(records[0].handled_by(), Some(&by));
}

#[test]
fn errors_reported_from_many_threads_are_all_published() {
    let layer = layer!();
    let records = errors(layer, || {
        layer.trace_sync(
            || "handler",
            || {
                std::thread::scope(|scope| {
                    for text in ["a", "b", "c", "d", "e", "f", "g", "h"] {
                        let report = move || drop(report_error(&Failure { text, cause: None }));
                        scope.spawn(throughline_channel::Context::current().wrap(report));
                    }
                });
            },
        );
    });
    let mut texts: Vec<_> = records.iter().map(ErrorRecord::message).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["a", "b", "c", "d", "e", "f", "g", "h"]);
}
