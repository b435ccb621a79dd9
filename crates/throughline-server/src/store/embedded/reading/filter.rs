//! Filters as queries.
//!
//! A session or trace matches by what its own document says, or by what any record in it says. The second kind is
//! looked up among the records first; what is found there is joined to the derived documents by reference.

use std::ops::Bound;

use rustc_hash::FxHashSet;
use tantivy::collector::{Collector, Count, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::query::{AllQuery, BooleanQuery, EmptyQuery, Occur, Query, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field as IndexField, IndexRecordOption};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, Term};
use throughline_model::{Level, ProjectId, SessionState, Timestamp, TraceId};

use super::scan::Scan;
use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern, Target};
use crate::domain::session_summary::{ENDED_NANOS, LIVE_NANOS};
use crate::store::embedded::derived_index::kind;
use crate::store::embedded::key::{text_key, trace_key};
use crate::store::embedded::snapshot::{IndexError, Snapshot};
use crate::store::embedded::span_index::{mark, money_column};
use crate::store::embedded::terms;

/// Up to so many sessions or traces are looked up one by one rather than by going through all.
const FEW: usize = 1000;

type Found = Result<Box<dyn Query>, IndexError>;

/// Translates filters of one list request.
pub(super) struct Translator<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) project: &'a ProjectId,
    pub(super) target: Target,
    pub(super) now: Timestamp,
}

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

fn any_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        0 => nothing(),
        1 => queries.swap_remove(0),
        _ => Box::new(BooleanQuery::union(queries)),
    }
}

fn nothing() -> Box<dyn Query> {
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
fn range(comparison: Comparison, wanted: i64) -> (i64, i64) {
    match comparison {
        Comparison::Equal => (wanted, wanted),
        Comparison::Greater => (wanted.saturating_add(1), i64::MAX),
        Comparison::GreaterOrEqual => (wanted, i64::MAX),
        Comparison::Less => (i64::MIN, wanted.saturating_sub(1)),
        Comparison::LessOrEqual => (i64::MIN, wanted),
    }
}

/// The counts that compare so to a number that may have a fraction.
fn counts(comparison: Comparison, wanted: f64) -> (i64, i64) {
    let (floor, ceiling) = (wanted.floor() as i64, wanted.ceil() as i64);
    let (from, to) = match comparison {
        Comparison::Equal if floor != ceiling => (1, 0),
        Comparison::Equal | Comparison::LessOrEqual | Comparison::Greater => range(comparison, floor),
        Comparison::Less | Comparison::GreaterOrEqual => range(comparison, ceiling),
    };
    (from.max(0), to)
}

impl Translator<'_> {
    /// Everything that the list could show.
    fn base(&self) -> Box<dyn Query> {
        let (span, derived) = (&self.snapshot.fields.span, &self.snapshot.fields.derived);
        match self.target {
            Target::Session => term(derived.kind, &text_key(self.project, kind::SESSION)),
            Target::Trace => term(derived.kind, &text_key(self.project, kind::TRACE)),
            // Nothing lists observations but their usage.
            Target::Observation => term(span.mark, &text_key(self.project, mark::BILLABLE)),
            Target::Event => term(span.mark, &text_key(self.project, mark::EVENT)),
        }
    }

    /// What the list shows: all that matches the filter and these further conditions.
    pub(super) fn list(&self, filter: &Filter, conditions: Vec<Box<dyn Query>>) -> Found {
        let mut queries = vec![self.base()];
        queries.extend(conditions);
        let members = match filter {
            Filter::And(members) => members.as_slice(),
            other => std::slice::from_ref(other),
        };
        let (by_records, direct): (Vec<_>, Vec<_>) =
            members.iter().partition(|member| self.is_by_records(member));
        for member in direct {
            queries.push(self.filter(member, None)?);
        }
        if by_records.is_empty() {
            return Ok(all_of(queries));
        }
        let found = all_of(queries);
        let within = self.few(&*found)?;
        let mut queries = vec![found];
        for member in by_records {
            queries.push(self.filter(member, within.as_ref())?);
        }
        Ok(all_of(queries))
    }

    /// If only few sessions or traces are left: the query for the records in them.
    fn few(&self, found: &dyn Query) -> Result<Option<TermSetQuery>, IndexError> {
        let fields = &self.snapshot.fields;
        let searcher = &self.snapshot.derived;
        if searcher.search(found, &Count)? > FEW {
            return Ok(None);
        }
        let mut terms = Vec::new();
        for address in searcher.search(found, &tantivy::collector::DocSetCollector)? {
            let ids = searcher.segment_reader(address.segment_ord).fast_fields().str("id")?;
            let Some(ids) = ids else { continue };
            let mut id = String::new();
            for ord in ids.term_ords(address.doc_id) {
                ids.ord_to_str(ord, &mut id)?;
            }
            terms.push(match self.target {
                Target::Trace => match id.parse() {
                    Ok(id) => Term::from_field_bytes(fields.span.trace, &trace_key(self.project, id)),
                    Err(_) => continue,
                },
                _ => Term::from_field_text(fields.span.session, &text_key(self.project, &id)),
            });
        }
        Ok(Some(TermSetQuery::new(terms)))
    }

    /// Whether records have to be looked at for it, the target being sessions or traces.
    fn is_by_records(&self, filter: &Filter) -> bool {
        match filter {
            Filter::All => false,
            Filter::And(members) | Filter::Or(members) => {
                members.iter().any(|member| self.is_by_records(member))
            }
            Filter::Not(inner) => self.is_by_records(inner),
            Filter::Text(_) => self.is_derived(),
            Filter::Field { field, .. } => {
                self.is_derived()
                    && match field {
                        Field::Name
                        | Field::Type
                        | Field::Model
                        | Field::Provider
                        | Field::Tool
                        | Field::Level
                        | Field::Attribute(_) => true,
                        Field::Trace | Field::Status => self.target == Target::Session,
                        _ => false,
                    }
            }
        }
    }

    fn is_derived(&self) -> bool {
        matches!(self.target, Target::Session | Target::Trace)
    }

    fn filter(&self, filter: &Filter, within: Option<&TermSetQuery>) -> Found {
        let each = |members: &[Filter]| {
            members.iter().map(|member| self.filter(member, within)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match filter {
            Filter::All => Box::new(AllQuery),
            Filter::And(members) => all_of(each(members)?),
            Filter::Or(members) => any_of(each(members)?),
            Filter::Not(inner) => Box::new(BooleanQuery::new(vec![
                (Occur::Must, Box::new(AllQuery) as Box<dyn Query>),
                (Occur::MustNot, self.filter(inner, within)?),
            ])),
            Filter::Text(words) => {
                let text = self.snapshot.fields.span.text;
                self.of_records(all_of(words.split(' ').map(|word| term(text, word)).collect()), within)?
            }
            Filter::Field { field, comparison, value } if self.is_derived() => {
                self.derived_field(field, *comparison, value, within)?
            }
            Filter::Field { field, comparison, value } => self.record_field(field, *comparison, value),
        })
    }

    /// What matches by any of its records that match `query`.
    fn of_records(&self, query: Box<dyn Query>, within: Option<&TermSetQuery>) -> Found {
        if !self.is_derived() {
            return Ok(query);
        }
        let query = match within {
            Some(within) => all_of(vec![Box::new(within.clone()), query]),
            None => query,
        };
        self.joined(&self.snapshot.spans, &*query)
    }

    /// The sessions (or traces) that the documents found refer to.
    fn joined(&self, searcher: &tantivy::Searcher, query: &dyn Query) -> Found {
        let derived = &self.snapshot.fields.derived;
        let (column, field) = match self.target {
            Target::Trace => ("trace_ref", derived.trace_ref),
            _ => ("session_ref", derived.session_ref),
        };
        let references = searcher.search(query, &References { column })?;
        if references.len() > FEW {
            return Ok(Scan::one_of(column, references));
        }
        let terms = references.into_iter().map(|reference| Term::from_field_u64(field, reference));
        Ok(Box::new(TermSetQuery::new(terms)))
    }

    fn derived_field(
        &self,
        field: &Field,
        comparison: Comparison,
        value: &Literal,
        within: Option<&TermSetQuery>,
    ) -> Found {
        let derived = &self.snapshot.fields.derived;
        let of_records = || self.of_records(self.record_field(field, comparison, value), within);
        let is_session = self.target == Target::Session;
        Ok(match (field, value) {
            (Field::Session, Literal::Text(pattern)) => self.keyed(derived.session, pattern),
            (Field::Trace, Literal::Text(pattern)) if !is_session => by_pattern(derived.id, pattern),
            (Field::User, Literal::Text(pattern)) => by_pattern(derived.user, pattern),
            (Field::Tag, Literal::Text(pattern)) => by_pattern(derived.tag, pattern),
            (Field::Environment, Literal::Text(pattern)) => by_pattern(derived.environment, pattern),
            (Field::Service, Literal::Text(pattern)) => by_pattern(derived.service, pattern),
            (Field::Status, Literal::Status(status)) => {
                let found = term(derived.status, status.as_str());
                if is_session { self.joined_traces(found)? } else { found }
            }
            (Field::Error, Literal::Bool(yes)) => {
                between(derived.errors, if *yes { (1, i64::MAX) } else { (0, 0) })
            }
            (Field::State, Literal::State(state)) if is_session => self.state(*state),
            (Field::Cost, Literal::Money(money)) => {
                let (from, to) = range(comparison, money_column(*money));
                between(derived.cost, (from.max(0), to))
            }
            (Field::Tokens, Literal::Number(number)) => between(derived.tokens, counts(comparison, *number)),
            (Field::Errors, Literal::Number(number)) => between(derived.errors, counts(comparison, *number)),
            (Field::Turns, Literal::Number(number)) if is_session => {
                between(derived.traces, counts(comparison, *number))
            }
            (Field::Duration, Literal::Duration(nanos)) => {
                between(derived.duration, range(comparison, *nanos))
            }
            (Field::Start, Literal::Time(time)) => between(derived.start, range(comparison, time.as_nanos())),
            (Field::End, Literal::Time(time)) => between(derived.end, range(comparison, time.as_nanos())),
            (Field::Metadata(key), value) => by_attribute(derived.metadata, key, comparison, value),
            (Field::Name, Literal::Text(pattern)) => {
                let own = by_pattern(derived.name, pattern);
                let own = if is_session { self.joined_traces(own)? } else { own };
                any_of(vec![own, of_records()?])
            }
            (
                Field::Trace
                | Field::Type
                | Field::Model
                | Field::Provider
                | Field::Tool
                | Field::Level
                | Field::Attribute(_),
                _,
            ) => of_records()?,
            _ => nothing(),
        })
    }

    /// The sessions of the traces found.
    fn joined_traces(&self, traces: Box<dyn Query>) -> Found {
        let kind = term(self.snapshot.fields.derived.kind, &text_key(self.project, kind::TRACE));
        self.joined(&self.snapshot.derived, &*all_of(vec![kind, traces]))
    }

    /// A pattern for the id in terms that hold project and id.
    fn keyed(&self, field: IndexField, pattern: &Pattern) -> Box<dyn Query> {
        if pattern.is_exact() {
            return term(field, &text_key(self.project, &pattern.text));
        }
        scan(field, text_key(self.project, ""), pattern)
    }

    fn state(&self, state: SessionState) -> Box<dyn Query> {
        let derived = &self.snapshot.fields.derived;
        let (live, over) =
            (self.now.as_nanos().saturating_sub(LIVE_NANOS), self.now.as_nanos().saturating_sub(ENDED_NANOS));
        let running = |ends| all_of(vec![between(derived.ended, (0, 0)), between(derived.end, ends)]);
        match state {
            SessionState::Live => running((live.saturating_add(1), i64::MAX)),
            SessionState::Idle => running((over.saturating_add(1), live)),
            SessionState::Ended => {
                any_of(vec![between(derived.ended, (1, 1)), between(derived.end, (i64::MIN, over))])
            }
        }
    }

    /// A field of an observation or event itself.
    fn record_field(&self, field: &Field, comparison: Comparison, value: &Literal) -> Box<dyn Query> {
        let span = &self.snapshot.fields.span;
        match (field, value) {
            (Field::Session, Literal::Text(pattern)) => self.keyed(span.session, pattern),
            (Field::Trace, Literal::Text(pattern)) => self.trace_id(pattern),
            (Field::User, Literal::Text(pattern)) => by_pattern(span.user, pattern),
            (Field::Name, Literal::Text(pattern)) => by_pattern(span.name, pattern),
            (Field::Model, Literal::Text(pattern)) => by_pattern(span.model, pattern),
            (Field::Provider, Literal::Text(pattern)) => by_pattern(span.provider, pattern),
            (Field::Tool, Literal::Text(pattern)) => by_pattern(span.tool, pattern),
            (Field::Tag, Literal::Text(pattern)) => by_pattern(span.tag, pattern),
            (Field::Environment, Literal::Text(pattern)) => by_pattern(span.environment, pattern),
            (Field::Service, Literal::Text(pattern)) => by_pattern(span.service, pattern),
            (Field::Type, Literal::Type(kind)) => term(span.kind, kind.as_str()),
            (Field::Level, Literal::Level(wanted)) => {
                let levels = Level::ALL.into_iter().filter(|level| comparison.holds(*level, *wanted));
                any_of(levels.map(|level| term(span.level, level.as_str())).collect())
            }
            (Field::Status, Literal::Status(status)) => term(span.status, status.as_str()),
            (Field::Error, Literal::Bool(yes)) => {
                let errors = term(span.mark, &text_key(self.project, mark::ERROR));
                if *yes {
                    return errors;
                }
                let all = (Occur::Must, Box::new(AllQuery) as Box<dyn Query>);
                Box::new(BooleanQuery::new(vec![all, (Occur::MustNot, errors)]))
            }
            (Field::Cost, Literal::Money(money)) => {
                between(span.cost, range(comparison, money_column(*money)))
            }
            (Field::Tokens, Literal::Number(number)) => {
                let (from, to) = counts(comparison, *number);
                if from > to {
                    return nothing();
                }
                let bound = |value: i64| Bound::Included(Term::from_field_u64(span.tokens, value as u64));
                Box::new(RangeQuery::new(bound(from), bound(to)))
            }
            (Field::Duration, Literal::Duration(nanos)) if self.target == Target::Observation => {
                between(span.duration, range(comparison, *nanos))
            }
            (Field::Start, Literal::Time(time)) => between(span.start, range(comparison, time.as_nanos())),
            (Field::End, Literal::Time(time)) => {
                let wanted = time.as_nanos();
                Scan::sum(["start", "duration"], move |end| comparison.holds(end, wanted))
            }
            (Field::Attribute(key), value) => by_attribute(span.attribute, key, comparison, value),
            _ => nothing(),
        }
    }

    fn trace_id(&self, pattern: &Pattern) -> Box<dyn Query> {
        let field = self.snapshot.fields.span.trace;
        if pattern.is_exact() {
            // Ids are lower case; another spelling is not the id.
            let id = pattern.text.parse().ok().filter(|id: &TraceId| id.to_string() == pattern.text);
            let Some(id) = id else { return nothing() };
            let term = Term::from_field_bytes(field, &trace_key(self.project, id));
            return Box::new(TermQuery::new(term, IndexRecordOption::Basic));
        }
        let pattern = pattern.clone();
        Scan::terms(field, text_key(self.project, "").into_bytes(), move |id| {
            TraceId::from_slice(id).is_some_and(|id| pattern.matches(&id.to_string()))
        })
    }
}

/// A pattern for a whole term.
fn by_pattern(field: IndexField, pattern: &Pattern) -> Box<dyn Query> {
    if pattern.is_exact() {
        return term(field, &pattern.text);
    }
    scan(field, String::new(), pattern)
}

/// A pattern with open ends for what follows `prefix` in a term.
fn scan(field: IndexField, mut prefix: String, pattern: &Pattern) -> Box<dyn Query> {
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
fn by_attribute(field: IndexField, key: &str, comparison: Comparison, value: &Literal) -> Box<dyn Query> {
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

/// The distinct values of a column over the documents found.
struct References {
    column: &'static str,
}

struct SegmentReferences {
    column: Option<Column<u64>>,
    found: FxHashSet<u64>,
    last: u64,
}

impl Collector for References {
    type Fruit = FxHashSet<u64>;
    type Child = SegmentReferences;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentReferences> {
        let column = segment.fast_fields().column_opt(self.column)?;
        Ok(SegmentReferences { column, found: FxHashSet::default(), last: 0 })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<FxHashSet<u64>>) -> tantivy::Result<FxHashSet<u64>> {
        Ok(fruits
            .into_iter()
            .reduce(|mut all, more| {
                all.extend(more);
                all
            })
            .unwrap_or_default())
    }
}

impl SegmentCollector for SegmentReferences {
    type Fruit = FxHashSet<u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        let value = self.column.as_ref().and_then(|column| column.first(doc));
        // Records of one session mostly lie together.
        if let Some(value) = value.filter(|value| *value != self.last) {
            self.last = value;
            self.found.insert(value);
        }
    }

    fn harvest(self) -> FxHashSet<u64> {
        self.found
    }
}
