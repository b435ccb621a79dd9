//! One way to post for every transport that speaks HTTP: what to try again, and when.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use ureq::config::ConfigBuilder;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
#[cfg(feature = "tls")]
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;

use super::SendError;
use super::http_date::http_date;
#[cfg(feature = "tls")]
use crate::Error;
use crate::ticks::system_now;

/// Bodies from this size on are worth compressing.
const GZIP_FROM: usize = 1024;
/// An answer may have so many bytes: they are for us, not for people.
const MAX_ANSWER: u64 = 64 * 1024;

/// The settings that all transports with a `client` have.
macro_rules! client_settings {
    (header) => {
        /// Adds a header to every request.
        #[must_use]
        pub fn header(mut self, name: &str, value: &str) -> Self {
            self.client.headers.push((name.to_owned(), value.to_owned()));
            self
        }

        $crate::transport::http_client::client_settings!();
    };
    () => {
        /// How long a request may take: 10 seconds unless set, zero for no limit.
        #[must_use]
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.client = self.client.timeout(timeout);
            self
        }

        /// Trusts these certificates, in PEM, instead of the public authorities: for an authority of your own.
        ///
        /// # Errors
        /// If there is none in them.
        #[cfg(feature = "tls")]
        pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, $crate::Error> {
            self.client = self.client.trust(pem)?;
            Ok(self)
        }
    };
}
pub(super) use client_settings;

/// Where to post and how.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    /// Zero for none.
    timeout: Duration,
    pub(super) headers: Vec<(String, String)>,
    pub(super) gzip: bool,
}

/// What came back, whatever it says.
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// An answer that says it went well.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { agent: config().build().into(), timeout, headers: Vec::new(), gzip: true }
    }

    /// The same with another limit of time for a whole request; zero for none.
    pub(super) fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same, but trusting these certificates, in PEM, and no others.
    #[cfg(feature = "tls")]
    pub(super) fn trust(self, pem: &[u8]) -> Result<Self, Error> {
        let problem = |message: String| Error::configuration("root certificates", message);
        let mut certificates = Vec::new();
        for item in ureq::tls::parse_pem(pem) {
            if let ureq::tls::PemItem::Certificate(certificate) =
                item.map_err(|error| problem(error.to_string()))?
            {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(problem("there is no certificate in them".to_owned()));
        }
        let tls = TlsConfig::builder().root_certs(RootCerts::from(certificates)).build();
        Ok(Self { agent: config().tls_config(tls).build().into(), ..self })
    }

    /// Whether this can be posted to at all, with these headers. Their values may be secrets, so none is shown.
    pub(super) fn check(&self, url: &str) -> Result<(), String> {
        for (name, value) in &self.headers {
            if HeaderName::try_from(name).is_err() {
                return Err(format!("{name:?} is not a header's name"));
            }
            if HeaderValue::try_from(value).is_err() {
                return Err(format!("the value of the header {name} has characters that no header may have"));
            }
        }
        let uri: ureq::http::Uri = url.parse().map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        // What follows the host and is no port would be left out, and the data go to another server's door.
        if uri
            .authority()
            .is_some_and(|place| place.port_u16().is_none() && !place.as_str().ends_with(place.host()))
        {
            return Err(format!("{url:?} has no port between 0 and 65535 after its host"));
        }
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Ok(()),
            (Some("https"), Some(_)) if cfg!(feature = "tls") => Ok(()),
            (Some("https"), Some(_)) => Err("https needs the feature `tls`".to_owned()),
            _ => Err(format!("{url:?} is not an http or https URL")),
        }
    }

    /// Posts `body`. What may work later is told apart from what never will.
    pub(super) fn post(&self, url: &str, content_type: &str, body: &[u8]) -> Result<Answer, SendError> {
        self.exchange(url, content_type, body)?.judge()
    }

    /// Posts `body`. An error only if nothing came back.
    pub(super) fn exchange(&self, url: &str, content_type: &str, body: &[u8]) -> Result<Reply, SendError> {
        let timeout = (!self.timeout.is_zero()).then_some(self.timeout);
        let request = self.agent.post(url).config().timeout_global(timeout).build();
        let mut request = request.header("content-type", content_type);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let compressed = if self.gzip && body.len() >= GZIP_FROM { gzip(body) } else { None };
        if compressed.is_some() {
            request = request.header("content-encoding", "gzip");
        }
        let body = compressed.as_deref().unwrap_or(body);
        let mut response = request.send(body).map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => SendError::refused(error.to_string()),
            error => SendError::unavailable(error.to_string()),
        })?;
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().unwrap_or_default();
        Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long to wait, if it says so: in the header, in seconds or as a date, or as Discord and Telegram do.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let header = self.header("retry-after").map(str::trim);
        if let Some(date) = header.and_then(http_date) {
            // By its own clock, if it says what that shows: ours may be wrong.
            let now = self.header("date").and_then(http_date).unwrap_or_else(system_now);
            return Some(Duration::from_nanos(date.nanos_since(now).max(0).cast_unsigned()));
        }
        let seconds = header.and_then(|value| value.parse().ok());
        Duration::try_from_secs_f64(seconds.or_else(|| seconds_in(&self.body))?).ok()
    }

    pub(super) fn judge(self) -> Result<Answer, SendError> {
        match self.status {
            200..=299 => Ok(Answer { body: self.body }),
            // What OTLP/HTTP calls retryable; 408 and 425 say it themselves, 500 is usually a restart or an overload.
            408 | 425 | 429 | 500 | 502 | 503 | 504 => {
                let error = SendError::unavailable(failed(self.status, &self.body));
                Err(self.retry_after().map_or(error.clone(), |delay| error.retry_after(delay)))
            }
            413 => Err(SendError::too_large(failed(self.status, &self.body))),
            status => Err(SendError::refused(failed(status, &self.body))),
        }
    }
}

fn config() -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("throughline-sdk/", env!("CARGO_PKG_VERSION")))
}

/// Discord and Telegram say in the body how long to wait.
fn seconds_in(body: &[u8]) -> Option<f64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    ["/retry_after", "/parameters/retry_after"].iter().find_map(|path| answer.pointer(path)?.as_f64())
}

fn failed(status: u16, body: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect();
    format!("status {status}: {shown}")
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
