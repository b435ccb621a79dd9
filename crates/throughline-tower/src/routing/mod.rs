//! axum's router and routing functions, drop-in, with every layer and handler traced.
//!
//! ```
//! use throughline_tower::{Router, routing::get};
//!
//! async fn list() {}
//! async fn create() {}
//!
//! let app: Router = Router::new().route("/users", get(list).post(create));
//! ```

mod method_router;
mod router;
mod shared;

pub use axum::routing::MethodFilter;
pub use method_router::{
    MethodRouter, any, any_service, connect, connect_service, delete, delete_service, get, get_service, head,
    head_service, on, on_service, options, options_service, patch, patch_service, post, post_service, put,
    put_service, trace, trace_service,
};
pub use router::Router;
