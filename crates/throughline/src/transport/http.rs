//! Envelopes as JSON over HTTP.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::http_client::{Client, client_settings};
use super::{Delivery, Item, SendError, Transport};
use crate::Resource;

/// Posts events as a JSON array of envelopes. Spans are not sent.
///
/// ```
/// use throughline::{Telemetry, transport::Http};
/// let http = Http::new("http://127.0.0.1:4318/api/v1/events").header("authorization", "Bearer pk_live_abc");
/// let telemetry = Telemetry::builder("shop").transport(http).build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Http {
    url: String,
    client: Client,
}

impl Http {
    /// To this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), client: Client::new(Duration::from_secs(10)) }
    }

    client_settings!(header);
}

impl Transport for Http {
    fn name(&self) -> &str {
        "http"
    }

    fn delivery(&self) -> Delivery {
        Delivery::default().max_delay(Duration::from_secs(1)).batch(256)
    }

    fn start(&mut self, _: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.client.check(&self.url)?)
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        let mut events = 0;
        let mut body = vec![b'['];
        for item in batch.iter().filter(|item| matches!(item, Item::Event(_))) {
            item.write_json(&mut body);
            body.push(b',');
            events += 1;
        }
        if events == 0 {
            return Ok(());
        }
        // In place of the last comma.
        body.pop();
        body.push(b']');
        let answer = self.client.post(&self.url, "application/json", &body)?;
        // Throughline's server says which it refused; others say what they like.
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer["rejected"].as_array().map_or(0, Vec::len).min(batch.len()) {
            0 => Ok(()),
            refused => {
                let reason = answer["rejected"][0]["message"].as_str().unwrap_or("no reason given");
                let message = format!("the server refused {refused} of {events}: {reason}");
                Err(SendError::refused(message).accepted(batch.len() - refused))
            }
        }
    }
}

impl fmt::Debug for Http {
    /// Without header values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("url", &self.url).finish_non_exhaustive()
    }
}
