//! Real clients of others against the real binary, as their users start them.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{ServerProcess, free_address};

/// A program with no endpoint configured: the SDK's defaults must find the server's.
const DEFAULT_SDK: &str = r#"
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("default-settings")
with tracer.start_as_current_span("chat-turn", attributes={"session.id": "from-" + sys.argv[1]}):
    with tracer.start_as_current_span("chat gpt-4o", attributes={
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}):
        pass
provider.shutdown()
"#;

/// Langfuse's own client, with nothing but its address changed.
const LANGFUSE: &str = r#"
import sys
from langfuse import Langfuse, propagate_attributes

client = Langfuse(public_key="pk-lf-any", secret_key="sk-lf-any", base_url=sys.argv[1])
assert client.auth_check(), "the keys were refused"
with propagate_attributes(session_id="langfuse-chat", user_id="alice", tags=["conversion"]):
    with client.start_as_current_observation(name="chat-turn", as_type="span", input="Where is my order?") as turn:
        with client.start_as_current_observation(name="answer", as_type="generation", model="gpt-4o",
                                                 input=[{"role": "user", "content": "Where is my order?"}]) as call:
            call.update(output="On its way.", usage_details={"input": 100, "output": 20})
        turn.update(output="On its way.")
        turn.score_trace(name="helpful", value=1, data_type="BOOLEAN", comment="quick")
client.create_score(name="tone", value="kind", session_id="langfuse-chat")
client.flush()
client.shutdown()
"#;

const OPENTELEMETRY: &str =
    "opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http";

fn is_required() -> bool {
    std::env::var_os("THROUGHLINE_REQUIRE_CLIENTS").is_some()
}

/// A Python that has these modules, or `None` (said aloud) if there is none and none is required.
fn python(modules: &str) -> Option<PathBuf> {
    let python =
        PathBuf::from(std::env::var_os("THROUGHLINE_TEST_PYTHON").unwrap_or_else(|| "python3".into()));
    let imports = format!("import {modules}");
    let found =
        Command::new(&python).args(["-c", &imports]).output().is_ok_and(|output| output.status.success());
    if found {
        return Some(python);
    }
    assert!(!is_required(), "{} cannot import {modules}", python.display());
    eprintln!("skipped: {} cannot import {modules}", python.display());
    None
}

#[test]
fn the_default_python_sdk_lands_without_an_endpoint_configured() {
    let Some(python) = python(OPENTELEMETRY) else { return };
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let [http, grpc] = [4318, 4317].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    if let Some(taken) = [http, grpc].into_iter().find(|address| TcpListener::bind(address).is_err()) {
        assert!(!is_required(), "{taken} is taken, and the SDK's defaults lead there");
        eprintln!("skipped: {taken} is taken, perhaps by a server of your own");
        return;
    }
    let server = ServerProcess::start(data_dir.path(), http, grpc);

    for protocol in ["grpc", "http"] {
        let output = Command::new(&python)
            .args(["-c", DEFAULT_SDK, protocol])
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .output()
            .expect("python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let path = format!("/api/v1/sessions/from-{protocol}");
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.get(&path).0 != 200 {
            assert!(Instant::now() < deadline, "the session of the {protocol} client did not appear");
            std::thread::sleep(Duration::from_millis(100));
        }
        let (_, session) = server.get(&path);
        assert_eq!((session["traceCount"].as_u64(), session["totalTokens"].as_u64()), (Some(1), Some(120)));
        let (status, page) = server.page(&format!("/sessions/from-{protocol}"));
        assert_eq!(status, 200);
        assert!(page.contains("chat gpt-4o"), "the dashboard shows the model call");
    }
}

#[test]
fn the_langfuse_client_works_with_its_address_changed() {
    let Some(python) = python("langfuse") else { return };
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let server = ServerProcess::start(data_dir.path(), free_address(), free_address());
    let output = Command::new(&python)
        .args(["-c", LANGFUSE, &format!("http://{}", server.http)])
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let deadline = Instant::now() + Duration::from_secs(20);
    let scores = loop {
        let scores = server.get("/api/v1/scores?filter=session:langfuse-chat&sort=time").1["data"].clone();
        if scores.as_array().is_some_and(|scores| scores.len() == 2) {
            break scores;
        }
        assert!(Instant::now() < deadline, "the scores did not appear: {scores}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut told: Vec<String> = scores
        .as_array()
        .expect("a list")
        .iter()
        .map(|score| format!("{}={}", score["name"], score["value"]))
        .collect();
    told.sort();
    assert_eq!(told, ["\"helpful\"=true", "\"tone\"=\"kind\""]);
    let (_, session) = server.get("/api/v1/sessions/langfuse-chat");
    assert_eq!((&session["userId"], &session["totalTokens"]), (&"alice".into(), &120.into()));
    assert_eq!((&session["tags"][0], &session["totalCost"]), (&"conversion".into(), &0.00045.into()));
}
