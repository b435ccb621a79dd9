//! The API served over a store in memory, and data to put into it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use serde_json::Value;
use throughline_model::{Event, ProjectId, Timestamp};
use throughline_server::domain::analytics::Goal;
use throughline_server::domain::arrival::{Batch, BatchContent};
use throughline_server::domain::price::Prices;
use throughline_server::http::{Clock, Closer, Limits, Metrics, Outside, State, finish};
use throughline_server::ingest::{self, Room};
use throughline_server::store::Store;
use throughline_server::store::memory::MemoryStore;
use tower::ServiceExt;

/// 2024-01-15T12:00:00Z: data is from the two hours before.
pub(crate) const NOW: &str = "2024-01-15T12:00:00Z";

pub(crate) struct Served {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) router: Router,
    pub(crate) closer: Closer,
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new(Prices::builtin())))
    }

    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let closer = Closer::new();
        let state = State {
            lifecycle: Arc::default(),
            store: store.clone(),
            clock: Clock::fixed(time(NOW)),
            metrics: Arc::new(Metrics::default()),
            limits: Limits::default(),
            closing: closer.subscribe(),
            prices: Arc::new(Prices::builtin()),
            goals: Arc::new([Goal::parse("refunded", "name:refund*", time(NOW)).unwrap()]),
        };
        let outside = Outside { guard: None, error_page: None };
        let routes = throughline_server::api::routes().merge(ingest::routes(Room::new(64 << 20)));
        Self { store, router: finish(routes, state, outside), closer }
    }

    /// A small shop: two sessions of alice and bob, an event of nobody.
    pub(crate) async fn with_shop() -> Self {
        let served = Self::new();
        served.spans(shop()).await;
        served.events(&["refund.asked", "order.shipped"].map(|name| shop_event(name, Some("chat/1")))).await;
        served.events(&[shop_event("deploy.done", None)]).await;
        served
    }

    pub(crate) async fn spans(&self, spans: Vec<Span>) {
        let resource = Resource {
            attributes: vec![text("service.name", "shop"), text("deployment.environment.name", "production")],
            ..Resource::default()
        };
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans =
            vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        self.append(BatchContent::Traces(body.into())).await;
    }

    pub(crate) async fn events(&self, events: &[Event]) {
        self.append(BatchContent::Events(events.to_vec())).await;
    }

    async fn append(&self, content: BatchContent) {
        let batch = Batch { project: ProjectId::default(), received: time(NOW), content };
        self.store.append(batch).await.unwrap();
        self.store.settle().await.unwrap();
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> http::Response<Body> {
        let request = Request::builder().method(method).uri(path).header("x-request-id", "req_test");
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> http::Response<Body> {
        let request =
            Request::post(path).header("content-type", content_type).body(Body::from(body)).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        let (parts, body) = self.send(method, path).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// The JSON of a successful answer.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// One member of each row of a list.
    pub(crate) async fn column(&self, path: &str, member: &str) -> Vec<String> {
        let list = self.json(path).await;
        list["data"].as_array().unwrap().iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

pub(crate) fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A span of one second.
pub(crate) fn span(trace: u8, id: u8, parent: u8, start: &str, attributes: Vec<KeyValue>) -> Span {
    let start = time(start);
    Span {
        trace_id: [trace; 16].to_vec(),
        span_id: [id; 8].to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { [parent; 8].to_vec() },
        name: "chat-turn".to_owned(),
        start_time_unix_nano: start.as_nanos() as u64,
        end_time_unix_nano: start.plus_nanos(1_000_000_000).as_nanos() as u64,
        attributes,
        ..Span::default()
    }
}

fn shop() -> Vec<Span> {
    let turn = |trace, start, session: &str, user: &str, asked: &str, answered: &str| {
        let of_turn = [text("session.id", session), text("user.id", user)];
        let said = [
            text("gen_ai.input.messages", &message("user", asked)),
            text("gen_ai.output.messages", &message("assistant", answered)),
        ];
        let call = [
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.provider.name", "openai"),
            text("gen_ai.request.model", "gpt-4o"),
            int("gen_ai.usage.input_tokens", 1000),
            int("gen_ai.usage.output_tokens", 100),
        ];
        let root = span(trace, trace * 16, 0, start, of_turn.into());
        let mut generation =
            span(trace, trace * 16 + 1, trace * 16, start, call.into_iter().chain(said).collect());
        generation.name = "chat gpt-4o".to_owned();
        [root, generation]
    };
    let mut spans: Vec<Span> =
        turn(1, "2024-01-15T10:00:00Z", "chat/1", "alice", "I want a refund", "Which order?").into();
    spans.extend(turn(2, "2024-01-15T10:01:00Z", "chat/1", "alice", "Order 789 <script>", "Done."));
    spans.extend(turn(3, "2024-01-15T11:58:00Z", "sess_bob", "bob", "Where is my parcel?", "On its way."));
    let mut tool = span(
        2,
        0x22,
        0x20,
        "2024-01-15T10:01:00.500Z",
        vec![text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", "refund_order")],
    );
    tool.name = "execute_tool refund_order".to_owned();
    tool.status = Some(Status { message: "card expired".to_owned(), code: 2 });
    spans.push(tool);
    spans
}

fn message(role: &str, content: &str) -> String {
    serde_json::json!([{"role": role, "parts": [{"type": "text", "content": content}]}]).to_string()
}

pub(crate) fn shop_event(name: &str, session: Option<&str>) -> Event {
    serde_json::from_value(serde_json::json!({
        "id": format!("evt_{name}"), "name": name, "time": "2024-01-15T10:00:30Z", "level": "info", "service": "shop",
        "environment": "production", "sessionId": session, "attributes": {"ctx.order.id": "ord_789"},
    }))
    .unwrap()
}
