//! The `throughline` program, as it is run: arguments in, output and exit code out.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use prost::Message;
use serde_json::{Value, json};

use crate::support::otlp::{gzip, request, span, zstd};
use crate::support::{Engine, TestServer};

/// The program without anything of this machine's environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir());
    command
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    Ran::of(program(arguments).stdin(Stdio::null()).output().unwrap())
}

/// Runs a command that talks to `server`, off the async threads.
pub(crate) async fn ask(server: &TestServer, arguments: &[&str]) -> Ran {
    let mut command = program(arguments);
    command.args(["--server", &server.url()]).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || Ran::of(command.output().unwrap())).await.unwrap()
}

#[test]
fn help_says_everything() {
    let commands: [&[&str]; 15] = [
        &[],
        &["serve"],
        &["tail"],
        &["sessions"],
        &["sessions", "list"],
        &["sessions", "show"],
        &["sessions", "export"],
        &["sessions", "delete"],
        &["import"],
        &["check"],
        &["prices"],
        &["prices", "check"],
        &["prices", "show"],
        &["prices", "list"],
        &["prices", "reprice"],
    ];
    let mut all = String::new();
    for command in commands {
        let Ran { code, out, .. } = run(&[command, &["--help"]].concat());
        assert_eq!(code, 0);
        all += &format!("$ throughline {} --help\n{out}\n", command.join(" "));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_usage_and_configuration_exit_with_2_and_a_next_step() {
    assert_eq!(run(&["nonsense"]).code, 2);
    assert_eq!(run(&["import"]).code, 2);
    let exposed = run(&["serve", "--listen-http", "0.0.0.0:4318"]);
    assert_eq!(exposed.code, 2);
    assert!(
        exposed.err.contains("--listen-http") && exposed.err.contains("other machines"),
        "{}",
        exposed.err
    );
    let output = program(&["check"]).env("THROUGHLINE_LOG_FROMAT", "json").output().unwrap();
    assert!(Ran::of(output).err.contains("did you mean THROUGHLINE_LOG_FORMAT?"));
}

#[test]
fn check_prints_what_is_in_force_and_who_said_so() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("throughline.toml"), "[limits]\nbody = \"1MiB\"\n").unwrap();
    let mut command = program(&["check", "--log-level", "debug"]);
    command.env("THROUGHLINE_STORE_ENGINE", "memory").current_dir(&directory);
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = |start: &str| ran.out.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("body = \"1MiB\"").ends_with("# limits.body in throughline.toml"));
    assert!(line("level = \"debug\"").ends_with("# --log-level"));
    assert!(line("engine = \"memory\"").ends_with("# THROUGHLINE_STORE_ENGINE"));
    assert!(line("unpacked = ").ends_with("# default"));
    // What it prints is itself a configuration.
    std::fs::write(directory.path().join("throughline.toml"), &ran.out).unwrap();
    let mut again = program(&["check"]);
    assert_eq!(Ran::of(again.current_dir(&directory).output().unwrap()).code, 0);
}

#[test]
fn nobody_there_is_said_with_a_next_step() {
    for arguments in [&["sessions", "list"][..], &["tail"], &["sessions", "show", "x"]] {
        let ran = run(&[arguments, &["--server", "http://127.0.0.1:9"]].concat());
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("cannot reach http://127.0.0.1:9"), "{}", ran.err);
        assert!(ran.err.contains("throughline serve"), "{}", ran.err);
    }
    for address in ["ftp://x", "https://localhost", "http://", "localhost:4318"] {
        assert_eq!(run(&["tail", "--server", address]).code, 2, "{address}");
    }
}

fn otlp_json(n: u8) -> Value {
    let id = format!("{n:02x}");
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": id.repeat(16), "spanId": id.repeat(8), "name": "json",
         "startTimeUnixNano": "1795262390000000000", "endTimeUnixNano": "1795262391000000000"}]}]}]})
}

fn logs_json() -> Value {
    json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1795262390000000000", "eventName": "log.event"}]}]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn import_finds_out_what_is_in_a_file() {
    let (server, _) = TestServer::on(Engine::Memory).await;
    let directory = tempfile::tempdir().unwrap();
    let protobuf = request(vec![span(1), span(2)]).encode_to_vec();
    let length = u32::try_from(protobuf.len()).unwrap().to_be_bytes();
    let metrics = json!({"resourceMetrics": []});
    let lines = format!("{}\n\n{}\n{metrics}\n", otlp_json(3), logs_json());
    let events = "{\"name\":\"a.b\"}\r\n{\"name\":\"a.c\"}\n";
    // File by file: what it holds, and how many spans, log records and events are in it.
    let files: [(&str, Vec<u8>, [u64; 3]); 12] = [
        ("request.pb", protobuf.clone(), [2, 0, 0]),
        ("request.pb.gz", gzip(&protobuf), [2, 0, 0]),
        ("collector.pb", [&length[..], &protobuf, &length, &protobuf].concat(), [4, 0, 0]),
        ("delimited.pb", request(vec![span(1)]).encode_length_delimited_to_vec().repeat(3), [3, 0, 0]),
        ("one.json", otlp_json(4).to_string().into(), [1, 0, 0]),
        ("pretty.json", format!("{:#}", otlp_json(4)).into(), [1, 0, 0]),
        ("pretty2.json", format!("{:#}\n{:#}", otlp_json(4), logs_json()).into(), [1, 1, 0]),
        ("lines.jsonl", lines.clone().into(), [1, 1, 0]),
        ("lines.jsonl.zst", zstd(lines.as_bytes()), [1, 1, 0]),
        ("events.ndjson", events.as_bytes().to_vec(), [0, 0, 2]),
        ("events.json", b"\n[{\"name\":\"a\"},\n{\"name\":\"b\"}]".to_vec(), [0, 0, 2]),
        ("empty.json", b" \n".to_vec(), [0, 0, 0]),
    ];
    for (name, bytes, [spans, logs, events]) in files {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let ran = ask(&server, &["import", "--json", path.to_str().unwrap()]).await;
        let told = ran.json();
        assert_eq!((ran.code, &told["skipped"]), (0, &json!(0)), "{name}: {}", ran.err);
        let counts = [&told["spans"], &told["logRecords"], &told["events"]];
        assert_eq!(counts, [&json!(spans), &json!(logs), &json!(events)], "{name}");
    }
    let traces = server.get("/api/v1/traces").send().await.json();
    assert_eq!(traces["data"].as_array().unwrap().len(), 4, "importing again changed nothing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn import_says_what_it_skipped_and_where() {
    let (server, _) = TestServer::on(Engine::Memory).await;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut bad_span = otlp_json(5);
    bad_span["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] = "00".into();
    let mixed = write(
        "mixed.jsonl",
        &format!(
            "{}\n{bad_span}\n{{broken\n{{\"x\":1}}\n{{\"name\":\"good\"}}\n{{\"name\":\"not good\"}}\n{{\"resourceSpans\":7}}\n",
            otlp_json(4)
        ),
    );
    let garbage = write("garbage.bin", "\u{1}\u{2}nothing we know");
    let ran = ask(&server, &["import", &mixed, &garbage]).await;
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.out.starts_with("imported 1 spans, 0 log records and 1 events; skipped 6 in "),
        "{}",
        ran.out
    );
    for place in ["line 2: ", "line 3: ", "line 4: ", "line 6: ", "line 7: ", "garbage.bin, the whole file: "]
    {
        assert!(ran.err.contains(place), "{place}{}", ran.err);
    }
    let missing = ask(&server, &["import", "/does/not/exist"]).await;
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("/does/not/exist"), "{}", missing.err);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn import_cuts_large_files_and_waits_for_a_busy_server() {
    let (server, store) = TestServer::recording_with(&[("limits.body", "2MiB")]).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.pb");
    let spans = (0..3000_u32).map(|n| {
        let mut span = span(1);
        span.span_id = u64::from(n + 1).to_be_bytes().to_vec();
        span.name = "x".repeat(2000);
        span
    });
    std::fs::write(&path, request(spans.collect()).encode_to_vec()).unwrap();
    store.set_mood(crate::support::Mood::Busy);
    let arguments = ["import", "--json", path.to_str().unwrap()];
    let import = ask(&server, &arguments);
    let recover = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        store.set_mood(crate::support::Mood::Well);
    };
    let (ran, ()) = tokio::join!(import, recover);
    assert_eq!((ran.code, &ran.json()["spans"]), (0, &json!(3000)), "{}", ran.err);
    assert_eq!(store.take_spans().len(), 3000);
    server.stop().await;
}

async fn shown(server: &TestServer) -> Value {
    ask(server, &["sessions", "show", "oi-session-0005", "--json"]).await.json()
}

/// What one server tells of a session, another makes the same session of.
#[tokio::test(flavor = "multi_thread")]
async fn an_exported_session_can_be_imported() {
    let (from, _) = TestServer::on(Engine::Memory).await;
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures/openinference-openai");
    let body = std::fs::read(capture.join("001.body")).unwrap();
    assert_eq!(from.post("/v1/traces").protobuf().body(body).send().await.status, 200);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.json");
    let file = file.to_str().unwrap();
    for format in ["otlp", "otlp-json"] {
        let exported =
            ask(&from, &["sessions", "export", "oi-session-0005", "--format", format, "-o", file]).await;
        assert_eq!(exported.code, 0, "{}", exported.err);
        let (to, _) = TestServer::on(Engine::Memory).await;
        let imported = ask(&to, &["import", file]).await;
        assert_eq!(imported.code, 0, "{format}: {}", imported.err);
        assert_eq!(shown(&to).await, shown(&from).await, "{format}");
        to.stop().await;
    }
    let export =
        async |format| ask(&from, &["sessions", "export", "oi-session-0005", "--format", format]).await;
    assert_eq!(export("json").await.json()["session"]["id"], "oi-session-0005");
    assert_eq!(export("chat").await.json()["session"]["id"], "oi-session-0005");
    assert!(export("ndjson").await.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(export("html").await.out.starts_with("<!doctype html>"));
    from.stop().await;
}

async fn with_one_session(id: &str) -> TestServer {
    let (server, _) = TestServer::on(Engine::Memory).await;
    let event = json!({"name": "user.said.hello", "sessionId": id, "service": "shop"});
    assert_eq!(server.post("/api/v1/events").json().body(event.to_string()).send().await.status, 200);
    server
}

/// Spans go over in OTLP, and what is not a span in lines.
#[tokio::test(flavor = "multi_thread")]
async fn events_and_scores_of_an_exported_session_can_be_imported() {
    let from = with_one_session("s1").await;
    let score = json!({"id": "sc1", "name": "note", "value": "took its time", "dataType": "TEXT", "sessionId": "s1",
        "environment": "staging"});
    assert_eq!(from.post("/api/v1/scores").json().body(score.to_string()).send().await.status, 200);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.ndjson");
    let file = file.to_str().unwrap();
    let exported = ask(&from, &["sessions", "export", "s1", "--format", "ndjson", "-o", file]).await;
    assert_eq!(exported.code, 0, "{}", exported.err);
    let (to, _) = TestServer::on(Engine::Memory).await;
    let imported = ask(&to, &["import", file]).await;
    assert!(
        imported.out.starts_with("imported 0 spans, 0 log records and 2 events; skipped 1"),
        "{}",
        imported.out
    );
    assert!(imported.err.contains("line 1: a session as it is shown"), "{}", imported.err);
    for path in ["/api/v1/scores", "/api/v1/events?filter=name:user.*"] {
        assert_eq!(to.get(path).send().await.json(), from.get(path).send().await.json(), "{path}");
    }
    to.stop().await;
    from.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_shown_exported_and_deleted() {
    let id = "a/b?c=é #1";
    let server = with_one_session(id).await;
    let list = ask(&server, &["sessions", "list"]).await;
    assert!(list.out.contains("SESSION") && list.out.contains(id), "{}{}", list.out, list.err);
    assert!(!list.out.contains('\u{1b}'), "colours only on terminals");
    let none = ask(&server, &["sessions", "list", "user:nobody"]).await;
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "no sessions match\n"));
    let wrong = ask(&server, &["sessions", "list", "usr:nobody"]).await;
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("usr"), "{}", wrong.err);
    assert_eq!(ask(&server, &["sessions", "list", "--json"]).await.json()["id"], id);
    assert_eq!(ask(&server, &["sessions", "show", id, "--json"]).await.json()["eventCount"], 1);
    let shown = ask(&server, &["sessions", "show", id]).await;
    assert!(shown.out.contains(id) && shown.out.contains("shop"), "{}{}", shown.out, shown.err);
    assert!(ask(&server, &["sessions", "export", id]).await.json().is_object());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("session.ndjson");
    let exported =
        ask(&server, &["sessions", "export", id, "--format", "ndjson", "-o", file.to_str().unwrap()]).await;
    assert_eq!((exported.code, exported.out.as_str()), (0, ""), "{}", exported.err);
    assert!(std::fs::read_to_string(&file).unwrap().contains("user.said.hello"));

    let unasked = ask(&server, &["sessions", "delete", id]).await;
    assert_eq!(unasked.code, 1);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    assert_eq!(ask(&server, &["sessions", "delete", id, "--yes"]).await.code, 0);
    let gone = ask(&server, &["sessions", "show", id]).await;
    assert_eq!(gone.code, 1, "{}", gone.out);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_what_arrives() {
    use std::io::{BufRead, BufReader};
    let (server, _) = TestServer::on(Engine::Memory).await;
    let mut command = program(&["tail", "--server", &server.url(), "--json", "level:>=warn"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) =
        (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
    let begun = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        line
    });
    assert!(begun.await.unwrap().starts_with("following http://"));
    let events = json!([{"name": "quiet"}, {"name": "loud", "level": "error"}]);
    server.post("/api/v1/events").json().body(events.to_string()).send().await;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    });
    let line = tokio::time::timeout(Duration::from_secs(10), line).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["name"], "loud");
    child.kill().unwrap();
    child.wait().unwrap();
    server.stop().await;
}

/// Runs `serve` on free ports.
fn serve(
    directory: &Path,
    flags: &[&str],
) -> (std::process::Child, std::io::BufReader<std::process::ChildStdout>) {
    let mut command = program(&["serve", "--listen-http", "127.0.0.1:0", "--listen-grpc", "127.0.0.1:0"]);
    command.args(flags).args(["--store-path", directory.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// What the server says when it starts, and its address.
fn greeting(out: impl std::io::BufRead) -> (String, String) {
    let mut said = String::new();
    let mut address = String::new();
    for line in out.lines() {
        let line = line.unwrap();
        if let Some(rest) = line.trim().strip_prefix("Dashboard and API") {
            address = rest.trim().to_owned();
        }
        said += &line;
        if line.contains("Ctrl-C") {
            break;
        }
    }
    (said, address)
}

/// Stops a server as a service manager would.
fn terminate(child: std::process::Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_was_served_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (child, out) = serve(directory.path(), &[]);
    let (said, address) = greeting(out);
    assert!(said.contains(directory.path().to_str().unwrap()), "{said}");
    let event = r#"{"name":"hello.world","sessionId":"first"}"#;
    let send = ureq::post(format!("{address}/api/v1/events")).header("content-type", "application/json");
    assert_eq!(send.send(event).unwrap().status(), 200);
    let second = run(&[
        "serve",
        "--listen-http",
        "127.0.0.1:0",
        "--listen-grpc",
        "off",
        "--store-path",
        directory.path().to_str().unwrap(),
    ]);
    assert_eq!(second.code, 1, "two servers must not share a directory: {}", second.out);
    assert!(second.err.contains(directory.path().to_str().unwrap()), "{}", second.err);
    terminate(child);
    let (child, out) = serve(directory.path(), &[]);
    let (_, address) = greeting(out);
    assert_eq!(run(&["sessions", "list", "--json", "--server", &address]).json()["id"], "first");
    terminate(child);
}

#[test]
fn serve_says_where_it_is_and_stops_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let (child, out) = serve(directory.path(), &["--store-engine", "memory"]);
    let (said, address) = greeting(out);
    assert!(said.contains("OTLP over gRPC") && said.contains("curl") && said.contains("in memory"), "{said}");
    let health = ureq::get(format!("{address}/health")).call().unwrap();
    assert_eq!(health.status(), 200);
    let taken =
        run(&["serve", "--store-engine", "memory", "--listen-http", address.trim_start_matches("http://")]);
    assert_eq!(taken.code, 1);
    assert!(taken.err.contains("another program has this port"), "{}", taken.err);
    terminate(child);
}

#[test]
fn openapi_prints_the_document() {
    let ran = run(&["openapi"]);
    assert_eq!(ran.code, 0);
    assert!(ran.json()["paths"]["/api/v1/sessions"].is_object());
}
