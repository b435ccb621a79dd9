//! axum's error handling, with the error handler seen when it runs.
//!
//! A [`HandleErrorLayer`] from axum works in the drop-in [`Router`](crate::Router) too, but its function cannot be
//! reached from outside: it shows as an error handler around everything inside it, whether there was an error or not.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::Request;
use throughline_channel::{ErrorRecord, HandledBy, Traced};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::record_of;
use crate::site::Site;
use crate::{LAYER, LayerContext, RequestContext};

/// Makes answers of the errors of the services inside it, like `axum::error_handling::HandleErrorLayer`. Its function
/// is published as an error handler when it runs, with the error it was called with; that error counts as handled by
/// it.
///
/// ```
/// use axum::{BoxError, http::{Method, StatusCode, Uri}};
/// use throughline_tower::{Router, error_handling::HandleErrorLayer, routing::get};
///
/// async fn on_error(method: Method, uri: Uri, error: BoxError) -> (StatusCode, String) {
///     (StatusCode::INTERNAL_SERVER_ERROR, format!("{method} {uri}: {error}"))
/// }
///
/// let app: Router = Router::new()
///     .route("/", get(|| async {}))
///     .layers((HandleErrorLayer::new(on_error), tower::timeout::TimeoutLayer::new(std::time::Duration::from_secs(5))));
/// ```
pub struct HandleErrorLayer<F, T> {
    f: F,
    site: &'static Site,
    extractors: PhantomData<fn() -> T>,
}

impl<F, T> HandleErrorLayer<F, T> {
    /// A layer that calls `f` with each error, after what `f` extracts from the request.
    #[track_caller]
    pub fn new(f: F) -> Self {
        Self::at(f, Location::caller())
    }

    pub(crate) fn at(f: F, location: &'static Location<'static>) -> Self {
        Self { f, site: Site::of_error_handler::<F>(location), extractors: PhantomData }
    }

    /// Gives the error handler a name.
    ///
    /// ```
    /// # use throughline_tower::error_handling::HandleErrorLayer;
    /// let layer = HandleErrorLayer::<_, ()>::new(|_: axum::BoxError| async { "sorry" }).named("apologise");
    /// # let _: axum::Router = axum::Router::new().layer((layer, tower::timeout::TimeoutLayer::new(std::time::Duration::MAX)));
    /// ```
    #[must_use = "gives the named layer"]
    pub fn named(mut self, name: &'static str) -> Self {
        self.site = self.site.named(name);
        self
    }
}

impl<F: Clone, T> Clone for HandleErrorLayer<F, T> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), site: self.site, extractors: PhantomData }
    }
}

impl<F, T> fmt::Debug for HandleErrorLayer<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleErrorLayer").field("name", &self.site.name).finish_non_exhaustive()
    }
}

impl<S, F: Clone, T> Layer<S> for HandleErrorLayer<F, T> {
    type Service = HandleError<S, F, T>;

    fn layer(&self, inner: S) -> Self::Service {
        HandleError { inner, f: self.f.clone(), site: self.site, extractors: PhantomData }
    }
}

/// A service that makes answers of errors. Made by [`HandleErrorLayer`].
///
/// ```
/// use std::future::{Ready, ready};
/// use axum::{BoxError, http::StatusCode};
/// use throughline_tower::error_handling::{HandleError, HandleErrorLayer};
/// use tower::Layer;
///
/// fn sorry(_: BoxError) -> Ready<StatusCode> { ready(StatusCode::BAD_GATEWAY) }
///
/// /// A service of which only good answers are seen, by name: for the field of a struct.
/// type Guarded<S> = HandleError<S, fn(BoxError) -> Ready<StatusCode>, ()>;
///
/// fn guard<S>(inner: S) -> Guarded<S> {
///     HandleErrorLayer::<fn(BoxError) -> Ready<StatusCode>, ()>::new(sorry).layer(inner)
/// }
/// # let _ = guard(());
/// ```
pub struct HandleError<S, F, T> {
    inner: S,
    f: F,
    site: &'static Site,
    extractors: PhantomData<fn() -> T>,
}

impl<S: Clone, F: Clone, T> Clone for HandleError<S, F, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), f: self.f.clone(), site: self.site, extractors: PhantomData }
    }
}

impl<S, F, T> fmt::Debug for HandleError<S, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleError").field("name", &self.site.name).finish_non_exhaustive()
    }
}

/// What [`HandleError`] answers with.
type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

macro_rules! handle_error {
    ([$($extractor:ident),*] $extractors:ty) => {
        impl<S, F, B, Fut, R, $($extractor),*> Service<Request<B>> for HandleError<S, F, $extractors>
        where
            S: Service<Request<B>> + Clone + Send + 'static,
            S::Response: IntoResponse + Send,
            S::Error: Display + Send + 'static,
            S::Future: Send,
            F: FnOnce($($extractor,)* S::Error) -> Fut + Clone + Send + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoResponse,
            $($extractor: FromRequestParts<()> + Send + 'static,)*
            B: Send + 'static,
        {
            type Response = Response;
            type Error = Infallible;
            type Future = Answer;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            #[allow(non_snake_case, reason = "a type parameter and its value share a name")]
            fn call(&mut self, request: Request<B>) -> Answer {
                let (inner, f, site) = (self.inner.clone(), self.f.clone(), self.site);
                let inner = std::mem::replace(&mut self.inner, inner);
                let seen = LAYER.has_subscribers().then(|| RequestContext::around(&request));
                Box::pin(async move {
                    #[allow(unused_mut, reason = "without extractors")]
                    let (mut parts, body) = request.into_parts();
                    $(
                        let $extractor = match $extractor::from_request_parts(&mut parts, &()).await {
                            Ok(value) => value,
                            Err(rejection) => return Ok(rejection.into_response()),
                        };
                    )*
                    match once(inner, Request::from_parts(parts, body)).await {
                        Ok(response) => Ok(response.into_response()),
                        Err(error) => Ok(handle(site, seen, error, |error| f($($extractor,)* error)).await),
                    }
                })
            }
        }
    };
}
handle_error!([]());
handle_error!([T1](T1,));
handle_error!([T1, T2](T1, T2));
handle_error!([T1, T2, T3](T1, T2, T3));
handle_error!([T1, T2, T3, T4](T1, T2, T3, T4));
handle_error!([T1, T2, T3, T4, T5](T1, T2, T3, T4, T5));
handle_error!([T1, T2, T3, T4, T5, T6](T1, T2, T3, T4, T5, T6));
handle_error!([T1, T2, T3, T4, T5, T6, T7](T1, T2, T3, T4, T5, T6, T7));
handle_error!([T1, T2, T3, T4, T5, T6, T7, T8](T1, T2, T3, T4, T5, T6, T7, T8));

/// Waits until the service is ready, then calls it.
async fn once<S: Service<R>, R>(mut service: S, request: R) -> Result<S::Response, S::Error> {
    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
    let response = service.call(request);
    // The service is not needed while it answers, and may hold a place in a queue.
    drop(service);
    response.await
}

fn handle<E, Fut, R>(
    site: &'static Site,
    seen: Option<RequestContext>,
    error: E,
    f: impl FnOnce(E) -> Fut,
) -> Traced<impl Future<Output = Response>, LayerContext>
where
    E: Display + 'static,
    Fut: Future<Output = R>,
    R: IntoResponse,
{
    let message = |error: &E| {
        let error = record_of(error).or_published();
        seen.map(|request| LayerContext::within(site, request).with_incoming_error(error))
    };
    let answer = |error| {
        let answer = f(error);
        async move { answer.await.into_response() }
    };
    LAYER.trace_call(error, message, answer, handled)
}

/// An error handler that returns has handled what it was called with.
fn handled(layer: &LayerContext, response: &Response) -> Option<ErrorRecord> {
    layer.note_response(response);
    if let Some(error) = layer.incoming_error() {
        error.mark_handled(HandledBy::Recovered { channel: LAYER.name(), label: layer.name().to_owned() });
    }
    None
}
