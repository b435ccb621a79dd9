//! Where an application registers a middleware or handler, and what is known of it from there.

use std::any::type_name;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use crate::name;

/// What part a layer plays.
///
/// ```
/// use throughline_channel::observe;
/// use throughline_tower::{LayerContext, LayerKind};
///
/// let _subscription = observe("tracing:axum.layer:complete", |event| {
///     let layer = event.message::<LayerContext>();
///     if let Some(layer) = layer.filter(|layer| layer.kind() == LayerKind::ErrorHandler) {
///         println!("{} had to answer for {:?}", layer.name(), layer.incoming_error());
///     }
/// });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerKind {
    /// Something around a handler.
    Middleware,
    /// What answers the request: a handler function, a service, a fallback.
    Handler,
    /// What makes an answer of an error.
    ErrorHandler,
}

impl LayerKind {
    /// `middleware`, `handler` or `error_handler`.
    ///
    /// ```
    /// assert_eq!(throughline_tower::LayerKind::ErrorHandler.as_str(), "error_handler");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Middleware => "middleware",
            Self::Handler => "handler",
            Self::ErrorHandler => "error_handler",
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in the source that registers a layer. There are as many as the program has such places, so they are kept for
/// ever, and a request refers to one without counting.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) kind: LayerKind,
    pub(crate) name: String,
    pub(crate) type_name: &'static str,
    pub(crate) location: &'static Location<'static>,
}

type Key = (LayerKind, Option<&'static str>, &'static str, &'static Location<'static>);

static SITES: Mutex<Option<HashMap<Key, &'static Site>>> = Mutex::new(None);

impl Site {
    pub(crate) fn of_error_handler<F>(location: &'static Location<'static>) -> &'static Self {
        Self::new(LayerKind::ErrorHandler, None, type_name::<F>(), location)
    }

    /// `None` for what is no layer of the application: our own wrappers, and groups that hold nothing but them.
    pub(crate) fn of_layer<L>(location: &'static Location<'static>) -> Option<&'static Self> {
        let type_name = type_name::<L>();
        if name::stack(type_name).iter().all(|layer| is_ours(layer)) {
            return None;
        }
        let kind = match type_name.starts_with("axum::error_handling::HandleErrorLayer<") {
            true => LayerKind::ErrorHandler,
            false => LayerKind::Middleware,
        };
        Some(Self::new(kind, None, type_name, location))
    }

    /// `None` for routers, which are no layers but have some.
    pub(crate) fn of_service<S>(location: &'static Location<'static>) -> Option<&'static Self> {
        let type_name = type_name::<S>();
        // Arguments are not written where they are the default ones.
        let path = type_name.split('<').next().unwrap_or(type_name);
        let is_axum_s =
            matches!(path, "axum::routing::Router" | "axum::routing::method_routing::MethodRouter");
        let is_router = is_ours(type_name) || is_axum_s;
        (!is_router).then(|| Self::new(LayerKind::Handler, None, type_name, location))
    }

    pub(crate) fn named(&'static self, name: &'static str) -> &'static Self {
        Self::new(self.kind, Some(name), self.type_name, self.location)
    }

    pub(crate) fn with_kind(&'static self, kind: LayerKind) -> &'static Self {
        Self::new(kind, None, self.type_name, self.location)
    }

    fn new(
        kind: LayerKind,
        named: Option<&'static str>,
        type_name: &'static str,
        location: &'static Location<'static>,
    ) -> &'static Self {
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        let site = || {
            let name = named.map_or_else(|| label(type_name, location), str::to_owned);
            &*Box::leak(Box::new(Self { kind, name, type_name, location }))
        };
        let key = (kind, named, type_name, location);
        sites.get_or_insert_default().entry(key).or_insert_with(site)
    }
}

fn is_ours(type_name: &str) -> bool {
    type_name.strip_prefix(env!("CARGO_CRATE_NAME")).is_some_and(|rest| rest.starts_with("::"))
}

/// What to call an `F` that is registered at `location`.
pub(crate) fn name_of<F>(location: &Location<'_>) -> String {
    label(type_name::<F>(), location)
}

/// A closure is called by the place it is registered at.
fn label(type_name: &str, location: &Location<'_>) -> String {
    if let Some(label) = name::label(type_name) {
        return label;
    }
    let file = location.file();
    let from_src = file.rfind("src/").map_or(file, |at| &file[at..]);
    format!("{from_src}:{}", location.line())
}
