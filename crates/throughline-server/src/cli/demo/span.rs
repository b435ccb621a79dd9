//! OTLP spans, built by hand as an instrumented application's SDK would send them.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status};
use throughline_model::{SpanId, Timestamp, TraceId};

/// A span under construction.
pub(super) struct SpanBuilder(Span);

impl SpanBuilder {
    pub(super) fn new(trace: TraceId, id: SpanId, parent: Option<SpanId>, name: impl Into<String>) -> Self {
        Self(Span {
            trace_id: trace.as_bytes().to_vec(),
            span_id: id.as_bytes().to_vec(),
            parent_span_id: parent.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            name: name.into(),
            kind: span::SpanKind::Internal as i32,
            ..Span::default()
        })
    }

    pub(super) fn during(mut self, start: Timestamp, end: Timestamp) -> Self {
        self.0.start_time_unix_nano = start.as_nanos().unsigned_abs();
        self.0.end_time_unix_nano = end.as_nanos().unsigned_abs();
        self
    }

    pub(super) fn text(self, key: &str, value: impl Into<String>) -> Self {
        self.attribute(key, any_value::Value::StringValue(value.into()))
    }

    pub(super) fn int(self, key: &str, value: u64) -> Self {
        self.attribute(key, any_value::Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
    }

    pub(super) fn float(self, key: &str, value: f64) -> Self {
        self.attribute(key, any_value::Value::DoubleValue(value))
    }

    pub(super) fn texts(self, key: &str, values: &[String]) -> Self {
        let values = values.iter().map(|value| any(any_value::Value::StringValue(value.clone()))).collect();
        self.attribute(key, any_value::Value::ArrayValue(ArrayValue { values }))
    }

    /// Ends in error, with the exception event that SDKs record.
    pub(super) fn failed(mut self, error: &str, message: &str) -> Self {
        self.0.status = Some(Status { message: message.to_owned(), code: status::StatusCode::Error as i32 });
        self.0.events.push(span::Event {
            time_unix_nano: self.0.end_time_unix_nano,
            name: "exception".to_owned(),
            attributes: vec![
                key_value("exception.type", any_value::Value::StringValue(error.to_owned())),
                key_value("exception.message", any_value::Value::StringValue(message.to_owned())),
            ],
            ..span::Event::default()
        });
        self.text("error.type", error)
    }

    fn attribute(mut self, key: &str, value: any_value::Value) -> Self {
        self.0.attributes.push(key_value(key, value));
        self
    }

    pub(super) fn end(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.end_time_unix_nano.try_into().unwrap_or(i64::MAX))
    }

    pub(super) fn build(self) -> Span {
        self.0
    }
}

fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn key_value(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

/// The spans of one service, as one element of an export request.
pub(super) fn resource_spans(
    service: &str,
    version: &str,
    environment: &str,
    spans: Vec<Span>,
) -> ResourceSpans {
    let text = |value: &str| any_value::Value::StringValue(value.to_owned());
    ResourceSpans {
        resource: Some(Resource {
            attributes: vec![
                key_value("service.name", text(service)),
                key_value("service.version", text(version)),
                key_value("deployment.environment.name", text(environment)),
                key_value("telemetry.sdk.language", text("rust")),
            ],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "throughline-demo".to_owned(),
                ..InstrumentationScope::default()
            }),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}
