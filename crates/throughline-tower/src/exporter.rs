//! From channels to spans.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use throughline::{
    ErrorInfo, Observation, ObservationBuilder, ObservationType, Session, Telemetry, Timestamp,
};
use throughline_channel::{
    Context, ErrorRecord, HandledBy, Message, Outcome, Store, Subscription, Trace, TraceSubscriber, Value,
};

use crate::{LAYER, LayerContext, REQUEST, RequestContext, SocketContext, WEBSOCKET};

/// How many spans of one request wait to learn who handled their errors.
const MAX_HELD: usize = 512;

/// The innermost span of ours that the program is in here.
static LIVE: Store<Arc<Live>> = Store::new();

/// Exports requests, their layers and upgraded connections as a trace per request.
///
/// ```
/// use throughline::Telemetry;
/// use throughline_tower::LayerExporter;
///
/// let telemetry = Telemetry::builder("shop").build()?;
/// let _export = LayerExporter::new(&telemetry).start();
/// // Serve the application. What handlers observe and emit is part of the span they run in.
/// # Ok::<(), throughline::Error>(())
/// ```
///
/// A layer becomes an observation of type `layer` inside the layer around it, with its channel's fields as attributes.
/// The crate's documentation lists the [attributes that are added](crate#what-is-exported).
///
/// One exporter at a time: of two, the one started later gets the spans.
#[derive(Clone)]
#[must_use = "exports nothing until it is started"]
pub struct LayerExporter {
    telemetry: Telemetry,
    flat: bool,
}

impl LayerExporter {
    /// An exporter to `telemetry`.
    pub fn new(telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone(), flat: false }
    }

    /// Puts all layers directly under their request, instead of into each other.
    pub const fn flat(mut self) -> Self {
        self.flat = true;
        self
    }

    /// Starts exporting requests that begin from now on, until the subscription is dropped.
    pub fn start(self) -> Export {
        let (layers, requests, sockets) = (self.clone(), self.clone(), self.clone());
        Export(vec![
            REQUEST.bind_context(move |request, context| requests.begin_request(request, context)),
            LAYER.bind_context(move |layer, context| layers.begin_layer(layer, context)),
            WEBSOCKET.bind_context(move |socket, context| sockets.begin_socket(socket, context)),
            REQUEST.subscribe(Ends(self.telemetry.clone())),
            LAYER.subscribe(Ends(self.telemetry.clone())),
            WEBSOCKET.subscribe(Ends(self.telemetry)),
        ])
    }

    fn begin_request(&self, request: &RequestContext, context: &Context) -> Context {
        let builder = context.run(|| self.telemetry.observation(ObservationType::Span, request.label()));
        let builder = match request.parent() {
            Some(parent) => builder.parent(parent),
            None => builder,
        };
        Live::begin(builder, None, context)
    }

    fn begin_layer(&self, layer: &LayerContext, context: &Context) -> Context {
        let outer = context.get(&LIVE).cloned();
        let name = format!("{} {}", layer.kind(), layer.name());
        let builder = context.run(|| self.telemetry.observation(ObservationType::Layer, name));
        let builder = match &outer {
            Some(outer) if self.flat => builder.parent(outer.root().observation.context()),
            _ => builder,
        };
        Live::begin(builder, outer, context)
    }

    /// A trace of its own: the request is over as soon as the connection is upgraded.
    fn begin_socket(&self, socket: &SocketContext, context: &Context) -> Context {
        let builder = context.run(|| self.telemetry.trace(format!("socket {}", socket.name())));
        let builder = match context.get(&LIVE) {
            Some(live) => {
                let request = live.root().observation.context();
                builder
                    .attribute("link.trace_id", request.trace_id.to_string())
                    .attribute("link.span_id", request.span_id.to_string())
            }
            None => builder,
        };
        Live::begin(builder, None, context)
    }
}

impl fmt::Debug for LayerExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerExporter").field("flat", &self.flat).finish_non_exhaustive()
    }
}

/// Exports until it is dropped. Made by [`LayerExporter::start`].
#[derive(Debug)]
#[must_use = "exports only until it is dropped: keep it, or call `forget` to export for ever"]
pub struct Export(Vec<Subscription>);

impl Export {
    /// Exports for as long as the process runs.
    pub fn forget(self) {
        self.0.into_iter().for_each(Subscription::forget);
    }
}

/// A span that goes on.
struct Live {
    observation: Observation,
    /// The span of ours around it.
    outer: Option<Arc<Self>>,
    started: Instant,
    inner: Mutex<Inner>,
}

/// What is known of what goes on inside a span.
#[derive(Default)]
struct Inner {
    errors: Vec<ErrorRecord>,
    first_child: Option<Instant>,
    last_child: Option<Instant>,
    in_children: Duration,
    /// Only in the outermost span.
    held: Vec<Held>,
}

/// A span that has ended and has errors of which nobody said yet that they are handled.
struct Held {
    span: Arc<Live>,
    ended: Timestamp,
}

impl Live {
    fn begin(builder: ObservationBuilder, outer: Option<Arc<Self>>, context: &Context) -> Context {
        let observation = builder.start();
        // On top of `context`, so that what is observed there is inside this span.
        let context = context.run(|| observation.enter(Context::current));
        let started = Instant::now();
        let live = Arc::new(Self { observation, outer, started, inner: Mutex::default() });
        context.with(&LIVE, live)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn root(&self) -> &Self {
        self.outer.as_deref().map_or(self, Self::root)
    }

    fn set_fields(&self, message: &impl Message) {
        message.fields(&mut |key, value| {
            match value {
                Value::Str(text) => self.observation.set_attribute(key, text),
                Value::I64(number) => self.observation.set_attribute(key, number),
                Value::U64(number) => self.observation.set_attribute(key, number),
                Value::F64(number) => self.observation.set_attribute(key, number),
                Value::Bool(yes) => self.observation.set_attribute(key, yes),
                other => self.observation.set_attribute(key, other.to_string()),
            };
        });
    }

    fn note_error(&self, error: &ErrorRecord) {
        let mut inner = self.inner();
        if inner.errors.is_empty() {
            self.observation.set_error(error_info(error));
        }
        inner.errors.push(error.clone());
    }

    fn note_outcome(&self, outcome: &Outcome) {
        if let Outcome::Cancelled(reason) = outcome {
            self.observation.set_attribute("cancelled", true);
            self.observation.set_attribute("cancelled.reason", format!("{reason:?}").to_lowercase());
        }
        let inner = self.inner();
        if let Some(error) = outcome.error()
            && !inner.errors.iter().any(|own| own.sequence() == error.sequence())
        {
            self.observation.set_attribute("error.propagated", true);
        }
    }

    /// The time before, between and after what is inside, which is the layer's own.
    fn note_times(&self, ended: Instant, busy: Duration) {
        let inner = self.inner();
        let total = ended - self.started;
        let set = |key, time: Duration| self.observation.set_attribute(key, milliseconds(time));
        if let (Some(first), Some(last)) = (inner.first_child, inner.last_child) {
            set("layer.before_ms", first - self.started);
            set("layer.after_ms", ended.saturating_duration_since(last));
        }
        set("layer.self_ms", total.saturating_sub(inner.in_children));
        set("layer.busy_ms", busy);
        drop(inner);
        if let Some(outer) = &self.outer {
            let mut outer = outer.inner();
            outer.first_child.get_or_insert(self.started);
            outer.last_child = Some(ended);
            outer.in_children += total;
        }
    }

    /// Ends the span, or holds it back until it is known whether its errors are handled.
    fn end(self: Arc<Self>, now: Timestamp) {
        if self.has_open_errors() && self.outer.is_some() {
            let mut root = self.root().inner();
            if root.held.len() < MAX_HELD {
                root.held.push(Held { span: self.clone(), ended: now });
                return;
            }
        }
        self.end_with_fate(now);
        self.root().release(self.outer.is_none());
    }

    fn has_open_errors(&self) -> bool {
        self.inner().errors.iter().any(|error| !error.is_handled())
    }

    /// Ends held spans whose errors are handled by now; all of them if nobody will say any more.
    fn release(&self, all: bool) {
        let mut inner = self.inner();
        if inner.held.is_empty() {
            return;
        }
        let ready: Vec<_> = inner.held.extract_if(.., |held| all || !held.span.has_open_errors()).collect();
        drop(inner);
        for held in ready {
            held.span.end_with_fate(held.ended);
        }
    }

    fn end_with_fate(&self, now: Timestamp) {
        let errors = std::mem::take(&mut self.inner().errors);
        if let Some(first) = errors.first() {
            self.observation.set_attribute("error.handled", errors.iter().all(ErrorRecord::is_handled));
            if let Some((how, by)) = first.handled_by().map(fate) {
                self.observation.set_attribute("error.handled_by", by);
                self.observation.set_attribute("error.handled_how", how);
            }
            if let Some(earlier) = first.wraps() {
                self.observation.set_attribute("error.wraps", earlier.message());
            }
            if errors.len() > 1 {
                self.observation.set_attribute("error.count", errors.len() as u64);
            }
        }
        self.observation.end_at(now);
    }
}

fn fate(handled: &HandledBy) -> (&'static str, &str) {
    match handled {
        HandledBy::Recovered { label, .. } => ("recovered", label),
        HandledBy::Converted { label, .. } => ("converted", label),
        HandledBy::Explicit { by } => ("explicit", by),
        _ => ("unknown", ""),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) fn error_info(error: &ErrorRecord) -> ErrorInfo {
    let name = error.type_name().unwrap_or("error");
    let name = name.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(name).to_owned();
    let causes: Vec<_> = error.causes().iter().map(|cause| format!("caused by: {cause}")).collect();
    let stack = (!causes.is_empty()).then(|| causes.join("\n"));
    ErrorInfo { name, message: error.message().to_owned(), code: None, stack }
}

/// The request that is being exported here, if any, turned out to belong to this session.
pub(crate) fn request_is_in(session: &Session) {
    LIVE.with(|live| {
        if let Some(live) = live {
            live.root().observation.set_session(session);
        }
    });
}

/// What is exported: a message, and what is known of its span only at the end.
trait Exported: Message + Send + Sync {
    fn finish(&self, live: &Live, busy: Duration);
}

impl Exported for LayerContext {
    fn finish(&self, live: &Live, busy: Duration) {
        live.note_times(Instant::now(), busy);
    }
}

impl Exported for RequestContext {
    fn finish(&self, live: &Live, _: Duration) {
        live.observation.set_name(self.label());
    }
}

impl Exported for SocketContext {
    fn finish(&self, _: &Live, _: Duration) {}
}

/// Ends the spans that the bindings of [`LayerExporter`] begin.
struct Ends(Telemetry);

impl<C: Exported> TraceSubscriber<C> for Ends {
    type State = Option<Arc<Live>>;

    fn start(&self, _: &Trace<'_, C>) -> Self::State {
        LIVE.get()
    }

    fn error(&self, _: &Trace<'_, C>, live: &mut Self::State, error: &ErrorRecord) {
        if let Some(live) = live {
            live.note_error(error);
        }
    }

    fn complete(&self, trace: &Trace<'_, C>, live: Self::State, outcome: &Outcome) {
        let Some(live) = live else { return };
        trace.message().finish(&live, trace.busy());
        live.set_fields(trace.message());
        live.note_outcome(outcome);
        live.end(self.0.now());
    }
}
