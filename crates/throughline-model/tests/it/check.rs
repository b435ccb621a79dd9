//! What the door lets through, cuts out and refuses.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use throughline_model::otlp::{
    check_logs, check_logs_json, check_traces, check_traces_json, each_span, traces_from_json, wire,
};

use crate::support::{NOW, now, request, span};

fn good() -> Span {
    Span { name: "good".to_owned(), ..span(&json!({"a": 1})) }
}

#[test]
fn a_bad_span_is_cut_out_with_a_reason_and_the_others_stay() {
    const DAY: u64 = 86_400_000_000_000;
    let now_nanos = NOW as u64;
    type Spoil = fn(&mut Span);
    let cases: [(Spoil, &str); 12] = [
        (|span| span.trace_id.clear(), "span \"bad\": it has no trace id"),
        (|span| span.trace_id = vec![0; 16], "span \"bad\": its trace id is all zero"),
        (|span| span.trace_id = vec![1; 8], "span \"bad\": its trace id has 8 bytes, 16 are needed"),
        (|span| span.span_id.clear(), "span \"bad\": it has no span id"),
        (|span| span.span_id = vec![0; 8], "span \"bad\": its span id is all zero"),
        (
            |span| span.parent_span_id = vec![1; 3],
            "span \"bad\": its parent span id has 3 bytes, 8 are needed",
        ),
        (|span| span.start_time_unix_nano = 0, "span \"bad\": it has no start time"),
        (
            |span| span.end_time_unix_nano = span.start_time_unix_nano - 7,
            "span \"bad\": it ends 7 ns before it starts",
        ),
        (
            |span| span.start_time_unix_nano = 1_000_000,
            "span \"bad\": its start time 1970-01-01T00:00:00.001Z lies before the year 2000",
        ),
        (
            |span| {
                (span.start_time_unix_nano, span.end_time_unix_nano) =
                    (NOW as u64 + 2 * DAY, NOW as u64 + 2 * DAY)
            },
            "span \"bad\": its start time 2026-11-23T00:00:00.000Z lies in the future",
        ),
        (
            |span| span.end_time_unix_nano = NOW as u64 + 2 * DAY,
            "span \"bad\": its end time 2026-11-23T00:00:00.000Z lies in the future",
        ),
        (
            |span| (span.start_time_unix_nano, span.end_time_unix_nano) = (u64::MAX, u64::MAX),
            "span \"bad\": its start time 18446744073709551615 ns lies in the future",
        ),
    ];
    for (spoil, reason) in cases {
        let mut bad = Span { name: "bad".to_owned(), ..good() };
        spoil(&mut bad);
        let body = request(&json!({"service.name": "shop"}), "s", vec![good(), bad, good()]);
        let checked = check_traces(&body, now()).unwrap();
        assert_eq!((checked.accepted, checked.rejected), (2, 1), "{reason}");
        assert_eq!(checked.first_reason.as_deref(), Some(reason));
        let rest = request(&json!({"service.name": "shop"}), "s", vec![good(), good()]);
        assert_eq!(checked.body.as_deref(), Some(&rest[..]), "{reason}");
    }
    let ends_never = Span { end_time_unix_nano: 0, parent_span_id: vec![0; 8], ..good() };
    let soon =
        Span { start_time_unix_nano: now_nanos + DAY / 2, end_time_unix_nano: now_nanos + DAY / 2, ..good() };
    let body = request(&json!({}), "s", vec![ends_never, soon]);
    assert_eq!(
        check_traces(&body, now()).unwrap().body,
        None,
        "no end, a parent of zeros and a fast clock are fine"
    );
    each_span(&body, |span| {
        let facts = span.facts();
        assert!(facts.end >= facts.start && facts.parent_id.is_none());
    })
    .unwrap();
}

#[test]
fn a_span_that_is_not_well_formed_is_cut_out_alone() {
    let sound = request(&json!({}), "s", vec![good()]);
    let mut spans = Vec::new();
    wire::put_bytes(&mut spans, 2, &[0x0a, 0x7f, 1]);
    wire::put_bytes(&mut spans, 2, &good().encode_to_vec());
    let (mut resource_spans, mut body) = (Vec::new(), Vec::new());
    wire::put_bytes(&mut resource_spans, 2, &spans);
    wire::put_bytes(&mut body, 1, &resource_spans);
    let checked = check_traces(&body, now()).unwrap();
    assert_eq!((checked.accepted, checked.rejected), (1, 1));
    assert_eq!(checked.first_reason.as_deref(), Some("span: a length runs past the end of its message"));
    assert_eq!(check_traces(&sound, now()).unwrap().rejected, 0);
}

#[test]
fn a_request_that_is_not_well_formed_is_refused_with_the_place() {
    let body = request(&json!({"service.name": "shop"}), "s", vec![good()]);
    let reason = |body: &[u8]| check_traces(body, now()).unwrap_err().to_string();
    assert_eq!(reason(b"{}"), "groups are not supported, at byte 0");
    assert_eq!(reason(&body[..body.len() - 1]), "a length runs past the end of its message, at byte 2");
    assert_eq!(reason(&[0x08, 1]), "a known field has the wrong wire type, at byte 0");
    assert_eq!(reason(&[0x0f]), "a field has an unknown wire type, at byte 0");
    assert_eq!(reason(&[0x02, 0]), "a field number is out of range, at byte 0");
    assert_eq!(reason(&[0x80; 3]), "a number is cut off, at byte 0");
    assert_eq!(reason(&[0xff; 12]), "a number has more than 64 bits, at byte 0");
    assert_eq!(reason(&[0x79, 1]), "a fixed-size number is cut off, at byte 1");
    assert!(check_logs(&body[..9], now()).is_err());
}

#[test]
fn unknown_fields_are_passed_over() {
    let mut body = request(&json!({}), "s", vec![good()]);
    wire::put_varint(&mut body, 900, 7);
    wire::put_bytes(&mut body, 901, b"later");
    let checked = check_traces(&body, now()).unwrap();
    assert_eq!((checked.accepted, checked.body), (1, None));
}

#[test]
fn text_that_is_not_utf8_is_replaced() {
    let mut body = request(
        &json!({"service.name": "shop?"}),
        "s",
        vec![Span { name: "caf?".to_owned(), ..span(&json!({"key?": {"inner?": ["te?xt"]}})) }],
    );
    for byte in body.iter_mut().filter(|byte| **byte == b'?') {
        *byte = 0xff;
    }
    assert!(ExportTraceServiceRequest::decode(&*body).is_err());
    let checked = check_traces(&body, now()).unwrap();
    assert_eq!((checked.accepted, checked.rejected), (1, 0));
    let body = checked.body.unwrap();
    ExportTraceServiceRequest::decode(&*body).unwrap();
    each_span(&body, |span| {
        let facts = span.facts();
        assert_eq!((&*facts.name, facts.service.as_deref()), ("caf\u{fffd}", Some("shop\u{fffd}")));
        assert_eq!(facts.attributes[0].0, "key\u{fffd}");
        assert_eq!(facts.attributes[0].1.to_json(), json!({"inner\u{fffd}": ["te\u{fffd}xt"]}));
    })
    .unwrap();
}

/// An attribute value nested this deep, as protobuf: each level is a map with one entry.
fn nested(levels: usize) -> Vec<u8> {
    let mut any = Vec::new();
    wire::put_bytes(&mut any, 1, b"deep");
    for _ in 0..levels {
        let (mut entry, mut list, mut outer) = (Vec::new(), Vec::new(), Vec::new());
        wire::put_bytes(&mut entry, 1, b"k");
        wire::put_bytes(&mut entry, 2, &any);
        wire::put_bytes(&mut list, 1, &entry);
        wire::put_bytes(&mut outer, 6, &list);
        any = outer;
    }
    any
}

fn with_value(any: &[u8]) -> Vec<u8> {
    let (mut attribute, mut bytes) = (Vec::new(), good().encode_to_vec());
    wire::put_bytes(&mut attribute, 1, b"nested");
    wire::put_bytes(&mut attribute, 2, any);
    wire::put_bytes(&mut bytes, 9, &attribute);
    let mut body = Vec::new();
    for number in [2, 2, 1] {
        body.clear();
        wire::put_bytes(&mut body, number, &bytes);
        bytes.clone_from(&body);
    }
    body
}

#[test]
fn nesting_is_limited() {
    for (levels, untouched) in [(30, true), (31, false), (5_000, false)] {
        let body = with_value(&nested(levels));
        let checked = check_traces(&body, now()).unwrap();
        assert_eq!((checked.accepted, checked.body.is_none()), (1, untouched), "{levels} levels");
        let body = checked.body.unwrap_or(body);
        ExportTraceServiceRequest::decode(&*body).expect("readable for everybody");
        each_span(&body, |span| {
            let facts = span.facts();
            let (_, value) = facts.attributes.iter().find(|(key, _)| key == "nested").unwrap();
            let shown = value.to_json().to_string();
            assert_eq!(shown.contains("[nested too deeply]"), !untouched);
            assert_eq!(shown.contains("deep\""), untouched);
        })
        .unwrap();
    }
    let mut json = json!({"stringValue": "deep"});
    for _ in 0..60 {
        json = json!({"arrayValue": {"values": [json]}});
    }
    let text = json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"name": "bad", "attributes": [{"key": "nested", "value": json}]},
        {"name": "good", "traceId": "07".repeat(16), "spanId": "08".repeat(8), "startTimeUnixNano": NOW.to_string()}]}]}]});
    let body = traces_from_json(text.to_string().as_bytes()).unwrap();
    assert_eq!(check_traces(&body, now()).unwrap().accepted, 1);
    let deepest = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        traces_from_json(format!("{{\"other\": {deepest}}}").as_bytes()).is_ok(),
        "skipped without recursion"
    );
}

#[test]
fn big_and_many_attributes_are_fine() {
    let big = "x".repeat(10 << 20);
    let many: Value =
        (0..10_000).map(|n| (format!("key.{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let body = request(&json!({}), "s", vec![span(&json!({"input.value": big})), span(&many)]);
    let checked = check_traces(&body, now()).unwrap();
    assert_eq!((checked.accepted, checked.body), (2, None));
    let mut sizes = Vec::new();
    each_span(&body, |span| {
        let facts = span.facts();
        sizes.push((facts.input.as_deref().map_or(0, str::len), facts.attributes.len()));
    })
    .unwrap();
    assert_eq!(sizes, [(10 << 20, 0), (0, 10_000)]);
}

#[test]
fn a_list_of_very_many_odd_keys_is_put_together_in_time() {
    let many: serde_json::Map<_, _> =
        (0..20_000).map(|n| (format!("gen_ai.prompt.k{n}.x"), json!(n))).collect();
    let body = request(&json!({}), "s", vec![span(&many.into())]);
    each_span(&body, |span| assert!(span.facts().input.unwrap().starts_with("{\"k0\":"))).unwrap();
}

#[test]
fn json_is_read_as_clients_write_it() {
    let json = r#"{"resource_spans":[{"resource":null,"unknown":[1,{}],"scopeSpans":[{"scope":{"name":"s"},"spans":[{
        "traceId":"B9C2FCBA135A0704B821E3DE7C134B8A","spanId":"AAAAAAAAAAE=","parentSpanId":"","name":"n",
        "kind":"SPAN_KIND_CLIENT","startTimeUnixNano":1795219200000000000,"endTimeUnixNano":"1795219200000000005",
        "status":{"code":"STATUS_CODE_ERROR"},"events":[],"links":null,"flags":257.0,
        "attributes":[{"key":"i","value":{"intValue":"-5"}},{"key":"j","value":{"int_value":6}},{"key":"e"},
            {"key":"n","value":{}},{"key":"d","value":{"doubleValue":"NaN"}},{"key":"f","value":{"doubleValue":1}},
            {"key":"a","value":{"arrayValue":{}}},{"key":"b","value":{"bytesValue":"aGk="}},
            {"key":"t","value":{"boolValue":"true"}},{"key":"x","value":{"intValue":1e3}}]}]}]}]}"#;
    let body = traces_from_json(json.as_bytes()).unwrap();
    let checked = check_traces(&body, now()).unwrap();
    assert_eq!((checked.accepted, checked.first_reason, checked.body), (1, None, None));
    each_span(&body, |span| {
        let facts = span.facts();
        assert_eq!(facts.trace_id.to_string(), "b9c2fcba135a0704b821e3de7c134b8a");
        assert_eq!(facts.span_id.to_string(), "0000000000000001");
        assert_eq!((facts.end.nanos_since(facts.start), facts.is_error()), (5, true));
        let shown: Vec<_> =
            facts.attributes.iter().map(|(key, value)| format!("{key}={}", value.to_json())).collect();
        assert_eq!(shown.join(" "), r#"i=-5 j=6 e=null n=null d="NaN" f=1.0 a=[] b="aGk=" t=true x=1000"#);
        assert_eq!(Span::decode(span.span).unwrap().kind, 3);
    })
    .unwrap();
}

#[test]
fn bad_ids_in_json_cost_one_span_and_bad_shapes_name_the_place() {
    let span =
        |id: &str| json!({"traceId": "07".repeat(16), "spanId": id, "startTimeUnixNano": NOW.to_string()});
    for bad in ["xyz", "0123456789abcde", "zzzzzzzz", "", "0000000000000000"] {
        let json =
            json!({"resourceSpans": [{"scopeSpans": [{"spans": [span("0000000000000001"), span(bad)]}]}]});
        let body = traces_from_json(json.to_string().as_bytes()).unwrap();
        let checked = check_traces(&body, now()).unwrap();
        assert_eq!((checked.accepted, checked.rejected), (1, 1), "{bad}");
    }
    for (member, value, reason) in [
        (
            "startTimeUnixNano",
            json!("soon"),
            "expected an integer, got \"soon\", at {span}.startTimeUnixNano",
        ),
        ("name", json!(["a"]), "expected a text, got an array, at {span}.name"),
        ("attributes", json!({"key": "k"}), "expected an array, got an object, at {span}.attributes"),
        (
            "events",
            json!([{"attributes": [7]}]),
            "expected an object, got a number, at {span}.events[0].attributes[0]",
        ),
        ("status", json!(true), "expected an object, got a boolean, at {span}.status"),
    ] {
        let mut bad = span("0000000000000002");
        bad[member] = value;
        let spans = json!([span("0000000000000001"), bad, span("0000000000000003"), 7]);
        let json = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string();
        let checked = check_traces_json(json.as_bytes(), now()).unwrap();
        assert_eq!((checked.accepted, checked.rejected), (2, 2), "{member}");
        let reason = reason.replace("{span}", "resourceSpans[0].scopeSpans[0].spans[1]");
        assert_eq!(checked.first_reason, Some(reason));
        assert!(traces_from_json(json.as_bytes()).is_err(), "nothing is left out unsaid");
    }
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "tick"}, {"severityNumber": []}]}]}]});
    let checked = check_logs_json(logs.to_string().as_bytes(), now()).unwrap();
    assert_eq!((checked.accepted, checked.rejected), (1, 1));
    for (json, reason) in [
        ("", "not valid JSON: EOF while parsing a value, at line 1 column 0"),
        ("{\"resourceSpans\":[}", "not valid JSON: expected value, at line 1 column 19"),
        ("[]", "expected an object, got an array, at the top"),
        ("{\"resourceSpans\":{}}", "expected an array, got an object, at resourceSpans"),
        (
            "{\"resourceSpans\":[{},{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":\"many\"}}]}}]}",
            "expected an integer, got \"many\", at resourceSpans[1].resource.attributes[0].value.intValue",
        ),
    ] {
        assert_eq!(traces_from_json(json.as_bytes()).unwrap_err().to_string(), reason);
    }
}
