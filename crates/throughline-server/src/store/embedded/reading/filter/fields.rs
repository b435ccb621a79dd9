//! What each field of the filter language asks of the index.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{AllQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field as IndexField, IndexRecordOption};
use throughline_model::{Level, SessionState, TraceId};

use super::{Found, Translator, Within};
use crate::domain::filter::{Comparison, Field, Literal, Pattern, Target};
use crate::domain::lifecycle::{Boundary, LIVE_NANOS};
use crate::store::embedded::derived_index::{kind, parts_of};
use crate::store::embedded::key::{text_key, trace_key};
use crate::store::embedded::reading::conditions::{
    all_of, any_of, between, but_not, by_attribute, by_pattern, counts, nothing, range, scan, term,
};
use crate::store::embedded::reading::scan::Scan;
use crate::store::embedded::span_index::{mark, money_column};

impl Translator<'_> {
    pub(super) fn derived_field(
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
    pub(super) fn record_field(
        &self,
        field: &Field,
        comparison: Comparison,
        value: &Literal,
    ) -> Box<dyn Query> {
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
