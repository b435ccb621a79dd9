//! The filter language: one grammar for lists, the API, the command line, the live stream and goals.
//!
//! ```text
//! user:alice cost:>0.10 tag:conversion model:"gpt-4o" error:true duration:>2m attr.ctx.order.id:ord_789 refund
//! model:gpt-4*,claude-* AND NOT env:staging (tool:search OR level:>=warn) -"out of stock" start:>-2h
//! ```
//!
//! Terms side by side must all match; `OR` binds less than that, `NOT` (or `-`) more; the three words count only in
//! capitals. `field:a,b` is a or b. Values with spaces or one of `"(),*` go in double quotes, where `\"`, `\\`, `\n`,
//! `\r` and `\t` are escapes and `*` is only itself; outside of them `*` at either end of a text leaves that end open,
//! and `field:*` asks for any value at all. [`FIELDS`] is the table of what can be asked for.
//!
//! What it means:
//! * A field or word without a value in the record does not match, whatever the comparison; under `NOT` it does.
//! * On sessions and traces, fields that only observations or events have (`type`, `model`, `tool`, `level`, `attr`, ...)
//!   and `name` match if any observation or event in them matches; two such terms need not match in the same one. All
//!   other fields are the session's or trace's own, as the API shows it: its total cost, its user, its start.
//! * Words are looked for in the text of observations (input, output, status and error message) and events (name,
//!   error message, text attributes), whole and regardless of case: see [`words`]. Words in one pair of quotes must all occur
//!   in the same observation or event, in any order; words side by side may occur in different ones.
//! * Cost is what was computed, else what the source gave.
//! * Everything else tells upper from lower case.

mod ast;
mod display;
mod error;
mod fields;
mod literal;
mod matching;
mod parser;
mod record;
#[cfg(test)]
mod tests;
pub mod words;

pub use ast::{Comparison, Field, Filter, Literal, Pattern};
pub use error::FilterError;
pub use fields::{FIELDS, FieldInfo, Kind, Target};
pub use literal::parse_time;
pub use parser::MAX_BYTES;
pub use record::{FieldValue, Record, SessionRecord, TraceRecord};
