//! Every layer of an axum application, published as it runs.
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
