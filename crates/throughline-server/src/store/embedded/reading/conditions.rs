//! What can be asked of one field of the index.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, EmptyQuery, Occur, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field as IndexField, IndexRecordOption};

use super::scan::Scan;
use crate::domain::filter::{Comparison, Literal, Pattern};
use crate::store::embedded::terms;

pub(super) fn term(field: IndexField, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

pub(super) fn all_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    queries.retain(|query| !query.is::<AllQuery>());
    match queries.len() {
        0 => Box::new(AllQuery),
        1 => queries.swap_remove(0),
        _ => Box::new(BooleanQuery::intersection(queries)),
    }
}

pub(super) fn any_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        0 => nothing(),
        1 => queries.swap_remove(0),
        _ => Box::new(BooleanQuery::union(queries)),
    }
}

pub(super) fn nothing() -> Box<dyn Query> {
    Box::new(EmptyQuery)
}

/// Documents with a value in the column from `from` to `to`, both included.
pub(super) fn between(field: IndexField, (from, to): (i64, i64)) -> Box<dyn Query> {
    if from > to {
        return nothing();
    }
    let bound = |value| Bound::Included(Term::from_field_i64(field, value));
    Box::new(RangeQuery::new(bound(from), bound(to)))
}

/// The whole numbers that compare so to `wanted`.
pub(super) fn range(comparison: Comparison, wanted: i64) -> (i64, i64) {
    match comparison {
        Comparison::Equal => (wanted, wanted),
        Comparison::Greater => (wanted.saturating_add(1), i64::MAX),
        Comparison::GreaterOrEqual => (wanted, i64::MAX),
        Comparison::Less => (i64::MIN, wanted.saturating_sub(1)),
        Comparison::LessOrEqual => (i64::MIN, wanted),
    }
}

/// The counts that compare so to a number that may have a fraction.
pub(super) fn counts(comparison: Comparison, wanted: f64) -> (i64, i64) {
    let (floor, ceiling) = (wanted.floor() as i64, wanted.ceil() as i64);
    let (from, to) = match comparison {
        Comparison::Equal if floor != ceiling => (1, 0),
        Comparison::Equal | Comparison::LessOrEqual | Comparison::Greater => range(comparison, floor),
        Comparison::Less | Comparison::GreaterOrEqual => range(comparison, ceiling),
    };
    (from.max(0), to)
}

/// Everything else.
pub(super) fn but_not(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(vec![
        (Occur::Must, Box::new(AllQuery) as Box<dyn Query>),
        (Occur::MustNot, query),
    ]))
}

/// A pattern for a whole term.
pub(super) fn by_pattern(field: IndexField, pattern: &Pattern) -> Box<dyn Query> {
    if pattern.is_exact() {
        return term(field, &pattern.text);
    }
    scan(field, String::new(), pattern)
}

/// A pattern with open ends for what follows `prefix` in a term.
pub(super) fn scan(field: IndexField, mut prefix: String, pattern: &Pattern) -> Box<dyn Query> {
    if pattern.open_start {
        let pattern = pattern.clone();
        return Scan::terms(field, prefix.into_bytes(), move |rest| {
            std::str::from_utf8(rest).is_ok_and(|rest| pattern.matches(rest))
        });
    }
    prefix.push_str(&pattern.text);
    Scan::terms(field, prefix.into_bytes(), |_| true)
}

/// An attribute: see [`terms`] for what its terms look like.
pub(super) fn by_attribute(
    field: IndexField,
    key: &str,
    comparison: Comparison,
    value: &Literal,
) -> Box<dyn Query> {
    match value {
        Literal::Text(pattern) if pattern.is_exact() => {
            let mut found = vec![term(field, &(terms::prefix(key, terms::TEXT) + &pattern.text))];
            if let Ok(number) = pattern.text.parse::<f64>() {
                found.push(term(field, &(terms::prefix(key, terms::NUMBER) + &terms::sortable(number))));
            }
            any_of(found)
        }
        Literal::Text(pattern) => {
            let mut found = vec![scan(field, terms::prefix(key, terms::TEXT), pattern)];
            if pattern.is_any() {
                found.push(term(field, &terms::prefix(key, terms::OBJECT)));
            }
            any_of(found)
        }
        Literal::Number(wanted) => {
            let wanted = terms::sortable(*wanted);
            Scan::terms(field, terms::prefix(key, terms::NUMBER).into_bytes(), move |number| {
                std::str::from_utf8(number).is_ok_and(|number| comparison.holds(number, wanted.as_str()))
            })
        }
        _ => nothing(),
    }
}
