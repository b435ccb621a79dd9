//! Whole requests: from before the first layer to the end of the response's body.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use http_body::Body as _;
use pin_project_lite::pin_project;
use throughline::{SpanContext, TraceState};
use throughline_channel::{ErrorRecord, Message, OpenTrace, Store, TracingChannel, Value};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{FollowedBody, Follower};
use crate::layer::record_of;
use crate::propagation::joined;

/// The lifecycle of every request: begins before the first layer, ends when the body of the response is sent, or is
/// cancelled when the client is gone before that.
///
/// ```
/// use throughline_tower::REQUEST;
/// let _subscription = throughline_channel::observe(REQUEST.name(), |event| {
///     println!("{:?} {} {:?}", event.kind(), event.label(), event.field("http.response.status_code"));
/// });
/// ```
pub static REQUEST: TracingChannel<RequestContext> = TracingChannel::new("http.server.request");

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
/// | `http.request.header.<name>`, `http.response.header.<name>` | only those that [`RequestLayer`] was told to show |
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
    parent: Option<SpanContext>,
    trace_state: TraceState,
    baggage: Option<String>,
    request_headers: Vec<(&'static str, HeaderValue)>,
    response_headers: OnceLock<Vec<(&'static str, HeaderValue)>>,
}

/// In the extensions of a request that is being traced. The ambient request would not do: a connection task that was
/// spawned by a request would take all its own requests for that one.
#[derive(Clone)]
struct InRequest(RequestContext);

static CURRENT: Store<RequestContext> = Store::new();

impl RequestContext {
    fn new<B>(request: &http::Request<B>, shown: &[(HeaderName, &'static str)]) -> Self {
        let parent = request.headers().get("traceparent");
        let parent = parent.and_then(|header| header.to_str().ok()?.trim().parse().ok());
        let original = request.extensions().get::<OriginalUri>().map(|original| &original.0);
        let context = Self(Arc::new(Shared {
            label: OnceLock::new(),
            method: request.method().clone(),
            uri: original.unwrap_or(request.uri()).clone(),
            version: request.version(),
            route: OnceLock::new(),
            status: OnceLock::new(),
            body_size: AtomicU64::new(0),
            parent,
            // Without its parent the state means nothing.
            trace_state: parent
                .and_then(|_| joined(request.headers(), "tracestate"))
                .map_or_else(TraceState::default, |header| TraceState::parse(&header)),
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

    fn note_response(&self, response: &Response, shown: &[(HeaderName, &'static str)]) {
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
        self.0.parent
    }

    /// What came with the [`parent`](Self::parent), to be handed on.
    pub fn trace_state(&self) -> &TraceState {
        &self.0.trace_state
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

/// Publishes each request as a whole on [`REQUEST`].
///
/// The drop-in [`Router`](crate::Router) has one built in, which [`Router::root`](crate::Router::root) replaces. On
/// a plain axum router it goes outermost, that is last. A request is published once, however many of these it meets.
///
/// ```
/// use axum::http::header::{CONTENT_TYPE, USER_AGENT};
/// use throughline_tower::RequestLayer;
///
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .layer(RequestLayer::new().show_request_header(USER_AGENT).show_response_header(CONTENT_TYPE));
/// ```
#[derive(Clone, Default)]
pub struct RequestLayer(Shown);

/// Which headers to show, with the key of each. Mostly none, which a request shares without counting.
#[derive(Clone, Default)]
struct Shown(Option<Arc<Headers>>);

#[derive(Clone, Default)]
struct Headers {
    request: Vec<(HeaderName, &'static str)>,
    response: Vec<(HeaderName, &'static str)>,
}

impl Shown {
    fn changed(&mut self) -> &mut Headers {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    fn of_request(&self) -> &[(HeaderName, &'static str)] {
        self.0.as_ref().map_or(&[], |headers| &headers.request)
    }

    fn of_response(&self) -> &[(HeaderName, &'static str)] {
        self.0.as_ref().map_or(&[], |headers| &headers.response)
    }
}

impl RequestLayer {
    /// One that shows no headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows the value of a request header as `http.request.header.<name>`.
    #[must_use = "gives the changed layer"]
    pub fn show_request_header(mut self, name: HeaderName) -> Self {
        let key = field_key("http.request.header.", &name);
        self.0.changed().request.push((name, key));
        self
    }

    /// Shows the value of a response header as `http.response.header.<name>`.
    #[must_use = "gives the changed layer"]
    pub fn show_response_header(mut self, name: HeaderName) -> Self {
        let key = field_key("http.response.header.", &name);
        self.0.changed().response.push((name, key));
        self
    }
}

/// Field keys live as long as the program, so each is made only once.
fn field_key(prefix: &'static str, name: &HeaderName) -> &'static str {
    static KEYS: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());
    let key = format!("{prefix}{name}");
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    keys.entry(key.clone()).or_insert_with(|| key.leak())
}

impl fmt::Debug for RequestLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys =
            |shown: &[(HeaderName, &'static str)]| shown.iter().map(|(_, key)| *key).collect::<Vec<_>>();
        f.debug_struct("RequestLayer")
            .field("request_headers", &keys(self.0.of_request()))
            .field("response_headers", &keys(self.0.of_response()))
            .finish()
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService { inner, shown: self.0.clone() }
    }
}

/// A service that publishes each request as a whole. Made by [`RequestLayer`].
#[derive(Clone)]
pub struct RequestService<S> {
    inner: S,
    shown: Shown,
}

impl<S> Service<Request> for RequestService<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Display + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = RequestFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> RequestFuture<S::Future> {
        match REQUEST.has_subscribers() {
            true => self.call_listened_to(request),
            false => RequestFuture { future: Some(self.inner.call(request)), traced: None },
        }
    }
}

impl<S: Service<Request>> RequestService<S> {
    #[inline(never)]
    fn call_listened_to(&mut self, mut request: Request) -> RequestFuture<S::Future> {
        let open = match request.extensions().get::<InRequest>() {
            Some(_) => None,
            None => {
                let context = RequestContext::new(&request, self.shown.of_request());
                CURRENT.run(context.clone(), || REQUEST.open(|| context))
            }
        };
        let Some(open) = open else {
            return RequestFuture { future: Some(self.inner.call(request)), traced: None };
        };
        request.extensions_mut().insert(InRequest(open.message().clone()));
        match open.run(|| catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))) {
            Ok(future) => {
                let traced = Some(Box::new(Traced { open, shown: self.shown.clone() }));
                RequestFuture { future: Some(future), traced }
            }
            Err(payload) => {
                open.settle(Some(ErrorRecord::from_panic(&*payload)));
                resume_unwind(payload)
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for RequestService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

struct Traced {
    open: OpenTrace<RequestContext>,
    shown: Shown,
}

pin_project! {
    /// The response of a [`RequestService`].
    #[must_use = "does nothing unless polled"]
    pub struct RequestFuture<F> {
        #[pin]
        future: Option<F>,
        traced: Option<Box<Traced>>,
    }

    impl<F> PinnedDrop for RequestFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(traced) = this.traced.take() {
                // What is inside closes before the request does.
                traced.open.context().run(|| this.future.set(None));
            }
        }
    }
}

impl<F, E> Future for RequestFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Display + 'static,
{
    type Output = Result<Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.traced {
            Some(_) => poll_traced(this.future, this.traced, cx),
            None => match this.future.as_mut().as_pin_mut() {
                Some(future) => future.poll(cx),
                None => polled_after_completion(),
            },
        }
    }
}

#[cold]
fn polled_after_completion() -> ! {
    panic!("the response of a request was polled after it was ready")
}

#[inline(never)]
fn poll_traced<F, E>(
    mut future: Pin<&mut Option<F>>,
    traced: &mut Option<Box<Traced>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response, E>>
where
    F: Future<Output = Result<Response, E>>,
    E: Display + 'static,
{
    let Some(work) = traced.take() else { polled_after_completion() };
    let polled = work.open.run(|| {
        catch_unwind(AssertUnwindSafe(|| match future.as_mut().as_pin_mut() {
            Some(inner) => {
                let polled = inner.poll(cx);
                if polled.is_ready() {
                    future.set(None);
                }
                polled
            }
            None => polled_after_completion(),
        }))
    });
    match polled {
        Ok(Poll::Pending) => {
            work.open.end();
            *traced = Some(work);
            Poll::Pending
        }
        Ok(Poll::Ready(Ok(response))) => {
            work.open.message().note_response(&response, work.shown.of_response());
            Poll::Ready(Ok(follow_body(work.open, response)))
        }
        Ok(Poll::Ready(Err(error))) => {
            work.open.settle(Some(record_of(&error)));
            Poll::Ready(Err(error))
        }
        Err(payload) => {
            work.open.context().run(|| catch_unwind(AssertUnwindSafe(|| future.set(None))).ok());
            work.open.settle(Some(ErrorRecord::from_panic(&*payload)));
            resume_unwind(payload)
        }
    }
}

/// The request lasts until its response has no more body to come.
fn follow_body(open: OpenTrace<RequestContext>, response: Response) -> Response {
    if is_over(open.message().method(), &response) {
        open.settle(None);
        return response;
    }
    open.end();
    response.map(|body| Body::new(FollowedBody::new(body, open)))
}

/// Whether nothing follows the head of a response, or what follows is not a body.
pub(crate) fn is_over(method: &Method, response: &Response) -> bool {
    let status = response.status();
    let tunnel =
        status == StatusCode::SWITCHING_PROTOCOLS || (*method == Method::CONNECT && status.is_success());
    let without_body =
        *method == Method::HEAD || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    tunnel || without_body || response.body().is_end_stream()
}

impl Follower for OpenTrace<RequestContext> {
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.run(f)
    }

    fn sent(&self, bytes: u64) {
        self.message().note_body_size(bytes);
    }

    fn finish(self, error: Option<ErrorRecord>) {
        self.settle(error);
    }
}
