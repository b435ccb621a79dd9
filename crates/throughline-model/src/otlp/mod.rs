//! OpenTelemetry's protocol, read into our words.
//!
//! [`wire`] walks protobuf bytes without copying; [`SpanFacts`] is what one span says once the conventions of all
//! the clients we know have been mapped to one normal form (the table is in [`mapping`]).

mod facts;

pub use facts::{AttributeValue, SpanFacts};
