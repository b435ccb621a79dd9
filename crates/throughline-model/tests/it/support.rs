//! Requests made by hand, with the protocol's own types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::Value;
use throughline_model::Timestamp;
use throughline_model::otlp::{SpanFacts, each_span};

/// 2026-11-21T00:00:00Z.
pub(crate) const NOW: i64 = 1_795_219_200_000_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_nanos(NOW)
}

/// A JSON value as an attribute value: arrays and objects become structured ones.
pub(crate) fn any_value(value: &Value) -> AnyValue {
    use any_value::Value as Any;
    let value = match value {
        Value::Null => None,
        Value::Bool(flag) => Some(Any::BoolValue(*flag)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(number) => Any::IntValue(number),
            None => Any::DoubleValue(number.as_f64().unwrap()),
        }),
        Value::String(text) => Some(Any::StringValue(text.clone())),
        Value::Array(items) => {
            Some(Any::ArrayValue(ArrayValue { values: items.iter().map(any_value).collect() }))
        }
        Value::Object(entries) => Some(Any::KvlistValue(KeyValueList {
            values: entries.iter().map(|(key, value)| key_value(key, value)).collect(),
        })),
    };
    AnyValue { value }
}

pub(crate) fn key_value(key: &str, value: &Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any_value(value)), ..KeyValue::default() }
}

pub(crate) fn attributes(object: &Value) -> Vec<KeyValue> {
    object.as_object().unwrap().iter().map(|(key, value)| key_value(key, value)).collect()
}

/// A sound span with these attributes.
pub(crate) fn span(attributes_of_span: &Value) -> Span {
    Span {
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        name: "work".to_owned(),
        start_time_unix_nano: NOW as u64,
        end_time_unix_nano: NOW as u64 + 5_000_000,
        attributes: attributes(attributes_of_span),
        ..Span::default()
    }
}

/// A request of these spans under a resource and a scope.
pub(crate) fn request(resource: &Value, scope: &str, spans: Vec<Span>) -> Vec<u8> {
    let scope = InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() };
    let resource = Resource { attributes: attributes(resource), ..Resource::default() };
    let scope_spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let resource_spans = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// Calls `check` with the facts of the only span of `body`.
pub(crate) fn with_facts(body: &[u8], check: impl FnOnce(&SpanFacts<'_>)) {
    let mut check = Some(check);
    each_span(body, |span| (check.take().expect("one span"))(&span.facts())).unwrap();
    assert!(check.is_none(), "no span");
}
