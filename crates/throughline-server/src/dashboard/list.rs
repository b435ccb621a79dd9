//! What the pages of sessions, traces and events have in common: they read the same parameters, ask the store for one
//! page, and show a filter bar, presets, column heads and the way on around their rows.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use throughline_model::Timestamp;

use super::address::Address;
use super::column::{Column, Heading, columns};
use super::finder::Finder;
use super::frame::{Visit, html};
use super::list_place::{self, Range};
use super::snippets::Snippets;
use crate::domain::filter::Target;
use crate::domain::query::{ListQuery, Page, Sort};
use crate::http::Error;
use crate::store::ReadError;

/// One of the lists.
pub(super) struct Kind {
    /// Its address, here and, behind `/api/v1`, in the API.
    pub path: &'static str,
    /// What one row is called.
    pub noun: &'static str,
    pub targets: &'static [Target],
    pub rows: usize,
    pub usual_order: Sort,
    /// Without any it cannot be sorted otherwise.
    pub headings: &'static [Heading],
    /// Name, filter, order.
    pub presets: &'static [(&'static str, &'static str, &'static str)],
}

/// What a list is asked for, as in its address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    filter: String,
    range: String,
    from: String,
    to: String,
    sort: String,
    after: String,
}

/// A list as it was asked for.
pub(super) struct Asking {
    kind: &'static Kind,
    parameters: Parameters,
    finder: Finder,
    query: ListQuery,
    /// Nothing restricts it.
    pub everything: bool,
}

/// What is around the rows.
pub(super) struct List {
    pub finder: Finder,
    pub presets: Vec<Preset>,
    pub columns: Vec<Column>,
    pub next: Option<String>,
    pub first: Option<String>,
    /// There is nothing at all, rather than nothing like this.
    pub nothing: bool,
    /// Where a script asks for rows that are new since; none behind the first page.
    pub arrivals: Option<String>,
    pub noun: &'static str,
    pub snippets: Snippets,
}

pub(super) struct Preset {
    pub name: &'static str,
    pub href: String,
    pub chosen: bool,
}

impl Kind {
    fn address(&self, parameters: &Parameters) -> Address {
        Address::page(self.path)
            .with("filter", &parameters.filter)
            .with("range", &parameters.range)
            .with("from", &parameters.from)
            .with("to", &parameters.to)
            .with("sort", if self.headings.is_empty() { "" } else { &parameters.sort })
    }
}

impl Asking {
    pub(super) fn new(kind: &'static Kind, parameters: Parameters, now: Timestamp) -> Self {
        let address = kind.address(&parameters);
        let Parameters { filter, range, from, to, sort, after } = &parameters;
        let range = Range::read(range, from, to, now);
        let everything = filter.trim().is_empty() && range.is_all() && after.is_empty();
        let (finder, filter) = Finder::read(filter, kind.targets, now, &address, kind.path);
        let finder = finder.with_range(&range, from, to, &address);
        let sort = match kind.headings {
            [] => kind.usual_order,
            _ => list_place::read_sort(sort, kind.usual_order),
        };
        let after = list_place::read_cursor(after);
        let query = ListQuery { filter, from: range.from, to: range.to, sort, limit: kind.rows, after, now };
        Self { kind, parameters, finder, query, everything }
    }

    /// Asks the store, unless it is unclear for what.
    pub(super) async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&ListQuery) -> Result<Page<T>, ReadError>,
    ) -> Result<Page<T>, Error> {
        if self.finder.is_wrong() {
            return Ok(Page { rows: Vec::new(), next: None });
        }
        Ok(read(&self.query).await?)
    }

    /// The page's address with all its parameters but the place in the list.
    pub(super) fn address(&self) -> Address {
        self.kind.address(&self.parameters)
    }

    /// What goes around these rows.
    pub(super) fn list<T>(self, page: &Page<T>, visit: &Visit) -> List {
        let address = self.address();
        let next = page.next.as_ref().map(list_place::write_cursor);
        let is_first = self.parameters.after.is_empty();
        let arrivals = (is_first && !self.finder.is_wrong()).then(|| self.arrivals());
        List {
            presets: self.presets(),
            columns: columns(self.kind.headings, self.query.sort, self.kind.usual_order, &address),
            next: next.map(|next| address.clone().with("after", next).to_string()),
            first: (!is_first).then(|| address.to_string()),
            nothing: self.everything && page.rows.is_empty(),
            arrivals,
            noun: self.kind.noun,
            snippets: Snippets::for_host(visit.host.as_deref()),
            finder: self.finder,
        }
    }

    fn presets(&self) -> Vec<Preset> {
        let Parameters { range, from, to, .. } = &self.parameters;
        let preset = |&(name, filter, sort): &(&'static str, &str, &str)| {
            let (filter, sort) = (filter.to_owned(), sort.to_owned());
            let chosen = self.parameters.filter.trim() == filter && self.parameters.sort == sort;
            let (range, from, to) = (range.clone(), from.clone(), to.clone());
            let parameters = Parameters { filter, range, from, to, sort, after: String::new() };
            Preset { name, href: self.kind.address(&parameters).to_string(), chosen }
        };
        self.kind.presets.iter().map(preset).collect()
    }

    /// The same rows from the API.
    fn arrivals(&self) -> String {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let sort = if self.kind.headings.is_empty() {
            String::new()
        } else {
            list_place::write_sort(self.query.sort)
        };
        Address::page(&format!("/api/v1{}", self.kind.path))
            .with("filter", &self.parameters.filter)
            .with("from", time(self.query.from))
            .with("to", time(self.query.to))
            .with("sort", sort)
            .with("limit", self.kind.rows.to_string())
            .to_string()
    }
}

impl List {
    /// The page as an answer: what cannot be read is the reader's mistake.
    pub(super) fn respond(wrong: bool, page: &impl askama::Template) -> Result<Response, Error> {
        let status = if wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        Ok((status, html(page)?).into_response())
    }
}
