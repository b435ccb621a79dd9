//! Kills the real server at random moments under load, again and again, and counts what is there afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, status};
use prost::Message;
use serde_json::{Value, json};

use crate::process::{ServerProcess, free_address, post};

const KILLS: usize = 20;
const SENDERS: u64 = 3;
const SESSIONS: u64 = 17;
const TRACES_PER_REQUEST: u64 = 12;
const CHILDREN: u64 = 4;

/// What one session must add up to.
#[derive(Debug, Default, Clone, PartialEq)]
struct Totals {
    traces: u64,
    observations: u64,
    errors: u64,
    tokens: u64,
    events: u64,
}

/// Everything that was acknowledged, by session.
#[derive(Default)]
struct Ledger {
    sessions: BTreeMap<String, Totals>,
    traces: BTreeMap<String, BTreeSet<String>>,
}

#[test]
fn every_acknowledged_span_survives_twenty_kills_exactly_once() {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let (http, grpc) = (free_address(), free_address());
    let ledger = Mutex::new(Ledger::default());
    let stop = AtomicBool::new(false);
    let mut rng = fastrand::Rng::with_seed(20_261_121);

    std::thread::scope(|scope| {
        let mut server = ServerProcess::start(data_dir.path(), http, grpc);
        let send = |sender| {
            let (ledger, stop) = (&ledger, &stop);
            scope.spawn(move || send_until_stopped(sender, http, ledger, stop))
        };
        let senders: Vec<_> = (0..SENDERS).map(send).collect();
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(rng.u64(20..900)));
            server.kill();
            server = ServerProcess::start(data_dir.path(), http, grpc);
        }
        stop.store(true, Ordering::Relaxed);
        // They go on until what they have in hand is acknowledged, so the server must outlive them.
        for sender in senders {
            sender.join().expect("a sender got everything acknowledged");
        }
        server.kill();
    });

    let server = ServerProcess::start(data_dir.path(), http, grpc);
    let ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(ledger.traces.len() > 200, "the load was real: {} traces", ledger.traces.len());
    wait_for_totals(&server, &ledger.sessions);
    assert_every_span_once(&server, &ledger.traces);
}

/// Sends request after request. One without an answer is sent again, byte for byte, until it is acknowledged: it may
/// have been stored the first time.
fn send_until_stopped(sender: u64, server: SocketAddr, ledger: &Mutex<Ledger>, stop: &AtomicBool) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .new_agent();
    for number in 0.. {
        let load = Load::new(sender, number);
        for (path, content_type, body) in load.requests() {
            let deadline = Instant::now() + Duration::from_secs(60);
            while post(&agent, server, path, content_type, &body) != Some(200) {
                assert!(Instant::now() < deadline, "a request was not acknowledged for a minute");
                std::thread::sleep(Duration::from_millis(15));
            }
        }
        load.enter(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner));
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// A few traces of one session. Children travel before their roots, and only roots name the session.
struct Load {
    sender: u64,
    number: u64,
    session: String,
}

impl Load {
    fn new(sender: u64, number: u64) -> Self {
        Self { sender, number, session: format!("session-{}", (sender * 7 + number) % SESSIONS) }
    }

    fn requests(&self) -> Vec<(&'static str, &'static str, Vec<u8>)> {
        let traces = 0..TRACES_PER_REQUEST;
        let children = traces.clone().flat_map(|trace| (1..=CHILDREN).map(move |span| (trace, span)));
        let children = children.map(|(trace, span)| self.span(trace, span)).collect();
        let roots = traces.map(|trace| self.span(trace, 0)).collect();
        let event = json!({ "id": format!("event-{}-{}", self.sender, self.number), "name": "load.sent",
            "sessionId": self.session, "time": "2026-11-20T10:00:00Z" });
        vec![
            ("/v1/traces", "application/x-protobuf", request(children)),
            ("/v1/traces", "application/x-protobuf", request(roots)),
            ("/api/v1/events", "application/json", event.to_string().into_bytes()),
        ]
    }

    fn trace_id(&self, trace: u64) -> [u8; 16] {
        let unique = (self.sender << 32 | self.number) * TRACES_PER_REQUEST + trace;
        let mut id = [7; 16];
        id[8..].copy_from_slice(&unique.to_be_bytes());
        id
    }

    /// Span 0 is the root; span 1 failed; span 2 is a model call of 30 tokens.
    fn span(&self, trace: u64, span: u64) -> Span {
        let start = 1_795_000_000_000_000_000 + (self.number * 100 + trace) * 1_000_000;
        let id = |span: u64| (span + 1).to_be_bytes().to_vec();
        let attributes = match span {
            0 => vec![attribute("session.id", any_value::Value::StringValue(self.session.clone()))],
            2 => vec![
                attribute("gen_ai.operation.name", any_value::Value::StringValue("chat".into())),
                attribute("gen_ai.request.model", any_value::Value::StringValue("gpt-4o".into())),
                attribute("gen_ai.usage.input_tokens", any_value::Value::IntValue(20)),
                attribute("gen_ai.usage.output_tokens", any_value::Value::IntValue(10)),
            ],
            _ => vec![attribute("input.value", any_value::Value::StringValue("lorem ipsum ".repeat(60)))],
        };
        Span {
            trace_id: self.trace_id(trace).to_vec(),
            span_id: id(span),
            parent_span_id: if span == 0 { Vec::new() } else { id(0) },
            name: format!("step-{span}"),
            start_time_unix_nano: start,
            end_time_unix_nano: start + 1_000_000,
            attributes,
            status: (span == 1)
                .then(|| Status { message: "no".into(), code: status::StatusCode::Error as i32 }),
            ..Span::default()
        }
    }

    fn enter(&self, ledger: &mut Ledger) {
        let totals = ledger.sessions.entry(self.session.clone()).or_default();
        totals.traces += TRACES_PER_REQUEST;
        totals.observations += TRACES_PER_REQUEST * (CHILDREN + 1);
        totals.errors += TRACES_PER_REQUEST;
        totals.tokens += TRACES_PER_REQUEST * 30;
        totals.events += 1;
        for trace in 0..TRACES_PER_REQUEST {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let spans = (0..=CHILDREN).map(|span| hex(&(span + 1).to_be_bytes())).collect();
            ledger.traces.insert(hex(&self.trace_id(trace)), spans);
        }
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn wait_for_totals(server: &ServerProcess, expected: &BTreeMap<String, Totals>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, page) = server.get("/api/v1/sessions?limit=1000");
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        let stored: BTreeMap<String, Totals> = rows.iter().map(totals).collect();
        if status == 200 && stored == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "stored {stored:#?}\nacknowledged {expected:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn totals(session: &Value) -> (String, Totals) {
    let number = |key: &str| session[key].as_u64().unwrap_or(u64::MAX);
    let totals = Totals {
        traces: number("traceCount"),
        observations: number("observationCount"),
        errors: number("errorCount"),
        tokens: number("totalTokens"),
        events: number("eventCount"),
    };
    (session["id"].as_str().unwrap_or_default().to_owned(), totals)
}

fn assert_every_span_once(server: &ServerProcess, expected: &BTreeMap<String, BTreeSet<String>>) {
    for (trace, spans) in expected {
        let (status, body) = server.get(&format!("/api/v1/traces/{trace}"));
        let observations = body["observations"].as_array().cloned().unwrap_or_default();
        let ids: Vec<&str> = observations.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!((status, ids.len()), (200, spans.len()), "trace {trace}: {ids:?}");
        assert!(ids.iter().all(|id| spans.contains(*id)), "trace {trace}: {ids:?}");
    }
}
