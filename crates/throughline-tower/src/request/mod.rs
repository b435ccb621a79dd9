//! Whole requests: from before the first layer to the end of the response's body.

mod context;

use std::fmt::{self, Display};
use std::hint::cold_path;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, Method, StatusCode};
use http_body::Body as _;
use pin_project_lite::pin_project;
use throughline_channel::{ErrorRecord, OpenTrace, TracingChannel};
use tower_layer::Layer;
use tower_service::Service;

pub use self::context::RequestContext;
use self::context::{CURRENT, InRequest, Shown};
use crate::body::{FollowedBody, Follower};
use crate::layer::record_of;

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

impl RequestLayer {
    /// One that shows no headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows the value of a request header as `http.request.header.<name>`.
    #[must_use = "gives the changed layer"]
    pub fn show_request_header(mut self, name: HeaderName) -> Self {
        self.0.show_of_request(name);
        self
    }

    /// Shows the value of a response header as `http.response.header.<name>`.
    #[must_use = "gives the changed layer"]
    pub fn show_response_header(mut self, name: HeaderName) -> Self {
        self.0.show_of_response(name);
        self
    }
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
///
/// ```
/// use throughline_tower::{RequestService, Router, routing::get};
///
/// /// An application that is ready to be served or tested, by name.
/// fn app() -> RequestService<axum::Router> {
///     Router::new().route("/", get(|| async { "hello" })).into_service()
/// }
/// # let _ = app();
/// ```
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
        if REQUEST.has_subscribers() {
            cold_path();
            return self.call_listened_to(request);
        }
        RequestFuture { future: Some(self.inner.call(request)), traced: None }
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
            let this = this.project();
            if this.traced.is_some() {
                drop_traced(this.future, this.traced);
            }
        }
    }
}

/// What is inside closes before the request does.
#[cold]
#[inline(never)]
fn drop_traced<F>(mut future: Pin<&mut Option<F>>, traced: &mut Option<Box<Traced>>) {
    if let Some(traced) = traced.take() {
        traced.open.context().run(|| future.set(None));
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
            Some(_) => {
                cold_path();
                poll_traced(this.future, this.traced, cx)
            }
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
