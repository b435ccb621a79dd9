//! Filters as queries.
//!
//! A session or trace matches by what its own document says, or by what any record in it says. The second kind is
//! looked up among the records first; what is found there is joined to the derived documents by reference.

mod fields;

use std::sync::Arc;

use tantivy::collector::Count;
use tantivy::query::{AllQuery, EnableScoring, Query, TermSetQuery};
use tantivy::schema::Field as IndexField;
use tantivy::{Executor, Term};
use throughline_model::{ProjectId, Timestamp};

use super::conditions::{all_of, any_of, but_not, term};
use super::newest::BySegment;
use super::references::{ReferenceSet, References};
use super::scan::Scan;
use crate::domain::filter::{Field, Filter, Target};
use crate::domain::lifecycle::Boundary;
use crate::store::embedded::derived_index::kind;
use crate::store::embedded::key::{text_key, trace_key};
use crate::store::embedded::snapshot::{IndexError, Snapshot};
use crate::store::embedded::span_index::mark;
use crate::store::embedded::text_index::holds;

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
        if let Filter::Text(words) = filter {
            let counts = words.split(' ').map(|word| self.snapshot.texts.count(word).unwrap_or(u64::MAX));
            return counts.min().unwrap_or(u64::MAX);
        }
        let Some(query) = self.of_any_record(filter) else { return u64::MAX };
        let mut counts = Vec::new();
        query.query_terms(&mut |term, _| counts.push(self.snapshot.spans.doc_freq(term).unwrap_or(u64::MAX)));
        if counts.is_empty() { u64::MAX } else { counts.into_iter().fold(0, u64::saturating_add) }
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
        all_of(words.split(' ').map(|word| holds(&self.snapshot.texts, word)).collect())
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
}
