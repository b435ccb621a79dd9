//! An application that is served, and what its channels publish while it is asked.
//!
//! Events are written as one line: `s` start, `e` end, `as` `ae` async start and end, `er` error, `c` cancel, each with
//! the layer's name; `req` is the request as a whole. A closing event says how it went unless it went well.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use throughline_channel::{ErrorRecord, EventKind, EventView, HandledBy, Outcome, Subscription, observe};
use throughline_tower::{LAYER, REQUEST, Router, WEBSOCKET};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

/// The channels are the program's, so one test at a time listens.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Default)]
struct Log {
    events: Vec<String>,
    fields: Vec<String>,
    errors: Vec<ErrorRecord>,
    open: i64,
}

pub(crate) struct App {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    server: tokio::task::JoinHandle<()>,
    _subscriptions: Vec<Subscription>,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl App {
    pub(crate) async fn serve(router: Router) -> Self {
        Self::listen_to(&[REQUEST.name(), LAYER.name(), WEBSOCKET.name()], router.into_service()).await
    }

    /// Serves `service` with these channels watched.
    pub(crate) async fn listen_to<S>(channels: &[&str], service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = std::convert::Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let turn = TURN.lock().await;
        let log = Arc::new(Mutex::new(Log::default()));
        let watch = |channel: &&str| {
            let log = log.clone();
            observe(channel, move |event| log.lock().unwrap().note(event))
        };
        let subscriptions = channels.iter().map(watch).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let make = axum::ServiceExt::<Request>::into_make_service(service);
        let server = tokio::spawn(async move { axum::serve(listener, make).await.unwrap() });
        Self { address, log, server, _subscriptions: subscriptions, _turn: turn }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and reads the answer to its end. A connection that breaks is an answer of status 0.
    pub(crate) async fn ask(&self, request_line: &str) -> Reply {
        self.ask_with(request_line, "").await
    }

    pub(crate) async fn ask_with(&self, request_line: &str, headers: &str) -> Reply {
        let mut stream = self.connect().await;
        let request = format!("{request_line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        Reply { status, body: body.to_owned() }
    }

    /// Sends a request, waits until `event` was seen, and hangs up.
    pub(crate) async fn hang_up_after(&self, request_line: &str, event: &str) {
        let mut stream = self.connect().await;
        let request = format!("{request_line} HTTP/1.1\r\nhost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        self.until(event, |log| log.events.iter().any(|seen| seen == event)).await;
    }

    async fn until(&self, what: &str, condition: impl Fn(&Log) -> bool) {
        for _ in 0..500 {
            if condition(&self.log.lock().unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for {what}; seen: {}", self.log.lock().unwrap().events.join(" "));
    }

    /// Everything published since the last call, once everything that began is complete.
    pub(crate) async fn events(&self) -> String {
        self.until("the end", |log| log.open == 0).await;
        let mut log = self.log.lock().unwrap();
        log.fields.clear();
        std::mem::take(&mut log.events).join(" ")
    }

    /// The fields at each `Complete` since the last call.
    pub(crate) async fn fields(&self) -> Vec<String> {
        self.until("the end", |log| log.open == 0).await;
        let mut log = self.log.lock().unwrap();
        log.events.clear();
        std::mem::take(&mut log.fields)
    }

    /// The errors published since the last call: `message at origin`, and who handled each.
    pub(crate) async fn errors(&self) -> Vec<String> {
        self.until("the end", |log| log.open == 0).await;
        std::mem::take(&mut self.log.lock().unwrap().errors).iter().map(describe).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn describe(error: &ErrorRecord) -> String {
    let origin = error.origin().unwrap().1;
    let fate = match error.handled_by() {
        None => "not handled".to_owned(),
        Some(HandledBy::Recovered { label, .. }) => format!("recovered by {label}"),
        Some(HandledBy::Converted { label, .. }) => format!("converted by {label}"),
        Some(by) => format!("{by:?}"),
    };
    format!("{error} at {origin}, {fate}")
}

impl Log {
    fn note(&mut self, event: &EventView<'_>) {
        let name = if event.channel() == REQUEST.name() { "req" } else { event.label() };
        let outcome = match event.outcome() {
            Some(Outcome::Err(_)) => "[err]",
            Some(Outcome::Panicked(_)) => "[panic]",
            _ => "",
        };
        match event.kind() {
            EventKind::Start => {
                self.open += 1;
                self.events.push(format!("s:{name}"));
            }
            EventKind::End => self.events.push(format!("e:{name}{outcome}")),
            EventKind::AsyncStart => self.events.push(format!("as:{name}{outcome}")),
            EventKind::AsyncEnd => self.events.push(format!("ae:{name}{outcome}")),
            EventKind::Cancel => self.events.push(format!("c:{name}")),
            EventKind::Error => {
                let error = event.error().unwrap().clone();
                self.events.push(format!("er({error}):{name}"));
                self.errors.push(error);
            }
            EventKind::Complete => {
                self.open -= 1;
                let mut fields = format!("{name}:");
                event.fields(&mut |key, value| {
                    if !["code.file.path", "code.line.number", "code.function.name"].contains(&key) {
                        fields.push_str(&format!(" {key}={value}"));
                    }
                });
                self.fields.push(fields);
            }
            _ => {}
        }
    }
}
