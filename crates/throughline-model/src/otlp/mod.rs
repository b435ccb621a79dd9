//! OpenTelemetry's protocol, read into our words.
//!
//! ```text
//! JSON ── check_traces_json ─┐
//! body ── check_traces ──────┴─ each_span ── RawSpan ── facts() ── observation()
//!                                               └─ write_single()
//! JSON ── check_logs_json ─┐
//! body ── check_logs ──────┴─ each_log ── Event, or a one-span body for each_span
//! ```
//!
//! [`wire`] walks protobuf bytes without copying; [`SpanFacts`] is what one span says once the conventions of all
//! the clients we know have been mapped to one normal form (the table is in [`mapping`]).

pub mod mapping;
pub mod wire;

mod check;
mod context;
mod digest;
mod event;
mod facts;
mod indexed;
mod json;
mod json_tree;
mod log;
mod names;
mod naming;
mod observation;
mod partial;
mod reader;
mod record;
mod request;
mod schema;
mod sheet;
mod slots;
mod span;
mod span_events;
mod span_writer;
mod synthetic;
mod template;
mod usage;
mod value;

pub use check::{Checked, check_logs, check_logs_json, check_traces, check_traces_json};
pub use event::{events_to_logs, is_reserved};
pub use facts::{AttributeValue, SpanFacts};
pub use json::{logs_from_json, logs_to_json, traces_from_json, traces_to_json};
pub use log::{Log, each_log};
pub use observation::{attributes, observation, shown};
pub use partial::PartialSpan;
pub use request::{AttributeWriter, OutgoingLog, Request, attributes_of};
pub use span::{RawSpan, each_span};
pub use span_writer::{Origin, OutgoingSpan, spans_to_traces};
pub use synthetic::LoggedMessage;
pub use template::{LogTemplate, RecordWriter, WrittenKey};
