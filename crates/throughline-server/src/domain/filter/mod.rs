//! The filter language: one grammar for lists, the API, the command line, the live stream and goals.

mod ast;
pub mod words;

pub use ast::{Comparison, Field, Filter, Literal, Pattern};
