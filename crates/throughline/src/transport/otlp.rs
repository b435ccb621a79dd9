//! OTLP over HTTP: to Throughline's server, or to any other that speaks OpenTelemetry's protocol.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use throughline_model::otlp::{Origin, OutgoingSpan, Request};
use throughline_model::{Event, keys};

use super::http_client::{Answer, Client, client_settings};
use super::{Delivery, Item, SendError, Transport};
use crate::env::{given, percent_decoded};
use crate::{Attributes, Error, Resource, SessionState, Span};

const PROTOBUF: &str = "application/x-protobuf";

/// Sends events as log records with an event name and traces as spans, in protobuf, in batches. One that the server
/// finds too large is sent in halves. A backend that takes only traces refuses the events, which are then counted as
/// failed, and gets the spans.
///
/// ```
/// use throughline::{Telemetry, transport::Otlp};
///
/// let telemetry = Telemetry::builder("shop").transport(Otlp::new("http://127.0.0.1:4318")).build()?;
/// # drop(telemetry);
/// # let keyed =
/// Otlp::dsn("http://pk_live_abc@telemetry.example:4318/shop")?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Otlp {
    endpoint: String,
    client: Client,
    /// Once it is started.
    encoder: Option<OtlpEncoder>,
    /// A batch whose events were delivered while its spans were not.
    events_delivered: Vec<Item>,
    /// And what was refused of them.
    events_refused: Refused,
    trace_starts: bool,
}

impl Otlp {
    /// To the OTLP/HTTP endpoint with this base URL; `/v1/logs` and `/v1/traces` are added to it.
    pub fn new(endpoint: impl Into<String>) -> Self {
        let endpoint = endpoint.into().trim_end_matches('/').to_owned();
        let client = Client::new(Duration::from_secs(10));
        Self {
            endpoint,
            client,
            encoder: None,
            events_delivered: Vec::new(),
            events_refused: Refused::default(),
            trace_starts: true,
        }
    }

    /// From one line: `http://KEY@HOST:PORT/PROJECT`. The key goes into the `authorization` header; a project into
    /// `x-throughline-project`.
    ///
    /// # Errors
    /// If it is not such a line.
    pub fn dsn(dsn: &str) -> Result<Self, Error> {
        // The line has a key in it, so it is not shown.
        let invalid = || Error::configuration("dsn", "must be like http://KEY@HOST:PORT/PROJECT");
        let (scheme, rest) = dsn.trim().split_once("://").ok_or_else(invalid)?;
        let (key, place) = rest.rsplit_once('@').ok_or_else(invalid)?;
        let (host, project) = place.split_once('/').unwrap_or((place, ""));
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if key.is_empty() || host.is_empty() || !is_plain(key) || !is_plain(project) {
            return Err(invalid());
        }
        let otlp = Self::new(format!("{scheme}://{host}")).header("authorization", &format!("Bearer {key}"));
        let project = project.trim_end_matches('/');
        Ok(if project.is_empty() { otlp } else { otlp.header("x-throughline-project", project) })
    }

    /// From the environment: `OTEL_EXPORTER_OTLP_ENDPOINT` (default `http://127.0.0.1:4318`),
    /// `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,...`), `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds, 0 for no limit)
    /// and, with the feature `tls`, `OTEL_EXPORTER_OTLP_CERTIFICATE` (a file of root certificates in PEM).
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same, from wherever the variables come from.
    ///
    /// ```
    /// # use throughline::transport::Otlp;
    /// let variables = |name: &str| (name == "OTEL_EXPORTER_OTLP_TIMEOUT").then(|| "soon".to_owned());
    /// let error = Otlp::from_variables(variables).unwrap_err();
    /// assert_eq!(error.to_string(), "OTEL_EXPORTER_OTLP_TIMEOUT: \"soon\" is not a number of milliseconds");
    /// ```
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
        const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
        #[cfg(feature = "tls")]
        const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
        let variable = |name: &str| given(variable(name));
        let endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
        let mut otlp = Self::new(endpoint.unwrap_or_else(|| "http://127.0.0.1:4318".to_owned()));
        if let Some(given) = variable(TIMEOUT) {
            let problem =
                |_| Error::configuration(TIMEOUT, format!("{given:?} is not a number of milliseconds"));
            otlp = otlp.timeout(Duration::from_millis(given.parse().map_err(problem)?));
        }
        for pair in
            variable(HEADERS).iter().flat_map(|headers| headers.split(',')).filter(|p| !p.trim().is_empty())
        {
            // A value may be a secret, so it is not shown.
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Error::configuration(HEADERS, "must be like name=value,..."))?;
            otlp = otlp.header(name.trim(), &percent_decoded(value.trim()));
        }
        #[cfg(feature = "tls")]
        if let Some(path) = variable(CERTIFICATE) {
            let problem = |error| Error::configuration(CERTIFICATE, format!("cannot read {path:?}: {error}"));
            otlp = otlp.root_certificates(&std::fs::read(&path).map_err(problem)?)?;
        }
        Ok(otlp)
    }

    client_settings!(header);

    /// Whether larger requests are compressed; they are unless set.
    #[must_use]
    pub const fn gzip(mut self, gzip: bool) -> Self {
        self.client.gzip = gzip;
        self
    }

    /// Whether a trace that goes on for more than about half a second is told of before it ends, by a small log record
    /// (event `throughline.trace.started`, with name, type, session and user): so Throughline's server shows it live,
    /// and as abandoned if its end never comes. It is unless set.
    ///
    /// ```
    /// # use throughline::{Telemetry, transport::Otlp};
    /// let elsewhere = Otlp::new("http://127.0.0.1:4318").trace_starts(false);
    /// let telemetry = Telemetry::builder("shop").transport(elsewhere).build()?;
    /// # Ok::<(), throughline::Error>(())
    /// ```
    #[must_use]
    pub const fn trace_starts(mut self, told: bool) -> Self {
        self.trace_starts = told;
        self
    }

    fn send_encoded(&mut self, batch: &[Item], encoder: &mut OtlpEncoder) -> Result<Refused, SendError> {
        encoder.encode(batch);
        let is_event = |item: &&Item| matches!(item, Item::Event(_));
        let events = batch.iter().filter(is_event).count();
        let first_event = batch.iter().find(is_event);
        let is_there = |first: &Item| self.events_delivered.iter().any(|before| before.is(first));
        let events_are_new = !first_event.is_some_and(is_there);
        let mut refused =
            if events_are_new { Refused::default() } else { std::mem::take(&mut self.events_refused) };
        if events_are_new && let Some(logs) = encoder.logs() {
            self.events_delivered.clear();
            refused.note(self.client.post(&format!("{}/v1/logs", self.endpoint), PROTOBUF, logs), events)?;
        }
        if let Some(traces) = encoder.traces() {
            let posted = self.client.post(&format!("{}/v1/traces", self.endpoint), PROTOBUF, traces);
            if let Err(error) = refused.note(posted, batch.len() - events) {
                if events_are_new {
                    self.events_delivered.extend_from_slice(batch);
                }
                self.events_refused = refused;
                return Err(error);
            }
        }
        Ok(refused)
    }
}

/// What a server does not want of a batch.
#[derive(Clone, Default)]
struct Refused {
    items: u64,
    reason: Option<String>,
}

impl Refused {
    /// An error only if there is something to be tried again. What one of the two doors refuses for good is not to cost
    /// what goes through the other: there are backends with only one of them.
    fn note(&mut self, posted: Result<Answer, SendError>, items: usize) -> Result<(), SendError> {
        match posted {
            Ok(answer) => self.items += rejected(&answer),
            Err(error) if error.retry || error.too_large => return Err(error),
            Err(error) => {
                self.items += items as u64;
                self.reason = Some(error.message);
            }
        }
        Ok(())
    }
}

impl Transport for Otlp {
    fn name(&self) -> &str {
        "otlp"
    }

    fn delivery(&self) -> Delivery {
        Delivery::default().max_delay(Duration::from_secs(1))
    }

    fn wants_trace_starts(&self) -> bool {
        self.trace_starts
    }

    fn start(&mut self, resource: &Resource) -> Result<(), Box<dyn StdError + Send + Sync>> {
        if self.endpoint.contains(['?', '#']) {
            return Err("its endpoint has a query or fragment, and paths are added to it".into());
        }
        self.client.check(&self.endpoint)?;
        self.encoder = Some(OtlpEncoder::new(resource.clone()));
        Ok(())
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        let Some(mut encoder) = self.encoder.take() else { return Ok(()) };
        let refused = self.send_encoded(batch, &mut encoder);
        self.encoder = Some(encoder);
        let Refused { items, reason } = refused?;
        match usize::try_from(items).unwrap_or(usize::MAX).min(batch.len()) {
            0 => Ok(()),
            refused => {
                let message = match reason {
                    Some(reason) if refused == batch.len() => reason,
                    Some(reason) => format!("the server refused {refused} of {}: {reason}", batch.len()),
                    None => format!("the server refused {refused} of {}", batch.len()),
                };
                Err(SendError::refused(message).accepted(batch.len() - refused))
            }
        }
    }
}

impl fmt::Debug for Otlp {
    /// Without header values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What a span says of its session beside the session's attributes.
pub(crate) fn session_attributes(session: &SessionState) -> Attributes {
    let mut attributes = Attributes::new();
    let mut put = |key: &str, value: Value| drop(attributes.insert(key.to_owned(), value));
    put(keys::SESSION_ID, session.session_id.as_str().into());
    if let Some(parent) = &session.parent_session_id {
        put(keys::PARENT_SESSION_ID, parent.as_str().into());
    }
    if let Some(actor) = &session.actor {
        put(keys::ACTOR_TYPE, actor.kind.as_str().into());
        if let Some(id) = &actor.id {
            put(keys::ACTOR_ID, id.as_str().into());
            if actor.kind == "user" {
                put(keys::USER_ID, id.as_str().into());
            }
        }
        if !actor.tags.is_empty() {
            put(keys::ACTOR_TAGS, Value::Object(actor.tags.clone()));
        }
    }
    if let Some(scope) = &session.scope {
        put(keys::SCOPE_TYPE, scope.kind.as_str().into());
        put(keys::SCOPE_ID, scope.id.as_str().into());
        if !scope.tags.is_empty() {
            put(keys::SCOPE_TAGS, Value::Object(scope.tags.clone()));
        }
    }
    attributes
}

/// The event, with what its envelope says beside it. A session id that is nobody's stays here.
fn outgoing_event(envelope: &crate::Envelope) -> Event {
    let mut event = envelope.event.clone();
    if envelope.standalone {
        event.session_id = None;
    }
    if let Some(parent) = &envelope.parent_session_id {
        event.attributes.insert(keys::PARENT_SESSION_ID.to_owned(), parent.as_str().into());
    }
    if envelope.sampling_weight > 1.0 {
        event.attributes.insert(keys::SAMPLING_WEIGHT.to_owned(), envelope.sampling_weight.into());
    }
    event
}

/// Items as OTLP's requests, for transports of your own: to a file, or over a wire that [`Otlp`] does not speak. Its
/// memory is used again for each batch.
///
/// ```
/// use throughline::transport::{Item, OtlpEncoder, SendError, Transport};
/// use throughline::Resource;
///
/// struct Sizes(Option<OtlpEncoder>);
///
/// impl Transport for Sizes {
///     fn name(&self) -> &str { "sizes" }
///     fn start(&mut self, resource: &Resource) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///         self.0 = Some(OtlpEncoder::new(resource.clone()));
///         Ok(())
///     }
///     fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
///         let Some(encoder) = &mut self.0 else { return Ok(()) };
///         encoder.encode(batch);
///         println!("{} bytes", encoder.logs().map_or(0, <[u8]>::len));
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct OtlpEncoder {
    resource: Resource,
    logs: Request,
    traces: Request,
}

impl OtlpEncoder {
    /// For items from there.
    pub fn new(resource: Resource) -> Self {
        Self { resource, logs: Request::default(), traces: Request::default() }
    }

    /// Encodes these items instead of those before.
    pub fn encode(&mut self, items: &[Item]) {
        let Resource { service, environment, version } = &self.resource;
        let origin = Origin { service, environment, version: version.as_deref() };
        self.logs.begin(origin);
        self.traces.begin(origin);
        for item in items {
            match item {
                Item::Event(event) => {
                    let is_put = event.view().is_some_and(|view| view.put(&mut self.logs));
                    if !is_put {
                        self.logs.put_event(&outgoing_event(event));
                    }
                }
                Item::Span(span) => match span.view() {
                    Some(view) => view.put(&mut self.traces),
                    None => self.traces.put_span(&outgoing(span), |_| {}),
                },
            }
        }
    }

    /// The events, as an `ExportLogsServiceRequest` in protobuf bytes; `None` if there are none.
    pub fn logs(&mut self) -> Option<&[u8]> {
        if self.logs.is_empty() { None } else { Some(self.logs.finish()) }
    }

    /// The spans, as an `ExportTraceServiceRequest` in protobuf bytes; `None` if there are none.
    pub fn traces(&mut self) -> Option<&[u8]> {
        if self.traces.is_empty() { None } else { Some(self.traces.finish()) }
    }
}

fn outgoing(span: &Span) -> OutgoingSpan<'_> {
    let mut attributes = Attributes::new();
    if let Some(session) = &span.session {
        attributes.clone_from(&session.attributes);
        attributes.append(&mut session_attributes(session));
    }
    let mut put = |key: &str, value: Value| drop(attributes.insert(key.to_owned(), value));
    if span.level != crate::Level::Info {
        put(keys::LEVEL, span.level.as_str().into());
    }
    for (key, value) in [(keys::INPUT, &span.input), (keys::OUTPUT, &span.output)] {
        match value {
            Some(Value::String(text)) => put(key, text.as_str().into()),
            Some(value) => put(key, value.to_string().into()),
            None => {}
        }
    }
    span.attributes.iter().for_each(|(key, value)| put(key, value.clone()));
    OutgoingSpan {
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent_id: span.parent_id,
        trace_state: span.trace_state.as_str(),
        kind: span.kind,
        name: &span.name,
        start_time: span.start_time,
        end_time: span.end_time,
        status: span.status,
        status_message: span.status_message.as_deref(),
        error: span.error.as_ref(),
        attributes,
    }
}

/// How many the server says it refused: `partial_success` (field 1) has them as field 1, for logs and traces alike.
fn rejected(answer: &Answer) -> u64 {
    partial_success(&answer.body).and_then(|partial| field(partial, 1)).map_or(0, |value| match value {
        Field::Varint(count) => count,
        Field::Bytes(_) => 0,
    })
}

fn partial_success(body: &[u8]) -> Option<&[u8]> {
    match field(body, 1)? {
        Field::Bytes(partial) => Some(partial),
        Field::Varint(_) => None,
    }
}

enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// The first field of this number, as far as the message can be read.
fn field(mut message: &[u8], wanted: u64) -> Option<Field<'_>> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Field::Varint(varint(&mut message)?),
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(message.split_off(..len)?)
            }
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(value);
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
