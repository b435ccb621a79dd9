//! The Redis transport against a real `redis-server` from the `PATH`. Where there is none the tests are skipped and say
//! so, unless `THROUGHLINE_REQUIRE_REDIS` is set.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Client, Connection, Value, cmd};
use throughline::transport::{RedisStream, Transport};
use throughline::{ErrorInfo, Telemetry, emit};

use crate::TIMEOUT;

const STREAM: &str = "telemetry:events";

/// A `redis-server` of a test's own; killed when dropped.
struct Redis {
    process: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Redis {
    /// `None` if there is none on this machine.
    fn start() -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        match spawn(address, &directory) {
            Ok(process) => Some(Self { process, address, directory }.ready()),
            Err(error) if std::env::var_os("THROUGHLINE_REQUIRE_REDIS").is_some() => {
                panic!("redis-server does not start: {error}")
            }
            Err(error) => {
                eprintln!("skipped: redis-server does not start: {error}");
                None
            }
        }
    }

    fn ready(self) -> Self {
        let started = Instant::now();
        while self.connect().is_none() {
            assert!(started.elapsed() < TIMEOUT, "redis-server was not ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    fn connect(&self) -> Option<Connection> {
        Client::open(self.url()).unwrap().get_connection().ok()
    }

    fn url(&self) -> String {
        format!("redis://:open%20sesame@{}/0", self.address)
    }

    fn ask(&self, command: &str) -> Value {
        let mut words = command.split(' ');
        let mut command = cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query(&mut self.connect().unwrap()).unwrap()
    }

    fn entries(&self) -> Vec<BTreeMap<String, String>> {
        let mut command = cmd("XRANGE");
        let entries: Vec<(String, BTreeMap<String, String>)> =
            command.arg(STREAM).arg("-").arg("+").query(&mut self.connect().unwrap()).unwrap();
        entries.into_iter().map(|(_, fields)| fields).collect()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The same data at the same address.
    fn restart(mut self) -> Self {
        self.process = spawn(self.address, &self.directory).unwrap();
        self.ready()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn spawn(address: SocketAddr, directory: &tempfile::TempDir) -> std::io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--requirepass", "open sesame"])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}

fn telemetry(transport: RedisStream) -> Telemetry {
    let transport = transport.timeout(Duration::from_millis(500));
    let delivery = transport.delivery().backoff(Duration::from_millis(20)).max_delay(Duration::ZERO);
    Telemetry::builder("shop").environment("test").transport_with(transport, delivery).build().unwrap()
}

fn names(redis: &Redis) -> Vec<String> {
    redis.entries().into_iter().map(|fields| fields["name"].clone()).collect()
}

#[test]
fn an_event_is_an_entry_with_the_envelope_s_fields() {
    let Some(redis) = Redis::start() else { return };
    let telemetry = telemetry(RedisStream::new(redis.url()));
    let session = telemetry.session().id("sess_1").actor("user", "usr_123").scope("organization", "org_456");
    session.run_sync(|| {
        telemetry.trace("not sent").run_sync(|| ());
        let error = ErrorInfo { name: "E".into(), message: "no\r\n$5\r\nfunds".into(), ..Default::default() };
        emit!(telemetry, error, "payment.failed", error: error, "ctx.total" => 14999, "text" => "ü\0");
    });
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let [entry] = &redis.entries()[..] else { panic!("one entry") };
    assert_eq!((entry["name"].as_str(), entry["level"].as_str()), ("payment.failed", "error"));
    assert_eq!((entry["sessionId"].as_str(), entry["service"].as_str()), ("sess_1", "shop"));
    let json = |field: &str| serde_json::from_str::<serde_json::Value>(&entry[field]).unwrap();
    assert_eq!(json("actor"), serde_json::json!({"type": "user", "id": "usr_123"}));
    assert_eq!(json("attributes"), serde_json::json!({"ctx.total": 14999, "text": "ü\0"}));
    assert_eq!(json("error")["message"], "no\r\n$5\r\nfunds");
    assert!(entry["id"].starts_with("evt_"));
}

#[test]
fn the_stream_keeps_about_as_many_as_it_is_told() {
    let Some(redis) = Redis::start() else { return };
    let telemetry = telemetry(RedisStream::new(redis.url()).max_len(200));
    (0..1000).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let entries = redis.entries();
    // Trimmed by whole nodes, which have up to a hundred entries.
    assert!((200..400).contains(&entries.len()), "{}", entries.len());
    assert_eq!(entries.last().unwrap()["attributes"], r#"{"n":999}"#);
}

#[test]
fn a_wrong_password_is_refused_at_once_and_not_shown() {
    let Some(redis) = Redis::start() else { return };
    let telemetry = telemetry(RedisStream::new(format!("redis://:SECRET@{}", redis.address)));
    emit!(telemetry, "order.shipped");
    let report = telemetry.shutdown(TIMEOUT);
    assert_eq!((report.complete, report.transports[0].failed, report.transports[0].retries), (true, 1, 0));
    assert!(!format!("{report:?}").contains("SECRET"), "{report:?}");
}

#[test]
fn what_is_refused_for_good_is_not_tried_again_and_what_is_not_is() {
    let Some(redis) = Redis::start() else { return };
    redis.ask("SET telemetry:events x");
    let wrong = telemetry(RedisStream::new(redis.url()));
    emit!(wrong, "order.shipped");
    let report = wrong.shutdown(TIMEOUT);
    assert_eq!((report.transports[0].failed, report.transports[0].retries), (1, 0));
    assert!(report.transports[0].last_error.as_ref().unwrap().contains("WRONGTYPE"), "{report:?}");

    redis.ask("DEL telemetry:events");
    redis.ask("CONFIG SET maxmemory 1");
    let full = telemetry(RedisStream::new(redis.url()));
    emit!(full, "order.shipped");
    while full.report().transports[0].retries == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    redis.ask("CONFIG SET maxmemory 0");
    assert_eq!(full.shutdown(TIMEOUT).lost(), 0);
    assert_eq!(names(&redis), ["order.shipped"]);
}

#[test]
fn a_broken_connection_and_a_restart_lose_nothing() {
    let Some(mut redis) = Redis::start() else { return };
    let telemetry = telemetry(RedisStream::new(redis.url()));
    emit!(telemetry, "before.it");
    assert!(telemetry.flush(TIMEOUT).complete);
    redis.ask("CLIENT KILL TYPE normal SKIPME yes");
    emit!(telemetry, "after.disconnect");
    assert!(telemetry.flush(TIMEOUT).complete);
    redis.kill();
    emit!(telemetry, "while.gone");
    while telemetry.report().transports[0].retries < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let redis = redis.restart();
    emit!(telemetry, "after.restart");
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    assert_eq!(names(&redis), ["before.it", "after.disconnect", "while.gone", "after.restart"]);
}

#[test]
fn a_hang_costs_the_timeout_once_and_shutdown_its_deadline() {
    let Some(redis) = Redis::start() else { return };
    let telemetry = telemetry(RedisStream::new(redis.url()));
    emit!(telemetry, "before.it");
    assert!(telemetry.flush(TIMEOUT).complete);
    redis.ask("CLIENT PAUSE 1500 ALL");
    (0..100).for_each(|n| emit!(telemetry, "n.emitted", "n" => n));
    // A timeout for each of the hundred answers would be fifty seconds.
    assert_eq!(telemetry.flush(TIMEOUT).lost(), 0);
    redis.ask("CLIENT PAUSE 60000 ALL");
    emit!(telemetry, "never.there");
    let report = telemetry.shutdown(Duration::from_millis(200));
    assert_eq!((report.complete, report.lost()), (false, 1));
}

#[test]
fn nobody_there_is_no_reason_to_wait_beyond_the_deadline() {
    let telemetry = telemetry(RedisStream::new("redis://127.0.0.1:9"));
    emit!(telemetry, "order.shipped");
    let report = telemetry.shutdown(Duration::from_millis(200));
    assert_eq!((report.complete, report.lost()), (false, 1));
}

#[test]
fn an_address_that_is_none_is_a_build_error_and_never_shown() {
    for bad in ["", "SECRET", "http://:SECRET@host", "redis://:SECRET@host:port"] {
        let redis = RedisStream::new(bad);
        assert!(!format!("{redis:?}").contains("SECRET"));
        let error = Telemetry::builder("shop").transport(redis).build().unwrap_err();
        assert_eq!(error.code(), "TELEMETRY_TRANSPORT_INIT_FAILED", "{bad}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
    let hasty = RedisStream::new("redis://127.0.0.1:6379").timeout(Duration::ZERO);
    let error = Telemetry::builder("shop").transport(hasty).build().unwrap_err();
    assert_eq!(error.to_string(), "transport redis could not start: its timeout is zero");
}

#[test]
fn over_tls_with_an_authority_of_one_s_own() {
    let Some(redis) = Redis::start() else { return };
    let [root, certificate, key] = crate::tls::certificates("127.0.0.1");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut set = cmd("CONFIG");
    set.arg("SET");
    for (setting, pem) in
        [("tls-cert-file", &certificate), ("tls-key-file", &key), ("tls-ca-cert-file", &root)]
    {
        let path = redis.directory.path().join(setting);
        std::fs::write(&path, pem).unwrap();
        set.arg(setting).arg(path.to_str().unwrap());
    }
    set.arg("tls-auth-clients").arg("no").arg("tls-port").arg(&port);
    set.query::<()>(&mut redis.connect().unwrap()).unwrap();
    let url = format!("rediss://:open%20sesame@127.0.0.1:{port}/0");
    let trusting = telemetry(RedisStream::new(&url).root_certificates(root.as_bytes()));
    emit!(trusting, "order.shipped");
    assert_eq!(trusting.shutdown(TIMEOUT).lost(), 0);
    assert_eq!(names(&redis), ["order.shipped"]);
    let [stranger, ..] = crate::tls::certificates("127.0.0.1");
    let distrusting = telemetry(RedisStream::new(&url).root_certificates(stranger.as_bytes()));
    emit!(distrusting, "never.there");
    assert_eq!(distrusting.shutdown(Duration::from_millis(300)).lost(), 1);
    assert_eq!(names(&redis), ["order.shipped"]);
}
