//! What surrounds every page: title, navigation, theme, assets.

use std::convert::Infallible;

use askama::Template;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::response::Html;
use http::header::HOST;
use http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::assets;
use super::theme::Theme;
use crate::http::Error;

/// The part of the site that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Sessions,
    Traces,
    Events,
    Analytics,
    Live,
    Elsewhere,
}

/// What a page needs to know of the request, whatever it shows.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    theme: Theme,
    /// Path and query.
    here: String,
    /// Name and port that the reader reached the server by.
    pub host: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::new(&parts.headers, &parts.uri))
    }
}

impl Visit {
    pub(super) fn new(headers: &HeaderMap, uri: &Uri) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        let authority = uri.authority().map(ToString::to_string);
        let here = uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        Self { theme: Theme::of(headers), here, host: host.or(authority) }
    }

    pub(super) fn frame(&self, section: Section, title: impl Into<String>) -> Frame {
        Frame { title: title.into(), section, theme: self.theme, here: self.here.clone() }
    }
}

/// The query's parameters; a query that cannot be read is an error page like any other.
#[derive(Debug)]
pub(super) struct Asked<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let query = Query::try_from_uri(&parts.uri).map_err(|wrong| Error::bad_request(wrong.body_text()))?;
        Ok(Self(query.0))
    }
}

/// The id in the path.
#[derive(Debug)]
pub(super) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|wrong| Error::bad_request(wrong.body_text()))
    }
}

/// What the base template shows.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub title: String,
    section: Section,
    theme: Theme,
    pub here: String,
}

impl Frame {
    pub(super) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    pub(super) fn theme(&self) -> &'static str {
        self.theme.as_str()
    }

    pub(super) fn other_theme(&self) -> &'static str {
        self.theme.other()
    }

    /// The navigation: address, name, whether the page belongs there.
    pub(super) fn sections(&self) -> [(&'static str, &'static str, bool); 5] {
        [
            ("/sessions", "Sessions", Section::Sessions),
            ("/traces", "Traces", Section::Traces),
            ("/events", "Events", Section::Events),
            ("/analytics", "Analytics", Section::Analytics),
            ("/live", "Live", Section::Live),
        ]
        .map(|(href, name, section)| (href, name, section == self.section))
    }
}

/// A page as an answer.
pub(super) fn html(page: &impl Template) -> Result<Html<String>, Error> {
    page.render().map(Html).map_err(Error::internal)
}
