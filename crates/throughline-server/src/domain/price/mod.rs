//! What model calls cost: price rules with validity dates, and the choice among them.

mod names;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

use throughline_model::otlp::SpanFacts;
use throughline_model::{Money, Timestamp, Usage};

pub use self::table::InvalidPrices;

/// What a price depends on.
#[derive(Debug, Clone, Copy)]
pub struct PricedCall<'a> {
    pub provider: Option<&'a str>,
    pub model: &'a str,
    pub service_tier: Option<&'a str>,
    pub start: Timestamp,
    pub usage: &'a Usage,
}

/// The price rules in force. By default there are none.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    exact: HashMap<String, Vec<PriceRule>>,
    /// Rules for every model whose name begins so, the longest beginning first.
    prefixes: Vec<(String, Vec<PriceRule>)>,
}

/// What a call costs under certain circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRule {
    /// The model's normalised name, or with `is_prefix` how it begins.
    pub model: String,
    pub is_prefix: bool,
    /// Only calls served by this provider.
    pub provider: Option<String>,
    pub tier: Tier,
    /// Only calls with more input tokens than this.
    pub above: u64,
    pub from: Option<Timestamp>,
    pub before: Option<Timestamp>,
    pub rates: Rates,
    /// Where the rule stands in its table, counted from 1.
    pub line: usize,
}

/// At which speed and price a call is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Default,
    Flex,
    /// OpenAI calls it `priority`.
    Fast,
    Batch,
}

/// Price per token. What is not set falls back: the cache for an hour to the cache, caches and audio to input,
/// reasoning and audio to output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    pub input: Money,
    pub cache_read: Option<Money>,
    pub cache_write: Option<Money>,
    pub cache_write_1h: Option<Money>,
    pub output: Money,
    pub reasoning: Option<Money>,
    pub input_audio: Option<Money>,
    pub output_audio: Option<Money>,
}

/// How a call's cost comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    pub rule: &'a PriceRule,
    /// The table does not say exactly this: a cache or audio price, the tier or the provider was not found.
    pub estimated: bool,
    /// The buckets that have tokens.
    pub parts: Vec<Part>,
    pub cost: Money,
}

/// One bucket of a call's usage and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// As in [`Usage::buckets`].
    pub bucket: &'static str,
    pub tokens: u64,
    pub per_token: Money,
}

impl Prices {
    /// The table that ships with the binary.
    pub fn builtin() -> Self {
        #[expect(clippy::expect_used, reason = "part of the binary, and a test reads it")]
        Self::parse(include_str!("builtin.csv")).expect("the built-in price table is valid")
    }

    /// A table of the same form.
    pub fn parse(table: &str) -> Result<Self, InvalidPrices> {
        let mut prices = Self::default();
        let mut prefixes: HashMap<String, Vec<PriceRule>> = HashMap::new();
        for rule in table::parse(table)? {
            let rules = if rule.is_prefix { &mut prefixes } else { &mut prices.exact };
            rules.entry(rule.model.clone()).or_default().push(rule);
        }
        prices.prefixes = prefixes.into_iter().collect();
        prices.prefixes.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
        Ok(prices)
    }

    /// What the call cost, or `None` if no rule knows the model.
    pub fn cost(&self, call: &PricedCall<'_>) -> Option<Money> {
        let rule = self.rule_for(call)?;
        Some(rule.rates.parts(call.usage).map(|part| part.per_token * part.tokens).into_iter().sum())
    }

    /// What the span's usage costs by these rules, or `None` if it has none or no rule knows its model.
    pub fn span_cost(&self, span: &SpanFacts<'_>) -> Option<Money> {
        self.cost(&PricedCall {
            provider: span.provider.as_deref(),
            model: span.model.as_deref()?,
            service_tier: span.service_tier.as_deref(),
            start: span.start,
            usage: span.usage.as_ref()?,
        })
    }

    /// How the cost comes about.
    pub fn explain(&self, call: &PricedCall<'_>) -> Option<Explanation<'_>> {
        let rule = self.rule_for(call)?;
        let used = |part: &Part| part.tokens > 0;
        let parts: Vec<Part> = rule.rates.parts(call.usage).into_iter().filter(used).collect();
        let is_guess = |part: &Part| !rule.rates.lists(part.bucket);
        let other_tier = rule.tier != Tier::of(call);
        let no_provider = rule.provider.is_some() && call.provider.is_none();
        Some(Explanation {
            rule,
            estimated: other_tier || no_provider || parts.iter().any(is_guess),
            cost: parts.iter().map(|part| part.per_token * part.tokens).sum(),
            parts,
        })
    }

    /// The rule that holds for a call. A rule for its very provider goes before those for any, a whole name before the
    /// longest beginning, its service tier before the usual one, then the largest size that the call exceeds.
    pub fn rule_for(&self, call: &PricedCall<'_>) -> Option<&PriceRule> {
        if let Some(rule) = self.exact.get(call.model).and_then(|rules| choose(rules, call)) {
            return Some(rule);
        }
        let name = names::model(call.model);
        let exact = self.exact.get(&name).and_then(|rules| choose(rules, call));
        exact.or_else(|| {
            let matching = self.prefixes.iter().filter(|(prefix, _)| name.starts_with(prefix));
            matching.filter_map(|(_, rules)| choose(rules, call)).next()
        })
    }
}

fn choose<'a>(rules: &'a [PriceRule], call: &PricedCall<'_>) -> Option<&'a PriceRule> {
    let tier = Tier::of(call);
    let provider =
        call.provider.filter(|_| rules.iter().any(|rule| rule.provider.is_some())).map(names::provider);
    let input = call.usage.input();
    rules
        .iter()
        .filter(|rule| rule.from.is_none_or(|from| from <= call.start))
        .filter(|rule| rule.before.is_none_or(|before| call.start < before))
        .filter(|rule| rule.above == 0 || input > rule.above)
        .filter(|rule| rule.tier == tier || rule.tier == Tier::Default)
        .filter(|rule| match (&rule.provider, &provider, call.provider) {
            (None, _, _) | (Some(_), _, None) => true,
            (Some(wanted), given, Some(_)) => given.as_ref() == Some(wanted),
        })
        // Of equals the first, so that who names no provider gets the first one's price.
        .min_by_key(|rule| {
            let other_provider = rule.provider.is_some() != provider.is_some();
            (other_provider, rule.tier != tier, Reverse(rule.above))
        })
}

impl Tier {
    /// The tier with this name; `None` if nobody knows it.
    pub fn from_name(name: &str) -> Option<Self> {
        let named = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if ["default", "standard", "auto", "on_demand"].into_iter().any(named) => Some(Self::Default),
            () if named("flex") => Some(Self::Flex),
            () if named("fast") || named("priority") => Some(Self::Fast),
            () if named("batch") => Some(Self::Batch),
            () => None,
        }
    }

    fn of(call: &PricedCall<'_>) -> Self {
        call.service_tier.and_then(Self::from_name).unwrap_or(Self::Default)
    }
}

impl Rates {
    /// Each bucket with its price.
    fn parts(&self, usage: &Usage) -> [Part; 8] {
        usage.buckets().map(|(bucket, tokens)| Part { bucket, tokens, per_token: self.per_token(bucket) })
    }

    fn per_token(&self, bucket: &str) -> Money {
        match bucket {
            "cacheRead" => self.cache_read.unwrap_or(self.input),
            "cacheWrite" => self.cache_write.unwrap_or(self.input),
            "cacheWrite1h" => self.cache_write_1h.or(self.cache_write).unwrap_or(self.input),
            "inputAudio" => self.input_audio.unwrap_or(self.input),
            "reasoning" => self.reasoning.unwrap_or(self.output),
            "outputAudio" => self.output_audio.unwrap_or(self.output),
            "output" => self.output,
            _ => self.input,
        }
    }

    /// Whether the bucket has a price of its own. Reasoning is output by definition.
    fn lists(&self, bucket: &str) -> bool {
        match bucket {
            "cacheRead" => self.cache_read.is_some(),
            "cacheWrite" => self.cache_write.is_some(),
            "cacheWrite1h" => self.cache_write_1h.is_some(),
            "inputAudio" => self.input_audio.is_some(),
            "outputAudio" => self.output_audio.is_some(),
            _ => true,
        }
    }
}
