//! The doors that data comes in through: OTLP over HTTP and gRPC, event envelopes and scores as JSON.
//!
//! By transport, not by signal: `http` and `grpc` know how bytes arrive and how answers leave, `content` what
//! may be in a body, `intake` checks and stores whatever the transport was. What is wrong gets the protocol's own
//! answer; a single bad record never refuses the ones beside it.

mod content;
mod envelope;
mod events;
mod grpc;
mod http;
mod intake;
mod json_request;
mod langfuse;
mod reply;
mod room;
mod score;
mod scores;

pub use self::grpc::routes as grpc_routes;
pub use self::http::routes;
pub use self::room::Room;
