//! Sessions: who acts in which context, set once and carried by everything that is emitted from there on.

mod builder;
mod handle;
mod opening;
mod prepared;
mod state;

pub use builder::SessionBuilder;
pub use handle::Session;
pub(crate) use prepared::Prepared;
pub use state::SessionState;
pub(crate) use state::{Shared, Since};
