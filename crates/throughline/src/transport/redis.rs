//! Events as entries of a Redis stream.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use redis::{Client, Connection, ErrorKind, RedisError, ServerErrorKind};
use serde_json::Value;

use super::{Delivery, Item, SendError, Transport};
use crate::{Envelope, Resource};

/// Appends an entry for each event to a Redis stream, which keeps about so many of the newest. Spans are not sent.
///
/// An entry's fields are those of the envelope's JSON: texts as they are, everything else (`actor`, `attributes`, ...)
/// as JSON. Each event is appended at least once: what was under way when a connection broke is appended again. The
/// field `id` tells.
///
/// ```
/// use throughline::{Telemetry, transport::RedisStream};
///
/// let redis = RedisStream::new("redis://user:secret@127.0.0.1:6379/0").stream("shop:events").max_len(100_000);
/// let telemetry = Telemetry::builder("shop").transport(redis).build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
pub struct RedisStream {
    /// A secret: it may hold a password.
    url: String,
    stream: String,
    max_len: usize,
    timeout: Duration,
    /// Certificates in PEM, instead of the system's.
    roots: Option<Vec<u8>>,
    client: Option<Client>,
    connection: Option<Connection>,
}

impl RedisStream {
    /// To the Redis at `redis://USER:PASSWORD@HOST:PORT/DATABASE`, all but the host optional; with feature `tls` also
    /// `rediss://`. The stream is `telemetry:events` and keeps about 10 000 entries.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            stream: "telemetry:events".to_owned(),
            max_len: 10_000,
            timeout: Duration::from_secs(10),
            roots: None,
            client: None,
            connection: None,
        }
    }

    /// The stream's key.
    #[must_use]
    pub fn stream(mut self, key: impl Into<String>) -> Self {
        self.stream = key.into();
        self
    }

    /// About how many entries the stream keeps. Redis trims by whole nodes: there may be some more.
    #[must_use]
    pub const fn max_len(mut self, entries: usize) -> Self {
        self.max_len = entries;
        self
    }

    /// How long to wait for a connection, and for each answer; 10 seconds unless set.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Trusts these certificates, in PEM, instead of the system's authorities: for an authority of your own.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.roots = Some(pem.to_vec());
        self
    }

    fn client(&self) -> Result<Client, RedisError> {
        match &self.roots {
            #[cfg(feature = "tls")]
            Some(pem) => {
                let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                Client::build_with_tls(self.url.as_str(), certificates)
            }
            _ => Client::open(self.url.as_str()),
        }
    }

    /// `XADD` for each event, in one write; then the answers, of which the first error ends it.
    fn append(&self, connection: &mut Connection, events: &[&Envelope]) -> Result<(), (usize, RedisError)> {
        let mut packed = Vec::new();
        for event in events {
            packed.extend(self.command(event).get_packed_command());
        }
        connection.send_packed_command(&packed).map_err(|error| (0, error))?;
        for appended in 0..events.len() {
            let answer = connection.recv_response().and_then(redis::Value::extract_error);
            answer.map_err(|error| (appended, error))?;
        }
        Ok(())
    }

    fn command(&self, event: &Envelope) -> redis::Cmd {
        let mut command = redis::cmd("XADD");
        command.arg(&self.stream).arg("MAXLEN").arg("~").arg(self.max_len).arg("*");
        // An envelope is an object of texts, numbers and objects: there is nothing in it that JSON cannot hold.
        let fields = serde_json::to_value(event).unwrap_or_default();
        for (name, value) in fields.as_object().into_iter().flatten() {
            match value {
                Value::String(text) => command.arg(name).arg(text),
                value => command.arg(name).arg(value.to_string()),
            };
        }
        command
    }

    fn connect(&mut self) -> Result<Connection, RedisError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let none = || RedisError::from((ErrorKind::InvalidClientConfig, "not started"));
        let connection = self.client.as_ref().ok_or_else(none)?.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Ok(connection)
    }
}

impl Transport for RedisStream {
    fn name(&self) -> &str {
        "redis"
    }

    fn delivery(&self) -> Delivery {
        Delivery::default().max_delay(Duration::from_millis(200))
    }

    fn start(&mut self, _: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        if self.timeout.is_zero() {
            return Err("its timeout is zero".into());
        }
        // Without the address, which is a secret.
        let problem = match &self.roots {
            None => "its address is not like redis://USER:PASSWORD@HOST:PORT/DATABASE",
            Some(_) => {
                "its address is not like rediss://USER:PASSWORD@HOST:PORT/DATABASE, or its certificates are none"
            }
        };
        if self.url.starts_with("rediss:") && !cfg!(feature = "tls") {
            return Err("rediss needs the feature `tls`".into());
        }
        self.client = Some(self.client().map_err(|_| problem)?);
        Ok(())
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        // Places in the batch, so that what was appended can be told in items.
        let events: Vec<(usize, &Envelope)> =
            batch.iter().enumerate().filter_map(|(place, item)| Some((place, item.event()?))).collect();
        let envelopes: Vec<&Envelope> = events.iter().map(|(_, event)| *event).collect();
        if events.is_empty() {
            return Ok(());
        }
        let mut connection = self.connect().map_err(|error| send_error(&error))?;
        match self.append(&mut connection, &envelopes) {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            // The connection goes: answers to what came after may still be on their way.
            Err((appended, error)) => Err(send_error(&error).accepted(events[appended].0)),
        }
    }

    fn stop(&mut self) {
        self.connection = None;
    }
}

/// What may work later is told apart from what never will.
fn send_error(error: &RedisError) -> SendError {
    let message = error.to_string();
    let later = match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => true,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => true,
        // Out of memory, too few replicas, a disk that is full, a script that runs, too many clients.
        _ => {
            matches!(error.code(), Some("OOM" | "NOREPLICAS" | "MISCONF" | "BUSY"))
                || message.contains("max number of clients")
        }
    };
    if later { SendError::unavailable(message) } else { SendError::refused(message) }
}

impl fmt::Debug for RedisStream {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}
