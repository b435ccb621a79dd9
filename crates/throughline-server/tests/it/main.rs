//! The server's integration tests, as one binary; a test in `tidy` fails when a file is not listed here.
#![expect(clippy::unwrap_used, reason = "a test that panics says where")]

mod api;
mod arrows;
mod browser;
mod captures;
mod chat;
mod cli;
mod clients;
mod config;
mod conformance;
mod crash;
mod demo;
mod embedded;
mod events;
mod full_disk;
mod guard;
mod langfuse;
mod langfuse_reading;
mod log_observations;
mod looks;
mod otlp_grpc;
mod otlp_http;
mod pages;
mod prices;
mod process;
mod replay;
mod router;
mod scores;
mod sdk;
mod support;
mod tidy;
