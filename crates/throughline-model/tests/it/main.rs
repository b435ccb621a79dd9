//! The crate from outside: requests in, facts out.
#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod captures;
mod check;
mod clients;
mod logs;
mod mapping;
mod messages;
mod partial;
mod requests;
mod rows;
mod support;
mod usage;
mod written;
