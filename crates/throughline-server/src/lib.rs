//! One binary that takes OpenTelemetry in and shows sessions. ARCHITECTURE.md is the map of these rooms; a test
//! holds the arrows between them.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod domain;
pub mod http;
pub mod ingest;
pub mod store;
