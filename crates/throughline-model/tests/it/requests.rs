//! Arbitrary requests, and what happens to them on the way in and out, held against the protocol's own types.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use serde_json::Value;
use throughline_model::otlp::{
    AttributeValue, Log, check_logs, check_traces, each_log, each_span, logs_from_json, logs_to_json,
    observation, traces_from_json, traces_to_json,
};

use crate::support::{NOW, any_value, now};

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e12..1e12).prop_map(|number: f64| Value::from(number)),
        ".{0,12}".prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z.]{0,6}", inner, 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    });
    prop_oneof![
        9 => json.prop_map(|json| any_value(&json)),
        1 => vec(any::<u8>(), 0..9).prop_map(|bytes| AnyValue { value: Some(any_value::Value::BytesValue(bytes)) }),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY])
            .prop_map(|number| AnyValue { value: Some(any_value::Value::DoubleValue(number)) }),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "session.id",
        "gen_ai.usage.input_tokens",
        "gen_ai.input.messages",
        "llm.input_messages.0.message.role",
        "llm.input_messages.9999999999.x.y",
        "langfuse.observation.usage_details",
        "langfuse.observation.cost_details",
        "metadata",
        "ai.response.toolCalls",
        "ai.response.providerMetadata",
        "model",
        "tag.tags",
        "exception.message",
        "event.name",
        "prompt.id",
        "duration_ms",
        "throughline.actor.type",
        "throughline.event.id",
    ]);
    prop_oneof![known.prop_map(str::to_owned), ".{0,10}"]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let one = (key(), prop::option::weighted(0.95, value()));
    vec(one.prop_map(|(key, value)| KeyValue { key, value, ..KeyValue::default() }), 0..5)
}

fn time() -> impl Strategy<Value = u64> {
    NOW as u64 - 1_000_000_000_000..NOW as u64
}

fn event() -> impl Strategy<Value = span::Event> {
    let name = prop::sample::select(vec!["exception", "gen_ai.choice", "gen_ai.user.message", "other"]);
    (time(), name, attributes()).prop_map(|(time_unix_nano, name, attributes)| span::Event {
        time_unix_nano,
        name: name.to_owned(),
        attributes,
        dropped_attributes_count: 1,
    })
}

fn span_of_request() -> impl Strategy<Value = Span> {
    let ids = (any::<[u8; 15]>(), any::<[u8; 7]>(), prop::option::of(any::<[u8; 7]>()));
    let link = attributes().prop_map(|attributes| span::Link { attributes, ..span::Link::default() });
    let status = prop::option::of(("[a-z]{0,4}", 0..3).prop_map(|(message, code)| Status { message, code }));
    let times = (time(), 0..1_000_000_000_u64);
    (ids, ".{0,8}", times, attributes(), vec(event(), 0..3), vec(link, 0..2), status, any::<(u32, i8)>())
        .prop_map(
            |(
                (trace, span, parent),
                name,
                (start, length),
                attributes,
                events,
                links,
                status,
                (flags, _),
            )| Span {
                trace_id: [&trace[..], &[1]].concat(),
                span_id: [&span[..], &[1]].concat(),
                parent_span_id: parent.map(|parent| [&parent[..], &[1]].concat()).unwrap_or_default(),
                name,
                kind: 3,
                start_time_unix_nano: start,
                end_time_unix_nano: start + length,
                attributes,
                events,
                links,
                status,
                flags,
                ..Span::default()
            },
        )
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    prop::option::of(attributes().prop_map(|attributes| Resource { attributes, ..Resource::default() }))
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let name = prop::sample::select(vec!["shop", "com.anthropic.claude_code.events", ""]);
    prop::option::of((name, attributes()).prop_map(|(name, attributes)| InstrumentationScope {
        name: name.to_owned(),
        attributes,
        ..InstrumentationScope::default()
    }))
}

fn traces() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope_spans = (scope(), vec(span_of_request(), 0..3), "[a-z]{0,3}")
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource_spans = (resource(), vec(scope_spans, 0..3), "[a-z]{0,3}")
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url });
    vec(resource_spans, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let name = prop::sample::select(vec![
        "",
        "order.shipped",
        "gen_ai.user.message",
        "gen_ai.choice",
        "gen_ai.client.inference.operation.details",
        "api_request",
        "user_prompt",
        "tool_result",
    ]);
    let record = (time(), name, attributes(), prop::option::of(value()), 0..25, any::<bool>()).prop_map(
        |(time_unix_nano, name, attributes, body, severity_number, in_span)| LogRecord {
            time_unix_nano,
            observed_time_unix_nano: time_unix_nano + 5,
            event_name: name.to_owned(),
            attributes,
            body,
            severity_number,
            trace_id: if in_span { vec![3; 16] } else { Vec::new() },
            span_id: if in_span { vec![4; 8] } else { Vec::new() },
            ..LogRecord::default()
        },
    );
    let scope_logs = (scope(), vec(record, 0..3)).prop_map(|(scope, log_records)| ScopeLogs {
        scope,
        log_records,
        ..ScopeLogs::default()
    });
    let resource_logs = (resource(), vec(scope_logs, 0..3)).prop_map(|(resource, scope_logs)| ResourceLogs {
        resource,
        scope_logs,
        ..ResourceLogs::default()
    });
    vec(resource_logs, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

fn spans(request: &ExportTraceServiceRequest) -> Vec<&Span> {
    request.resource_spans.iter().flat_map(|of| &of.scope_spans).flat_map(|of| &of.spans).collect()
}

/// A valid body with something done to it.
fn damaged(body: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let at = 0..body.len().max(1);
    (vec((at, any::<u8>(), 0..4), 1..4)).prop_map(move |damages| {
        let mut body = body.clone();
        for (at, byte, how) in damages {
            let at = at.min(body.len());
            match how {
                0 if at < body.len() => body[at] = byte,
                1 => body.insert(at, byte),
                2 if at < body.len() => drop(body.remove(at)),
                _ => body.truncate(at.max(body.len() / 2)),
            }
        }
        body
    })
}

/// Everything that reads traces, on anything: nothing panics, and what the check lets through everybody can read.
fn read_traces(bytes: &[u8]) -> Result<(), TestCaseError> {
    drop(traces_to_json(bytes));
    drop(traces_from_json(bytes));
    let read = each_span(bytes, |span| drop(observation(&span.facts())));
    let Ok(checked) = check_traces(bytes, now()) else { return Ok(()) };
    if checked.body.is_none() {
        prop_assert!(read.is_ok());
    }
    let body = checked.body.as_deref().unwrap_or(bytes);
    let decoded =
        ExportTraceServiceRequest::decode(body).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(spans(&decoded).len() as u64, checked.accepted);
    let mut count = 0;
    each_span(body, |span| {
        assert_eq!(span.facts().span_id.as_bytes()[..], spans(&decoded)[count].span_id);
        count += 1;
    })
    .map_err(|error| TestCaseError::fail(error.to_string()))?;
    let again = check_traces(body, now()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!((again.accepted, again.rejected, again.body), (checked.accepted, 0, None));
    Ok(())
}

fn read_logs(bytes: &[u8]) -> Result<(), TestCaseError> {
    drop(logs_to_json(bytes));
    drop(logs_from_json(bytes));
    let Ok(checked) = check_logs(bytes, now()) else { return Ok(()) };
    let body = checked.body.as_deref().unwrap_or(bytes);
    let decoded =
        ExportLogsServiceRequest::decode(body).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let records = decoded.resource_logs.iter().flat_map(|of| &of.scope_logs).flat_map(|of| &of.log_records);
    prop_assert_eq!(records.count() as u64, checked.accepted);
    let mut count = 0;
    let mut spans_checked = Ok(());
    each_log(body, |log| {
        count += 1;
        if let Log::Span(body) = log {
            spans_checked = spans_checked.clone().and_then(|()| read_traces(body));
            let checked = check_traces(body, now()).unwrap();
            assert_eq!((checked.accepted, checked.body), (1, None));
        }
    })
    .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(count, checked.accepted);
    spans_checked
}

#[test]
fn indexes_into_a_profiles_strings_are_ignored_but_checked() {
    let inside = |bytes: &[u8]| [&[0x0a, bytes.len() as u8], bytes].concat();
    let with_attribute = |field: &[u8]| {
        let attribute = [&[0x0a, 1, b'a'], field].concat();
        inside(&inside(&inside(&attribute)))
    };
    let by_index = with_attribute(&[3 << 3, 5]);
    assert!(check_logs(&by_index, now()).is_ok() && check_traces(&by_index, now()).is_ok());
    read_logs(&by_index).unwrap();
    let as_text = with_attribute(&[3 << 3 | 2, 1, b'x']);
    assert!(check_logs(&as_text, now()).is_err() && check_traces(&as_text, now()).is_err());
}

proptest! {
    #[test]
    fn sound_requests_pass_untouched_and_read_as_the_protocol_says(request in traces()) {
        let body = request.encode_to_vec();
        let checked = check_traces(&body, now()).unwrap();
        prop_assert_eq!((checked.rejected, checked.first_reason, checked.body), (0, None, None));
        let expected = spans(&request);
        prop_assert_eq!(checked.accepted as usize, expected.len());
        let mut index = 0;
        each_span(&body, |raw| {
            let (facts, span) = (raw.facts(), expected[index]);
            index += 1;
            assert_eq!(Span::decode(raw.span).as_ref(), Ok(span));
            assert_eq!(facts.trace_id.as_bytes()[..], span.trace_id);
            assert_eq!(facts.parent_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(), span.parent_span_id);
            assert_eq!(facts.name, span.name);
            assert_eq!(facts.start.as_nanos() as u64, span.start_time_unix_nano);
            assert_eq!(facts.end.as_nanos() as u64, span.end_time_unix_nano);
            for (key, value) in &facts.attributes {
                let AttributeValue::Int(number) = value else { continue };
                let sent = span.attributes.iter().any(|sent| {
                    &sent.key == key && sent.value.as_ref().is_some_and(|value| {
                        value.value == Some(any_value::Value::IntValue(*number))
                    })
                });
                let in_event = span.events.iter().any(|event| event.attributes.iter().any(|sent| &sent.key == key));
                assert!(sent || in_event, "{key} {number}");
            }
        }).unwrap();
    }

    #[test]
    fn json_and_back_is_the_same_request(request in traces(), logs in logs()) {
        let json = traces_to_json(&request.encode_to_vec()).unwrap().to_string();
        let again = traces_from_json(json.as_bytes()).unwrap();
        prop_assert_eq!(ExportTraceServiceRequest::decode(&*again).unwrap(), request);
        let json = logs_to_json(&logs.encode_to_vec()).unwrap().to_string();
        let again = logs_from_json(json.as_bytes()).unwrap();
        prop_assert_eq!(ExportLogsServiceRequest::decode(&*again).unwrap(), logs);
    }

    #[test]
    fn single_spans_appended_to_each_other_are_the_request_again(request in traces()) {
        let body = request.encode_to_vec();
        let (mut all, mut seen) = (Vec::new(), Vec::new());
        each_span(&body, |raw| {
            let mut single = Vec::new();
            raw.write_single(&mut single);
            assert!(single.len() < raw.span.len() + raw.resource.len() + raw.scope.len() + 60);
            assert_eq!(check_traces(&single, now()).unwrap().accepted, 1);
            raw.write_single(&mut all);
            seen.push(observation(&raw.facts()));
        }).unwrap();
        let decoded = ExportTraceServiceRequest::decode(&*all).unwrap();
        prop_assert_eq!(spans(&decoded), spans(&request));
        let mut again = Vec::new();
        each_span(&all, |raw| again.push(observation(&raw.facts()))).unwrap();
        prop_assert_eq!(again, seen);
    }

    #[test]
    fn logs_read_the_same_twice_and_two_alike_stay_two(request in logs()) {
        let mut twice = request.clone();
        twice.resource_logs.extend(request.resource_logs.clone());
        let ids = |request: &ExportLogsServiceRequest| {
            let mut ids = Vec::new();
            each_log(&request.encode_to_vec(), |log| match log {
                Log::Event(event) => ids.push(event.id.to_string()),
                Log::Span(body) => each_span(body, |span| ids.push(span.facts().span_id.to_string())).unwrap(),
            }).unwrap();
            ids
        };
        let (first, both) = (ids(&request), ids(&twice));
        prop_assert_eq!(&first, &ids(&request));
        prop_assert_eq!(&first[..], &both[..first.len()]);
    }

    #[test]
    fn damaged_requests_never_panic(body in traces().prop_flat_map(|request| damaged(request.encode_to_vec()))) {
        read_traces(&body)?;
        read_logs(&body)?;
    }

    #[test]
    fn damaged_logs_never_panic(body in logs().prop_flat_map(|request| damaged(request.encode_to_vec()))) {
        read_logs(&body)?;
    }

    #[test]
    fn damaged_json_never_panics(request in traces(), at in 0.0..1.0, byte in any::<u8>()) {
        let mut json = traces_to_json(&request.encode_to_vec()).unwrap().to_string().into_bytes();
        let at = (json.len() as f64 * at) as usize;
        json[at] = byte;
        if let Ok(body) = traces_from_json(&json) {
            read_traces(&body)?;
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_traces(&bytes)?;
        read_logs(&bytes)?;
    }
}
