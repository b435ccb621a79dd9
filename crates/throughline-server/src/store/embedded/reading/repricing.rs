//! What computing costs afresh would change.

use std::collections::HashSet;

use tantivy::query::RangeQuery;
use tantivy::{DocAddress, Term};
use throughline_model::Money;
use throughline_model::otlp::each_span;

use super::conditions::{all_of, between, term};
use super::{Reading, documents};
use crate::domain::price::{CallRange, Prices, Repricing, RepricingGatherer};
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::{IndexError, StoredRecord};
use crate::store::embedded::span_index::{mark, money_column};

impl Reading {
    pub(crate) fn repricing(&self, range: CallRange, prices: &Prices) -> Result<Repricing, IndexError> {
        let billable: HashSet<DocAddress> = self.calls(range, mark::BILLABLE)?.into_iter().collect();
        let calls = self.calls(range, mark::SPAN)?;
        let mut gatherer = RepricingGatherer::default();
        let mut places = calls.iter();
        self.snapshot.records(&calls, |record| {
            let is_billable = places.next().is_some_and(|place| billable.contains(place));
            let StoredRecord::Span { body, cost } = record else { return Ok(()) };
            let read = each_span(&body, |span| {
                let facts = span.facts();
                let computed = cost.map(|picodollars| Money::from_picodollars(picodollars.into()));
                // As a column would hold it, or what does not fit would differ for ever.
                let afresh = prices.span_cost(&facts).map(money_column);
                let afresh = afresh.map(|picodollars| Money::from_picodollars(picodollars.into()));
                gatherer.add(&facts, is_billable, computed, afresh);
            });
            if let Err(error) = read {
                tracing::error!(%error, "a stored span cannot be read");
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(gatherer.finish())
    }

    /// The spans of this mark that carry usage and began in the range.
    fn calls(&self, range: CallRange, mark: &str) -> Result<Vec<DocAddress>, IndexError> {
        let fields = &self.snapshot.fields.span;
        let tokens = |tokens| std::ops::Bound::Included(Term::from_field_u64(fields.tokens, tokens));
        let from = range.from.map_or(i64::MIN, |from| from.as_nanos());
        let to = range.to.map_or(i64::MAX, |to| to.as_nanos().saturating_sub(1));
        let query = all_of(vec![
            term(fields.mark, &text_key(&self.project, mark)),
            Box::new(RangeQuery::new(tokens(0), tokens(u64::MAX))),
            between(fields.start, (from, to)),
        ]);
        documents(&self.snapshot.spans, &*query)
    }
}
