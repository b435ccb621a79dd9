//! Parameters as Langfuse's clients send them, and pages as they count them.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::is;
use crate::api::list;
use crate::api::params::refuse;
use crate::domain::filter::{Field, Filter};
use crate::domain::query::{ListQuery, Page, Sort, SortField};
use crate::http::{Error, State};
use crate::store::ReadError;

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

    /// What `environment` asks for: one of those given, or any.
    pub(super) fn environment(&self) -> Option<Filter> {
        let given = self.all("environment").map(|name| is(Field::Environment, name));
        let given: Vec<Filter> = given.collect();
        (!given.is_empty()).then(|| Filter::any_of(given))
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

/// Reads on to the page with this number, from 1; it is empty if there are not so many.
pub(super) async fn walk_to<T, Reading>(
    number: usize,
    mut query: ListQuery,
    read: impl Fn(ListQuery) -> Reading,
) -> Result<Page<T>, Error>
where
    Reading: Future<Output = Result<Page<T>, ReadError>>,
{
    let mut page = read(query.clone()).await?;
    for _ in 1..number {
        query.after = page.next.take();
        if query.after.is_none() {
            page.rows.clear();
            break;
        }
        page = read(query.clone()).await?;
    }
    Ok(page)
}

/// What stands below a page. How much there is in all is known as far as the page after this one.
pub(super) fn meta<T>(number: usize, limit: usize, page: &Page<T>) -> Value {
    let more = usize::from(page.next.is_some());
    let items = (number - 1) * limit + page.rows.len() + more;
    json!({"page": number, "limit": limit, "totalItems": items, "totalPages": items.div_ceil(limit)})
}
