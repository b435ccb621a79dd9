//! The crate from outside: requests in, facts out.
#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod captures;
mod mapping;
mod messages;
mod rows;
mod support;
