//! Services that are copied only when they are used.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

/// Makes the services of a layer cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SharedLayer<L>(pub(super) L);

impl<S, L: Layer<S>> Layer<S> for SharedLayer<L> {
    type Service = Shared<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        Shared { original: Arc::new(self.0.layer(inner)), own: None }
    }
}

/// A service that copies the one it was made from when it is first asked whether it is ready.
///
/// axum clones a layer's service several times per request, and to clone it is to clone everything inside it. Most
/// copies are never called, and a copy of this one is a count and an empty place. That makes up for more than what a
/// layer that nobody listens to costs.
#[derive(Debug)]
pub(super) struct Shared<S> {
    original: Arc<S>,
    own: Option<S>,
}

/// A copy need not be ready because this one is, so it starts afresh.
impl<S> Clone for Shared<S> {
    #[inline]
    fn clone(&self) -> Self {
        Self { original: self.original.clone(), own: None }
    }
}

impl<S: Clone> Shared<S> {
    #[inline]
    fn own(&mut self) -> &mut S {
        self.own.get_or_insert_with(|| S::clone(&self.original))
    }
}

impl<S: Service<R> + Clone, R> Service<R> for Shared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.own().poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> S::Future {
        self.own().call(request)
    }
}
