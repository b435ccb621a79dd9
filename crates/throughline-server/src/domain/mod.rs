//! What the numbers mean. Pure: no async, no I/O, no clock; plain values in, plain values out.

pub mod analytics;
pub mod arrival;
pub mod filter;
pub mod langfuse;
pub mod lifecycle;
pub mod logged_messages;
pub mod preview;
pub mod price;
pub mod query;
pub mod score;
pub mod session_cost;
pub mod session_summary;
pub mod trace_records;
pub mod trace_start;
pub mod trace_summary;
pub mod visible;
