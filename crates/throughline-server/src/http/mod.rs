//! What every door needs of HTTP: the state handed to handlers, the one mapping from errors to answers, request
//! ids, the guard of the open mode, and the layers around all routes.
//!
//! Nothing here knows a route.

mod clock;
mod closing;
mod error;
mod guard;
mod layers;
mod metrics;
mod project;
mod request_id;
mod state;

pub use clock::Clock;
pub use closing::{Closer, Closing};
pub use error::{Error, ErrorPage, ErrorView, Kind};
pub use guard::{Guard, is_local_origin};
pub use layers::{Outside, finish};
pub use metrics::{Counter, Metrics, Sample};
pub use project::Project;
pub use request_id::RequestId;
pub use state::{Limits, State};
