//! What real clients sent, sent again over the wire: the API must tell what `expected.json` says, whatever the order
//! and however often.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Engine, Request, TestServer};

pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) requests: Vec<PathBuf>,
    pub(crate) expected: Value,
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures");
    let mut captures = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let files = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
        let mut requests: Vec<_> = files.filter(|file| file.extension().unwrap() == "body").collect();
        requests.sort();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        captures.push(Capture { name, requests, expected: read_json(&path.join("expected.json")) });
    }
    assert!(captures.len() >= 10, "captures are missing");
    captures.sort_by(|a, b| a.name.cmp(&b.name));
    captures
}

/// Sends one recorded request as it was sent, but for the address.
pub(crate) async fn replay(server: &TestServer, body: &Path) {
    let recorded = read_json(&body.with_extension("json"));
    let bytes = std::fs::read(body).unwrap();
    let (method, path) = (recorded["method"].as_str().unwrap(), recorded["path"].as_str().unwrap());
    let with_headers = |request: Request| {
        let headers = recorded["headers"].as_object().unwrap().iter();
        let own = ["host", "content-length", "connection", "transfer-encoding", "accept-encoding", "te"];
        let sent = headers.filter(|(name, _)| !own.contains(&name.as_str()));
        sent.fold(request, |request, (name, value)| request.header(name, value.as_str().unwrap()))
    };
    if let Some(path) = path.strip_prefix("grpc:") {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let framed = [&[0][..], &length, &bytes].concat();
        let request =
            Request::new("POST", &server.grpc_url(), path).header("content-type", "application/grpc");
        let reply = request.body(framed).send_http2().await;
        assert_eq!(reply.header("grpc-status"), "0");
        return;
    }
    let request = with_headers(Request::new(method, &server.url(), path));
    let chunked = recorded["headers"]["transfer-encoding"] == "chunked";
    let request = match chunked {
        true => request.chunks(bytes.chunks(4096).map(|chunk| Ok(chunk.to_vec().into())).collect()),
        false => request.body(bytes),
    };
    let reply = request.send().await;
    match path.ends_with("/v1/traces") {
        true => assert_eq!(reply.status, 200, "{}: {:?}", body.display(), reply.body),
        // What a client asks beside sending must not make it fail.
        false => assert!(!reply.status.is_server_error(), "{}: {}", body.display(), reply.status),
    }
}

async fn get(server: &TestServer, path: &str) -> Value {
    let reply = server.get(path).send().await;
    assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
    reply.json()
}

/// Everything that the API says about a session.
async fn told(server: &TestServer, id: &str) -> Value {
    let session = get(server, &format!("/api/v1/sessions/{id}")).await;
    let mut traces = Vec::new();
    for trace in session["traces"].as_array().unwrap() {
        traces.push(get(server, &format!("/api/v1/traces/{}", trace["id"].as_str().unwrap())).await);
    }
    json!({ "session": session, "traces": traces })
}

/// The disjoint buckets under the names of `expected.json`.
fn usage(told: &Value) -> Value {
    let sum =
        |names: &[&str]| names.iter().map(|name| told["usage"][name].as_u64().unwrap_or(0)).sum::<u64>();
    json!({
        "input_uncached": sum(&["inputUncached"]),
        "cache_read": sum(&["cacheRead"]),
        "cache_write": sum(&["cacheWrite", "cacheWrite1h"]),
        "output": sum(&["output"]),
        "reasoning": sum(&["reasoning"]),
        "total": told["totalTokens"],
    })
}

/// Dollars as whole picodollars.
fn picodollars(dollars: &Value) -> Value {
    dollars.as_f64().map_or(Value::Null, |dollars| json!((dollars * 1e12).round() as i64))
}

fn check_session(expected: &Value, told: &Value) {
    let session = &told["session"];
    for (ours, theirs) in [
        ("id", "session_id"),
        ("userId", "user_id"),
        ("traceCount", "traces"),
        ("observationCount", "observations"),
    ] {
        assert_eq!(session[ours], expected[theirs], "{ours}");
    }
    assert_eq!(session["errorCount"], expected["errors"], "errorCount");
    assert_eq!(session["tags"], expected["tags"], "tags");
    let alternatives = expected["usage_alternatives"].as_array().into_iter().flatten();
    let usages: Vec<&Value> = [&expected["usage_totals"]].into_iter().chain(alternatives).collect();
    assert!(usages.contains(&&usage(session)), "usage {} is none of {usages:?}", usage(session));
    assert_eq!(picodollars(&session["totalCost"]), expected["cost_picodollars"], "cost");
    let models = |value: &Value| -> Vec<Value> { value.as_array().cloned().unwrap_or_default() };
    let allowed = [models(&expected["models"]), models(&expected["models_of_failed_calls"])].concat();
    for model in models(&expected["models"]) {
        assert!(models(&session["models"]).contains(&model), "{model} is missing");
    }
    assert!(models(&session["models"]).iter().all(|model| allowed.contains(model)), "{}", session["models"]);
    for (key, value) in expected["metadata"].as_object().into_iter().flatten() {
        assert_eq!(&session["metadata"][key], value, "metadata {key}");
    }
    if let Some(environment) = expected.get("environment") {
        assert_eq!(&session["environment"], environment);
    }
}

/// What a text or JSON value shows.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn check_trace(expected: &Value, names: &[&Value], told: &Value) {
    assert!(names.contains(&&told["name"]), "name {} is none of {names:?}", told["name"]);
    for (field, key) in [("input", "input_contains"), ("output", "output_contains")] {
        match expected[key].as_str() {
            Some(text) => assert!(shown(&told[field]).contains(text), "{field}: {}", told[field]),
            None => assert!(told[field].is_null(), "{field}: {}", told[field]),
        }
    }
    assert_eq!(told["id"], expected["trace_id"]);
    assert_eq!(told["observationCount"], expected["observations"]);
    assert_eq!(told["errorCount"], expected["errors"]);
    assert_eq!(usage(told), expected["usage_totals"]);
    assert_eq!(picodollars(&told["totalCost"]), expected["cost_picodollars"]);
    let observations = told["observations"].as_array().unwrap();
    assert_eq!(json!(observations.len()), expected["observations"]);
    let generations = observations.iter().filter(|observation| observation["type"] == "generation").count();
    assert_eq!(json!(generations), expected["generations"]);
}

fn check(capture: &Capture, told: &Value) {
    let expected = &capture.expected;
    check_session(expected, told);
    let traces = told["traces"].as_array().unwrap();
    let wanted = expected["per_trace"].as_array().unwrap();
    assert_eq!(traces.len(), wanted.len());
    for (told, wanted) in traces.iter().zip(wanted) {
        let alternatives = expected["name_alternatives"].as_array().into_iter().flatten();
        let names: Vec<&Value> = [&wanted["name"]].into_iter().chain(alternatives).collect();
        check_trace(wanted, &names, told);
    }
    let failed = traces.iter().filter(|trace| trace["errorCount"] != 0).count();
    assert_eq!(json!(failed), expected["traces_with_errors"]);
    let mut types = BTreeMap::<String, u64>::new();
    for observation in traces.iter().flat_map(|trace| trace["observations"].as_array().unwrap()) {
        *types.entry(observation["type"].as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(
            observation["sessionId"], expected["session_id"],
            "every observation inherits the session"
        );
    }
    assert_eq!(json!(types), expected["observation_types"]);
}

async fn facts_hold(engine: Engine) {
    for capture in captures() {
        let id = capture.expected["session_id"].as_str().unwrap();
        let (server, store) = TestServer::on(engine).await;
        let mut first = None;
        for round in 1..=3 {
            for request in &capture.requests {
                replay(&server, request).await;
            }
            store.settle().await.unwrap();
            let told = told(&server, id).await;
            println!("{engine:?} {} round {round}", capture.name);
            check(&capture, &told);
            assert_eq!(first.get_or_insert_with(|| told.clone()), &told, "replaying changed something");
        }
        server.stop().await;
    }
}

/// Everything into one server, last request first.
async fn order_does_not_matter(engine: Engine) {
    let captures = captures();
    let (server, store) = TestServer::on(engine).await;
    for request in captures.iter().flat_map(|capture| &capture.requests).rev() {
        replay(&server, request).await;
        store.settle().await.unwrap();
    }
    for capture in &captures {
        println!("{engine:?} {} backwards", capture.name);
        check(capture, &told(&server, capture.expected["session_id"].as_str().unwrap()).await);
    }
    let list = get(&server, "/api/v1/sessions?limit=100").await;
    assert_eq!(list["data"].as_array().unwrap().len(), captures.len());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_hold_in_memory() {
    facts_hold(Engine::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_does_not_matter_in_memory() {
    order_does_not_matter(Engine::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_hold_on_disk() {
    facts_hold(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_does_not_matter_on_disk() {
    order_does_not_matter(Engine::Embedded).await;
}
