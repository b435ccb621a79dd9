//! Middlewares whose lifecycle is published.

use std::any::Any;
use std::fmt::{self, Display};
use std::hint::cold_path;
use std::num::NonZeroU64;
use std::panic::Location;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::BoxError;
use http::{Method, Request, Response, StatusCode};
use throughline_channel::{ErrorRecord, Message, Traced, TracingChannel, Value};
use tower_layer::Layer;
use tower_service::Service;

use crate::site::{LayerKind, Site};
use crate::{REQUEST, RequestContext};

/// The lifecycle of every middleware, handler and error handler that runs.
///
/// ```
/// use throughline_channel::{Outcome, Trace, TraceSubscriber};
/// use throughline_tower::{LAYER, LayerContext};
///
/// struct Print;
///
/// impl TraceSubscriber<LayerContext> for Print {
///     type State = ();
///     fn start(&self, _: &Trace<'_, LayerContext>) {}
///     fn complete(&self, trace: &Trace<'_, LayerContext>, _: (), outcome: &Outcome) {
///         let layer = trace.message();
///         println!("{} {} {:?} {:?} {outcome:?}", layer.kind(), layer.name(), layer.status(), trace.elapsed());
///     }
/// }
///
/// let _subscription = LAYER.subscribe(Print);
/// ```
pub static LAYER: TracingChannel<LayerContext> = TracingChannel::new("axum.layer");

/// What a layer tells about itself.
///
/// | field | value |
/// |---|---|
/// | `layer.kind` | `middleware`, `handler` or `error_handler` |
/// | `layer.name` | the function's or type's name, or the one it was given |
/// | `code.function.name` | the full name of its type; for people to read |
/// | `code.file.path`, `code.line.number` | where it was registered |
/// | `http.request.method`, `url.path`, `http.route` | the request's |
/// | `http.response.status_code` | of the response the layer returned; known at the closing event |
/// | `layer.ready_wait_ms` | how long the layer was not ready to take the request; absent if it was at once |
/// | `layer.incoming_error` | the error that an error handler was called with |
///
/// ```
/// use throughline_channel::observe;
/// use throughline_tower::LayerContext;
///
/// let _subscription = observe("tracing:axum.layer:complete", |event| {
///     if let Some(layer) = event.message::<LayerContext>() {
///         println!("{} {} of {}: {:?}", layer.kind(), layer.name(), layer.location(), layer.status());
///     }
/// });
/// ```
#[derive(Clone)]
pub struct LayerContext {
    site: &'static Site,
    request: RequestContext,
    status: OnceLock<StatusCode>,
    ready_wait: Option<Duration>,
    incoming_error: Option<ErrorRecord>,
}

impl LayerContext {
    pub(crate) fn new<B>(site: &'static Site, request: &Request<B>) -> Self {
        Self::within(site, RequestContext::around(request))
    }

    pub(crate) const fn within(site: &'static Site, request: RequestContext) -> Self {
        Self { site, request, status: OnceLock::new(), ready_wait: None, incoming_error: None }
    }

    const fn waited(mut self, ready_wait: Option<Duration>) -> Self {
        self.ready_wait = ready_wait;
        self
    }

    pub(crate) fn with_incoming_error(mut self, error: ErrorRecord) -> Self {
        self.incoming_error = Some(error);
        self
    }

    pub(crate) fn note_response<B>(&self, response: &Response<B>) {
        self.status.set(response.status()).ok();
    }

    /// What part the layer plays.
    pub const fn kind(&self) -> LayerKind {
        self.site.kind
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.site.name
    }

    /// The full name of its Rust type. For people to read, not a contract.
    pub const fn type_name(&self) -> &'static str {
        self.site.type_name
    }

    /// Where it was registered.
    pub const fn location(&self) -> &'static Location<'static> {
        self.site.location
    }

    /// The request it runs for.
    pub const fn request(&self) -> &RequestContext {
        &self.request
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// The request's path, as it was received.
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// The route that matched: the pattern, like `/users/{id}`.
    pub fn route(&self) -> Option<&str> {
        self.request.route()
    }

    /// The status of the response that the layer returned, once it has.
    pub fn status(&self) -> Option<StatusCode> {
        self.status.get().copied()
    }

    /// How long the layer was not ready to take the request, if it was not at once: the queue before a concurrency
    /// limit, for example.
    pub const fn ready_wait(&self) -> Option<Duration> {
        self.ready_wait
    }

    /// What an error handler was called with: the record that was published at the error's origin, or a fresh one if
    /// the error came from something that is not traced. Only for
    /// [`HandleErrorLayer`](crate::error_handling::HandleErrorLayer) of this crate.
    pub const fn incoming_error(&self) -> Option<&ErrorRecord> {
        self.incoming_error.as_ref()
    }
}

impl Message for LayerContext {
    fn label(&self) -> &str {
        self.name()
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("layer.kind", Value::Str(self.kind().as_str()));
        visit("layer.name", Value::Str(self.name()));
        visit("code.function.name", Value::Str(self.type_name()));
        visit("code.file.path", Value::Str(self.location().file()));
        visit("code.line.number", Value::U64(self.location().line().into()));
        visit("http.request.method", Value::Str(self.method().as_str()));
        visit("url.path", Value::Str(self.path()));
        if let Some(route) = self.route() {
            visit("http.route", Value::Str(route));
        }
        if let Some(status) = self.status() {
            visit("http.response.status_code", Value::U64(status.as_u16().into()));
        }
        if let Some(wait) = self.ready_wait {
            visit("layer.ready_wait_ms", Value::F64(wait.as_secs_f64() * 1000.0));
        }
        if let Some(error) = &self.incoming_error {
            visit("layer.incoming_error", Value::Str(error.message()));
        }
    }
}

impl fmt::Debug for LayerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerContext")
            .field("kind", &self.kind())
            .field("name", &self.name())
            .field("location", &format_args!("{}", self.location()))
            .field("route", &self.route())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// A record of an error of which only its text is promised: with its causes where its type is a common one.
pub(crate) fn record_of<E: Display + 'static>(error: &E) -> ErrorRecord {
    let any: &dyn Any = error;
    if let Some(error) = any.downcast_ref::<BoxError>() {
        return ErrorRecord::from_dyn(&**error);
    }
    if let Some(error) = any.downcast_ref::<axum::Error>() {
        return ErrorRecord::new(error);
    }
    if let Some(error) = any.downcast_ref::<std::io::Error>() {
        return ErrorRecord::new(error);
    }
    ErrorRecord::from_display(error)
}

/// Publishes what `layer` does on [`LAYER`]. For layers in a `ServiceBuilder`, on plain axum routers, or to give one a
/// name; the drop-in [`Router`](crate::Router) does it by itself.
///
/// ```
/// use axum::{extract::Request, middleware::{Next, from_fn}, response::Response};
/// use throughline_tower::traced;
///
/// async fn auth(request: Request, next: Next) -> Response { next.run(request).await }
///
/// let app: axum::Router = axum::Router::new()
///     .layer(traced(from_fn(auth)))
///     .layer(traced(from_fn(|request: Request, next: Next| next.run(request))).named("pass"));
/// ```
#[track_caller]
pub fn traced<L>(layer: L) -> TracedLayer<L> {
    TracedLayer { layer, site: Site::of_layer::<L>(Location::caller()) }
}

/// A layer that publishes what it does. Made by [`traced`].
///
/// ```
/// use std::time::Duration;
/// use throughline_tower::{TracedLayer, traced};
/// use tower::timeout::TimeoutLayer;
///
/// fn deadline() -> TracedLayer<TimeoutLayer> {
///     traced(TimeoutLayer::new(Duration::from_secs(5))).named("deadline")
/// }
/// let stack = tower::ServiceBuilder::new().layer(deadline());
/// # let _ = stack;
/// ```
#[derive(Debug, Clone)]
pub struct TracedLayer<L> {
    layer: L,
    /// `None` if something inside publishes already.
    site: Option<&'static Site>,
}

impl<L> TracedLayer<L> {
    pub(crate) fn at(layer: L, location: &'static Location<'static>) -> Self {
        Self { layer, site: Site::of_layer::<L>(location) }
    }

    /// Gives it a name, for closures and for types with a name that says little.
    ///
    /// ```
    /// use throughline_tower::traced;
    /// let layer = traced(tower::timeout::TimeoutLayer::new(std::time::Duration::from_secs(5))).named("deadline");
    /// # let _ = layer;
    /// ```
    #[must_use = "gives the named layer"]
    pub fn named(mut self, name: &'static str) -> Self {
        self.site = self.site.map(|site| site.named(name));
        self
    }

    /// Marks it as something that makes answers of errors.
    ///
    /// ```
    /// use tower::util::MapErrLayer;
    /// use throughline_tower::traced;
    /// let layer = traced(MapErrLayer::new(|error: axum::BoxError| error)).error_handler().named("on_error");
    /// # let _ = layer;
    /// ```
    #[must_use = "gives the marked layer"]
    pub fn error_handler(mut self) -> Self {
        self.site = self.site.map(|site| site.with_kind(LayerKind::ErrorHandler));
        self
    }
}

impl<S, L: Layer<S>> Layer<S> for TracedLayer<L> {
    type Service = TracedService<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        TracedService::new(self.layer.layer(inner), self.site)
    }
}

/// A service that publishes what it does. Made by [`TracedLayer`].
///
/// ```
/// use std::time::Duration;
/// use throughline_tower::{TracedService, traced};
/// use tower::{Layer, timeout::{Timeout, TimeoutLayer}};
///
/// fn deadline<S>(inner: S) -> TracedService<Timeout<S>> {
///     traced(TimeoutLayer::new(Duration::from_secs(5))).named("deadline").layer(inner)
/// }
/// # let _ = deadline(());
/// ```
#[derive(Debug)]
pub struct TracedService<S> {
    inner: S,
    site: Option<&'static Site>,
    /// Since when the service has not been ready, in [`uptime`].
    waiting: Option<NonZeroU64>,
}

impl<S> TracedService<S> {
    pub(crate) const fn new(inner: S, site: Option<&'static Site>) -> Self {
        Self { inner, site, waiting: None }
    }
}

impl<S: Clone> Clone for TracedService<S> {
    #[inline]
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.site)
    }
}

impl<S, B, R> Service<Request<B>> for TracedService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Display + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Traced<S::Future, LayerContext>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = self.inner.poll_ready(cx);
        match &ready {
            Poll::Pending if LAYER.has_subscribers() => _ = self.waiting.get_or_insert_with(uptime),
            Poll::Ready(Err(error)) if LAYER.has_subscribers() => self.failed_before_call(error),
            _ => {}
        }
        ready
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        if is_listened_to() {
            cold_path();
            return self.call_listened_to(request);
        }
        LAYER.untraced(self.inner.call(request))
    }
}

/// Whether anybody wants to know of layers, or of requests, whose route layers know first.
#[inline]
pub(crate) fn is_listened_to() -> bool {
    LAYER.has_subscribers() | REQUEST.has_subscribers()
}

impl<S> TracedService<S> {
    /// A service that cannot take a request has failed without having been called. Nobody has a request to ask here, so
    /// it is the one that the program is in.
    #[cold]
    fn failed_before_call<E: Display + 'static>(&mut self, error: &E) {
        let error = record_of(error).or_published();
        let is_passed_on = error.origin().is_some();
        let waited = self.take_wait();
        if let (Some(site), Some(request), false) = (self.site, RequestContext::current(), is_passed_on) {
            let message = || LayerContext::within(site, request).waited(waited);
            LAYER.trace_with(message, || error, |_, error| Some(error.clone()));
        }
    }

    /// How long it has not been ready.
    fn take_wait(&mut self) -> Option<Duration> {
        self.waiting.take().map(|since| Duration::from_nanos(uptime().get() - since.get()))
    }

    #[inline(never)]
    fn call_listened_to<B, R>(&mut self, request: Request<B>) -> Traced<S::Future, LayerContext>
    where
        S: Service<Request<B>, Response = Response<R>>,
        S::Error: Display + 'static,
    {
        let waited = self.take_wait();
        let Self { inner, site, .. } = self;
        RequestContext::pass_route(&request);
        let message = |request: &Request<B>| site.map(|site| LayerContext::new(site, request).waited(waited));
        LAYER.trace_call(request, message, |request| inner.call(request), error_of)
    }
}

/// Nanoseconds since the first call: half the size of an `Instant`, of which every service would hold one.
fn uptime() -> NonZeroU64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let nanos = FIRST.get_or_init(Instant::now).elapsed().as_nanos();
    NonZeroU64::MIN.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn error_of<B, E: Display + 'static>(
    layer: &LayerContext,
    result: &Result<Response<B>, E>,
) -> Option<ErrorRecord> {
    match result {
        Ok(response) => {
            layer.note_response(response);
            None
        }
        Err(error) => Some(record_of(error)),
    }
}
