//! Parameters as Langfuse's clients send them, and pages as they count them.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::is;
use crate::api::list;
use crate::api::params::refuse;
use crate::domain::filter::{Field, Filter};
use crate::domain::query::{ListQuery, MAX_LIMIT, Page, Sort, SortField};
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
    pub(super) fn only(&self, known: &[Vec<String>]) -> Result<(), Error> {
        match self.0.keys().find(|name| !known.iter().flatten().any(|known| known == *name)) {
            None => Ok(()),
            Some(name) => {
                let message =
                    format!("unknown parameter `{name}`, expected one of {}", known.concat().join(", "));
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

    /// Whether it was not given, or one of its values is this one.
    pub(super) fn allows(&self, name: &str, value: &str) -> bool {
        let mut values = self.all(name).peekable();
        values.peek().is_none() || values.any(|given| given == value)
    }

    /// What a parameter asks for: one of the values given, or any.
    pub(super) fn any_of(&self, name: &str, is: impl Fn(&str) -> Filter) -> Option<Filter> {
        let given: Vec<Filter> = self.all(name).map(is).collect();
        (!given.is_empty()).then(|| Filter::any_of(given))
    }

    /// What `environment` asks for.
    pub(super) fn environment(&self) -> Option<Filter> {
        self.any_of("environment", |name| is(Field::Environment, name))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        let Some(text) = self.one(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| refuse(name, text, "a number"))
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

/// Some of the rows of a list, in its order.
pub(super) struct Cut<T> {
    pub(super) rows: Vec<T>,
    /// Whether there are more after them.
    pub(super) is_cut: bool,
}

/// Reads on until there are `query.limit` of the rows that `keep` makes something of, after `skip` others.
pub(super) async fn cut<T, R, Reading>(
    skip: usize,
    mut query: ListQuery,
    read: impl Fn(ListQuery) -> Reading,
    keep: impl Fn(T) -> Option<R>,
) -> Result<Cut<R>, Error>
where
    Reading: Future<Output = Result<Page<T>, ReadError>>,
{
    let (limit, mut left) = (query.limit, skip);
    // One more tells whether there is more.
    query.limit = (limit + 1).min(MAX_LIMIT);
    let mut rows = Vec::new();
    loop {
        let page = read(query.clone()).await?;
        for row in page.rows.into_iter().filter_map(&keep) {
            if left > 0 {
                left -= 1;
            } else if rows.len() < limit {
                rows.push(row);
            } else {
                return Ok(Cut { rows, is_cut: true });
            }
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(Cut { rows, is_cut: false });
        }
    }
}

/// What stands below a page. How much there is in all is known as far as the page after this one.
pub(super) fn meta<T>(number: usize, limit: usize, cut: &Cut<T>) -> Value {
    let items = (number - 1) * limit + cut.rows.len() + usize::from(cut.is_cut);
    json!({"page": number, "limit": limit, "totalItems": items, "totalPages": items.div_ceil(limit)})
}
