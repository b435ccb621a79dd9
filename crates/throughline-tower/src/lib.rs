//! Sessions from requests, and every router layer of an axum application on the waterfall.
//!
//! Two `use` lines, and each request shows its middlewares, handler and error handlers as nested spans with their own
//! time, with errors where they began and whether somebody handled them:
//!
//! ```
//! use throughline::Telemetry;
//! use throughline_tower::{LayerExporter, SessionLayer};
//! use throughline_tower::{Router, routing::get}; // instead of axum's
//!
//! async fn show() -> &'static str { "hello" }
//!
//! let telemetry = Telemetry::builder("shop").build()?;
//! let _export = LayerExporter::new(&telemetry).start();
//! let app: Router = Router::new()
//!     .route("/users/{id}", get(show))
//!     .layer(SessionLayer::new(&telemetry).actor_from_header("user", "x-user-id"));
//! # Ok::<(), throughline::Error>(())
//! ```
//!
//! * [`Router`] and [`routing`]: drop-in, everything registered is traced under the name it has in the source.
//! * [`traced`], [`traced_handler`], [`RequestLayer`]: the same, piece by piece, on plain axum routers.
//! * [`error_handling`]: error handlers that are seen when they run.
//! * [`SessionLayer`]: who acts, in which context, from headers or extractors. [`propagate`] passes it on.
//! * [`LayerExporter`]: from channels to spans. Anybody else may listen to the channels too.
//!
//! # Channels
//!
//! | channel | one piece of work is | it tells |
//! |---|---|---|
//! | `http.server.request` ([`REQUEST`]) | a request, to the end of its response's body | [`RequestContext`] |
//! | `axum.layer` ([`LAYER`]) | a middleware, handler or error handler that runs | [`LayerContext`] |
//! | `axum.websocket` ([`WEBSOCKET`]) | an upgraded connection, see [`traced_socket`] | [`SocketContext`] |
//!
//! The fields of each are listed at its context. The events are those of every tracing channel: `start`, `end`,
//! `asyncStart`, `asyncEnd`, `error`, `cancel` and one `complete`
//! ([what happens when](throughline_channel#what-happens-when)). In particular:
//!
//! * What is inside closes before what is around it, also when the client hangs up: then everything open is cancelled.
//! * A layer that is not reached, because one around it answered, publishes nothing. Neither does axum's own 404 or 405.
//! * An extractor that rejects a request makes a response, not an error: the handler completes with that status.
//! * A request is over with the last frame of its body; at once for `HEAD`, 204, 304 and upgrades. If the client
//!   leaves before, it is cancelled; if the body fails, that is the request's error.
//! * Bodies are never published; header values only if [`RequestLayer`] was told to; paths without their query.
//!
//! # Errors
//!
//! An error is published once, by the layer it began in. Services fail by returning `Err`, also when they are asked
//! whether they are ready, or by a panic. A handler's error is a response by the time anybody sees it; call
//! [`report_error`](throughline_channel::report_error) in its `into_response` to publish it. A 5xx status alone is
//! data, not an error. The record learns later who handled it: an error handler, a layer that succeeded all the same,
//! or the handler that made a response of it.
//!
//! # What is exported
//!
//! [`LayerExporter`] makes an observation of type `layer` of each layer, called like `middleware auth`, and one of each
//! request, called like `GET /users/{id}`. Their attributes are the fields of the channel and, where they apply:
//!
//! | attribute | meaning |
//! |---|---|
//! | `layer.before_ms`, `layer.after_ms` | time before the first and after the last layer inside; absent if there is none |
//! | `layer.self_ms` | time that was not spent in layers inside |
//! | `layer.busy_ms` | time spent in polls, what is inside included: the rest was waiting |
//! | `error.handled`, `error.handled_by`, `error.handled_how` | whether all errors that began here were handled; of the first, by whom and how: `recovered`, `converted`, `explicit` |
//! | `error.count`, `error.wraps` | how many errors began here if more than one; the earlier error that the first was made from |
//! | `error.propagated` | failed with an error that began further in |
//! | `cancelled`, `cancelled.reason` | dropped before it had a result: `dropped` or `unwinding` |
//! | `link.trace_id`, `link.span_id` | of an upgraded connection, which is a trace of its own: its request |
//!
//! # What is stable
//!
//! Names of channels, keys of fields and attributes, and the events are the contract: removing or renaming one is a
//! breaking change, adding one is not. `layer.name` and `code.function.name` are made from the names of Rust types,
//! which the compiler may change: they are labels. Give a layer a name ([`TracedLayer::named`]) where you rely on it.
//!
//! # Cost
//!
//! While nobody listens, a layer costs two relaxed loads and allocates nothing of its own. (axum boxes a copy of each
//! handler per request; a handler without state, which takes no room, takes a word when it is traced. Of the layers of
//! the drop-in [`Router`], axum's copies are only counted until one is used.)
//! `cargo bench --package throughline-tower` compares with plain axum.
#![warn(missing_docs)]

mod body;
pub mod error_handling;
mod exporter;
mod handler;
mod layer;
mod layers;
mod name;
mod propagation;
mod request;
pub mod routing;
mod session;
mod site;
mod socket;

pub use exporter::{Export, LayerExporter};
pub use handler::{TracedHandler, traced_handler};
pub use layer::{LAYER, LayerContext, TracedLayer, TracedService, traced};
pub use layers::Layers;
pub use propagation::propagate;
pub use request::{REQUEST, RequestContext, RequestFuture, RequestLayer, RequestService};
pub use routing::Router;
pub use session::{SessionLayer, SessionService};
pub use site::LayerKind;
pub use socket::{SocketContext, WEBSOCKET, traced_socket};

/// What the page on channels shows is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/channels.md")]
struct ChannelsPage;
