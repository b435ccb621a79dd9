//! Events as Sentry events, in Sentry's envelopes.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::http_client::{Client, Reply, client_settings};
use super::{Delivery, Item, SendError, Transport};
use crate::{Envelope, Error, Level, Resource};

/// How long to wait when Sentry says that there was too much and not for how long.
const UNNAMED_LIMIT: Duration = Duration::from_secs(60);
/// What Sentry takes of a tag's value.
const LONGEST_TAG: usize = 200;

/// Reports events to Sentry, or to whatever else speaks its envelope protocol.
///
/// Only events of level error and above, unless [`transport_with`](crate::Builder::transport_with) says otherwise. The
/// error of an event becomes an exception, the actor the user; service, session, actor and scope are tags; attributes
/// and the error's causes are contexts. Spans are not sent. While Sentry's rate limits last nothing is sent.
///
/// Sentry itself is behind `https`: the feature `tls` is needed too.
///
/// ```
/// use throughline::{Telemetry, transport::Sentry};
///
/// let sentry = Sentry::dsn("http://public_key@sentry.example:9000/42")?;
/// let telemetry = Telemetry::builder("shop").transport(sentry).build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Sentry {
    url: String,
    client: Client,
    limited_until: Option<Instant>,
}

impl Sentry {
    /// To the project that the DSN names: `https://KEY@HOST/PROJECT`.
    ///
    /// # Errors
    /// If it is not such a line.
    pub fn dsn(dsn: &str) -> Result<Self, Error> {
        let invalid = || Error::configuration("dsn", "must be like https://KEY@HOST/PROJECT");
        let (scheme, rest) = dsn.trim().split_once("://").ok_or_else(invalid)?;
        let (credentials, place) = rest.rsplit_once('@').ok_or_else(invalid)?;
        // Before 2017 a DSN had a secret too; nobody asks for it any more.
        let (key, _) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, project) = place.trim_end_matches('/').rsplit_once('/').ok_or_else(invalid)?;
        let is_plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        if ![key, host, project].into_iter().all(is_plain) {
            return Err(invalid());
        }
        let mut client = Client::new(Duration::from_secs(10));
        let version = env!("CARGO_PKG_VERSION");
        let auth = format!("Sentry sentry_version=7, sentry_client=throughline/{version}, sentry_key={key}");
        client.headers.push(("x-sentry-auth".to_owned(), auth));
        // `host` has the path in it under which Sentry may lie.
        Ok(Self { url: format!("{scheme}://{host}/api/{project}/envelope/"), client, limited_until: None })
    }

    client_settings!();

    fn send_one(&mut self, event: &Envelope) -> Result<(), SendError> {
        if let Some(left) = self.limited_until.and_then(|until| until.checked_duration_since(Instant::now()))
        {
            return Err(SendError::unavailable("Sentry's rate limit lasts").retry_after(left));
        }
        let reply = self.client.exchange(&self.url, "application/x-sentry-envelope", &envelope(event))?;
        let limit = limit(&reply);
        self.limited_until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let judged = reply.judge().map(drop);
        // What was taken is taken, whatever is said about the next.
        judged.map_err(|error| limit.map_or(error.clone(), |limit| error.retry_after(limit)))
    }
}

/// For how long Sentry wants no errors: the header of its own goes before `Retry-After`, and comes with good answers too.
fn limit(reply: &Reply) -> Option<Duration> {
    match reply.header("x-sentry-rate-limits") {
        Some(limits) => limits.split(',').filter_map(limit_of_errors).max(),
        None if reply.status == 429 => Some(reply.retry_after().unwrap_or(UNNAMED_LIMIT)),
        None => None,
    }
}

/// Of `SECONDS:CATEGORY;CATEGORY:SCOPE...`. No category means all of them; events are of category `error`.
fn limit_of_errors(limit: &str) -> Option<Duration> {
    let mut parts = limit.trim().split(':');
    let seconds = parts.next()?.parse().ok()?;
    let categories = parts.next().unwrap_or_default();
    let ours = categories.is_empty() || categories.split(';').any(|one| matches!(one, "error" | "default"));
    ours.then(|| Duration::try_from_secs_f64(seconds).ok())?
}

impl Transport for Sentry {
    fn name(&self) -> &str {
        "sentry"
    }

    fn delivery(&self) -> Delivery {
        Delivery::default().min_level(Level::Error).batch(16).queue(1024)
    }

    fn start(&mut self, _: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.client.check(&self.url)?)
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        for (sent, item) in batch.iter().enumerate() {
            if let Item::Event(event) = item {
                self.send_one(event).map_err(|error| error.accepted(sent))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Sentry {
    /// Without headers: they have the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentry").field("url", &self.url).finish_non_exhaustive()
    }
}

/// <https://develop.sentry.dev/sdk/data-model/envelopes/>: a line about the envelope, a line about its item, the item.
fn envelope(event: &Envelope) -> Vec<u8> {
    let item = payload(event);
    let item_text = item.to_string();
    let head = json!({ "event_id": item["event_id"], "sdk": item["sdk"] });
    let about = json!({ "type": "event", "content_type": "application/json", "length": item_text.len() });
    format!("{head}\n{about}\n{item_text}\n").into_bytes()
}

/// <https://develop.sentry.dev/sdk/data-model/event-payloads/>
fn payload(event: &Envelope) -> Value {
    let level = match event.level {
        Level::Warn => "warning",
        level => level.as_str(),
    };
    let mut payload = json!({
        "event_id": event_id(event.id.as_str()),
        "timestamp": event.time.to_string(),
        "platform": "other",
        "sdk": { "name": "throughline", "version": env!("CARGO_PKG_VERSION") },
        "level": level,
        "logger": event.source.as_ref().and_then(|source| source.causer.as_ref()),
        "environment": event.environment,
        "release": event.version,
        "logentry": { "formatted": event.name },
        "tags": tags(event),
        "contexts": contexts(event),
    });
    if let Some(error) = &event.error {
        let mechanism = json!({ "type": "throughline", "handled": true });
        let value = json!({ "type": error.name, "value": error.message, "mechanism": mechanism });
        payload["exception"] = json!({ "values": [value] });
    }
    if let Some(id) = event.actor.as_ref().and_then(|actor| actor.id.as_ref()) {
        payload["user"] = json!({ "id": id });
    }
    payload
}

/// Our ids are hexadecimal behind `evt_`; Sentry wants 32 digits. The same event always gets the same.
fn event_id(id: &str) -> String {
    let digits: Vec<char> = id.trim_start_matches("evt_").chars().filter(char::is_ascii_hexdigit).collect();
    let last: String = digits[digits.len().saturating_sub(32)..].iter().collect();
    format!("{:0>32}", last.to_ascii_lowercase())
}

fn tags(event: &Envelope) -> Map<String, Value> {
    let text = |text: &str| Some(text.to_owned());
    let (actor, scope) = (event.actor.as_ref(), event.scope.as_ref());
    let session = event.session_id.as_ref().filter(|_| !event.standalone);
    let tags = [
        ("event.name", text(&event.name)),
        ("service", text(&event.service)),
        ("session.id", session.map(ToString::to_string)),
        ("actor.type", actor.map(|actor| actor.kind.clone())),
        ("scope.type", scope.map(|scope| scope.kind.clone())),
        ("scope.id", scope.map(|scope| scope.id.clone())),
        ("error.code", event.error.as_ref().and_then(|error| error.code.clone())),
    ];
    let tags = tags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    // A line break would cost the tag.
    let shown = |value: String| -> String {
        value.chars().take(LONGEST_TAG).map(|c| if c.is_control() { ' ' } else { c }).collect()
    };
    tags.map(|(key, value)| (key, shown(value).into())).collect()
}

fn contexts(event: &Envelope) -> Map<String, Value> {
    let mut contexts = Map::new();
    if let (Some(trace), Some(span)) = (event.trace_id, event.span_id) {
        let trace = json!({ "type": "trace", "trace_id": trace, "span_id": span });
        contexts.insert("trace".to_owned(), trace);
    }
    if !event.attributes.is_empty() {
        contexts.insert("attributes".to_owned(), Value::Object(event.attributes.clone()));
    }
    for (name, tags) in [
        ("actor", event.actor.as_ref().map(|actor| &actor.tags)),
        ("scope", event.scope.as_ref().map(|scope| &scope.tags)),
    ] {
        if let Some(tags) = tags.filter(|tags| !tags.is_empty()) {
            contexts.insert(name.to_owned(), Value::Object(tags.clone()));
        }
    }
    if let Some(stack) = event.error.as_ref().and_then(|error| error.stack.as_ref()) {
        contexts.insert("error".to_owned(), json!({ "stack": stack }));
    }
    contexts
}
