//! The drop-in for `axum::Router`.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::panic::Location;
use std::task::{Context, Poll};

use axum::ServiceExt;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use axum::routing::{IntoMakeService, MethodRouter, Route};
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;

use super::shared::SharedLayer;
use crate::request::RequestFuture;
use crate::site::Site;
use crate::{Layers, RequestLayer, RequestService, TracedHandler, TracedLayer, TracedService};

/// `axum::Router`, with everything registered on it traced on [`LAYER`](crate::LAYER), and each request as a whole on
/// [`REQUEST`](crate::REQUEST).
///
/// It has the same methods and takes the same arguments, and converts from and into axum's router. Where a method says
/// no more here, it does what it does there.
///
/// ```
/// use axum::{extract::{Path, Request}, middleware::{Next, from_fn}, response::Response};
/// use throughline_tower::{Router, routing::get};
///
/// async fn auth(request: Request, next: Next) -> Response { next.run(request).await }
/// async fn show(Path(id): Path<u64>) -> String { format!("user {id}") }
///
/// let app: Router = Router::new().route("/users/{id}", get(show)).layer(from_fn(auth));
///
/// # async fn serve(app: Router) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app).await
/// # }
/// ```
///
/// Two things differ. The services of layers answer with an `http::Response`, of any body, not with anything else that
/// could be made into one. And the services that it is made into ([`into_service`](Self::into_service),
/// [`as_service`](Self::as_service)) take requests with axum's own body; it is itself a service for those of any other.
#[must_use = "a router does nothing until it is served"]
pub struct Router<S = ()> {
    inner: axum::Router<S>,
    root: RequestLayer,
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), root: self.root.clone() }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("inner", &self.inner).field("root", &self.root).finish()
    }
}

/// What is registered on it stays untraced.
impl<S> From<axum::Router<S>> for Router<S> {
    fn from(inner: axum::Router<S>) -> Self {
        Self { inner, root: RequestLayer::new() }
    }
}

/// What is registered on it stays traced; requests as a whole are traced by the router it becomes a part of, or by a
/// [`RequestLayer`].
impl<S> From<Router<S>> for axum::Router<S> {
    fn from(router: Router<S>) -> Self {
        router.inner
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// A router without routes.
    pub fn new() -> Self {
        axum::Router::new().into()
    }

    fn map(self, f: impl FnOnce(axum::Router<S>) -> axum::Router<S>) -> Self {
        Self { inner: f(self.inner), root: self.root }
    }

    /// Replaces how requests as a whole are published. Of nested and merged routers, the outermost one's counts.
    ///
    /// ```
    /// use axum::http::header::USER_AGENT;
    /// use throughline_tower::{RequestLayer, Router};
    ///
    /// let app: Router = Router::new().root(RequestLayer::new().show_request_header(USER_AGENT));
    /// ```
    pub fn root(mut self, root: RequestLayer) -> Self {
        self.root = root;
        self
    }

    /// Allows paths in the syntax of axum 0.7.
    pub fn without_v07_checks(self) -> Self {
        self.map(axum::Router::without_v07_checks)
    }

    /// Adds a route: a method router of this crate, or one of axum's, which stays untraced.
    #[track_caller]
    pub fn route(self, path: &str, method_router: impl Into<MethodRouter<S>>) -> Self {
        Self { inner: self.inner.route(path, method_router.into()), root: self.root }
    }

    /// Adds a route to a service, which is traced as a handler.
    #[track_caller]
    pub fn route_service<T, B: 'static>(self, path: &str, service: T) -> Self
    where
        T: Service<Request, Error = Infallible, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        let service = TracedService::new(service, Site::of_service::<T>(Location::caller()));
        self.map(|router| router.route_service(path, service))
    }

    /// Nests a router under a path: one of this crate, or one of axum's, which stays untraced.
    #[track_caller]
    pub fn nest(self, path: &str, router: impl Into<axum::Router<S>>) -> Self {
        Self { inner: self.inner.nest(path, router.into()), root: self.root }
    }

    /// Nests a service, which is traced as a handler. A router is not, but what is registered on it.
    #[track_caller]
    pub fn nest_service<T, B: 'static>(self, path: &str, service: T) -> Self
    where
        T: Service<Request, Error = Infallible, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        let service = TracedService::new(service, Site::of_service::<T>(Location::caller()));
        Self { inner: self.inner.nest_service(path, service), root: self.root }
    }

    /// Adds the routes of another router: one of this crate, or one of axum's, which stays untraced.
    #[track_caller]
    pub fn merge(self, other: impl Into<axum::Router<S>>) -> Self {
        Self { inner: self.inner.merge(other.into()), root: self.root }
    }

    /// Puts a layer around all routes added so far, traced under its own name.
    ///
    /// A `ServiceBuilder` is one layer, called by its members. To see each of them, wrap them in
    /// [`traced`](crate::traced), or use [`layers`](Self::layers).
    #[track_caller]
    pub fn layer<L, B: 'static>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + Display + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        let layer = SharedLayer(TracedLayer::at(layer, Location::caller()));
        self.map(|router| router.layer(layer))
    }

    /// Puts several layers around all routes added so far, each traced on its own; the first is outermost, as in a
    /// `ServiceBuilder`. Errors may pass between them as long as none leaves the first.
    #[track_caller]
    pub fn layers<L, B: 'static>(self, layers: L) -> Self
    where
        L: Layers,
        L::Traced: Layer<Route> + Clone + Send + Sync + 'static,
        <L::Traced as Layer<Route>>::Service:
            Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        http::Response<B>: IntoResponse + 'static,
        <<L::Traced as Layer<Route>>::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <<L::Traced as Layer<Route>>::Service as Service<Request>>::Future: Send + 'static,
    {
        let layers = SharedLayer(layers.traced_at(Location::caller()));
        self.map(|router| router.layer(layers))
    }

    /// Puts a layer around all routes added so far, which runs only if one of them matches.
    #[track_caller]
    pub fn route_layer<L, B: 'static>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + Display + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        let layer = SharedLayer(TracedLayer::at(layer, Location::caller()));
        Self { inner: self.inner.route_layer(layer), root: self.root }
    }

    /// Whether it has at least one route.
    pub fn has_routes(&self) -> bool {
        self.inner.has_routes()
    }

    /// What answers when no route matches.
    #[track_caller]
    pub fn fallback<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let handler = TracedHandler::at(handler, Location::caller());
        Self { inner: self.inner.fallback(handler), root: self.root }
    }

    /// The service that answers when no route matches.
    #[track_caller]
    pub fn fallback_service<T, B: 'static>(self, service: T) -> Self
    where
        T: Service<Request, Error = Infallible, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        let service = TracedService::new(service, Site::of_service::<T>(Location::caller()));
        self.map(|router| router.fallback_service(service))
    }

    /// What answers when a route matches but not its methods.
    #[track_caller]
    pub fn method_not_allowed_fallback<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let handler = TracedHandler::at(handler, Location::caller());
        self.map(|router| router.method_not_allowed_fallback(handler))
    }

    /// Goes back to the default fallback.
    pub fn reset_fallback(self) -> Self {
        self.map(axum::Router::reset_fallback)
    }

    /// Provides the state.
    pub fn with_state<S2>(self, state: S) -> Router<S2> {
        Router { inner: self.inner.with_state(state), root: self.root }
    }
}

impl Router {
    /// The service that serves it, which is also what [`axum::serve()`] makes of it.
    ///
    /// ```
    /// use axum::{body::Body, extract::Request};
    /// use throughline_tower::{Router, routing::get};
    /// use tower::ServiceExt;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let app: Router = Router::new().route("/", get(|| async { "hello" }));
    /// let response = app.into_service().oneshot(Request::new(Body::empty())).await?;
    /// # Ok(()) }
    /// ```
    pub fn into_service(self) -> RequestService<axum::Router> {
        self.root.layer(self.inner.with_state(()))
    }

    /// The service that serves it, and the router is still there: where it is not clear which service of the router's is
    /// meant, as with the methods of `tower::ServiceExt`.
    pub fn as_service(&self) -> RequestService<axum::Router> {
        self.clone().into_service()
    }

    /// Makes a service for each connection.
    pub fn into_make_service(self) -> IntoMakeService<RequestService<axum::Router>> {
        ServiceExt::<Request>::into_make_service(self.into_service())
    }

    /// Makes a service for each connection that knows who is at the other end.
    pub fn into_make_service_with_connect_info<C>(
        self,
    ) -> IntoMakeServiceWithConnectInfo<RequestService<axum::Router>, C> {
        ServiceExt::<Request>::into_make_service_with_connect_info(self.into_service())
    }
}

/// For [`axum::serve()`].
impl<L: Listener> Service<IncomingStream<'_, L>> for Router {
    type Response = RequestService<axum::Router>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: IncomingStream<'_, L>) -> Self::Future {
        std::future::ready(Ok(self.clone().into_service()))
    }
}

impl<B> Service<http::Request<B>> for Router
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RequestFuture<RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.root.layer(self.inner.clone()).call(request.map(Body::new))
    }
}
