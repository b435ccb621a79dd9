//! Connections that were upgraded: WebSockets, mostly.

use std::panic::Location;

use throughline_channel::{Context, InContext, Message, Traced, TracingChannel, Value};

use crate::RequestContext;
use crate::site::name_of;

/// The lifecycle of every upgraded connection that [`traced_socket`] was told about.
///
/// ```
/// let _subscription = throughline_channel::observe(throughline_tower::WEBSOCKET.name(), |event| {
///     println!("{:?} {}", event.kind(), event.label());
/// });
/// ```
pub static WEBSOCKET: TracingChannel<SocketContext> = TracingChannel::new("axum.websocket");

/// What an upgraded connection tells about itself.
///
/// | field | value |
/// |---|---|
/// | `socket.name` | the function's name |
/// | `http.request.method`, `url.path`, `http.route` | those of the request that was upgraded |
///
/// ```
/// use throughline_channel::observe;
/// use throughline_tower::SocketContext;
///
/// let _subscription = observe("tracing:axum.websocket:complete", |event| {
///     if let Some(socket) = event.message::<SocketContext>() {
///         println!("{} of {:?} is over", socket.name(), socket.request().map(|request| request.path()));
///     }
/// });
/// ```
#[derive(Debug, Clone)]
pub struct SocketContext {
    name: String,
    request: Option<RequestContext>,
}

impl SocketContext {
    /// The function's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The request that was upgraded, if that was traced.
    pub const fn request(&self) -> Option<&RequestContext> {
        self.request.as_ref()
    }
}

impl Message for SocketContext {
    fn label(&self) -> &str {
        &self.name
    }

    fn fields(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("socket.name", Value::Str(&self.name));
        let Some(request) = &self.request else { return };
        visit("http.request.method", Value::Str(request.method().as_str()));
        visit("url.path", Value::Str(request.path()));
        if let Some(route) = request.route() {
            visit("http.route", Value::Str(route));
        }
    }
}

/// Publishes what `callback` does with an upgraded connection on [`WEBSOCKET`], from the upgrade until it returns. Call
/// it in the handler: the connection keeps the context from there, with its session, and knows its request.
///
/// The request itself ends with the response that grants the upgrade.
///
/// ```
/// # mod ws {
/// #     pub struct WebSocket;
/// #     pub struct WebSocketUpgrade;
/// #     impl WebSocketUpgrade {
/// #         pub fn on_upgrade<F: FnOnce(WebSocket) -> R + Send + 'static, R: Future<Output = ()> + Send>(self, _: F) {}
/// #     }
/// # }
/// # use ws::{WebSocket, WebSocketUpgrade}; // axum::extract::ws
/// use throughline_tower::traced_socket;
///
/// async fn chat(socket: WebSocket) { /* ... */ }
///
/// async fn upgrade(upgrade: WebSocketUpgrade) {
///     upgrade.on_upgrade(traced_socket(chat))
/// }
/// ```
#[track_caller]
pub fn traced_socket<F, S, Fut>(callback: F) -> impl FnOnce(S) -> InContext<Traced<Fut, SocketContext>>
where
    F: FnOnce(S) -> Fut,
    Fut: Future,
{
    let (location, context) = (Location::caller(), Context::current());
    move |socket| {
        let message = || SocketContext { name: name_of::<F>(location), request: RequestContext::current() };
        let work = context.run(|| WEBSOCKET.trace_future(message, callback(socket)));
        context.follow(work)
    }
}
