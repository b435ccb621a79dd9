//! Handlers whose lifecycle is published.

use std::hint::cold_path;
use std::panic::Location;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use throughline_channel::{ErrorRecord, Traced};

use crate::layer::is_listened_to;
use crate::site::Site;
use crate::{LAYER, LayerContext, RequestContext};

/// Publishes what `handler` does on [`LAYER`]. For plain axum routers, or to give a handler a name; the drop-in
/// [`routing`](crate::routing) functions do it by themselves.
///
/// ```
/// use throughline_tower::traced_handler;
///
/// async fn show() -> &'static str { "hello" }
///
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(traced_handler(show)))
///     .route("/ping", axum::routing::get(traced_handler(|| async { "pong" }).named("ping")));
/// ```
#[track_caller]
pub fn traced_handler<H>(handler: H) -> TracedHandler<H> {
    TracedHandler::at(handler, Location::caller())
}

/// A handler that publishes what it does. Made by [`traced_handler`].
///
/// It covers the extractors too: the response of one that rejects the request is the handler's response. An extractor
/// has no error to publish, only a status; a rejection of your own can call
/// [`report_error`](throughline_channel::report_error) in its `into_response`.
///
/// ```
/// use std::future::{Ready, ready};
/// use throughline_tower::{TracedHandler, traced_handler};
///
/// /// A handler by name: for what returns one.
/// fn ping() -> TracedHandler<fn() -> Ready<&'static str>> {
///     let pong: fn() -> Ready<&'static str> = || ready("pong");
///     traced_handler(pong).named("ping")
/// }
/// let app: axum::Router = axum::Router::new().route("/ping", axum::routing::get(ping()));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TracedHandler<H> {
    handler: H,
    site: Option<&'static Site>,
}

impl<H> TracedHandler<H> {
    pub(crate) fn at(handler: H, location: &'static Location<'static>) -> Self {
        Self { handler, site: Site::of_service::<H>(location) }
    }

    /// Gives it a name.
    ///
    /// ```
    /// let handler = throughline_tower::traced_handler(|| async { "pong" }).named("ping");
    /// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(handler));
    /// ```
    #[must_use = "gives the named handler"]
    pub fn named(mut self, name: &'static str) -> Self {
        self.site = self.site.map(|site| site.named(name));
        self
    }
}

impl<H: Handler<T, S>, T, S> Handler<T, S> for TracedHandler<H> {
    type Future = Traced<H::Future, LayerContext>;

    #[inline]
    fn call(self, request: Request, state: S) -> Self::Future {
        if is_listened_to() {
            cold_path();
            return self.call_listened_to(request, state);
        }
        LAYER.untraced(self.handler.call(request, state))
    }
}

impl<H> TracedHandler<H> {
    #[inline(never)]
    fn call_listened_to<T, S>(self, request: Request, state: S) -> Traced<H::Future, LayerContext>
    where
        H: Handler<T, S>,
    {
        let Self { handler, site } = self;
        RequestContext::pass_route(&request);
        let message = |request: &Request| site.map(|site| LayerContext::new(site, request));
        LAYER.trace_call(request, message, |request| handler.call(request, state), note_response)
    }
}

fn note_response(layer: &LayerContext, response: &Response) -> Option<ErrorRecord> {
    layer.note_response(response);
    None
}
