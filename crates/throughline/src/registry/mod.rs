//! What events, actors and scopes there are: registered before use, and checked at every emit.

mod check;
mod events;
mod schema;
mod typed;

pub(crate) use check::{Checked, Registrations, Registry};
pub use check::{Validation, ValidationMode};
pub use events::{EventGroup, Events, Kind};
pub use schema::{AttributeSchema, AttributeType, Schema};
pub use typed::{TypedAttribute, TypedEvent};
