//! Delivery: nothing is lost without being counted, and nobody waits for anybody.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use throughline::testing::Memory;
use throughline::transport::{Console, Delivery, Item, SendError, Transport};
use throughline::{Error, Level, Resource, Telemetry, emit, try_emit};

use crate::{TIMEOUT, build, telemetry};

/// A transport made of a closure.
struct Custom<F>(&'static str, F);

impl<F: FnMut(&[Item]) -> Result<(), SendError> + Send + 'static> Transport for Custom<F> {
    fn name(&self) -> &str {
        self.0
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        (self.1)(batch)
    }
}

/// Hangs until the other end is dropped.
fn hanging() -> (impl Transport, Sender<()>) {
    let (release, hang): (Sender<()>, Receiver<()>) = channel();
    let send = move |_: &[Item]| {
        hang.recv().ok();
        Ok(())
    };
    (Custom("hanging", send), release)
}

fn names(batch: &[Item]) -> Vec<String> {
    batch.iter().filter_map(Item::event).map(|event| event.name.clone()).collect()
}

fn builder() -> throughline::Builder {
    Telemetry::builder("shop").environment("test")
}

fn emit_numbered(telemetry: &Telemetry, count: usize) {
    (0..count).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
}

fn numbers(memory: &Memory) -> Vec<u64> {
    memory.events().iter().map(|event| event.attributes["n"].as_u64().unwrap()).collect()
}

#[test]
fn after_a_flush_everything_is_at_the_sink_in_order() {
    let (telemetry, memory) = telemetry();
    emit_numbered(&telemetry, 100);
    let report = telemetry.flush(TIMEOUT);
    assert!(report.complete && report.lost() == 0);
    assert_eq!(numbers(&memory), (0..100).collect::<Vec<_>>());
    emit_numbered(&telemetry, 100);
    telemetry.flush(TIMEOUT);
    assert_eq!(memory.events().len(), 200);
}

#[test]
fn nothing_is_lost_by_a_shutdown_and_nothing_is_taken_after_it() {
    let (telemetry, memory) = telemetry();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| emit_numbered(&telemetry, 1000));
        }
    });
    let report = telemetry.shutdown(TIMEOUT);
    assert!(report.complete);
    assert_eq!((memory.events().len(), report.transports[0].delivered, report.lost()), (4000, 4000, 0));
    emit!(telemetry, "too.late");
    assert!(matches!(telemetry.event("too.late").try_emit(), Err(Error::ShutDown)));
    assert!(matches!(try_emit!(telemetry, "too.late"), Err(Error::ShutDown)));
    assert!(telemetry.shutdown(TIMEOUT).complete);
    assert_eq!(memory.events().len(), 4000);
}

#[test]
fn the_last_handle_s_drop_still_delivers() {
    let (telemetry, memory) = telemetry();
    emit_numbered(&telemetry, 10);
    drop(telemetry);
    let started = Instant::now();
    while memory.events().len() < 10 && started.elapsed() < TIMEOUT {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(memory.events().len(), 10);
}

#[test]
fn a_span_keeps_the_telemetry_open_until_it_has_ended_and_no_longer() {
    struct Until(Memory, std::sync::mpsc::Sender<()>);
    impl Transport for Until {
        fn name(&self) -> &'static str {
            "until"
        }
        fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
            self.0.send(batch)
        }
        fn stop(&mut self) {
            self.1.send(()).ok();
        }
    }
    let (stopped, stop) = std::sync::mpsc::channel();
    let memory = Memory::new();
    let telemetry = builder().transport(Until(memory.clone(), stopped)).build().unwrap();
    let session = telemetry.session().id("sess_1").start();
    // This thread keeps what they were written into.
    session.enter(|| (0..10).for_each(|_| drop(telemetry.trace("before").start())));
    let last = telemetry.trace("last").start();
    drop((session, telemetry));
    std::thread::sleep(Duration::from_millis(200));
    assert!(stop.try_recv().is_err(), "it goes on while a span does");
    last.observation(throughline::ObservationType::Span, "inside").start().end();
    last.end();
    drop(last);
    stop.recv_timeout(TIMEOUT).expect("nobody refers to it any more, so it stops");
    let names: Vec<String> = memory.spans().into_iter().map(|span| span.name).collect();
    assert_eq!((names.len(), &names[10..]), (12, &["inside".to_owned(), "last".to_owned()][..]));
}

#[test]
fn a_hung_transport_delays_neither_the_others_nor_the_shutdown() {
    let (hanging, release) = hanging();
    let memory = Memory::new();
    let telemetry = builder().transport(hanging).transport(memory.clone()).build().unwrap();
    emit_numbered(&telemetry, 100);
    let started = Instant::now();
    let report = telemetry.shutdown(Duration::from_millis(300));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(!report.complete);
    assert_eq!((report.transports[0].waiting, report.lost()), (100, 100));
    assert_eq!((report.transports[1].delivered, memory.events().len()), (100, 100));
    drop(release);
}

#[test]
fn a_flush_of_a_hung_transport_returns_in_time() {
    let (hanging, _release) = hanging();
    let telemetry = builder().transport(hanging).build().unwrap();
    emit_numbered(&telemetry, 1);
    let started = Instant::now();
    assert!(!telemetry.flush(Duration::from_millis(100)).complete);
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn what_fails_is_tried_again_and_arrives_once_and_in_order() {
    let (memory, mut attempts) = (Memory::new(), 0);
    let mut sink = memory.clone();
    let flaky = move |batch: &[Item]| {
        attempts += 1;
        match attempts {
            1 => Err(SendError::unavailable("down")),
            2 => {
                sink.send(&batch[..3])?;
                Err(SendError::unavailable("half").accepted(3))
            }
            _ => sink.send(batch),
        }
    };
    let delivery = Delivery::default().backoff(Duration::from_millis(1));
    let telemetry = builder().transport_with(Custom("flaky", flaky), delivery).build().unwrap();
    emit_numbered(&telemetry, 10);
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!(numbers(&memory), (0..10).collect::<Vec<_>>());
    assert_eq!((report.transports[0].delivered, report.transports[0].retries), (10, 2));
    assert_eq!(report.transports[0].last_error.as_deref(), Some("half"));
}

#[test]
fn a_retry_waits_as_long_as_it_is_told() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = times.clone();
    let busy = move |_: &[Item]| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        match seen.len() {
            1 => Err(SendError::unavailable("429").retry_after(Duration::from_millis(200))),
            _ => Ok(()),
        }
    };
    let delivery = Delivery::default().backoff(Duration::from_millis(1));
    let telemetry = builder().transport_with(Custom("busy", busy), delivery).build().unwrap();
    emit_numbered(&telemetry, 1);
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let times = times.lock().unwrap();
    assert!(times[1] - times[0] >= Duration::from_millis(200));
}

#[test]
fn what_is_refused_or_panics_is_given_up_and_counted() {
    let refusing = Custom("refusing", |_: &[Item]| Err(SendError::refused("no such project")));
    let panicking = Custom("panicking", |batch: &[Item]| panic!("cannot send {}", batch.len()));
    let telemetry = builder().transport(refusing).transport(panicking).build().unwrap();
    emit_numbered(&telemetry, 5);
    let report = telemetry.shutdown(TIMEOUT);
    assert!(report.complete);
    let failed: Vec<_> = report
        .transports
        .iter()
        .map(|transport| (transport.failed, transport.last_error.as_deref()))
        .collect();
    assert_eq!(failed, [(5, Some("no such project")), (5, Some("the transport panicked"))]);
}

#[test]
fn what_fails_for_too_long_is_given_up() {
    let dead = Custom("dead", |_: &[Item]| Err(SendError::unavailable("connection refused")));
    let delivery =
        Delivery::default().backoff(Duration::from_millis(1)).give_up_after(Duration::from_millis(50));
    let telemetry = builder().transport_with(dead, delivery).build().unwrap();
    emit_numbered(&telemetry, 3);
    let report = telemetry.flush(TIMEOUT);
    assert_eq!((report.complete, report.transports[0].failed), (true, 3));
}

#[test]
fn what_is_too_large_at_once_is_sent_in_halves_in_order() {
    let memory = Memory::new();
    let mut sink = memory.clone();
    let small = move |batch: &[Item]| match batch.len() {
        0..=3 => sink.send(batch),
        _ => Err(SendError::too_large("at most three")),
    };
    let telemetry = builder().transport(Custom("small", small)).build().unwrap();
    emit_numbered(&telemetry, 10);
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    assert_eq!(numbers(&memory), (0..10).collect::<Vec<_>>());

    let nothing = |_: &[Item]| Err(SendError::too_large("nothing"));
    let telemetry = builder().transport(Custom("nothing", nothing)).build().unwrap();
    emit_numbered(&telemetry, 5);
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!((report.complete, report.transports[0].failed), (true, 5));
}

#[test]
fn what_is_to_wait_for_ever_is_given_up_at_once() {
    let busy = |_: &[Item]| Err(SendError::unavailable("busy").retry_after(Duration::MAX));
    let telemetry = builder().transport(Custom("busy", busy)).build().unwrap();
    emit_numbered(&telemetry, 3);
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!((report.complete, report.transports[0].failed), (true, 3));
}

#[test]
fn a_shutdown_does_not_wait_for_a_dead_transport_s_patience() {
    let dead = Custom("dead", |_: &[Item]| Err(SendError::unavailable("connection refused")));
    let telemetry = builder().transport(dead).build().unwrap();
    emit_numbered(&telemetry, 3);
    let started = Instant::now();
    let report = telemetry.shutdown(Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!((report.complete, report.lost()), (false, 3));
}

#[test]
fn overflow_is_dropped_and_counted_exactly() {
    let (hanging, release) = hanging();
    let delivery = Delivery::default().queue(10).batch(1);
    let telemetry = builder().transport_with(hanging, delivery).build().unwrap();
    emit_numbered(&telemetry, 1);
    telemetry.flush(Duration::from_millis(100)); // the first is on its way and hangs
    emit_numbered(&telemetry, 100);
    telemetry.flush(Duration::from_millis(100));
    let report = telemetry.report();
    assert_eq!((report.transports[0].dropped, report.transports[0].waiting), (90, 11));
    drop(release);
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!((report.transports[0].delivered, report.lost()), (11, 90));
}

#[test]
fn an_overrun_buffer_never_blocks_and_counts_exactly() {
    const EVENTS: u64 = 300_000;
    let (telemetry, memory) = build(|builder| builder);
    let refused: u64 = (0..EVENTS)
        .map(|n| u64::from(throughline::try_emit!(telemetry, "n.emitted", "n" => n).is_err()))
        .sum();
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!(report.counters.dropped, refused);
    let delivered = memory.events().len() as u64;
    assert_eq!(delivered + report.counters.dropped + report.transports[0].dropped, EVENTS);
    assert!(numbers(&memory).is_sorted(), "what is left is in order");
}

#[test]
fn each_transport_gets_what_it_asked_for() {
    let (all, severe, payments) = (Memory::new(), Memory::new(), Memory::new());
    let telemetry = builder()
        .transport(all.clone())
        .transport_with(severe.clone(), Delivery::default().min_level(Level::Error))
        .transport_with(payments.clone(), Delivery::default().names(["payment.*"]))
        .build()
        .unwrap();
    emit!(telemetry, "payment.started");
    emit!(telemetry, error, "payment.failed");
    emit!(telemetry, fatal, "database.corrupted");
    telemetry.shutdown(TIMEOUT);
    assert_eq!(all.names(), ["payment.started", "payment.failed", "database.corrupted"]);
    assert_eq!(severe.names(), ["payment.failed", "database.corrupted"]);
    assert_eq!(payments.names(), ["payment.started", "payment.failed"]);
}

#[test]
fn a_level_that_no_transport_wants_is_off() {
    let delivery = Delivery::default().min_level(Level::Warn);
    let telemetry = builder().transport_with(Memory::new(), delivery).build().unwrap();
    assert!(telemetry.is_enabled(Level::Warn) && !telemetry.is_enabled(Level::Info));
}

#[test]
fn emitting_from_within_a_transport_feeds_nothing() {
    let sent = Arc::new(AtomicUsize::new(0));
    let (inner, memory) = telemetry();
    let (count, echo) = (sent.clone(), inner.clone());
    let echoing = move |batch: &[Item]| {
        count.fetch_add(batch.len(), SeqCst);
        emit!(echo, "batch.sent");
        Ok(())
    };
    let telemetry = builder().transport(Custom("echoing", echoing)).build().unwrap();
    emit_numbered(&telemetry, 3);
    telemetry.shutdown(TIMEOUT);
    inner.shutdown(TIMEOUT);
    assert_eq!((sent.load(SeqCst), memory.events().len()), (3, 0));
}

#[test]
fn a_transport_that_cannot_start_is_a_build_error_that_names_it() {
    struct Broken;
    impl Transport for Broken {
        fn name(&self) -> &str {
            "broken"
        }
        fn start(&mut self, resource: &Resource) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            Err(format!("{} has no key", resource.service).into())
        }
        fn send(&mut self, _: &[Item]) -> Result<(), SendError> {
            unreachable!("it never started")
        }
    }
    let error = builder().transport(Broken).build().unwrap_err();
    assert_eq!(error.to_string(), "transport broken could not start: shop has no key");
    assert_eq!(error.code(), "TELEMETRY_TRANSPORT_INIT_FAILED");
    let error = builder().transport_with(Memory::new(), Delivery::default().queue(0)).build().unwrap_err();
    assert_eq!(error.to_string(), "transport memory: queue and batch: must be at least 1");
}

#[test]
fn batches_gather_until_they_are_full_or_old() {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let seen = batches.clone();
    let counting = move |batch: &[Item]| {
        seen.lock().unwrap().push(names(batch).len());
        Ok(())
    };
    let delivery = Delivery::default().batch(4).max_delay(Duration::from_secs(3600));
    let telemetry = builder().transport_with(Custom("counting", counting), delivery).build().unwrap();
    emit_numbered(&telemetry, 10);
    telemetry.flush(TIMEOUT);
    assert_eq!(*batches.lock().unwrap(), [4, 4, 2]);
}

#[test]
fn the_console_shows_text_and_never_obeys_it() {
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (pretty, json) = (Screen::default(), Screen::default());
    let clock = throughline::testing::ManualClock::at("2024-01-15T10:30:00.000Z".parse().unwrap());
    let telemetry = builder()
        .clock(clock)
        .transport(Console::pretty().to(pretty.clone()))
        .transport(Console::json().to(json.clone()))
        .build()
        .unwrap();
    telemetry.session().id("s1").actor("user", "u\x1b[31m").scope("organization", "o").run_sync(|| {
        let error = std::io::Error::other("bell\x07 and\nnew line");
        emit!(telemetry, warn, "odd.input", error: &error, "text" => "a\u{202e}b", "n" => 1);
    });
    telemetry.shutdown(TIMEOUT);
    let shown = |screen: &Screen| String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        shown(&pretty),
        "2024-01-15T10:30:00.000Z WARN  odd.input session=s1 actor=user:u\\u{1b}[31m scope=organization:o \
         n=1 text=a\\u{202e}b\n    Error: bell\\u{7} and\\nnew line\n"
    );
    let line: throughline::Envelope = serde_json::from_str(&shown(&json)).unwrap();
    assert_eq!((line.name.as_str(), line.attributes["text"].as_str()), ("odd.input", Some("a\u{202e}b")));
}

#[test]
fn who_wants_few_of_many_gets_them_whole() {
    let (few, all) = (Memory::new(), Memory::new());
    let severe = Delivery::default().min_level(Level::Error);
    let telemetry = builder().transport(all.clone()).transport_with(few.clone(), severe).build().unwrap();
    let session = telemetry.session().id("sess_1").actor("user", "usr_123").attribute("shop", "A").start();
    for n in 0..1000 {
        match n % 100 {
            7 => {
                emit!(session, error, "n.failed", error: &std::fmt::Error, "n" => n, "text" => format!("{n}"))
            }
            _ => emit!(session, "n.emitted", "n" => n),
        }
        if n % 250 == 0 {
            telemetry.trace(format!("t{n}")).attribute("n", n).start().error(&std::fmt::Error);
        }
    }
    telemetry.shutdown(TIMEOUT);
    let failed = |memory: &Memory| -> Vec<_> {
        memory.events().into_iter().filter(|event| event.level == Level::Error).collect()
    };
    assert_eq!(failed(&few), failed(&all));
    assert_eq!((few.events().len(), few.spans()), (10, all.spans()));
    assert_eq!(few.events()[3].attributes["text"], "307");
    assert_eq!(few.spans()[1].attributes["n"], 250);
}
