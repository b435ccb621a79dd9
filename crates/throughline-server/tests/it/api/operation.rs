//! Health, metrics, and the description of all of it.

use http::Method;
use http_body_util::BodyExt;
use insta::assert_snapshot;
use serde_json::{Value, json};
use throughline_server::http::Limits;

use super::served::Served;

#[tokio::test]
async fn ready_tells_whether_the_store_can_write() {
    let served = Served::with_shop().await;
    assert_eq!(served.json("/health").await["status"], "ok");
    assert_eq!(served.json("/ready").await["status"], "ok");
    served.store.shutdown().await;
    assert_eq!(served.json("/health").await["status"], "ok");
    let answer = served.get("/ready").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0], "the store cannot write: it is shut down");
}

#[tokio::test]
async fn metrics_are_in_prometheus_format() {
    let served = Served::with_shop().await;
    served.get("/api/v1/sessions").await;
    served.get("/api/v1/nothing").await;
    let answer = served.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_snapshot!(answer.text(), @r#"
# HELP throughline_ingest_accepted_total Records accepted and made durable.
# TYPE throughline_ingest_accepted_total counter
throughline_ingest_accepted_total{signal="spans"} 0
throughline_ingest_accepted_total{signal="logs"} 0
throughline_ingest_accepted_total{signal="events"} 0
# HELP throughline_ingest_rejected_total Records refused as invalid.
# TYPE throughline_ingest_rejected_total counter
throughline_ingest_rejected_total{signal="spans"} 0
throughline_ingest_rejected_total{signal="logs"} 0
throughline_ingest_rejected_total{signal="events"} 0
# HELP throughline_ingest_metric_points_dropped_total OTLP metric points accepted and dropped.
# TYPE throughline_ingest_metric_points_dropped_total counter
throughline_ingest_metric_points_dropped_total 0
# HELP throughline_ingest_received_bytes_total Bytes of request bodies, as sent.
# TYPE throughline_ingest_received_bytes_total counter
throughline_ingest_received_bytes_total 0
# HELP throughline_ingest_batches_refused_total Batches turned away for want of room or disk.
# TYPE throughline_ingest_batches_refused_total counter
throughline_ingest_batches_refused_total 0
# HELP throughline_http_responses_total HTTP answers by class of status.
# TYPE throughline_http_responses_total counter
throughline_http_responses_total{class="ok"} 1
throughline_http_responses_total{class="client_error"} 1
throughline_http_responses_total{class="server_error"} 0
# HELP throughline_store_spans Spans stored.
# TYPE throughline_store_spans gauge
throughline_store_spans 7
# HELP throughline_store_events Events stored.
# TYPE throughline_store_events gauge
throughline_store_events 3
# HELP throughline_store_duplicates_total Records dropped because they were stored already.
# TYPE throughline_store_duplicates_total counter
throughline_store_duplicates_total 0
# HELP throughline_store_queue_batches Durable batches not yet searchable.
# TYPE throughline_store_queue_batches gauge
throughline_store_queue_batches 0
# HELP throughline_store_queue_bytes Bytes of those batches.
# TYPE throughline_store_queue_bytes gauge
throughline_store_queue_bytes 0
# HELP throughline_store_log_bytes Bytes of the append log on disk.
# TYPE throughline_store_log_bytes gauge
throughline_store_log_bytes 0
# HELP throughline_store_index_bytes Bytes of the indexes on disk.
# TYPE throughline_store_index_bytes gauge
throughline_store_index_bytes 0
# HELP throughline_store_writable Whether the store can write: 1 or 0.
# TYPE throughline_store_writable gauge
throughline_store_writable 1
"#);
}

#[tokio::test]
async fn the_description_is_current() {
    let current = throughline_server::api::openapi().to_pretty_json().unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "openapi.json is not current: run this test with UPDATE_OPENAPI=1 and look at the changes"
    );
    let served = Served::new().get("/api/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.json(), serde_json::from_str::<Value>(&current).unwrap());
}

/// Every operation: its method, path, and description.
fn operations(api: &Value) -> Vec<(Method, String, &Value)> {
    let mut all = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_uppercase().parse().unwrap(), path.clone(), operation));
        }
    }
    all
}

#[tokio::test]
async fn every_documented_route_answers_as_documented() {
    let served = Served::with_shop().await;
    let call = json!({"id": "call", "startTime": "2024-01-15T11:00:00Z"});
    let score = json!({"id": "verdict", "name": "helpful", "value": 1, "traceId": "call"});
    let batch =
        json!({"batch": [{"type": "span-create", "body": call}, {"type": "score-create", "body": score}]});
    served.post("/api/public/ingestion", "application/json", batch.to_string().into_bytes()).await;
    let api = served.json("/api/openapi.json").await;
    let trace = "02".repeat(16);
    for (method, path, operation) in operations(&api) {
        // the session goes last
        if method == Method::DELETE {
            continue;
        }
        let address = path.replace("{id}", "chat%2F1").replace("{traceId}", &trace);
        let address = address.replace("{observationId}", "call").replace("{scoreId}", "verdict");
        let required: Vec<String> =
            parameters(operation).filter(|parameter| parameter["required"] == true).map(example).collect();
        let address = if required.is_empty() { address } else { format!("{address}?{}", required.join("&")) };
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        let answer = match body {
            Value::Null => served.send(method.clone(), &address).await,
            body => served.post(&address, "application/json", body.to_string().into_bytes()).await,
        };
        assert_eq!(answer.status(), 200, "{method} {path}");
        let content =
            answer.headers()["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(
            operation["responses"]["200"]["content"][&content].is_object(),
            "{method} {path} answers {content}"
        );
        if !body.is_null() {
            refuses_as_documented(&served, &address, operation).await;
            continue;
        }
        let begin = if address.contains('?') { '&' } else { '?' };
        let unknown = served.get(&format!("{address}{begin}certainly-unknown=1")).await;
        let takes_parameters = parameters(operation).next().is_some();
        assert_eq!(takes_parameters, unknown.status == 400, "{method} {path}");
    }
}

/// What the operation takes in its query string.
fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "query")
}

/// The parameter with the value that its description gives as an example.
fn example(parameter: &Value) -> String {
    let value = parameter["example"].as_str().unwrap_or_else(|| panic!("no example: {parameter}"));
    let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{}={escaped}", parameter["name"].as_str().unwrap())
}

/// A body that is none, one that is too large for the door, and a format that is not understood.
async fn refuses_as_documented(served: &Served, address: &str, operation: &Value) {
    for (status, content_type, body) in [
        (400, "application/json", b"{".to_vec()),
        (413, "application/json", vec![b' '; Limits::default().body_bytes + 1]),
        (415, "text/html", b"<p>".to_vec()),
    ] {
        let answer = served.post(address, content_type, body).await;
        assert_eq!(answer.status(), status, "{address}");
        let documented = &operation["responses"][status.to_string()]["content"];
        assert!(documented["application/json"].is_object(), "{address} {status}: {documented}");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(serde_json::from_slice::<Value>(&bytes).unwrap().is_object(), "{address} {status}");
    }
}

#[tokio::test]
async fn the_description_is_worth_reading() {
    let api = Served::new().json("/api/openapi.json").await;
    for (method, path, operation) in operations(&api) {
        for part in ["summary", "description", "operationId", "tags", "responses"] {
            assert!(!operation[part].is_null(), "{method} {path} has no {part}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
        }
    }
    let schemas = &api["components"]["schemas"];
    for reference in api.to_string().split("\"$ref\":\"").skip(1) {
        let reference = reference.split('"').next().unwrap();
        let name = reference.strip_prefix("#/components/schemas/").expect(reference);
        assert!(schemas[name].is_object(), "{reference} leads nowhere");
    }
    for (name, schema) in schemas.as_object().unwrap() {
        for (member, described) in schema["properties"].as_object().into_iter().flatten() {
            let is_described = described["description"].is_string() || described.to_string().contains("$ref");
            assert!(is_described, "{name}.{member} has no description");
        }
    }
}
