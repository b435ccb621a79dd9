//! Filters as queries.
//!
//! A session or trace matches by what its own document says, or by what any record in it says. The second kind is
//! looked up among the records first; what is found there is joined to the derived documents by reference.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::collector::Count;
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, EnableScoring, Occur, Query, RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field as IndexField, IndexRecordOption};
use tantivy::{Executor, Term};
use throughline_model::{Level, ProjectId, SessionState, Timestamp, TraceId};

use super::newest::BySegment;
use super::references::{ReferenceSet, References};
use super::scan::Scan;
use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern, Target};
use crate::domain::lifecycle::{Boundary, LIVE_NANOS};
use crate::store::embedded::derived_index::{kind, parts_of};
use crate::store::embedded::key::{text_key, trace_key};
use crate::store::embedded::snapshot::{IndexError, Snapshot};
use crate::store::embedded::span_index::{mark, money_column};
use crate::store::embedded::terms;

/// Up to so many sessions or traces are looked up one by one rather than by going through all.
pub(super) const FEW: usize = 1000;

type Found = Result<Box<dyn Query>, IndexError>;

/// Translates filters of one list request.
pub(super) struct Translator<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) project: &'a ProjectId,
    pub(super) boundary: Boundary,
    pub(super) abandoned_after: i64,
    pub(super) executor: &'a Executor,
    pub(super) target: Target,
    pub(super) now: Timestamp,
}

/// Where to look for records: what the rest of a filter leaves.
#[derive(Default)]
struct Within {
    /// Whatever can still be found began no earlier, and so did the spans in it.
    since: Option<i64>,
    /// The records of the only sessions or traces that are left, if they are few.
    records: Option<TermSetQuery>,
    /// The only sessions or traces that are left, once some of the filter has been looked up.
    references: Option<Arc<ReferenceSet>>,
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

    /// What the list shows: all that matches the filter and these further conditions. What began before `since` may
    /// be left out.
    pub(super) fn list(&self, filter: &Filter, conditions: Vec<Box<dyn Query>>, since: Option<i64>) -> Found {
        let mut queries = vec![self.base()];
        queries.extend(conditions);
        let members = match filter {
            Filter::And(members) => members.as_slice(),
            other => std::slice::from_ref(other),
        };
        let (by_records, direct): (Vec<_>, Vec<_>) =
            members.iter().partition(|member| self.is_by_records(member));
        for member in direct {
            queries.push(self.filter(member, &Within::default())?);
        }
        if by_records.is_empty() {
            return Ok(all_of(queries));
        }
        let is_narrowed = queries.len() > 1;
        let found = all_of(queries);
        let mut within = Within { since, ..Within::default() };
        if is_narrowed {
            self.narrow(&mut within, &*found)?;
        }
        let (mut of_any_record, others): (Vec<_>, Vec<_>) =
            by_records.into_iter().partition(|member| self.of_any_record(member).is_some());
        // The rarest first: what it leaves need not be looked for among the others.
        of_any_record.sort_by_cached_key(|member| self.at_most(member));
        for query in of_any_record.into_iter().filter_map(|member| self.of_any_record(member)) {
            let references = Arc::new(self.references(&self.snapshot.spans, query, &within)?);
            within.references = Some(Arc::clone(&references));
            if within.records.is_none() && references.len() <= FEW {
                self.narrow(&mut within, &*all_of(vec![found.box_clone(), self.referred(references)]))?;
            }
        }
        let mut queries = vec![found];
        for member in others {
            queries.push(self.filter(member, &within)?);
        }
        queries.extend(within.references.map(|references| self.referred(references)));
        Ok(all_of(queries))
    }

    /// About how many records hold this, at most.
    fn at_most(&self, filter: &Filter) -> u64 {
        let Some(query) = self.of_any_record(filter) else { return u64::MAX };
        let mut counts = Vec::new();
        query.query_terms(&mut |term, _| counts.push(self.snapshot.spans.doc_freq(term).unwrap_or(u64::MAX)));
        match filter {
            Filter::Text(_) => counts.into_iter().min().unwrap_or(u64::MAX),
            _ if counts.is_empty() => u64::MAX,
            _ => counts.into_iter().fold(0, u64::saturating_add),
        }
    }

    /// What any record of a session or trace is to hold, if that is all there is to this filter.
    fn of_any_record(&self, filter: &Filter) -> Option<Box<dyn Query>> {
        if !self.is_derived() {
            return None;
        }
        match filter {
            Filter::Text(words) => Some(self.words(words)),
            Filter::Field { field: Field::Trace, .. } if self.target == Target::Trace => None,
            Filter::Field {
                field:
                    field @ (Field::Trace
                    | Field::Type
                    | Field::Model
                    | Field::Provider
                    | Field::Tool
                    | Field::Level
                    | Field::Attribute(_)
                    | Field::Score(_)),
                comparison,
                value,
            } => Some(self.record_field(field, *comparison, value)),
            _ => None,
        }
    }

    /// All of these words in one record.
    fn words(&self, words: &str) -> Box<dyn Query> {
        let text = self.snapshot.fields.span.text;
        all_of(words.split(' ').map(|word| term(text, word)).collect())
    }

    /// If only few sessions or traces are left: looks only among their records from now on.
    fn narrow(&self, within: &mut Within, found: &dyn Query) -> Result<(), IndexError> {
        let fields = &self.snapshot.fields;
        let searcher = &self.snapshot.derived;
        if searcher.search(found, &Count)? > FEW {
            return Ok(());
        }
        let mut terms = Vec::new();
        let mut since = i64::MAX;
        for address in searcher.search(found, &tantivy::collector::DocSetCollector)? {
            let columns = searcher.segment_reader(address.segment_ord).fast_fields();
            since = since.min(columns.i64("start")?.first(address.doc_id).unwrap_or(i64::MIN));
            let Some(ids) = columns.str("id")? else { continue };
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
        within.records = Some(TermSetQuery::new(terms));
        within.since = within.since.max(Some(since));
        Ok(())
    }

    /// Whether records have to be looked at for it, the target being sessions or traces.
    pub(super) fn is_by_records(&self, filter: &Filter) -> bool {
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
                        | Field::Attribute(_)
                        | Field::Score(_) => true,
                        Field::Trace | Field::Status => self.target == Target::Session,
                        _ => false,
                    }
            }
        }
    }

    fn is_derived(&self) -> bool {
        matches!(self.target, Target::Session | Target::Trace)
    }

    fn filter(&self, filter: &Filter, within: &Within) -> Found {
        if let Some(query) = self.of_any_record(filter) {
            let references = self.references(&self.snapshot.spans, query, within)?;
            return Ok(self.referred(Arc::new(references)));
        }
        let each = |members: &[Filter]| {
            members.iter().map(|member| self.filter(member, within)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match filter {
            Filter::All => Box::new(AllQuery),
            Filter::And(members) => all_of(each(members)?),
            Filter::Or(members) => any_of(each(members)?),
            Filter::Not(inner) => but_not(self.filter(inner, within)?),
            Filter::Text(words) => self.words(words),
            Filter::Field { field, comparison, value } if self.is_derived() => {
                self.derived_field(field, *comparison, value, within)?
            }
            Filter::Field { field, comparison, value } => self.record_field(field, *comparison, value),
        })
    }

    /// The sessions (or traces) that derived documents refer to.
    pub(super) fn references_of(&self, found: Box<dyn Query>) -> Result<ReferenceSet, IndexError> {
        self.references(&self.snapshot.derived, found, &Within::default())
    }

    /// The sessions (or traces) that the documents found refer to.
    fn references(
        &self,
        searcher: &tantivy::Searcher,
        query: Box<dyn Query>,
        within: &Within,
    ) -> Result<ReferenceSet, IndexError> {
        let query = match &within.records {
            Some(records) => all_of(vec![Box::new(records.clone()), query]),
            None => query,
        };
        let query = match within.since {
            Some(since) => self.since(since, query),
            None => query,
        };
        let among = within.references.clone();
        let references = References { column: self.reference_column().0, among };
        let scoring = EnableScoring::disabled_from_searcher(searcher);
        Ok(searcher.search_with_executor(&*query, &references, self.executor, scoring)?)
    }

    /// Only what is found among spans of that time or later. Events may be older than the trace they are in.
    fn since(&self, since: i64, newer: Box<dyn Query>) -> Box<dyn Query> {
        let events = term(self.snapshot.fields.span.mark, &text_key(self.project, mark::EVENT));
        let older = Arc::from(all_of(vec![events, newer.box_clone()]));
        Box::new(BySegment { column: "start", since, newer: Arc::from(newer), older })
    }

    /// The column that names a session (or trace), and the field that it can be found by.
    fn reference_column(&self) -> (&'static str, IndexField) {
        let derived = &self.snapshot.fields.derived;
        match self.target {
            Target::Trace => ("trace_ref", derived.trace_ref),
            _ => ("session_ref", derived.session_ref),
        }
    }

    fn referred(&self, references: Arc<ReferenceSet>) -> Box<dyn Query> {
        let (column, field) = self.reference_column();
        if references.len() > FEW {
            return Scan::one_of(column, references);
        }
        let terms = references.iter().map(|reference| Term::from_field_u64(field, *reference));
        Box::new(TermSetQuery::new(terms))
    }

    fn derived_field(
        &self,
        field: &Field,
        comparison: Comparison,
        value: &Literal,
        within: &Within,
    ) -> Found {
        let derived = &self.snapshot.fields.derived;
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
            (Field::Abandoned, Literal::Bool(yes)) if is_session => {
                let over = self.now.as_nanos().saturating_sub(self.boundary.over_after());
                let columns = ["last_failed", "ended", "end"];
                let abandoned = Scan::values(columns, move |[failed, ended, end]| {
                    failed == 1 && (ended == 1 || end <= over)
                });
                if *yes { abandoned } else { but_not(abandoned) }
            }
            (Field::Abandoned, Literal::Bool(yes)) => {
                let silent_since = self.now.as_nanos().saturating_sub(self.abandoned_after);
                let unfinished = self.marked(kind::UNFINISHED, true);
                let abandoned = all_of(vec![unfinished, between(derived.end, (i64::MIN, silent_since))]);
                if *yes { abandoned } else { but_not(abandoned) }
            }
            (Field::Unfinished, Literal::Bool(yes)) => self.marked(kind::UNFINISHED, *yes),
            (Field::Reopened, Literal::Bool(yes)) if is_session => self.marked(self.reopened(), *yes),
            (Field::Synthetic, Literal::Bool(yes)) => self.marked(kind::SYNTHETIC, *yes),
            (Field::Parts, Literal::Number(number)) if is_session => self.parts(counts(comparison, *number)),
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
                let named = self.record_field(field, comparison, value);
                let named = self.references(&self.snapshot.spans, named, within)?;
                any_of(vec![own, self.referred(Arc::new(named))])
            }
            _ => nothing(),
        })
    }

    /// The sessions of the traces found.
    fn joined_traces(&self, traces: Box<dyn Query>) -> Found {
        let kind = term(self.snapshot.fields.derived.kind, &text_key(self.project, kind::TRACE));
        let traces = all_of(vec![kind, traces]);
        Ok(self.referred(Arc::new(self.references_of(traces)?)))
    }

    /// A pattern for the id in terms that hold project and id.
    fn keyed(&self, field: IndexField, pattern: &Pattern) -> Box<dyn Query> {
        if pattern.is_exact() {
            return term(field, &text_key(self.project, &pattern.text));
        }
        scan(field, text_key(self.project, ""), pattern)
    }

    /// Documents of this kind too, or those that are not.
    fn marked(&self, kind: &str, yes: bool) -> Box<dyn Query> {
        let found = term(self.snapshot.fields.derived.kind, &text_key(self.project, kind));
        if yes { found } else { but_not(found) }
    }

    /// What says that a session was over and went on: a pause counts only where sessions are split.
    fn reopened(&self) -> &'static str {
        if self.boundary == Boundary::Off { kind::BEGUN_AFTER_END } else { kind::REOPENED }
    }

    /// Sessions with so many parts.
    fn parts(&self, (from, to): (i64, i64)) -> Box<dyn Query> {
        if from > to {
            return nothing();
        }
        let field = self.snapshot.fields.derived.kind;
        let prefix = text_key(self.project, kind::PARTS).into_bytes();
        if self.boundary == Boundary::Off {
            return if from <= 0 { Box::new(AllQuery) } else { nothing() };
        }
        let among = move |term: &[u8]| parts_of(term).is_some_and(|count| (from..=to).contains(&count));
        let counted = Scan::terms(field, prefix.clone(), among);
        if from > 0 {
            return counted;
        }
        any_of(vec![counted, but_not(Scan::terms(field, prefix, |_| true))])
    }

    fn state(&self, state: SessionState) -> Box<dyn Query> {
        let derived = &self.snapshot.fields.derived;
        let ago = |nanos: i64| self.now.as_nanos().saturating_sub(nanos);
        let over = ago(self.boundary.over_after());
        let live = ago(LIVE_NANOS).max(over);
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
                if *yes { errors } else { but_not(errors) }
            }
            (Field::Cost, Literal::Money(money)) => {
                let wanted = range(comparison, money_column(*money));
                // What was computed goes before what the source gave.
                let computed = between(span.cost, (i64::MIN, i64::MAX));
                let given = all_of(vec![between(span.given_cost, wanted), but_not(computed)]);
                any_of(vec![between(span.cost, wanted), given])
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
                Scan::values(["start", "duration"], move |[start, duration]| {
                    comparison.holds(start.saturating_add(duration), wanted)
                })
            }
            (Field::Attribute(key), value) => by_attribute(span.attribute, key, comparison, value),
            (Field::Score(name), _) if name.is_empty() => {
                term(span.mark, &text_key(self.project, mark::SCORE))
            }
            (Field::Score(name), value) => by_attribute(span.score, name, comparison, value),
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

/// Everything else.
pub(super) fn but_not(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(vec![
        (Occur::Must, Box::new(AllQuery) as Box<dyn Query>),
        (Occur::MustNot, query),
    ]))
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
