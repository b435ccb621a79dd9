//! Computing costs afresh.

use std::sync::Arc;

use throughline_model::otlp::SpanFacts;
use throughline_model::{Money, ProjectId};

use super::Writer;
use super::cache::{TraceKey, TraceState};
use crate::domain::price::Reprice;
use crate::store::embedded::snapshot::IndexError;

impl Writer {
    /// Computes the cost of traces afresh; they are written anew with the next commit. Everything before is committed.
    pub(super) fn reprice(&mut self, project: &ProjectId, reprice: &Reprice) -> Result<(), IndexError> {
        let number = self.projects.number(project);
        let snapshot = Arc::clone(&self.snapshot);
        for &id in &reprice.traces {
            let key = TraceKey { project: number, id };
            if self.traces.get(&key).is_some_and(|state| state.changed) {
                continue;
            }
            // It may have been deleted meanwhile.
            let Some(counted) = snapshot.trace(project, id)? else { continue };
            let mut state = TraceState::new(id, self.config.lifecycle.boundary(project));
            (state.counted, state.in_derived) = (counted, true);
            state.repriced = Some(reprice.range);
            let prices = &self.prices;
            snapshot.trace_records(project, id, |record| {
                state.take(record, |facts, written| match reprice.range.contains(facts.start) {
                    true => prices.span_cost(facts),
                    false => written,
                });
                Ok::<_, IndexError>(())
            })?;
            state.records.mark_written();
            state.rewrite = true;
            self.traces.insert(key, state);
            self.trace_changed(key);
        }
        Ok(())
    }

    /// The cost to write for a span of the trace: what was written of it, unless there is nothing or it is out of date.
    pub(super) fn cost_to_write(
        &self,
        state: &TraceState,
        facts: &SpanFacts<'_>,
        written: Option<Option<Money>>,
    ) -> Option<Money> {
        let outdated = state.repriced.is_some_and(|range| range.contains(facts.start));
        written.filter(|_| !outdated).unwrap_or_else(|| self.prices.span_cost(facts))
    }
}
