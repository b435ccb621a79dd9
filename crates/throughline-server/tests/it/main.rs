//! The server's integration tests, as one binary; a test in `tidy` fails when a file is not listed here.

mod arrows;
mod config;
mod events;
mod guard;
mod otlp_grpc;
mod otlp_http;
mod support;
mod tidy;
