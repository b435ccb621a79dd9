//! What a session cost: by model, bucket and turn, and what caching saved.

use std::collections::{BTreeMap, HashMap};

use throughline_model::otlp::SpanFacts;
use throughline_model::{Money, Timestamp, TraceId, Usage};

use super::price::{Explanation, PricedCall, Prices};

/// One billable call, as far as its cost depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub trace: TraceId,
    pub start: Timestamp,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub service_tier: Option<String>,
    pub usage: Usage,
    /// What the price rules said when it came.
    pub computed: Option<Money>,
    /// What the source says.
    pub given: Option<Money>,
}

/// What calls cost together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCosts {
    pub calls: u64,
    pub usage: Usage,
    /// `None` if nothing is known of any.
    pub cost: Option<Money>,
    /// What cached tokens would have cost more as plain input; less than nothing where writing to the cache cost more
    /// than reading from it saved.
    pub saved: Money,
    /// Cost by bucket, as in [`Usage::buckets`], of those calls whose cost the rules in force explain.
    pub buckets: BTreeMap<&'static str, Money>,
    /// Calls whose price the table does not say exactly.
    pub estimated: u64,
    /// Calls of which nobody knows what they cost.
    pub unpriced: u64,
}

/// What a session cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionCost {
    pub total: CallCosts,
    /// By model, the dearest first; calls without a model under the empty name.
    pub models: Vec<(String, CallCosts)>,
    /// By turn, in order of their first call.
    pub turns: Vec<(TraceId, CallCosts)>,
}

impl Call {
    /// The call that a billable span is; `None` if it carries no usage.
    pub fn of(span: &SpanFacts<'_>, computed: Option<Money>) -> Option<Self> {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Some(Self {
            trace: span.trace_id,
            start: span.start,
            provider: text(&span.provider),
            model: text(&span.model),
            service_tier: text(&span.service_tier),
            usage: span.usage?,
            computed,
            given: span.given_cost,
        })
    }

    fn priced(&self) -> Option<PricedCall<'_>> {
        Some(PricedCall {
            provider: self.provider.as_deref(),
            model: self.model.as_deref()?,
            service_tier: self.service_tier.as_deref(),
            start: self.start,
            usage: &self.usage,
        })
    }
}

impl SessionCost {
    /// Sums calls up. What a call was computed to cost is only taken apart if the rules in force still say the same.
    pub fn of(mut calls: Vec<Call>, prices: &Prices) -> Self {
        calls.sort_by_key(|call| (call.start, call.trace));
        let mut cost = Self::default();
        let mut models: BTreeMap<String, CallCosts> = BTreeMap::new();
        let mut places: HashMap<TraceId, usize> = HashMap::new();
        for call in &calls {
            let explanation = call.priced().and_then(|call| prices.explain(&call));
            let explanation = explanation.filter(|explained| Some(explained.cost) == call.computed);
            let name = call.model.clone().unwrap_or_default();
            let place = *places.entry(call.trace).or_insert_with(|| {
                cost.turns.push((call.trace, CallCosts::default()));
                cost.turns.len() - 1
            });
            let turn = &mut cost.turns[place].1;
            for costs in [&mut cost.total, models.entry(name).or_default(), turn] {
                costs.add(call, explanation.as_ref());
            }
        }
        cost.models = models.into_iter().collect();
        cost.models.sort_by_key(|(_, costs)| std::cmp::Reverse(costs.cost));
        cost
    }
}

impl CallCosts {
    fn add(&mut self, call: &Call, explanation: Option<&Explanation<'_>>) {
        self.calls += 1;
        self.usage += call.usage;
        match call.computed.or(call.given) {
            Some(cost) => self.cost = Some(self.cost.unwrap_or(Money::ZERO) + cost),
            None => self.unpriced += 1,
        }
        let Some(explanation) = explanation else { return };
        self.estimated += u64::from(explanation.estimated);
        for part in &explanation.parts {
            *self.buckets.entry(part.bucket).or_insert(Money::ZERO) += part.cost();
            if part.bucket.starts_with("cache") {
                self.saved += (explanation.rule.rates.input - part.per_token) * part.tokens;
            }
        }
    }

    /// The part of the cost that is not taken apart by bucket.
    pub fn unexplained(&self) -> Money {
        self.cost.unwrap_or(Money::ZERO) - self.buckets.values().copied().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(trace: u8, model: &str, usage: Usage) -> Call {
        let start = Timestamp::from_nanos(1_795_168_800_000_000_000 + i64::from(trace));
        let trace = TraceId::from_bytes([trace; 16]).unwrap();
        let model = Some(model.to_owned());
        let mut call = Call {
            trace,
            start,
            provider: None,
            model,
            service_tier: None,
            usage,
            computed: None,
            given: None,
        };
        call.computed = call.priced().and_then(|call| Prices::builtin().cost(&call));
        call
    }

    fn micros(dollars: i128) -> Money {
        Money::from_picodollars(dollars * 1_000_000)
    }

    #[test]
    fn a_session_is_taken_apart() {
        let cached = Usage { input_uncached: 10, cache_read: 100, output: 4, ..Usage::default() };
        let written = Usage { cache_write: 100, output: 4, ..Usage::default() };
        let mut outdated = call(3, "o3", Usage { output: 1, ..Usage::default() });
        outdated.computed = Some(micros(40));
        let strange = call(3, "my-model", cached);
        let given = Call { given: Some(micros(5)), ..call(2, "their-model", cached) };
        let calls = vec![
            given,
            call(2, "claude-haiku-4-5", cached),
            call(1, "claude-haiku-4-5", written),
            outdated,
            strange,
        ];
        let cost = SessionCost::of(calls, &Prices::builtin());
        let turns: Vec<_> = cost.turns.iter().map(|(_, turn)| (turn.calls, turn.cost)).collect();
        // 100 x 1.25 + 4 x 5; 10 x 1 + 100 x 0.1 + 4 x 5, and what was given; what was computed once
        assert_eq!(turns, [(1, Some(micros(145))), (2, Some(micros(45))), (2, Some(micros(40)))]);
        let names: Vec<&str> = cost.models.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["claude-haiku-4-5", "o3", "their-model", "my-model"]);
        // 100 read for 0.1 instead of 1, 100 written for 1.25 instead of 1
        assert_eq!(cost.models[0].1.saved, micros(90 - 25));
        let buckets: Vec<_> = cost.total.buckets.iter().map(|(name, cost)| (*name, *cost)).collect();
        let expected = [
            ("cacheRead", micros(10)),
            ("cacheWrite", micros(125)),
            ("inputUncached", micros(10)),
            ("output", micros(40)),
        ];
        assert_eq!(buckets, expected);
        assert_eq!((cost.total.unexplained(), cost.total.unpriced), (micros(45), 1));
        assert_eq!(cost.models[3].1.cost, None);
    }
}
