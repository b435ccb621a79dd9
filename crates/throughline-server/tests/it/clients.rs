//! Real clients of others against the real binary, as their users start them.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::ServerProcess;

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

fn is_required() -> bool {
    std::env::var_os("THROUGHLINE_REQUIRE_CLIENTS").is_some()
}

/// A Python that has the SDK, or `None` (said aloud) if there is none and none is required.
fn python() -> Option<PathBuf> {
    let python =
        PathBuf::from(std::env::var_os("THROUGHLINE_TEST_PYTHON").unwrap_or_else(|| "python3".into()));
    let imports = "import opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http";
    let found =
        Command::new(&python).args(["-c", imports]).output().is_ok_and(|output| output.status.success());
    if found {
        return Some(python);
    }
    let required = std::env::var_os("THROUGHLINE_REQUIRE_CLIENTS").is_some();
    assert!(
        !required,
        "{} cannot import opentelemetry-sdk and opentelemetry-exporter-otlp",
        python.display()
    );
    eprintln!("skipped: {} has no opentelemetry-sdk and opentelemetry-exporter-otlp", python.display());
    None
}

#[test]
fn the_default_python_sdk_lands_without_an_endpoint_configured() {
    let Some(python) = python() else { return };
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
