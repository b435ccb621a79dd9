//! From channels to spans.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use throughline::{
    Attributes, ErrorInfo, Observation, ObservationBuilder, ObservationType, Session, Telemetry, Timestamp,
    current_span,
};
use throughline_channel::{
    CancelReason, Context, ErrorRecord, HandledBy, Message, Outcome, Store, Subscription, Trace,
    TraceSubscriber, Value,
};

use crate::{LAYER, LayerContext, REQUEST, RequestContext, SocketContext, WEBSOCKET};

/// How many spans of one request wait to learn who handled their errors.
const MAX_HELD: usize = 512;

/// The innermost span that an exporter has begun here; those of other exporters are under it.
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
/// Several may run at once, each with a trace of its own for a request that continues none; what handlers observe and
/// emit is part of the one started last.
#[derive(Clone)]
#[must_use = "exports nothing until it is started"]
pub struct LayerExporter {
    telemetry: Telemetry,
    flat: bool,
    /// Which of the exporters that run; 0 before it is started.
    id: u64,
}

impl LayerExporter {
    /// An exporter to `telemetry`.
    pub fn new(telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone(), flat: false, id: 0 }
    }

    /// Puts all layers directly under their request, instead of into each other.
    pub const fn flat(mut self) -> Self {
        self.flat = true;
        self
    }

    /// Starts exporting requests that begin from now on, until the subscription is dropped.
    pub fn start(mut self) -> Export {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        self.id = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let ends = || Ends { telemetry: self.telemetry.clone(), exporter: self.id };
        let ends = (ends(), ends(), ends());
        let (layers, requests, sockets) = (self.clone(), self.clone(), self);
        Export(vec![
            REQUEST.bind_context(move |request, context| requests.begin_request(request, context)),
            LAYER.bind_context(move |layer, context| layers.begin_layer(layer, context)),
            WEBSOCKET.bind_context(move |socket, context| sockets.begin_socket(socket, context)),
            REQUEST.subscribe(ends.0),
            LAYER.subscribe(ends.1),
            WEBSOCKET.subscribe(ends.2),
        ])
    }

    fn begin_request(&self, request: &RequestContext, context: &Context) -> Context {
        let builder = match self.is_inside_another(context) {
            true => context.run(|| self.telemetry.trace(request.label())),
            false => context.run(|| self.telemetry.observation(ObservationType::Span, request.label())),
        };
        let builder = match request.parent() {
            Some(parent) if request.trace_state().is_empty() => builder.parent(parent),
            Some(parent) => builder.parent(parent).trace_state(request.trace_state().clone()),
            None => builder,
        };
        self.begin(builder, None, context)
    }

    fn begin_layer(&self, layer: &LayerContext, context: &Context) -> Context {
        let outer = Live::of(self.id, context.get(&LIVE)).cloned();
        let name = [layer.kind().as_str(), " ", layer.name()].concat();
        let builder = context.run(|| self.telemetry.observation(ObservationType::Layer, name));
        let builder = match &outer {
            Some(outer) if self.flat => builder.parent(outer.root().observation.context()),
            Some(outer) if self.is_inside_another(context) => builder.parent(outer.observation.context()),
            _ => builder,
        };
        self.begin(builder, outer, context)
    }

    /// Whether the span that the program is in is one that another exporter has begun, of the same work.
    fn is_inside_another(&self, context: &Context) -> bool {
        let another = context.get(&LIVE).filter(|live| live.exporter != self.id);
        another.is_some_and(|live| context.run(current_span) == Some(live.observation.context()))
    }

    /// A trace of its own: the request is over as soon as the connection is upgraded.
    fn begin_socket(&self, socket: &SocketContext, context: &Context) -> Context {
        let builder = context.run(|| self.telemetry.trace(format!("socket {}", socket.name())));
        let builder = match Live::of(self.id, context.get(&LIVE)) {
            Some(live) => {
                let request = live.root().observation.context();
                builder
                    .attribute("link.trace_id", request.trace_id.to_string())
                    .attribute("link.span_id", request.span_id.to_string())
            }
            None => builder,
        };
        self.begin(builder, None, context)
    }

    fn begin(&self, builder: ObservationBuilder, outer: Option<Arc<Live>>, context: &Context) -> Context {
        // Read once, for the span and for what is worked out from it.
        let started = self.telemetry.now();
        let (observation, under) = (builder.start_time(started).start(), context.get(&LIVE).cloned());
        // On top of `context`, so that what is observed there is inside this span.
        let context = context.run(|| observation.enter(Context::current));
        let live = Live { exporter: self.id, observation, outer, under, started, inner: Mutex::default() };
        context.with(&LIVE, Arc::new(live))
    }
}

impl fmt::Debug for LayerExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerExporter").field("flat", &self.flat).finish_non_exhaustive()
    }
}

/// Exports until it is dropped. Made by [`LayerExporter::start`].
///
/// ```
/// use throughline::Telemetry;
/// use throughline_tower::{Export, LayerExporter, REQUEST};
///
/// let telemetry = Telemetry::builder("shop").build()?;
/// let export: Export = LayerExporter::new(&telemetry).start();
/// assert!(REQUEST.has_subscribers());
/// drop(export);
/// assert!(!REQUEST.has_subscribers());
/// # Ok::<(), throughline::Error>(())
/// ```
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
    exporter: u64,
    observation: Observation,
    /// The span of the same exporter around it.
    outer: Option<Arc<Self>>,
    /// The span of any exporter that was the innermost before.
    under: Option<Arc<Self>>,
    started: Timestamp,
    inner: Mutex<Inner>,
}

/// What is known of what goes on inside a span.
#[derive(Default)]
struct Inner {
    errors: Vec<ErrorRecord>,
    first_child: Option<Timestamp>,
    last_child: Option<Timestamp>,
    in_children: Duration,
    /// Only in the outermost span.
    held: Vec<Held>,
}

/// A span that has ended and has errors of which nobody said yet that they are handled.
struct Held {
    span: Arc<Live>,
    end: Box<dyn FnOnce(&Live) + Send>,
}

impl Live {
    /// The innermost span of an exporter.
    fn of(exporter: u64, innermost: Option<&Arc<Self>>) -> Option<&Arc<Self>> {
        Self::chain(innermost).find(|live| live.exporter == exporter)
    }

    /// From the innermost outwards.
    fn chain(innermost: Option<&Arc<Self>>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(innermost, |live| live.under.as_ref())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn root(&self) -> &Self {
        self.outer.as_deref().map_or(self, Self::root)
    }

    fn note_error(&self, error: &ErrorRecord) {
        let mut inner = self.inner();
        if inner.errors.is_empty() {
            self.observation.set_error(error_info(error));
        }
        inner.errors.push(error.clone());
    }

    /// Failed with an error that began further in.
    fn passed_on(&self, outcome: &Outcome) -> bool {
        let is_own =
            |error: &ErrorRecord| self.inner().errors.iter().any(|own| own.sequence() == error.sequence());
        outcome.error().is_some_and(|error| !is_own(error))
    }

    /// The time before, between and after what is inside, which is the layer's own.
    fn times(&self, ended: Timestamp, busy: Duration) -> Times {
        let inner = self.inner();
        let total = between(self.started, ended);
        let around = inner.first_child.zip(inner.last_child);
        let around = around.map(|(first, last)| (between(self.started, first), between(last, ended)));
        let own = total.saturating_sub(inner.in_children);
        drop(inner);
        if let Some(outer) = &self.outer {
            let mut outer = outer.inner();
            outer.first_child.get_or_insert(self.started);
            outer.last_child = Some(ended);
            outer.in_children += total;
        }
        Times { around, own, busy }
    }

    /// Ends the span, or holds it back until it is known whether its errors are handled.
    fn end<C: Exported>(self: Arc<Self>, now: Timestamp, ended: Ended<C>) {
        if self.has_open_errors() && self.outer.is_some() {
            let mut root = self.root().inner();
            if root.held.len() < MAX_HELD {
                let end = Box::new(move |span: &Self| span.end_described(now, ended));
                root.held.push(Held { span: self.clone(), end });
                return;
            }
        }
        self.end_described(now, ended);
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
            (held.end)(&held.span);
        }
    }

    fn end_described<C: Exported>(&self, now: Timestamp, mut ended: Ended<C>) {
        ended.errors = std::mem::take(&mut self.inner().errors);
        self.observation.end_described_at(now, move |attributes| ended.describe(attributes));
    }
}

/// Where a layer's time went.
struct Times {
    /// Before the first and after the last layer inside, if there is one.
    around: Option<(Duration, Duration)>,
    own: Duration,
    busy: Duration,
}

/// What there is to say of a span that has ended; put into words by the telemetry's thread, not the request's.
struct Ended<C> {
    message: C,
    times: Option<Times>,
    cancelled: Option<CancelReason>,
    passed_on: bool,
    errors: Vec<ErrorRecord>,
}

impl<C: Exported> Ended<C> {
    fn describe(&self, attributes: &mut Attributes) {
        self.message.fields(&mut |key, value| _ = attributes.insert(key.to_owned(), json(value)));
        let mut set = |key: &str, value: Json| _ = attributes.insert(key.to_owned(), value);
        if let Some(Times { around, own, busy }) = &self.times {
            if let Some((before, after)) = around {
                set("layer.before_ms", milliseconds(*before));
                set("layer.after_ms", milliseconds(*after));
            }
            set("layer.self_ms", milliseconds(*own));
            set("layer.busy_ms", milliseconds(*busy));
        }
        if let Some(reason) = self.cancelled {
            set("cancelled", true.into());
            set("cancelled.reason", format!("{reason:?}").to_lowercase().into());
        }
        if self.passed_on {
            set("error.propagated", true.into());
        }
        let Some(first) = self.errors.first() else { return };
        set("error.handled", self.errors.iter().all(ErrorRecord::is_handled).into());
        if let Some((how, by)) = first.handled_by().map(fate) {
            set("error.handled_by", by.into());
            set("error.handled_how", how.into());
        }
        if let Some(earlier) = first.wraps() {
            set("error.wraps", earlier.message().into());
        }
        if self.errors.len() > 1 {
            set("error.count", self.errors.len().into());
        }
    }
}

fn json(value: Value<'_>) -> Json {
    match value {
        Value::Str(text) => text.into(),
        Value::I64(number) => number.into(),
        Value::U64(number) => number.into(),
        Value::F64(number) => number.into(),
        Value::Bool(yes) => yes.into(),
        other => other.to_string().into(),
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

/// The span's clock may be set back meanwhile; then it was no time.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_nanos(u64::try_from(to.nanos_since(from)).unwrap_or_default())
}

fn milliseconds(time: Duration) -> Json {
    (time.as_secs_f64() * 1000.0).into()
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
    LIVE.with(|innermost| {
        let mut told = Vec::new();
        for live in Live::chain(innermost) {
            if !told.contains(&live.exporter) {
                told.push(live.exporter);
                live.root().observation.set_session(session);
            }
        }
    });
}

/// What is exported: a message, and what is known of its span only at the end.
trait Exported: Message + Clone + Send + Sync + 'static {
    fn finish(&self, live: &Live, now: Timestamp, busy: Duration) -> Option<Times>;
}

impl Exported for LayerContext {
    fn finish(&self, live: &Live, now: Timestamp, busy: Duration) -> Option<Times> {
        Some(live.times(now, busy))
    }
}

impl Exported for RequestContext {
    fn finish(&self, live: &Live, _: Timestamp, _: Duration) -> Option<Times> {
        live.observation.set_name(self.label());
        None
    }
}

impl Exported for SocketContext {
    fn finish(&self, _: &Live, _: Timestamp, _: Duration) -> Option<Times> {
        None
    }
}

/// Ends the spans that the bindings of [`LayerExporter`] begin.
struct Ends {
    telemetry: Telemetry,
    exporter: u64,
}

impl<C: Exported> TraceSubscriber<C> for Ends {
    type State = Option<Arc<Live>>;

    fn start(&self, _: &Trace<'_, C>) -> Self::State {
        LIVE.with(|innermost| Live::of(self.exporter, innermost).cloned())
    }

    fn error(&self, _: &Trace<'_, C>, live: &mut Self::State, error: &ErrorRecord) {
        if let Some(live) = live {
            live.note_error(error);
        }
    }

    fn complete(&self, trace: &Trace<'_, C>, live: Self::State, outcome: &Outcome) {
        let Some(live) = live else { return };
        let (message, now) = (trace.message(), self.telemetry.now());
        let ended = Ended {
            times: message.finish(&live, now, trace.busy()),
            message: message.clone(),
            cancelled: match outcome {
                Outcome::Cancelled(reason) => Some(*reason),
                _ => None,
            },
            passed_on: live.passed_on(outcome),
            errors: Vec::new(),
        };
        live.end(now, ended);
    }
}
