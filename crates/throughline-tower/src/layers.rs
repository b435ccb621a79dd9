//! Several layers at once, each seen on its own.

use std::panic::Location;

use crate::TracedLayer;

/// Layers in a tuple, first is outermost. What [`Router::layers`](crate::Router::layers) takes.
///
/// ```
/// use std::time::Duration;
/// use axum::http::StatusCode;
/// use throughline_tower::{Router, error_handling::HandleErrorLayer, routing::get};
/// use tower::timeout::TimeoutLayer;
///
/// async fn too_late(_: axum::BoxError) -> StatusCode { StatusCode::GATEWAY_TIMEOUT }
///
/// let app: Router = Router::new()
///     .route("/", get(|| async {}))
///     .layers((HandleErrorLayer::new(too_late), TimeoutLayer::new(Duration::from_secs(5))));
/// ```
pub trait Layers {
    /// The same layers, each of them traced.
    type Traced;

    /// Traces each of them as registered at `location`.
    fn traced_at(self, location: &'static Location<'static>) -> Self::Traced;
}

macro_rules! layers {
    ($($layer:ident)+) => {
        impl<$($layer),+> Layers for ($($layer,)+) {
            type Traced = ($(TracedLayer<$layer>,)+);

            #[allow(non_snake_case, reason = "a type parameter and its value share a name")]
            fn traced_at(self, location: &'static Location<'static>) -> Self::Traced {
                let ($($layer,)+) = self;
                ($(TracedLayer::at($layer, location),)+)
            }
        }
    };
}
layers!(L1);
layers!(L1 L2);
layers!(L1 L2 L3);
layers!(L1 L2 L3 L4);
layers!(L1 L2 L3 L4 L5);
layers!(L1 L2 L3 L4 L5 L6);
layers!(L1 L2 L3 L4 L5 L6 L7);
layers!(L1 L2 L3 L4 L5 L6 L7 L8);
