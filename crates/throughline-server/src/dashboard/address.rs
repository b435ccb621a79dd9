//! Addresses of pages: every state of every page is one.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a query these read better as they are.
const KEPT_IN_QUERY: &AsciiSet = &KEPT.remove(b':').remove(b',').remove(b'/');

/// A path with query parameters, written percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    path: String,
    query: Vec<(&'static str, String)>,
    fragment: Option<String>,
}

impl Address {
    /// The page at a fixed path.
    pub(super) fn page(path: &str) -> Self {
        Self { path: path.to_owned(), query: Vec::new(), fragment: None }
    }

    /// The page of one thing: `/sessions/{id}`.
    pub(super) fn of(folder: &str, id: &str) -> Self {
        Self::page(&format!("{folder}/{}", utf8_percent_encode(id, KEPT)))
    }

    /// A part of the page that an address without parameters leads to.
    pub(super) fn of_part(whole: &Self, name: &str) -> Self {
        Self::page(&format!("{}/{name}", whole.path))
    }

    pub(super) fn session(id: &str) -> Self {
        Self::of("/sessions", id)
    }

    pub(super) fn trace(id: impl fmt::Display) -> Self {
        Self::of("/traces", &id.to_string())
    }

    /// The same with the parameter set, or gone if the value is empty.
    #[must_use]
    pub(super) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.query.retain(|(known, _)| *known != key);
        if !value.is_empty() {
            self.query.push((key, value));
        }
        self
    }

    #[must_use]
    pub(super) fn without(self, key: &'static str) -> Self {
        self.with(key, "")
    }

    #[must_use]
    pub(super) fn at(mut self, fragment: impl Into<String>) -> Self {
        self.fragment = Some(fragment.into());
        self
    }

    /// The parameters, for the hidden fields of a form that keeps them.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.query.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        for (i, (key, value)) in self.query.iter().enumerate() {
            let sign = if i == 0 { '?' } else { '&' };
            write!(f, "{sign}{key}={}", utf8_percent_encode(value, KEPT_IN_QUERY))?;
        }
        match &self.fragment {
            Some(fragment) => write!(f, "#{}", utf8_percent_encode(fragment, KEPT)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_id_holds_stays_inside_its_segment() {
        assert_eq!(Address::session("a/../b?c=d#e f").to_string(), "/sessions/a%2F..%2Fb%3Fc%3Dd%23e%20f");
        assert_eq!(
            Address::session("javascript:alert(1)").to_string(),
            "/sessions/javascript%3Aalert%281%29"
        );
    }

    #[test]
    fn parameters_are_replaced_not_repeated() {
        let address =
            Address::page("/sessions").with("filter", "user:a&b").with("sort", "x").with("sort", "-cost");
        assert_eq!(address.to_string(), "/sessions?filter=user:a%26b&sort=-cost");
        assert_eq!(address.without("filter").at("main").to_string(), "/sessions?sort=-cost#main");
    }
}
