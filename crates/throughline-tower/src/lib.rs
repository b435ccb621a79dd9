//! Every layer of an axum application, published as it runs.
#![warn(missing_docs)]

mod body;
pub mod error_handling;
mod handler;
mod layer;
mod layers;
mod name;
mod request;
pub mod routing;
mod site;
mod socket;

pub use handler::{TracedHandler, traced_handler};
pub use layer::{LAYER, LayerContext, TracedLayer, TracedService, traced};
pub use layers::Layers;
pub use request::{REQUEST, RequestContext, RequestFuture, RequestLayer, RequestService};
pub use routing::Router;
pub use site::LayerKind;
pub use socket::{SocketContext, WEBSOCKET, traced_socket};
