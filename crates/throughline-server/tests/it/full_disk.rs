//! The real server when its files cannot grow, as on a full disk.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{ServerProcess, free_address};

/// So that a few dozen requests fill the log up to the limit.
const TEXT_BYTES: usize = 20_000;

/// Sends events, each with an id of its own, and knows which were acknowledged.
struct Sender {
    agent: ureq::Agent,
    server: SocketAddr,
    rng: fastrand::Rng,
    sent: usize,
    acknowledged: Vec<String>,
}

impl Sender {
    fn new(server: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let rng = fastrand::Rng::with_seed(20_261_121);
        Self { agent, server, rng, sent: 0, acknowledged: Vec::new() }
    }

    /// The status, and when to come back.
    fn send(&mut self) -> (u16, Option<String>) {
        self.sent += 1;
        let id = format!("event-{}", self.sent);
        let text: String = std::iter::repeat_with(|| self.rng.alphanumeric()).take(TEXT_BYTES).collect();
        let event =
            json!({ "id": id, "name": "disk.filled", "sessionId": "s1", "attributes": { "text": text } });
        let request = self.agent.post(format!("http://{}/api/v1/events", self.server));
        let response = request.send_json(event).expect("an answer");
        let status = response.status().as_u16();
        if status == 200 {
            self.acknowledged.push(id);
        }
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        (status, retry_after.map(str::to_owned))
    }

    fn send_until(&mut self, wanted: u16) -> Option<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (status, retry_after) = self.send();
            if status == wanted {
                return retry_after;
            }
            assert!(Instant::now() < deadline, "no {wanted} in a minute, but {status}");
            std::thread::sleep(Duration::from_millis(if wanted == 200 { 100 } else { 0 }));
        }
    }
}

fn reasons(server: &ServerProcess) -> (u16, String) {
    let (status, body) = server.get("/ready");
    (status, body["reasons"].to_string())
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Exactly what was acknowledged is stored, and the session counts it once.
fn assert_stored(server: &ServerProcess, acknowledged: &[String]) {
    let count = |server: &ServerProcess| server.get("/api/v1/sessions/s1").1["eventCount"].as_u64();
    wait_for("what was acknowledged is counted", || count(server) == Some(acknowledged.len() as u64));
    let (_, page) = server.get("/api/v1/events?limit=1000");
    let rows: &[Value] = page["data"].as_array().map_or(&[], Vec::as_slice);
    let mut stored: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    let mut expected: Vec<&str> = acknowledged.iter().map(String::as_str).collect();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected);
}

#[test]
fn without_room_for_the_log_it_refuses_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Less than a log file takes, whatever the shell's blocks are.
    let server = ServerProcess::start_limited(dir.path(), free_address(), free_address(), "32768");
    let mut sender = Sender::new(server.http);
    let (status, retry_after) = sender.send();
    assert_eq!(status, 503);
    assert!(retry_after.is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0)));
    let (status, reason) = reasons(&server);
    assert_eq!(status, 503);
    assert!(reason.contains("no room for the log"), "{reason}");
    server.limit_files("unlimited");
    wait_for("it is ready again", || reasons(&server).0 == 200);
    sender.send_until(200);
    assert_stored(&server, &sender.acknowledged);
}

/// Fills the log up to a limit in the midst of a write.
fn fill(data_dir: &Path) -> (ServerProcess, Sender) {
    let server = ServerProcess::start_limited(data_dir, free_address(), free_address(), "unlimited");
    let mut sender = Sender::new(server.http);
    sender.send_until(200);
    server.limit_files("1000000");
    let retry_after = sender.send_until(503);
    assert!(retry_after.is_some());
    let (status, reason) = reasons(&server);
    assert_eq!(status, 503);
    assert!(reason.contains("writing the log failed"), "{reason}");
    assert!(sender.acknowledged.len() > 10, "{}", sender.acknowledged.len());
    (server, sender)
}

#[test]
fn a_write_that_fails_half_way_costs_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (server, mut sender) = fill(dir.path());
    server.limit_files("unlimited");
    wait_for("it is ready again", || reasons(&server).0 == 200);
    for _ in 0..5 {
        sender.send_until(200);
    }
    assert_stored(&server, &sender.acknowledged);
    server.kill();
    let server = ServerProcess::start(dir.path(), free_address(), free_address());
    assert_stored(&server, &sender.acknowledged);
}

#[test]
fn a_restart_after_a_write_that_failed_half_way_has_what_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (server, mut sender) = fill(dir.path());
    server.kill();
    let server = ServerProcess::start(dir.path(), free_address(), free_address());
    assert_stored(&server, &sender.acknowledged);
    sender.server = server.http;
    sender.send_until(200);
    assert_stored(&server, &sender.acknowledged);
}
