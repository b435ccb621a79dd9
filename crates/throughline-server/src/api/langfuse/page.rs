//! Parameters as Langfuse's clients send them, and pages as they count them.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde_json::{Value, json};

use crate::api::list;
use crate::api::params::refuse;
use crate::domain::filter::Filter;
use crate::domain::query::{ListQuery, Page, Sort, SortField};
use crate::http::{Error, State};

const DEFAULT_LIMIT: usize = 50;
/// Pages are counted out, so they cannot go on for ever.
const LAST_PAGE: usize = 1000;

/// The query string. A parameter may be given several times, and its values may be separated by commas.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeMap<String, Vec<String>>);

impl FromRequestParts<State> for Given {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &State) -> Result<Self, Error> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| Error::bad_request(error.body_text()).code("invalid_parameter"))?;
        let mut given = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            given.entry(name).or_default().push(value);
        }
        Ok(Self(given))
    }
}

impl Given {
    /// Refuses what a route does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Error> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let message = format!("unknown parameter `{name}`, expected one of {}", known.join(", "));
                Err(Error::bad_request(message).code("invalid_parameter").with("parameter", name.as_str()))
            }
        }
    }

    /// The last value that was given.
    pub(super) fn one(&self, name: &str) -> Option<&String> {
        self.0.get(name).and_then(|values| values.last())
    }

    /// Every value that was given.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().flat_map(|values| values.split(','))
    }

    /// The number of the page, from 1.
    pub(super) fn page(&self) -> Result<usize, Error> {
        let Some(text) = self.one("page") else { return Ok(1) };
        let page = text.parse().ok().filter(|page| (1..=LAST_PAGE).contains(page));
        page.ok_or_else(|| refuse("page", text, &format!("a whole number from 1 to {LAST_PAGE}")))
    }

    pub(super) fn limit(&self) -> Result<usize, Error> {
        list::limit(self.one("limit"), DEFAULT_LIMIT)
    }

    /// The list asked for, by `fromTimestamp`, `toTimestamp` and `limit`; the latest first.
    pub(super) fn query(&self, filter: Filter, state: &State) -> Result<ListQuery, Error> {
        let now = state.clock.now();
        let (from, to) = list::range_named(["fromTimestamp", "toTimestamp"], |name| self.one(name), now)?;
        let sort = Sort { by: SortField::StartTime, descending: true };
        Ok(ListQuery { filter, from, to, sort, limit: self.limit()?, after: None, now })
    }
}

/// The way from the first page to the one with a number.
#[derive(Debug)]
pub(super) struct Walk {
    left: usize,
}

impl Walk {
    pub(super) fn to(number: usize) -> Self {
        Self { left: number.saturating_sub(1) }
    }

    /// The page, if it is the one or there is none after it; else the query goes on where it ended.
    pub(super) fn arrive<T>(&mut self, mut page: Page<T>, query: &mut ListQuery) -> Option<Page<T>> {
        if self.left == 0 {
            return Some(page);
        }
        self.left -= 1;
        query.after = page.next.take();
        if query.after.is_some() {
            return None;
        }
        page.rows.clear();
        Some(page)
    }
}

/// What stands below a page. How much there is in all is known as far as the page after this one.
pub(super) fn meta<T>(number: usize, limit: usize, page: &Page<T>) -> Value {
    let more = usize::from(page.next.is_some());
    let items = (number - 1) * limit + page.rows.len() + more;
    json!({"page": number, "limit": limit, "totalItems": items, "totalPages": items.div_ceil(limit)})
}
