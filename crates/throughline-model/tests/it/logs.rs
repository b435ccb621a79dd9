//! Log records as events and as spans.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use throughline_model::otlp::{
    Log, check_logs, each_log, each_span, events_to_logs, logs_from_json, logs_to_json, observation,
};
use throughline_model::{
    Actor, Attributes, ErrorInfo, Event, EventId, Level, Observation, Scope, SessionId, Source, SpanId,
    Timestamp, TraceId,
};

use crate::support::{NOW, any_value, attributes, now};

fn record(name: &str, attributes_of_record: &Value) -> LogRecord {
    LogRecord {
        time_unix_nano: NOW as u64,
        event_name: name.to_owned(),
        attributes: attributes(attributes_of_record),
        ..LogRecord::default()
    }
}

fn request(scope: &str, log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope = InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() };
    let resource =
        json!({"service.name": "shop", "deployment.environment.name": "test", "session.id": "whole process"});
    let resource = Resource { attributes: attributes(&resource), ..Resource::default() };
    let scope_logs = ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() };
    let resource_logs =
        ResourceLogs { resource: Some(resource), scope_logs: vec![scope_logs], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource_logs] }.encode_to_vec()
}

/// What each record is: an event, or the observation of its span with the trace's input.
#[derive(Debug, PartialEq)]
enum Read {
    Event(Box<Event>),
    Span(Box<Observation>),
}

fn read(body: &[u8]) -> Vec<Read> {
    let checked = check_logs(body, now()).unwrap();
    assert_eq!(checked.rejected, 0, "{:?}", checked.first_reason);
    let mut all = Vec::new();
    each_log(checked.body.as_deref().unwrap_or(body), |log| match log {
        Log::Event(event) => all.push(Read::Event(event)),
        Log::Span(body) => {
            each_span(body, |span| all.push(Read::Span(Box::new(observation(&span.facts()))))).unwrap();
        }
    })
    .unwrap();
    all
}

fn events(body: &[u8]) -> Vec<Event> {
    let event = |read| match read {
        Read::Event(event) => *event,
        Read::Span(observation) => panic!("a span: {observation:?}"),
    };
    read(body).into_iter().map(event).collect()
}

fn observations(body: &[u8]) -> Vec<Observation> {
    let observation = |read| match read {
        Read::Span(observation) => *observation,
        Read::Event(event) => panic!("an event: {event:?}"),
    };
    read(body).into_iter().map(observation).collect()
}

#[test]
fn anybodys_record_is_an_event() {
    let plain = LogRecord {
        body: Some(any_value(&json!("disk full"))),
        severity_text: "ERROR".to_owned(),
        ..record(
            "",
            &json!({"disk": "sda", "session.id": "own", "code.file.path": "a.rs", "code.line.number": 7}),
        )
    };
    let failed = LogRecord {
        trace_id: vec![5; 16],
        span_id: vec![6; 8],
        body: Some(any_value(&json!({"a": [1]}))),
        ..record("", &json!({"event.name": "pay.failed", "exception.type": "E", "exception.message": "m"}))
    };
    let all = events(&request("s", vec![plain, failed]));
    let [plain, failed] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (&*plain.name, plain.level, &*plain.service, &*plain.environment),
        ("log", Level::Error, "shop", "test")
    );
    assert_eq!(plain.session_id, Some(SessionId::from("own")));
    assert_eq!(Value::from(plain.attributes.clone()), json!({"disk": "sda", "body": "disk full"}));
    let source = plain.source.as_ref().unwrap();
    assert_eq!((source.file.as_deref(), source.line), (Some("a.rs"), Some(7)));
    assert_eq!((&*failed.name, failed.level), ("pay.failed", Level::Error));
    assert_eq!(failed.session_id, Some(SessionId::from("whole process")));
    assert_eq!(failed.error.as_ref().map(|error| &*error.message), Some("m"));
    assert_eq!(Value::from(failed.attributes.clone()), json!({"body": {"a": [1]}}));
    assert_eq!(failed.trace_id, TraceId::from_bytes([5; 16]));
}

#[test]
fn ids_are_the_same_when_sent_again_and_differ_between_like_records() {
    let one = || record("tick", &json!({"n": 1}));
    let observed_later = |later| LogRecord { observed_time_unix_nano: NOW as u64 + later, ..one() };
    let ids = |records| events(&request("s", records)).into_iter().map(|event| event.id).collect::<Vec<_>>();
    let first = ids(vec![one(), one(), record("tick", &json!({"n": 2}))]);
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
    assert_eq!(first[..2], ids(vec![one(), one()]));
    assert_eq!(ids(vec![observed_later(1)]), ids(vec![observed_later(2)]));
}

#[test]
fn a_very_long_session_id_is_cut_alike_in_records_and_spans() {
    let attributes = json!({"session.id": "s".repeat(5000)});
    let of_event = events(&request("s", vec![record("tick", &attributes)]))[0].session_id.clone().unwrap();
    let body = crate::support::request(&json!({}), "s", vec![crate::support::span(&attributes)]);
    crate::support::with_facts(&body, |facts| {
        assert_eq!(facts.session_id.as_deref(), Some(of_event.as_str()))
    });
}

#[test]
fn a_record_without_any_time_happened_when_it_came() {
    let timeless = LogRecord { time_unix_nano: 0, ..record("tick", &json!({})) };
    let observed = LogRecord { observed_time_unix_nano: NOW as u64 - 9, ..timeless.clone() };
    let times: Vec<_> =
        events(&request("s", vec![timeless, observed])).iter().map(|event| event.time).collect();
    assert_eq!(times, [now(), Timestamp::from_nanos(NOW - 9)]);
    let bad = |spoil: fn(&mut LogRecord)| {
        let mut bad = record("tick", &json!({}));
        spoil(&mut bad);
        let checked = check_logs(&request("s", vec![bad, record("tick", &json!({}))]), now()).unwrap();
        assert_eq!((checked.accepted, checked.rejected), (1, 1));
        checked.first_reason.unwrap()
    };
    assert_eq!(
        bad(|record| record.trace_id = vec![1; 4]),
        "log record: its trace id has 4 bytes, 16 are needed"
    );
    assert_eq!(
        bad(|record| record.span_id = vec![1; 4]),
        "log record: its span id has 4 bytes, 8 are needed"
    );
    assert!(bad(|record| record.time_unix_nano = u64::MAX).contains("lies in the future"));
}

fn claude_code() -> Vec<u8> {
    let with = |name: &str, extra: Value| {
        let mut all = json!({"session.id": "cc-1", "prompt.id": "p-1", "user.id": "u", "event.name": name});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        LogRecord { body: Some(any_value(&json!(format!("claude_code.{name}")))), ..record("", &all) }
    };
    request(
        "com.anthropic.claude_code.events",
        vec![
            with("user_prompt", json!({"prompt": "Fix the test", "prompt_length": "12"})),
            with(
                "api_request",
                json!({"model": "claude-opus-4", "duration_ms": 1500, "cost_usd": "0.25",
            "input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 300, "cache_creation_tokens": 20}),
            ),
            with(
                "tool_result",
                json!({"tool_name": "Bash", "success": "false", "duration_ms": "40", "error": "exit 1",
            "tool_parameters": "{\"command\":\"make\"}"}),
            ),
            with("api_error", json!({"model": "claude-opus-4", "error": "overloaded", "status_code": "529"})),
            with("tool_decision", json!({"tool_name": "Bash", "decision": "accept"})),
        ],
    )
}

#[test]
fn claude_code_makes_one_trace_of_a_prompt() {
    let all = read(&claude_code());
    let [Read::Span(prompt), Read::Span(call), Read::Span(tool), Read::Span(error), Read::Event(decision)] =
        &all[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!((prompt.kind.as_str(), prompt.input.as_ref()), ("event", Some(&json!("Fix the test"))));
    assert_eq!((prompt.parent_id, prompt.session_id.as_ref().map(SessionId::as_str)), (None, Some("cc-1")));
    for child in [call, tool, error] {
        assert_eq!((child.trace_id, child.parent_id), (prompt.trace_id, Some(prompt.id)));
    }
    assert_eq!((call.kind.as_str(), call.name.as_str()), ("generation", "claude_code.api_request"));
    assert_eq!((call.duration, call.end_time), (1500.0, now()));
    assert_eq!(call.model.as_deref(), Some("claude-opus-4"));
    let usage = call.usage.unwrap();
    assert_eq!([usage.input_uncached, usage.cache_read, usage.cache_write, usage.output], [10, 300, 20, 5]);
    assert_eq!(call.given_cost.map(|cost| cost.dollars()), Some(0.25));
    assert_eq!((tool.kind.as_str(), tool.is_error(), tool.duration), ("tool", true, 40.0));
    let called = tool.tool.as_ref().unwrap();
    assert_eq!(
        (called.name.as_deref(), &called.arguments),
        (Some("Bash"), &Some(json!({"command": "make"})))
    );
    assert_eq!((error.kind.as_str(), error.status_message.as_deref()), ("generation", Some("overloaded")));
    assert_eq!(decision.name, "claude_code.tool_decision");
    assert_eq!(read(&claude_code()), all, "the same when sent again");
}

#[test]
fn claude_code_with_traces_says_nothing_twice() {
    let mut request = ExportLogsServiceRequest::decode(&*claude_code()).unwrap();
    let records = &mut request.resource_logs[0].scope_logs[0].log_records;
    records.iter_mut().for_each(|record| (record.trace_id, record.span_id) = (vec![5; 16], vec![6; 8]));
    let all = events(&request.encode_to_vec());
    assert_eq!(all[1].name, "claude_code.api_request");
    assert!(all.iter().all(|event| event.span_id == SpanId::from_bytes([6; 8])));
}

#[test]
fn gen_ai_records_become_children_of_their_span() {
    let in_span = |record: LogRecord| LogRecord { trace_id: vec![5; 16], span_id: vec![6; 8], ..record };
    let said = |name: &str, body: Value| {
        in_span(LogRecord {
            body: Some(any_value(&body)),
            ..record(name, &json!({"gen_ai.system": "openai"}))
        })
    };
    let body = request(
        "gen_ai",
        vec![
            said("gen_ai.user.message", json!({"content": "hi"})),
            said(
                "gen_ai.choice",
                json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ho"}}),
            ),
            in_span(record(
                "gen_ai.client.inference.operation.details",
                &json!({
            "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 2,
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]}),
            )),
            in_span(LogRecord {
                body: Some(any_value(&json!({"gen_ai.output.messages": "ho"}))),
                ..record("gen_ai.client.inference.operation.details", &json!({}))
            }),
        ],
    );
    let all = observations(&body);
    assert!(
        all.iter()
            .all(|child| child.trace_id.as_bytes() == &[5; 16]
                && child.parent_id == SpanId::from_bytes([6; 8]))
    );
    let kinds: Vec<_> = all.iter().map(|child| child.kind.as_str()).collect();
    assert_eq!(kinds, ["event", "event", "generation", "event"]);
    assert_eq!(all[0].input, Some(json!([{"role": "user", "content": "hi"}])));
    assert_eq!(all[1].output.as_ref().unwrap()[0]["content"], "ho");
    assert_eq!(all[2].usage.map(|usage| usage.total()), Some(7));
    assert!(all[2].input.is_some());
    assert_eq!(all[3].output, Some(json!("ho")));
    let ids: std::collections::BTreeSet<_> = all.iter().map(|child| child.id).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn gen_ai_records_without_a_span_have_a_trace_of_their_own() {
    let body = request(
        "gen_ai",
        vec![
            record("gen_ai.user.message", &json!({"content": "hi"})),
            record("gen_ai.choice", &json!({"content": "ho"})),
        ],
    );
    let all = observations(&body);
    assert_ne!(all[0].trace_id, all[1].trace_id);
    assert!(all.iter().all(|root| root.parent_id.is_none()));
    assert_eq!(all[0].session_id, Some(SessionId::from("whole process")));
    assert_eq!(observations(&body), all);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let reserved = prop::sample::select(vec![
        "session.id",
        "gen_ai.conversation.id",
        "thread_id",
        "body",
        "event.name",
        "exception.message",
        "throughline.event.id",
        "throughline.event.attributes",
        "throughline.actor.tags",
        "code.file.path",
        "service.name",
        "user.id",
        "",
    ]);
    prop_oneof![reserved.prop_map(str::to_owned), "[a-z.]{1,9}"]
}

fn object() -> impl Strategy<Value = Attributes> {
    prop::collection::btree_map(key(), json_value(), 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn text() -> impl Strategy<Value = String> {
    ".{1,9}"
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text())
}

fn event() -> impl Strategy<Value = Event> {
    let who = (
        prop::option::of((text(), maybe(), object()).prop_map(|(kind, id, tags)| Actor { kind, id, tags })),
        prop::option::of((text(), text(), object()).prop_map(|(kind, id, tags)| Scope { kind, id, tags })),
    );
    let error = prop::option::of((".{0,5}", ".{0,5}", maybe(), maybe()))
        .prop_map(|error| error.map(|(name, message, code, stack)| ErrorInfo { name, message, code, stack }));
    let source = prop::option::of((text(), maybe(), prop::option::of(any::<u32>())))
        .prop_map(|source| source.map(|(causer, file, line)| Source { causer: Some(causer), file, line }));
    let place = (prop::option::of(any::<[u8; 16]>()), prop::option::of(any::<[u8; 8]>()));
    let names = (text(), text(), "[a-z]{1,3}", "[a-z]{0,2}", maybe(), maybe());
    let level = prop::sample::select(Level::ALL.to_vec());
    (names, NOW - 1_000_000_000..NOW, level, who, error, source, place, object()).prop_map(
        |(
            (id, name, service, environment, version, session),
            time,
            level,
            (actor, scope),
            error,
            source,
            place,
            attributes,
        )| Event {
            id: EventId::from(id),
            name,
            time: Timestamp::from_nanos(time),
            level,
            service,
            environment,
            version,
            session_id: session.map(SessionId::from),
            trace_id: place.0.and_then(TraceId::from_bytes),
            span_id: place.1.and_then(SpanId::from_bytes),
            actor,
            scope,
            attributes,
            error,
            source,
        },
    )
}

proptest! {
    #[test]
    fn events_come_back_as_they_were(all in prop::collection::vec(event(), 0..4)) {
        let body = events_to_logs(&all);
        let checked = check_logs(&body, now()).unwrap();
        prop_assert_eq!((checked.accepted as usize, checked.rejected, checked.body), (all.len(), 0, None));
        prop_assert_eq!(&events(&body), &all);
        let json = logs_to_json(&body).unwrap().to_string();
        prop_assert_eq!(&events(&logs_from_json(json.as_bytes()).unwrap()), &all);
    }
}
