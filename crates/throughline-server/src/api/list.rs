//! What all lists have in common: filter, time range, order, paging.

use serde::{Deserialize, Serialize};
use throughline_model::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use super::params::{self, given, one_of, refuse};
use crate::domain::filter::{Target, parse_time};
use crate::domain::query::{Cursor, ListQuery, MAX_LIMIT, Page, Sort, SortField};
use crate::http::{Error, State};

const DEFAULT_LIMIT: usize = 50;

/// The parameters of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Which rows: see "Filter language" above.
    #[param(example = "user:alice cost:>0.10 -env:staging refund")]
    pub(super) filter: Option<String>,
    /// Only what was going on at or after this time: RFC 3339, a date (its beginning, UTC), or how long ago (`-24h`).
    #[param(example = "-24h")]
    pub(super) from: Option<String>,
    /// Only what began before this time: RFC 3339, a date (its end, UTC), or how long ago (`-1h`).
    pub(super) to: Option<String>,
    /// What to order by, with `-` for the largest or latest first. Ties are broken by id.
    pub(super) sort: Option<String>,
    /// The most rows to answer with: 1 to 1000, 50 if not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) limit: Option<String>,
    /// Where to go on: the `nextCursor` of the page before. Filter, range and order must stay the same.
    pub(super) cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<T> {
    /// The rows, in the order asked for.
    pub(super) data: Vec<T>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    pub(super) next_cursor: Option<String>,
}

/// What makes one list differ from another.
pub(super) struct Listing {
    pub(super) name: &'static str,
    /// What its filter can ask for.
    pub(super) targets: &'static [Target],
    /// What it can be ordered by, under the names that its rows have in JSON.
    pub(super) sorts: &'static [(&'static str, SortField)],
    pub(super) default_sort: &'static str,
}

/// A list request read and checked, and what its cursors are bound to.
pub(super) struct ListRequest {
    pub(super) query: ListQuery,
    place: String,
}

impl Listing {
    /// Reads and checks the parameters.
    pub(super) fn request(&self, params: &ListParams, state: &State) -> Result<ListRequest, Error> {
        let now = state.clock.now();
        let (sort_name, sort) = self.sort(given(params.sort.as_ref()))?;
        let place = format!("{} {sort_name}", self.name);
        let (from, to) = range(params.from.as_ref(), params.to.as_ref(), now)?;
        let query = ListQuery {
            filter: params::filter(params.filter.as_ref(), self.targets, state)?,
            from,
            to,
            sort,
            limit: limit(params.limit.as_ref(), DEFAULT_LIMIT)?,
            after: after(&place, params.cursor.as_ref())?,
            now,
        };
        Ok(ListRequest { query, place })
    }

    fn sort(&self, given: Option<&str>) -> Result<(String, Sort), Error> {
        let text = given.unwrap_or(self.default_sort);
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let found = self.sorts.iter().find(|(known, _)| *known == name);
        let by = found.map(|(_, by)| *by).ok_or_else(|| {
            let names = one_of(self.sorts.iter().map(|(name, _)| *name));
            refuse("sort", text, &format!("{names}, with - before it for the largest first"))
        })?;
        Ok((text.to_owned(), Sort { by, descending }))
    }
}

impl ListRequest {
    /// The answer's form of a page.
    pub(super) fn answer<T, R: From<T>>(&self, page: Page<T>) -> List<R> {
        answer(&self.place, page)
    }
}

/// The answer's form of a page of the list that `place` names.
pub(super) fn answer<T, R: From<T>>(place: &str, page: Page<T>) -> List<R> {
    let next_cursor = page.next.map(|next| cursor::encode(place, &next));
    List { data: page.rows.into_iter().map(R::from).collect(), next_cursor }
}

/// Reads `cursor` for the list that `place` names.
pub(super) fn after(place: &str, cursor: Option<&String>) -> Result<Option<Cursor>, Error> {
    given(cursor).map(|cursor| cursor::decode(place, cursor)).transpose()
}

/// Reads `limit`.
pub(super) fn limit(text: Option<&String>, default: usize) -> Result<usize, Error> {
    let Some(text) = given(text) else { return Ok(default) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| refuse("limit", text, &format!("a whole number from 1 to {MAX_LIMIT}")))
}

/// Reads `from` and `to`.
pub(super) fn range(
    from: Option<&String>,
    to: Option<&String>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
    range_named(["from", "to"], |name| if name == "from" { from } else { to }, now)
}

/// Reads a range whose ends go by other names.
pub(super) fn range_named<'a>(
    [start_name, end_name]: [&str; 2],
    value: impl Fn(&str) -> Option<&'a String>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
    let time = |name: &str| {
        let Some(text) = given(value(name)) else { return Ok(None) };
        let time = parse_time(text, name == end_name, now);
        let allowed = "an RFC 3339 time, a date (2024-01-15) or how long ago (-24h)";
        time.map(Some).ok_or_else(|| refuse(name, text, allowed))
    };
    let range = (time(start_name)?, time(end_name)?);
    if let (Some(start), Some(end)) = range
        && start >= end
    {
        let allowed = format!("a time after {start_name} ({start})");
        return Err(refuse(end_name, given(value(end_name)).unwrap_or_default(), &allowed));
    }
    Ok(range)
}
