//! What computing costs afresh would change, and the command to do it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use throughline_model::otlp::SpanFacts;
use throughline_model::{Money, Timestamp, TraceId};

/// Compute the cost of these traces' calls afresh, by the rules in force: of those that began in the range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reprice {
    pub range: CallRange,
    pub traces: Vec<TraceId>,
}

/// Calls that began at or after one time and before another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRange {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl CallRange {
    pub fn contains(&self, start: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= start) && self.to.is_none_or(|to| start < to)
    }
}

/// What computing the costs of a range afresh would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repricing {
    /// Billable calls by model, in order of the alphabet.
    pub models: Vec<RepricedModel>,
    /// Every trace with a call whose cost would change.
    pub traces: Vec<TraceId>,
}

/// The billable calls of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepricedModel {
    /// Empty for calls that name none.
    pub model: String,
    pub calls: u64,
    /// Calls whose cost would change.
    pub changed: u64,
    /// As it is counted now; `None` if nothing is known of any.
    pub old: Option<Money>,
    pub new: Option<Money>,
}

/// Finds out what would change, call by call.
#[derive(Debug, Default)]
pub struct RepricingGatherer {
    models: BTreeMap<String, RepricedModel>,
    traces: BTreeSet<TraceId>,
}

impl RepricingGatherer {
    /// Looks at a span that carries usage: what its cost was computed to be, and what it is by the rules in force.
    pub fn add(
        &mut self,
        span: &SpanFacts<'_>,
        billable: bool,
        computed: Option<Money>,
        afresh: Option<Money>,
    ) {
        let changes = computed != afresh;
        if changes {
            self.traces.insert(span.trace_id);
        }
        if !billable {
            return;
        }
        let name = span.model.as_deref().unwrap_or_default();
        let model = self.models.entry(name.to_owned()).or_default();
        model.calls += 1;
        model.changed += u64::from(changes);
        // What the source gives counts where no rule knows better.
        for (sum, cost) in [(&mut model.old, computed), (&mut model.new, afresh)] {
            if let Some(cost) = cost.or(span.given_cost) {
                *sum = Some(sum.unwrap_or(Money::ZERO) + cost);
            }
        }
    }

    pub fn finish(self) -> Repricing {
        let named = |(model, sums): (String, RepricedModel)| RepricedModel { model, ..sums };
        Repricing {
            models: self.models.into_iter().map(named).collect(),
            traces: self.traces.into_iter().collect(),
        }
    }
}
