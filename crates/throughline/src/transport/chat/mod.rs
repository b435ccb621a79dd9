//! Messages for people: Slack, Discord, Telegram.

mod format;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::http_client::{Client, client_settings};
use super::{Delivery, Item, SendError, Transport};
use crate::{Envelope, Level, Resource};

/// Writes a message for each event into a Slack channel, a Discord channel or a Telegram chat.
///
/// Only events of level error and above, unless [`transport_with`](crate::Builder::transport_with) says otherwise. Text
/// from events is escaped, so that it can neither format the message nor mention anybody, and cut to what the service
/// takes. When the service says to wait, the transport waits. Spans are not sent.
///
/// The services are behind `https`: the feature `tls` is needed too.
///
/// ```
/// use throughline::{Level, Telemetry, transport::{Chat, Delivery}};
///
/// # let webhook = "http://127.0.0.1:9/services/T0/B0/x";
/// let telemetry = Telemetry::builder("shop")
///     .transport_with(Chat::slack(webhook), Delivery::default().min_level(Level::Fatal))
///     .build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Chat {
    name: &'static str,
    /// A secret: whoever has it can write.
    url: String,
    message: Message,
    client: Client,
}

#[derive(Clone)]
enum Message {
    Slack,
    Discord,
    Telegram { chat: String },
}

impl Chat {
    fn new(name: &'static str, url: String, message: Message) -> Self {
        Self { name, url, message, client: Client::new(Duration::from_secs(10)) }
    }

    /// To a Slack incoming webhook.
    pub fn slack(webhook: impl Into<String>) -> Self {
        Self::new("slack", webhook.into(), Message::Slack)
    }

    /// To a Discord webhook.
    pub fn discord(webhook: impl Into<String>) -> Self {
        Self::new("discord", webhook.into(), Message::Discord)
    }

    /// To a Telegram chat, as the bot with this token.
    pub fn telegram(token: &str, chat: impl Into<String>) -> Self {
        Self::telegram_at("https://api.telegram.org", token, chat)
    }

    /// The same through a Bot API server of your own.
    pub fn telegram_at(server: &str, token: &str, chat: impl Into<String>) -> Self {
        let url = format!("{}/bot{token}/sendMessage", server.trim_end_matches('/'));
        Self::new("telegram", url, Message::Telegram { chat: chat.into() })
    }

    client_settings!();

    fn message(&self, event: &Envelope) -> Value {
        match &self.message {
            Message::Slack => format::slack(event),
            Message::Discord => format::discord(event),
            Message::Telegram { chat } => format::telegram(event, chat),
        }
    }
}

impl Transport for Chat {
    fn name(&self) -> &str {
        self.name
    }

    fn delivery(&self) -> Delivery {
        Delivery::default().min_level(Level::Error).batch(16).queue(256)
    }

    fn start(&mut self, _: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        // Without the URL, which is a secret.
        let https_only = self.url.starts_with("https://") && !cfg!(feature = "tls");
        let problem = if https_only { "https needs the feature `tls`" } else { "its address is not a URL" };
        Ok(self.client.check(&self.url).map_err(|_| problem)?)
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        for (sent, item) in batch.iter().enumerate() {
            let Item::Event(event) = item else { continue };
            let body = self.message(event).to_string();
            let posted = self.client.post(&self.url, "application/json", body.as_bytes());
            posted.map_err(|error| error.accepted(sent))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Chat {
    /// Without the address, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("to", &self.name).finish_non_exhaustive()
    }
}
