//! The real binary as a child process, on ports of its own.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running `throughline serve` or `demo`; killed when dropped.
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) http: SocketAddr,
    agent: ureq::Agent,
}

impl ServerProcess {
    /// Starts on these addresses and waits until it is ready.
    pub(crate) fn start(data_dir: &Path, http: SocketAddr, grpc: SocketAddr) -> Self {
        Self::run("serve", http, grpc, &["--store-path".as_ref(), data_dir.as_os_str()])
    }

    /// The same, with files that may not grow beyond so many blocks (of 512 or 1024 bytes, as the shell counts).
    pub(crate) fn start_limited(data_dir: &Path, http: SocketAddr, grpc: SocketAddr, blocks: &str) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_throughline"), "serve"]);
        Self::spawn(shell, http, grpc, &["--store-path".as_ref(), data_dir.as_os_str()])
    }

    /// Runs a command that serves, and waits until it is ready.
    pub(crate) fn run(command: &str, http: SocketAddr, grpc: SocketAddr, arguments: &[&OsStr]) -> Self {
        let mut binary = Command::new(env!("CARGO_BIN_EXE_throughline"));
        binary.arg(command);
        Self::spawn(binary, http, grpc, arguments)
    }

    fn spawn(mut command: Command, http: SocketAddr, grpc: SocketAddr, arguments: &[&OsStr]) -> Self {
        let child = command
            .args(["--listen-http", &http.to_string(), "--listen-grpc", &grpc.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .new_agent();
        let server = Self { child, http, agent };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.http).is_err() || self.get("/ready").0 != 200 {
            assert!(Instant::now() < deadline, "the server was not ready after a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a crash would: SIGKILL, no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server was running");
        self.child.wait().expect("the server ended");
    }

    /// From now on no file may grow beyond this (`unlimited`, or bytes).
    pub(crate) fn limit_files(&self, limit: &str) {
        let pid = self.child.id().to_string();
        let limit = format!("--fsize={limit}:unlimited");
        let done = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(done.is_ok_and(|status| status.success()), "prlimit (util-linux) sets limits of processes");
    }

    /// Status and JSON body (null if it is not JSON).
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.page(path);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Status (0 if there was no answer) and body as text.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        match self.agent.get(format!("http://{}{path}", self.http)).call() {
            Ok(mut response) => {
                (response.status().as_u16(), response.body_mut().read_to_string().unwrap_or_default())
            }
            Err(_) => (0, String::new()),
        }
    }
}

/// Posts, and returns the status; `None` if the connection broke before an answer came.
pub(crate) fn post(
    agent: &ureq::Agent,
    server: SocketAddr,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Option<u16> {
    let response = agent.post(format!("http://{server}{path}")).content_type(content_type).send(body).ok()?;
    Some(response.status().as_u16())
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A loopback address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound listener has an address")
}
