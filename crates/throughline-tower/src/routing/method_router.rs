//! The drop-in for `axum::routing::MethodRouter` and the functions that make one.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::panic::Location;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::future::{InfallibleRouteFuture, RouteFuture};
use axum::routing::{IntoMakeService, MethodFilter, Route};
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;

use super::Router;
use super::shared::SharedLayer;
use crate::error_handling::{HandleError, HandleErrorLayer};
use crate::site::Site;
use crate::{Layers, RequestService, TracedHandler, TracedLayer, TracedService};

/// `axum::routing::MethodRouter`, with every handler and layer traced.
///
/// ```
/// use throughline_tower::routing::{MethodRouter, get};
///
/// async fn list() {}
/// async fn create() {}
///
/// let users: MethodRouter = get(list).post(create);
/// ```
#[must_use = "a method router does nothing until it is served"]
pub struct MethodRouter<S = (), E = Infallible> {
    inner: axum::routing::MethodRouter<S, E>,
}

impl<S, E> Clone for MethodRouter<S, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S: Clone, E: Send + 'static> Default for MethodRouter<S, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, E> fmt::Debug for MethodRouter<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What is registered on it stays untraced.
impl<S, E> From<axum::routing::MethodRouter<S, E>> for MethodRouter<S, E> {
    fn from(inner: axum::routing::MethodRouter<S, E>) -> Self {
        Self { inner }
    }
}

/// What is registered on it stays traced.
impl<S, E> From<MethodRouter<S, E>> for axum::routing::MethodRouter<S, E> {
    fn from(router: MethodRouter<S, E>) -> Self {
        router.inner
    }
}

macro_rules! handler_functions {
    ($($name:ident $method:literal),* $(,)?) => {
        $(
            #[doc = concat!("Routes `", $method, "` requests to a handler.")]
            #[track_caller]
            pub fn $name<H, T, S>(handler: H) -> MethodRouter<S>
            where
                H: Handler<T, S>,
                T: 'static,
                S: Clone + Send + Sync + 'static,
            {
                axum::routing::$name(TracedHandler::at(handler, Location::caller())).into()
            }
        )*

        impl<S: Clone + Send + Sync + 'static> MethodRouter<S> {
            $(
                #[doc = concat!("Routes `", $method, "` requests to a handler as well.")]
                #[track_caller]
                pub fn $name<H, T>(self, handler: H) -> Self
                where
                    H: Handler<T, S>,
                    T: 'static,
                {
                    self.inner.$name(TracedHandler::at(handler, Location::caller())).into()
                }
            )*
        }
    };
}
handler_functions!(
    connect "CONNECT", delete "DELETE", get "GET", head "HEAD", options "OPTIONS", patch "PATCH", post "POST",
    put "PUT", trace "TRACE",
);

macro_rules! service_functions {
    ($($name:ident $method:literal),* $(,)?) => {
        $(
            #[doc = concat!("Routes `", $method, "` requests to a service, which is traced as a handler.")]
            #[track_caller]
            pub fn $name<T, B: 'static, S>(service: T) -> MethodRouter<S, T::Error>
            where
                T: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
                T::Response: IntoResponse + 'static,
                T::Error: Display + Send + 'static,
                T::Future: Send + 'static,
                S: Clone,
            {
                let site = Site::of_service::<T>(Location::caller());
                axum::routing::$name(TracedService::new(service, site)).into()
            }
        )*

        impl<S: Clone, E: Display + Send + 'static> MethodRouter<S, E> {
            $(
                #[doc = concat!("Routes `", $method, "` requests to a service as well, which is traced as a handler.")]
                #[track_caller]
                pub fn $name<T, B: 'static>(self, service: T) -> Self
                where
                    T: Service<Request, Error = E, Response = http::Response<B>> + Clone + Send + Sync + 'static,
                    T::Response: IntoResponse + 'static,
                    T::Future: Send + 'static,
                {
                    let site = Site::of_service::<T>(Location::caller());
                    self.inner.$name(TracedService::new(service, site)).into()
                }
            )*
        }
    };
}
service_functions!(
    connect_service "CONNECT", delete_service "DELETE", get_service "GET", head_service "HEAD",
    options_service "OPTIONS", patch_service "PATCH", post_service "POST", put_service "PUT", trace_service "TRACE",
);

/// Routes requests with these methods to a handler.
#[track_caller]
pub fn on<H, T, S>(filter: MethodFilter, handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    axum::routing::on(filter, TracedHandler::at(handler, Location::caller())).into()
}

/// Routes requests with these methods to a service, which is traced as a handler.
#[track_caller]
pub fn on_service<T, B: 'static, S>(filter: MethodFilter, service: T) -> MethodRouter<S, T::Error>
where
    T: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse + 'static,
    T::Error: Display + Send + 'static,
    T::Future: Send + 'static,
    S: Clone,
{
    let site = Site::of_service::<T>(Location::caller());
    axum::routing::on_service(filter, TracedService::new(service, site)).into()
}

/// Routes all requests to a handler, whatever their method.
#[track_caller]
pub fn any<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    axum::routing::any(TracedHandler::at(handler, Location::caller())).into()
}

/// Routes all requests to a service, whatever their method; it is traced as a handler.
#[track_caller]
pub fn any_service<T, B: 'static, S>(service: T) -> MethodRouter<S, T::Error>
where
    T: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse + 'static,
    T::Error: Display + Send + 'static,
    T::Future: Send + 'static,
    S: Clone,
{
    let site = Site::of_service::<T>(Location::caller());
    axum::routing::any_service(TracedService::new(service, site)).into()
}

impl<S: Clone + Send + Sync + 'static> MethodRouter<S> {
    /// Routes requests with these methods to a handler as well.
    #[track_caller]
    pub fn on<H, T>(self, filter: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.inner.on(filter, TracedHandler::at(handler, Location::caller())).into()
    }

    /// What answers requests with other methods.
    #[track_caller]
    pub fn fallback<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.inner.fallback(TracedHandler::at(handler, Location::caller())).into()
    }
}

impl<S: Clone, E: Send + 'static> MethodRouter<S, E> {
    /// A method router that answers every request with `405 Method Not Allowed`.
    pub fn new() -> Self {
        axum::routing::MethodRouter::new().into()
    }

    /// Provides the state.
    pub fn with_state<S2>(self, state: S) -> MethodRouter<S2, E> {
        self.inner.with_state(state).into()
    }

    /// Routes requests with these methods to a service as well, which is traced as a handler.
    #[track_caller]
    pub fn on_service<T, B: 'static>(self, filter: MethodFilter, service: T) -> Self
    where
        T: Service<Request, Error = E, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse + 'static,
        T::Future: Send + 'static,
        E: Display,
    {
        let site = Site::of_service::<T>(Location::caller());
        self.inner.on_service(filter, TracedService::new(service, site)).into()
    }

    /// The service that answers requests with other methods.
    #[track_caller]
    pub fn fallback_service<T, B: 'static>(self, service: T) -> Self
    where
        T: Service<Request, Error = E, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse + 'static,
        T::Future: Send + 'static,
        E: Display,
    {
        let site = Site::of_service::<T>(Location::caller());
        self.inner.fallback_service(TracedService::new(service, site)).into()
    }

    /// Puts a layer around what was added so far, traced under its own name.
    #[track_caller]
    pub fn layer<L, B: 'static, E2>(self, layer: L) -> MethodRouter<S, E2>
    where
        L: Layer<Route<E>> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<E2> + Display + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
        S: 'static,
        E2: 'static,
    {
        self.inner.layer(SharedLayer(TracedLayer::at(layer, Location::caller()))).into()
    }

    /// Puts several layers around what was added so far, each traced on its own; the first is outermost.
    #[track_caller]
    pub fn layers<L, B, E2>(self, layers: L) -> MethodRouter<S, E2>
    where
        L: Layers,
        L::Traced: Layer<Route<E>> + Clone + Send + Sync + 'static,
        <L::Traced as Layer<Route<E>>>::Service:
            Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        http::Response<B>: IntoResponse + 'static,
        <<L::Traced as Layer<Route<E>>>::Service as Service<Request>>::Error: Into<E2> + 'static,
        <<L::Traced as Layer<Route<E>>>::Service as Service<Request>>::Future: Send + 'static,
        S: 'static,
        E2: 'static,
    {
        self.inner.layer(SharedLayer(layers.traced_at(Location::caller()))).into()
    }

    /// Puts a layer around what was added so far, which runs only if the method matches.
    #[track_caller]
    pub fn route_layer<L, B: 'static>(self, layer: L) -> Self
    where
        L: Layer<Route<E>> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = E, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
        S: 'static,
        E: Display,
    {
        self.inner.route_layer(SharedLayer(TracedLayer::at(layer, Location::caller()))).into()
    }

    /// Adds the methods of another method router: one of this crate, or one of axum's, which stays untraced.
    #[track_caller]
    pub fn merge(self, other: impl Into<axum::routing::MethodRouter<S, E>>) -> Self {
        self.inner.merge(other.into()).into()
    }

    /// Makes answers of errors with `f`, traced as an error handler when it runs.
    #[track_caller]
    pub fn handle_error<F, T>(self, f: F) -> MethodRouter<S, Infallible>
    where
        F: Clone + Send + Sync + 'static,
        HandleError<Route<E>, F, T>: Service<Request, Error = Infallible, Response = Response>,
        <HandleError<Route<E>, F, T> as Service<Request>>::Future: Send,
        T: 'static,
        S: 'static,
    {
        self.inner.layer(HandleErrorLayer::at(f, Location::caller())).into()
    }
}

impl MethodRouter {
    /// Makes a service for each connection, for programs that serve only this. Requests as a whole are traced too.
    pub fn into_make_service(self) -> IntoMakeService<RequestService<axum::Router>> {
        self.alone().into_make_service()
    }

    /// Makes a service for each connection that knows who is at the other end, for programs that serve only this.
    pub fn into_make_service_with_connect_info<C>(
        self,
    ) -> IntoMakeServiceWithConnectInfo<RequestService<axum::Router>, C> {
        self.alone().into_make_service_with_connect_info()
    }

    /// A router that has nothing else.
    fn alone(self) -> Router {
        Router::new().fallback_service(self.inner)
    }
}

/// For [`axum::serve()`]. Requests as a whole are traced too.
impl<L: Listener> Service<IncomingStream<'_, L>> for MethodRouter {
    type Response = RequestService<axum::Router>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: IncomingStream<'_, L>) -> Self::Future {
        std::future::ready(Ok(self.clone().alone().into_service()))
    }
}

impl<B, E> Service<http::Request<B>> for MethodRouter<(), E>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = E;
    type Future = RouteFuture<E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.inner.call(request.map(Body::new))
    }
}

impl<S: Clone + 'static> Handler<(), S> for MethodRouter<S> {
    type Future = InfallibleRouteFuture;

    fn call(self, request: Request, state: S) -> Self::Future {
        Handler::call(self.inner, request, state)
    }
}
