//! The transports against real sockets and files: what they send, and what they do about answers.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use serde_json::{Value, json};
use throughline::transport::{Delivery, Http, Otlp, RotatingFile, Transport};
use throughline::{Level, ObservationType, Report, Telemetry, emit};

use crate::TIMEOUT;
use crate::server::{Answer, Request, Server, ok};

fn telemetry(transport: impl Transport) -> Telemetry {
    let delivery = transport.delivery().backoff(Duration::from_millis(1));
    Telemetry::builder("shop")
        .environment("test")
        .version("1.2")
        .transport_with(transport, delivery)
        .build()
        .unwrap()
}

fn busy(status: u16) -> Answer {
    Answer::Status(status, "", b"busy".to_vec())
}

/// One event, sent to a server that answers so.
fn send_one(answers: impl IntoIterator<Item = Answer>) -> (Report, Server) {
    let server = Server::answering(answers);
    let telemetry = telemetry(Otlp::new(&server.url).timeout(Duration::from_millis(500)));
    emit!(telemetry, "order.shipped");
    (telemetry.shutdown(TIMEOUT), server)
}

fn attributes(given: &[KeyValue]) -> Value {
    fn value(any: &Any) -> Value {
        match any {
            Any::StringValue(text) => json!(text),
            Any::IntValue(number) => json!(number),
            Any::DoubleValue(number) => json!(number),
            Any::BoolValue(yes) => json!(yes),
            Any::KvlistValue(list) => attributes(&list.values),
            other => panic!("{other:?}"),
        }
    }
    let pair = |attribute: &KeyValue| {
        (attribute.key.clone(), value(attribute.value.as_ref().unwrap().value.as_ref().unwrap()))
    };
    Value::Object(given.iter().map(pair).collect())
}

#[test]
fn events_are_log_records_with_an_event_name() {
    let server = Server::answering([]);
    let telemetry = telemetry(Otlp::new(&server.url).header("x-extra", "1"));
    let session = telemetry
        .session()
        .id("sess_1")
        .actor("user", "usr_123")
        .actor_tag("role", "admin")
        .scope("organization", "org_456")
        .attribute("ctx.request.id", "req_abc")
        .start();
    emit!(session, error, "payment.failed", error: &std::fmt::Error, "ctx.total" => 14999, "ctx.kg" => 2.3, "ok" => false);
    emit!(telemetry, "service.booted");
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);

    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(
        (request.path.as_str(), request.header("content-type")),
        ("/v1/logs", Some("application/x-protobuf"))
    );
    assert_eq!(request.header("x-extra"), Some("1"));
    let logs = ExportLogsServiceRequest::decode(&request.body[..]).unwrap();
    let resource = attributes(&logs.resource_logs[0].resource.as_ref().unwrap().attributes);
    let expected =
        json!({"service.name": "shop", "deployment.environment.name": "test", "service.version": "1.2"});
    assert_eq!(resource, expected);
    let records = &logs.resource_logs[0].scope_logs[0].log_records;
    assert_eq!((records[0].event_name.as_str(), records[0].severity_number), ("payment.failed", 17));
    let mut first = attributes(&records[0].attributes);
    let own = first.as_object_mut().unwrap();
    assert!(own.remove("throughline.event.id").unwrap().as_str().unwrap().starts_with("evt_"));
    own.retain(|key, _| !key.starts_with("code.") && key != "throughline.source.causer");
    assert_eq!(
        first,
        json!({
            "session.id": "sess_1", "throughline.actor.type": "user", "throughline.actor.id": "usr_123",
            "throughline.actor.tags": {"role": "admin"}, "throughline.scope.type": "organization",
            "throughline.scope.id": "org_456", "ctx.request.id": "req_abc", "ctx.total": 14999, "ctx.kg": 2.3,
            "ok": false, "exception.type": "Error",
            "exception.message": "an error occurred when formatting an argument",
        })
    );
    let alone = attributes(&records[1].attributes);
    assert!(alone.get("session.id").is_none(), "an id that is nobody's is not sent: {alone}");
}

#[test]
fn traces_are_spans() {
    let server = Server::answering([]);
    let telemetry = telemetry(Otlp::new(&server.url));
    let outer = telemetry.session().id("outer").start();
    outer.enter(|| {
        telemetry.session().id("conv_1").actor("user", "alice").run_sync(|| {
            let state = throughline::TraceState::parse("congo=t61rcWkgMzE");
            let turn = telemetry.trace("chat turn").trace_state(state).input("hello").start();
            let call = turn.generation("answer").model("gpt-4o").start();
            call.set_output(json!({"role": "assistant"}));
            call.set_error(&std::fmt::Error);
        });
    });
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.path, "/v1/traces");
    let traces = ExportTraceServiceRequest::decode(&request.body[..]).unwrap();
    let [call, turn] = &traces.resource_spans[0].scope_spans[0].spans[..] else { panic!("two spans") };
    assert_eq!((call.name.as_str(), turn.name.as_str()), ("answer", "chat turn"));
    assert_eq!((call.parent_span_id.as_slice(), &call.trace_id), (turn.span_id.as_slice(), &turn.trace_id));
    assert!(turn.parent_span_id.is_empty() && call.start_time_unix_nano <= call.end_time_unix_nano);
    assert_eq!((call.kind, turn.kind), (3, 1));
    assert_eq!([&call.trace_state, &turn.trace_state], ["congo=t61rcWkgMzE"; 2]);
    let expected = json!({
        "session.id": "conv_1", "throughline.parent_session.id": "outer", "throughline.actor.type": "user",
        "throughline.actor.id": "alice", "user.id": "alice", "throughline.observation.type": "generation",
        "throughline.level": "error", "gen_ai.request.model": "gpt-4o", "output.value": r#"{"role":"assistant"}"#,
    });
    assert_eq!(attributes(&call.attributes), expected);
    assert_eq!(call.status.as_ref().unwrap().code, 2);
    assert_eq!((call.events[0].name.as_str(), call.events[0].attributes.len()), ("exception", 2));
    assert_eq!(attributes(&turn.attributes)["input.value"], "hello");
}

#[test]
fn large_requests_are_compressed_unless_told_not_to() {
    for (gzip, encoding) in [(true, Some("gzip")), (false, None)] {
        let server = Server::answering([]);
        let telemetry = telemetry(Otlp::new(&server.url).gzip(gzip));
        (0..50).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
        telemetry.shutdown(TIMEOUT);
        let request = &server.requests()[0];
        assert_eq!(request.header("content-encoding"), encoding);
        assert!(ExportLogsServiceRequest::decode(&request.body[..]).is_ok());
    }
}

#[test]
fn retry_after_is_honoured() {
    let started = Instant::now();
    let (report, _) = send_one([Answer::Status(429, "retry-after: 1\r\n", Vec::new())]);
    assert_eq!(report.lost(), 0);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn retry_after_may_be_a_date_by_the_server_s_clock() {
    let started = Instant::now();
    let headers = "date: Fri, 06 Nov 2026 08:49:37 GMT\r\nretry-after: Fri, 06 Nov 2026 08:49:38 GMT\r\n";
    let (report, _) = send_one([Answer::Status(503, headers, Vec::new())]);
    assert_eq!(report.lost(), 0);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_partial_success_is_counted() {
    let partial = ExportLogsPartialSuccess { rejected_log_records: 2, error_message: "bad".to_owned() };
    let answer = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let server = Server::answering([Answer::Status(200, "", answer)]);
    let telemetry = telemetry(Otlp::new(&server.url));
    (0..5).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!((report.transports[0].delivered, report.transports[0].failed), (3, 2));
}

#[test]
fn events_are_not_sent_twice_because_their_spans_failed() {
    let server = Server::answering([ok(), busy(503), busy(503), ok()]);
    let telemetry = telemetry(Otlp::new(&server.url));
    emit!(telemetry, "turn.started");
    telemetry.trace("chat turn").run_sync(|| ());
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/v1/logs", "/v1/traces", "/v1/traces", "/v1/traces"]);
}

fn paths(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| request.path).collect()
}

#[test]
fn a_backend_without_logs_still_gets_the_spans() {
    let not_found = || Answer::Status(404, "", b"no logs here".to_vec());
    let server = Server::answering([not_found(), busy(503), ok()]);
    let telemetry = telemetry(Otlp::new(&server.url));
    emit!(telemetry, "turn.started");
    telemetry.trace("chat turn").run_sync(|| ());
    let report = &telemetry.shutdown(TIMEOUT).transports[0];
    assert_eq!((report.delivered, report.failed), (1, 1));
    assert_eq!(report.last_error.as_deref(), Some("the server refused 1 of 2: status 404: no logs here"));
    assert_eq!(paths(&server), ["/v1/logs", "/v1/traces", "/v1/traces"]);
}

#[test]
fn what_is_too_large_at_once_is_sent_in_parts_and_nothing_twice() {
    let too_large = || Answer::Status(413, "", Vec::new());
    // Everything at once; then the spans of the whole, of its first half, and the rest.
    let server = Server::answering([ok(), too_large(), too_large()]);
    let telemetry = telemetry(Otlp::new(&server.url));
    (0..2).for_each(|_| emit!(telemetry, "turn.started"));
    (0..6).for_each(|_| telemetry.trace("chat turn").run_sync(|| ()));
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let paths = paths(&server);
    assert_eq!(paths.iter().filter(|path| *path == "/v1/logs").count(), 1, "{paths:?}");
    let spans = |request: &Request| {
        let traces = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
        traces.resource_spans[0].scope_spans[0]
            .spans
            .iter()
            .map(|span| span.span_id.clone())
            .collect::<Vec<_>>()
    };
    let requests = server.requests();
    let mut ids: Vec<_> = requests[3..].iter().flat_map(spans).collect();
    assert_eq!((spans(&requests[1]).len(), spans(&requests[2]).len(), ids.len()), (6, 2, 6), "{paths:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[test]
fn a_dsn_is_key_host_and_project() {
    let server = Server::answering([]);
    let dsn = format!("{}/shop", server.url.replace("http://", "http://pk_live_abc@"));
    let telemetry = telemetry(Otlp::dsn(&dsn).unwrap());
    emit!(telemetry, "order.shipped");
    telemetry.shutdown(TIMEOUT);
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer pk_live_abc"));
    assert_eq!((request.header("x-throughline-project"), request.path.as_str()), (Some("shop"), "/v1/logs"));
    assert!(Otlp::dsn(&format!(" {dsn}\n")).is_ok(), "as files and variables have it");
    for bad in ["", "http://host:1/x", "key@host", "http://@host", "http://k ey@host"] {
        assert!(Otlp::dsn(bad).is_err(), "{bad}");
    }
}

#[test]
fn opentelemetry_s_variables_are_understood() {
    let server = Server::answering([]);
    let url = server.url.clone();
    let variables = move |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(format!("{url}/")),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("authorization=Bearer%20abc, x-two=2,".to_owned()),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some(String::new()),
        _ => None,
    };
    let telemetry = telemetry(Otlp::from_variables(variables).unwrap());
    emit!(telemetry, "order.shipped");
    telemetry.shutdown(TIMEOUT);
    let request = &server.requests()[0];
    assert_eq!((request.header("authorization"), request.header("x-two")), (Some("Bearer abc"), Some("2")));
}

#[test]
fn variables_are_trimmed_and_what_is_empty_is_unset() {
    let server = Server::answering([]);
    let url = server.url.clone();
    let variables = move |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(format!(" {url}// ")),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("  ".to_owned()),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("0".to_owned()),
        "OTEL_SERVICE_NAME" => Some(" shop ".to_owned()),
        "OTEL_RESOURCE_ATTRIBUTES" => Some("deployment.environment.name=, service.version = ,x=y".to_owned()),
        _ => None,
    };
    let builder = Telemetry::from_variables(&variables).unwrap();
    let telemetry = builder.transport(Otlp::from_variables(&variables).unwrap()).build().unwrap();
    let resource = telemetry.resource();
    assert_eq!((resource.service.as_str(), resource.environment.as_str()), ("shop", "development"));
    assert_eq!(resource.version, None);
    emit!(telemetry, "order.shipped");
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0, "a timeout of 0 is none");
    assert_eq!(server.requests()[0].path, "/v1/logs");
}

#[test]
fn a_header_that_is_none_is_a_build_error_that_does_not_show_its_value() {
    let url = "http://127.0.0.1:4318";
    let refused = |transport: Otlp| {
        let error = Telemetry::builder("shop").transport(transport).build().unwrap_err();
        assert_eq!(error.code(), "TELEMETRY_TRANSPORT_INIT_FAILED");
        error.to_string()
    };
    let bad_name = refused(Otlp::new(url).header("x key", "1"));
    assert_eq!(bad_name, r#"transport otlp could not start: "x key" is not a header's name"#);
    let variables = |name: &str| (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| "x-key=pk%0Aabc".to_owned());
    let bad_value = refused(Otlp::from_variables(variables).unwrap());
    assert!(bad_value.contains("the header x-key") && !bad_value.contains("abc"), "{bad_value}");
}

#[test]
fn a_url_that_is_none_is_a_build_error() {
    let ports = ["http://127.0.0.1:65536", "http://127.0.0.1:x", "http://[::1]:"];
    for bad in
        ["", "localhost:4318", "ftp://x", "http://", "http://x?a=1", "http://x/#a"].into_iter().chain(ports)
    {
        let error = Telemetry::builder("shop").transport(Otlp::new(bad)).build().unwrap_err();
        assert_eq!(error.code(), "TELEMETRY_TRANSPORT_INIT_FAILED", "{bad}");
    }
    for good in ["http://[::1]:4318", "http://[::1]", "http://localhost", "http://a:b@127.0.0.1:1/otlp"] {
        assert!(Telemetry::builder("shop").transport(Otlp::new(good)).build().is_ok(), "{good}");
    }
}

#[test]
fn envelopes_go_as_a_json_array() {
    let answer = br#"{"accepted":1,"rejected":[{"index":1,"code":"x","message":"too old"}]}"#;
    let server = Server::answering([Answer::Status(200, "", answer.to_vec())]);
    let telemetry = telemetry(Http::new(format!("{}/api/v1/events", server.url)));
    telemetry.session().id("sess_1").run_sync(|| emit!(telemetry, warn, "rate_limit.approaching", "n" => 1));
    emit!(telemetry, "service.booted");
    let report = telemetry.shutdown(TIMEOUT);
    let body = server.requests()[0].json();
    assert_eq!(
        (&body[0]["sessionId"], &body[0]["attributes"], &body[0]["level"]),
        (&json!("sess_1"), &json!({"n": 1}), &json!("warn"))
    );
    assert_eq!((&body[0]["standalone"], &body[1]["standalone"]), (&Value::Null, &json!(true)));
    assert_eq!((report.transports[0].delivered, report.transports[0].failed), (1, 1));
    assert!(report.transports[0].last_error.as_ref().unwrap().contains("too old"));
}

#[test]
fn files_rotate_and_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/events.jsonl");
    let telemetry = telemetry(RotatingFile::new(&path).max_bytes(2000).keep(100));
    (0..40).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
    telemetry.observation(ObservationType::Tool, "find").run_sync(|| ());
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let files: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten().collect();
    assert!(files.len() > 3, "{files:?}");
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.len() <= 2000);
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let mut numbers: Vec<_> = lines.iter().filter_map(|line| line["attributes"]["n"].as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!((numbers, lines.len()), ((0..40).collect(), 41));
}

#[test]
fn half_a_line_that_was_left_behind_does_not_cost_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    std::fs::write(&path, r#"{"name":"order.sh"#).unwrap();
    for name in ["first.start", "second.start"] {
        let telemetry = telemetry(RotatingFile::new(&path));
        telemetry.emit(name);
        assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let names = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["first.start", "second.start"], "{text}");
}

#[test]
fn only_so_many_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let telemetry = telemetry(RotatingFile::new(&path).max_bytes(1000).keep(2));
    (0..40).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
    telemetry.shutdown(TIMEOUT);
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .flatten()
        .map(|file| file.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]);
    assert!(std::fs::read_to_string(path).unwrap().contains(r#""n":39"#));
}

#[test]
fn a_file_that_cannot_be_made_is_a_build_error() {
    let directory = tempfile::tempdir().unwrap();
    let error =
        Telemetry::builder("shop").transport(RotatingFile::new(directory.path())).build().unwrap_err();
    assert_eq!(error.code(), "TELEMETRY_TRANSPORT_INIT_FAILED");
}

#[test]
fn a_transport_with_a_filter_sends_nothing_else() {
    let server = Server::answering([]);
    let telemetry = Telemetry::builder("shop")
        .environment("test")
        .transport_with(Otlp::new(&server.url), Delivery::default().min_level(Level::Error))
        .build()
        .unwrap();
    emit!(telemetry, "service.booted");
    assert!(telemetry.shutdown(TIMEOUT).complete);
    assert!(server.requests().is_empty());
}
