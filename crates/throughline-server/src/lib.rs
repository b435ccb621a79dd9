//! One binary that takes OpenTelemetry in and shows sessions. ARCHITECTURE.md is the map of these rooms; a test
//! holds the arrows between them.

pub mod domain;
pub mod http;
pub mod store;
