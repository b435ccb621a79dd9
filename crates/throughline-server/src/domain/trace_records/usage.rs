//! What the spans of a trace used, and what of it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use throughline_model::otlp::SpanFacts;
use throughline_model::{Money, Usage};

use crate::domain::preview;

/// No model call has more tokens than this in one bucket. What claims more is cut off, so that sums stay exact.
const MAX_TOKENS: u64 = 1 << 40;

/// The most bytes that the name of a model keeps.
const MODEL_BYTES: usize = 256;

const NOTHING: u32 = u32::MAX;

/// The usage of each span, and the sums over what is billable now.
#[derive(Debug, Clone, Default)]
pub(super) struct SpanUsage {
    /// Where the usage of each span is in `carried`, by order of arrival; `NOTHING` if it carries none.
    carrying: Vec<u32>,
    carried: Vec<Carried>,
    models: BTreeMap<Arc<str>, ModelUse>,
    pub(super) sums: UsageSums,
}

/// Of billable spans.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UsageSums {
    pub(super) usage: Usage,
    cost: Money,
    priced: u32,
    pub(super) calls: u32,
    pub(super) failed_calls: u32,
}

/// The usage of one span, whether it counts or not.
#[derive(Debug, Clone)]
struct Carried {
    usage: Usage,
    cost: Option<Money>,
    model: Option<Arc<str>>,
    failed: bool,
}

#[derive(Debug, Clone, Default)]
struct ModelUse {
    billable: u32,
    /// A model call without usage asked for it.
    called: bool,
}

impl SpanUsage {
    /// Takes in what the next span used. Where `cost` says nothing, the cost that the source gives counts.
    pub(super) fn take(&mut self, facts: &SpanFacts<'_>, cost: Option<Money>, billable: bool) {
        let Some(usage) = facts.usage else {
            self.carrying.push(NOTHING);
            if let Some(model) = facts.model.as_deref().filter(|_| facts.kind.is_model_call()) {
                let model = self.model(model);
                self.models.entry(model).or_default().called = true;
            }
            return;
        };
        let carried = Carried {
            usage: Usage::from_buckets(usage.buckets().map(|(_, tokens)| tokens.min(MAX_TOKENS))),
            cost: cost.or(facts.given_cost),
            model: facts.model.as_deref().filter(|model| !model.is_empty()).map(|model| self.model(model)),
            failed: facts.is_error(),
        };
        if billable {
            self.sums.add(&carried);
            if let Some(model) = &carried.model {
                self.models.entry(Arc::clone(model)).or_default().billable += 1;
            }
        }
        self.carrying.push(self.carried.len() as u32);
        self.carried.push(carried);
    }

    /// The span that came as this one is no longer billable.
    pub(super) fn stop_counting(&mut self, arrival: u32) {
        let Some(carried) = self.carried.get(self.carrying[arrival as usize] as usize) else { return };
        self.sums.subtract(carried);
        if let Some(used) = carried.model.as_ref().and_then(|model| self.models.get_mut(model)) {
            used.billable -= 1;
        }
    }

    fn model(&self, name: &str) -> Arc<str> {
        let name = preview::cut(name, MODEL_BYTES);
        self.models.get_key_value(name).map_or_else(|| Arc::from(name), |(known, _)| Arc::clone(known))
    }

    /// The models of billable calls; if no span carries usage, those that were called in vain.
    pub(super) fn model_names(&self) -> Vec<String> {
        let none_carried = self.carried.is_empty();
        let counts =
            self.models.iter().filter(|(_, used)| used.billable > 0 || (none_carried && used.called));
        counts.map(|(name, _)| name.to_string()).collect()
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.carrying.capacity() * size_of::<u32>()
            + self.carried.capacity() * size_of::<Carried>()
            + self.models.len() * 96
    }
}

impl UsageSums {
    /// What has a price, if anything has.
    pub(super) fn total_cost(&self) -> Option<Money> {
        (self.priced > 0).then_some(self.cost)
    }

    fn add(&mut self, carried: &Carried) {
        self.usage += carried.usage;
        self.calls += 1;
        self.failed_calls += u32::from(carried.failed);
        if let Some(cost) = carried.cost {
            self.cost += cost;
            self.priced += 1;
        }
    }

    fn subtract(&mut self, carried: &Carried) {
        self.usage -= carried.usage;
        self.calls -= 1;
        self.failed_calls -= u32::from(carried.failed);
        if let Some(cost) = carried.cost {
            self.cost -= cost;
            self.priced -= 1;
        }
    }
}
