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

/// Langfuse's JavaScript client as it is now: spans over OTLP, scores by their own route.
const LANGFUSE_JS: &str = r#"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { propagateAttributes, startActiveObservation } from "@langfuse/tracing";
import { LangfuseClient } from "@langfuse/client";

const settings = { publicKey: "pk-lf-any", secretKey: "sk-lf-any", baseUrl: process.argv.at(-1) };
const provider = new NodeTracerProvider({ spanProcessors: [new LangfuseSpanProcessor(settings)] });
provider.register();
const client = new LangfuseClient(settings);

const who = { sessionId: "langfuse-chat", userId: "alice", tags: ["conversion"] };
await propagateAttributes(who, () => startActiveObservation("chat-turn", async (turn) => {
  turn.update({ input: "Where is my order?" });
  await startActiveObservation("answer", async (call) => {
    call.update({ model: "gpt-4o", input: [{ role: "user", content: "Where is my order?" }], output: "On its way.",
                  usageDetails: { input: 100, output: 20 } });
  }, { asType: "generation" });
  turn.update({ output: "On its way." });
  client.score.trace(turn, { name: "helpful", value: 1, dataType: "BOOLEAN", comment: "quick" });
}));
client.score.create({ name: "tone", value: "kind", sessionId: "langfuse-chat" });
await client.flush();
await provider.shutdown();
await client.shutdown();
"#;

/// The client before it: batches in which a call is created first and updated later, a few events in each.
const LANGFUSE_JS_3: &str = r#"
import { Langfuse } from "langfuse";

const settings = { publicKey: "pk-lf-any", secretKey: "sk-lf-any", baseUrl: process.argv.at(-1) };
const client = new Langfuse({ ...settings, flushAt: 2 });
client.on("error", (error) => { throw error; });
const trace = client.trace({ id: "turn 1 of 1", name: "chat-turn", sessionId: "langfuse-chat", userId: "alice",
                             input: "Where is my order?" });
const span = trace.span({ name: "workflow" });
const call = span.generation({ name: "answer", model: "gpt-4o", input: [{ role: "user", content: "Where is my order?" }] });
await new Promise((resolve) => setTimeout(resolve, 5));
call.end({ output: "On its way.", usage: { input: 100, output: 20 } });
span.event({ name: "shown" });
span.end();
trace.update({ output: "On its way.", tags: ["conversion"] });
trace.score({ name: "helpful", value: 1, dataType: "BOOLEAN", comment: "quick" });
client.score({ traceId: trace.id, observationId: call.id, name: "tone", value: "kind" });
await client.shutdownAsync();

// What was sent is read back with the same client, under the same ids.
const wanted = { answer: [call.id, "On its way."], shown: [null, null], workflow: [span.id, null] };
for (let tries = 0; ; tries++) {
  const { data } = await client.fetchTraces({ sessionId: "langfuse-chat" });
  const trace = data.length === 1 ? (await client.fetchTrace(data[0].id)).data : { observations: [] };
  const told = trace.observations.map(({ id, name, output }) => [name, [name === "shown" ? null : id, output]]);
  if (JSON.stringify(told.sort()) === JSON.stringify(Object.entries(wanted))) break;
  if (tries === 200) throw new Error(JSON.stringify(told));
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const { data } = await client.fetchTrace(encodeURIComponent(trace.id));
if (data.id !== trace.id) throw new Error(JSON.stringify(data));
const { data: generations } = await client.fetchObservations({ traceId: trace.id, type: "GENERATION" });
if (generations[0].usage.total !== 120) throw new Error(JSON.stringify(generations));
const { data: observation } = await client.fetchObservation(call.id);
if (observation.parentObservationId !== span.id) throw new Error(JSON.stringify(observation));
const { data: sessions } = await client.fetchSessions();
if (sessions[0].id !== "langfuse-chat") throw new Error(JSON.stringify(sessions));
"#;

/// What the newest Python client reads back, with its own types.
const LANGFUSE_READ_BACK: &str = include_str!("clients/langfuse_read_back.py");
/// The Python client before it spoke OpenTelemetry.
const LANGFUSE_2: &str = include_str!("clients/langfuse_2.py");
const LANGFUSE_MEDIA: &str = include_str!("clients/langfuse_media.py");
const LANGFUSE_MEDIA_JS: &str = include_str!("clients/langfuse_media.mjs");

const OPENTELEMETRY: &str =
    "opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http";

fn is_required() -> bool {
    std::env::var_os("THROUGHLINE_REQUIRE_CLIENTS").is_some()
}

/// A Python that has these modules, or `None` (said aloud) if there is none and none is required.
fn python(modules: &str) -> Option<PathBuf> {
    python_of("THROUGHLINE_TEST_PYTHON", modules)
}

/// The same, of the Python that a variable names.
fn python_of(variable: &str, modules: &str) -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| "python3".into()));
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

/// A folder in which Node finds Langfuse's packages, or `None` (said aloud) if there is none and none is required.
fn node_packages() -> Option<PathBuf> {
    let folder = std::env::var_os("THROUGHLINE_TEST_NODE_MODULES").map_or_else(PathBuf::new, PathBuf::from);
    let resolve = "await import('langfuse'); await import('@langfuse/otel');";
    let node =
        Command::new("node").args(["--input-type=module", "--eval", resolve]).current_dir(&folder).output();
    if !folder.as_os_str().is_empty() && node.is_ok_and(|output| output.status.success()) {
        return Some(folder);
    }
    let missing = "Node does not find the packages of .ci/javascript in THROUGHLINE_TEST_NODE_MODULES";
    assert!(!is_required(), "{missing}={}", folder.display());
    eprintln!("skipped: {missing}={}", folder.display());
    None
}

/// Runs a client to its end, and says what it printed.
fn run(program: &mut Command) -> String {
    let output = program.output().expect("the client runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn served(test: impl FnOnce(&ServerProcess, &str)) {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let server = ServerProcess::start(data_dir.path(), free_address(), free_address());
    let url = format!("http://{}", server.http);
    test(&server, &url);
}

/// A turn with one call of a model, and two scores, from whichever of Langfuse's clients.
fn lands_as_a_session(client: impl Fn(&str)) {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let server = ServerProcess::start(data_dir.path(), free_address(), free_address());
    client(&format!("http://{}", server.http));

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
    assert_eq!((&session["userId"], &session["totalTokens"]), (&"alice".into(), &120.into()), "{session}");
    assert_eq!((&session["tags"][0], &session["totalCost"]), (&"conversion".into(), &0.00045.into()));
    assert_eq!(
        (&session["title"], &session["lastOutput"]),
        (&"Where is my order?".into(), &"On its way.".into())
    );
}

#[test]
fn the_langfuse_client_works_with_its_address_changed() {
    let Some(python) = python("langfuse") else { return };
    lands_as_a_session(|url| drop(run(Command::new(&python).args(["-c", LANGFUSE, url]))));
}

#[test]
fn the_langfuse_client_reads_back_what_it_sent() {
    let Some(python) = python("langfuse") else { return };
    served(|server, url| {
        let told = run(Command::new(&python).args(["-c", LANGFUSE_READ_BACK, url]));
        // Where it says that the trace is to be seen.
        let path = told.trim().strip_prefix(url).expect("an address of this server");
        let (status, page) = server.page(path);
        assert!(status == 200 && page.contains("answer"), "{path}: {status}");
    });
}

#[test]
fn the_langfuse_client_before_opentelemetry_works_with_its_address_changed() {
    let modules = "langfuse.decorators";
    let Some(python) = python_of("THROUGHLINE_TEST_PYTHON_LANGFUSE_2", modules) else { return };
    lands_as_a_session(|url| drop(run(Command::new(&python).args(["-c", LANGFUSE_2, url]))));
}

/// Three calls with a picture each; answers with what they say, told apart from what the picture was.
fn calls_with_pictures(server: &ServerProcess, name: &str) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, found) = server.get(&format!("/api/public/observations?name={name}"));
        let calls = found["data"].as_array().expect("a list");
        if calls.len() == 3 {
            let told = calls.iter().map(|call| {
                assert_eq!(
                    (&call["output"], &call["usage"]["total"]),
                    (&"A dot.".into(), &120.into()),
                    "{call}"
                );
                let parts = &call["input"][0]["content"];
                assert_eq!(parts[0]["text"], "What is this?", "{call}");
                parts[1]["image_url"]["url"].as_str().expect("a text").to_owned()
            });
            return told.collect();
        }
        assert!(Instant::now() < deadline, "{name}: {found}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn pictures_that_langfuse_clients_keep_to_themselves_do_not_stop_the_rest() {
    let (Some(python), Some(folder)) = (python("langfuse"), node_packages()) else { return };
    served(|server, url| {
        let run_python = |name: &str, upload: &str| {
            let mut program = Command::new(&python);
            program.env("LANGFUSE_MEDIA_UPLOAD_ENABLED", upload);
            run(program.args(["-c", LANGFUSE_MEDIA, url, name]));
        };
        run_python("python", "true");
        let arguments = ["--input-type=module", "--eval", LANGFUSE_MEDIA_JS, "--", url, "javascript"];
        run(Command::new("node").args(arguments).current_dir(&folder));
        for name in ["python", "javascript"] {
            for picture in calls_with_pictures(server, name) {
                assert!(picture.starts_with("@@@langfuseMedia:type=image/png|id="), "{name}: {picture}");
            }
        }
        // Told not to, it leaves them in the text, and there they are kept.
        run_python("inline", "false");
        for picture in calls_with_pictures(server, "inline") {
            assert!(picture.starts_with("data:image/png;base64,iVBORw0KGgo"), "{picture}");
        }
    });
}

#[test]
fn the_langfuse_clients_for_javascript_work_with_their_address_changed() {
    let Some(folder) = node_packages() else { return };
    for script in [LANGFUSE_JS, LANGFUSE_JS_3] {
        let node = |url: &str| {
            let arguments = ["--input-type=module", "--eval", script, "--", url];
            run(Command::new("node").args(arguments).current_dir(&folder));
        };
        lands_as_a_session(node);
    }
}
