//! What is known of a request, and which of its headers are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::{MatchedPath, OriginalUri};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use throughline::{SpanContext, TraceState};
use throughline_channel::{Message, Store, Value};

use super::REQUEST;
use crate::propagation::{Caller, joined};

/// What a request tells about itself. Cheap to clone: all clones are one.
///
/// | field | value |
/// |---|---|
/// | `http.request.method` | as received |
/// | `url.path` | as received: before any nesting or rewriting, without the query |
/// | `http.route` | the route that matched, like `/users/{id}`: known from the first layer on |
/// | `network.protocol.version` | `1.1`, `2` |
/// | `http.response.status_code` | known from the head of the response on |
/// | `http.response.body.size` | bytes of the body that were taken from the application; known at the closing event |
/// | `http.request.header.<name>`, `http.response.header.<name>` | only those that [`RequestLayer`](crate::RequestLayer) was told to show |
///
/// ```
/// use throughline_channel::observe;
/// use throughline_tower::RequestContext;
///
/// let _subscription = observe("tracing:http.server.request:complete", |event| {
///     if let Some(request) = event.message::<RequestContext>() {
///         println!("{} {}: {:?}, {} bytes", request.method(), request.path(), request.status(), request.body_size());
///     }
/// });
/// ```
#[derive(Clone)]
pub struct RequestContext(Arc<Shared>);

struct Shared {
    label: OnceLock<String>,
    method: Method,
    uri: Uri,
    version: Version,
    route: OnceLock<MatchedPath>,
    status: OnceLock<StatusCode>,
    body_size: AtomicU64,
    caller: Caller,
    baggage: Option<String>,
    request_headers: Vec<(&'static str, HeaderValue)>,
    response_headers: OnceLock<Vec<(&'static str, HeaderValue)>>,
}

/// In the extensions of a request that is being traced. The ambient request would not do: a connection task that was
/// spawned by a request would take all its own requests for that one.
#[derive(Clone)]
pub(super) struct InRequest(pub(super) RequestContext);

pub(super) static CURRENT: Store<RequestContext> = Store::new();

impl RequestContext {
    pub(super) fn new<B>(request: &http::Request<B>, shown: &[(HeaderName, &'static str)]) -> Self {
        let original = request.extensions().get::<OriginalUri>().map(|original| &original.0);
        let context = Self(Arc::new(Shared {
            label: OnceLock::new(),
            method: request.method().clone(),
            uri: original.unwrap_or(request.uri()).clone(),
            version: request.version(),
            route: OnceLock::new(),
            status: OnceLock::new(),
            body_size: AtomicU64::new(0),
            caller: Caller::of(request.headers()),
            baggage: joined(request.headers(), "baggage"),
            request_headers: pick(request.headers(), shown),
            response_headers: OnceLock::new(),
        }));
        context.note_route(request);
        context
    }

    /// That of the request that is being handled here, if somebody listens to [`REQUEST`].
    ///
    /// ```
    /// use throughline_tower::{RequestContext, Router, routing::get};
    ///
    /// async fn handler() {
    ///     let route = RequestContext::current().and_then(|request| request.route().map(str::to_owned));
    /// }
    /// # let _: Router = Router::new().route("/", get(handler));
    /// ```
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// That of the traced request around a layer, or a new one if there is none.
    pub(crate) fn around<B>(request: &http::Request<B>) -> Self {
        match request.extensions().get::<InRequest>() {
            Some(InRequest(context)) => {
                context.note_route(request);
                context.clone()
            }
            None => Self::new(request, &[]),
        }
    }

    fn note_route<B>(&self, request: &http::Request<B>) {
        if let Some(route) = request.extensions().get::<MatchedPath>() {
            self.0.route.get_or_init(|| route.clone());
        }
    }

    /// Tells the traced request around, if there is one, the route. Layers do so by themselves where they are traced.
    pub(crate) fn pass_route<B>(request: &http::Request<B>) {
        if REQUEST.has_subscribers()
            && let Some(InRequest(context)) = request.extensions().get()
        {
            context.note_route(request);
        }
    }

    pub(super) fn note_response(&self, response: &Response, shown: &[(HeaderName, &'static str)]) {
        self.0.status.set(response.status()).ok();
        self.0.response_headers.set(pick(response.headers(), shown)).ok();
    }

    pub(crate) fn note_body_size(&self, bytes: u64) {
        self.0.body_size.store(bytes, Ordering::Relaxed);
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The path as it was received: before any nesting or rewriting, without the query.
    pub fn path(&self) -> &str {
        self.0.uri.path()
    }

    /// The route that matched: the pattern, like `/users/{id}`. A router behind
    /// [`nest_service`](crate::Router::nest_service) finds its part of it only later.
    pub fn route(&self) -> Option<&str> {
        self.0.route.get().map(MatchedPath::as_str)
    }

    /// The span of the caller that the request continues: its `traceparent`.
    pub fn parent(&self) -> Option<SpanContext> {
        self.0.caller.span
    }

    /// What came with the [`parent`](Self::parent), to be handed on.
    pub fn trace_state(&self) -> &TraceState {
        &self.0.caller.state
    }

    pub(crate) fn baggage(&self) -> &str {
        self.0.baggage.as_deref().unwrap_or_default()
    }

    /// The HTTP version.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// The status of the response, once its head is there.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status.get().copied()
    }

    /// The bytes of the response's body that were taken from the application so far.
    pub fn body_size(&self) -> u64 {
        self.0.body_size.load(Ordering::Relaxed)
    }
}

/// `GET /users/{id}`, and just `GET` as long as no route is known: a path may be anything.
impl Message for RequestContext {
    fn label(&self) -> &str {
        match self.route() {
            Some(route) => self.0.label.get_or_init(|| format!("{} {route}", self.method())),
            None => self.method().as_str(),
        }
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("http.request.method", Value::Str(self.method().as_str()));
        visit("url.path", Value::Str(self.path()));
        if let Some(route) = self.route() {
            visit("http.route", Value::Str(route));
        }
        if let Some(version) = version_text(self.version()) {
            visit("network.protocol.version", Value::Str(version));
        }
        if let Some(status) = self.status() {
            visit("http.response.status_code", Value::U64(status.as_u16().into()));
            visit("http.response.body.size", Value::U64(self.body_size()));
        }
        let response_headers = self.0.response_headers.get().into_iter().flatten();
        for (key, value) in self.0.request_headers.iter().chain(response_headers) {
            visit(key, Value::Str(value.to_str().unwrap_or("(not text)")));
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RequestContext");
        self.fields(&mut |key, value| {
            debug.field(key, &value);
        });
        debug.finish()
    }
}

fn version_text(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 => Some("0.9"),
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

fn pick(headers: &HeaderMap, shown: &[(HeaderName, &'static str)]) -> Vec<(&'static str, HeaderValue)> {
    shown.iter().filter_map(|(name, key)| Some((*key, headers.get(name)?.clone()))).collect()
}

/// Which headers to show, with the key of each. Mostly none, which a request shares without counting.
#[derive(Clone, Default)]
pub(super) struct Shown(Option<Arc<Headers>>);

#[derive(Clone, Default)]
struct Headers {
    request: Vec<(HeaderName, &'static str)>,
    response: Vec<(HeaderName, &'static str)>,
}

impl Shown {
    pub(super) fn show_of_request(&mut self, name: HeaderName) {
        let key = field_key("http.request.header.", &name);
        self.changed().request.push((name, key));
    }

    pub(super) fn show_of_response(&mut self, name: HeaderName) {
        let key = field_key("http.response.header.", &name);
        self.changed().response.push((name, key));
    }

    fn changed(&mut self) -> &mut Headers {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    pub(super) fn of_request(&self) -> &[(HeaderName, &'static str)] {
        self.0.as_ref().map_or(&[], |headers| &headers.request)
    }

    pub(super) fn of_response(&self) -> &[(HeaderName, &'static str)] {
        self.0.as_ref().map_or(&[], |headers| &headers.response)
    }
}

/// Field keys live as long as the program, so each is made only once.
fn field_key(prefix: &'static str, name: &HeaderName) -> &'static str {
    static KEYS: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());
    let key = format!("{prefix}{name}");
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    keys.entry(key.clone()).or_insert_with(|| key.leak())
}
