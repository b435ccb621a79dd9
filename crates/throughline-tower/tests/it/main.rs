//! What an axum application publishes, seen from outside: real requests over loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

mod errors;
mod layers;
mod naming;
mod page;
mod requests;
mod sessions;
mod sockets;
mod spans;
mod support;
