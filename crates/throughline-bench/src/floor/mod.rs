//! Floors: what the same work costs with nothing around it. No checks, no queries, no crash safety, and at most a server
//! that hands on what it gets; the index library alone, texts included, with the store's options, and the same bytes.

mod http;
mod index;
mod log;
mod wire;

pub(crate) use http::append_and_sync_behind_http;
pub(crate) use index::index;
pub(crate) use log::{append_and_sync, append_and_sync_beside_writes};
