//! What model calls cost: price rules with validity dates, and the choice among them.

mod comparison;
mod names;
mod rates;
mod repricing;
mod table;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashMap;

use throughline_model::otlp::SpanFacts;
use throughline_model::{Money, Timestamp, Usage};

pub use self::comparison::{Effect, RateChange, RuleEffect};
pub use self::names::model as model_name;
pub use self::rates::{Rates, per_million};
pub use self::repricing::{CallRange, Reprice, RepricedModel, Repricing, RepricingGatherer};
pub use self::table::{InvalidPrices, Mistake};

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
    /// The one whose rules go before those of the others first.
    tables: Vec<Table>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    exact: HashMap<String, Vec<PriceRule>>,
    /// Rules for every model whose name begins so, the longest beginning first.
    prefixes: Vec<(String, Vec<PriceRule>)>,
}

/// Which table a rule stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The table that ships with the binary.
    Builtin,
    /// The operator's own, `prices.file`.
    File,
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
    pub source: Source,
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
    /// The rule names this price; it is not taken from another bucket.
    pub listed: bool,
}

impl Part {
    /// What the tokens cost.
    pub fn cost(&self) -> Money {
        self.per_token * self.tokens
    }
}

impl Prices {
    /// The table that ships with the binary.
    pub fn builtin() -> Self {
        #[expect(clippy::expect_used, reason = "part of the binary, and a test reads it")]
        Self::read(include_str!("builtin.csv"), Source::Builtin).expect("the built-in price table is valid")
    }

    /// The operator's own table, in the same form.
    pub fn parse(table: &str) -> Result<Self, InvalidPrices> {
        Self::read(table, Source::File)
    }

    fn read(table: &str, source: Source) -> Result<Self, InvalidPrices> {
        let mut read = Table::default();
        let mut prefixes: HashMap<String, Vec<PriceRule>> = HashMap::new();
        for rule in table::parse(table, source)? {
            let rules = if rule.is_prefix { &mut prefixes } else { &mut read.exact };
            rules.entry(rule.model.clone()).or_default().push(rule);
        }
        read.prefixes = prefixes.into_iter().collect();
        read.prefixes.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
        Ok(Self { tables: vec![read] })
    }

    /// These rules, and where they say nothing, the others.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        self.tables.extend(others.tables);
        self
    }

    /// All rules, those of a table in the order of its lines.
    pub fn rules(&self) -> impl Iterator<Item = &PriceRule> {
        self.tables.iter().flat_map(|table| {
            let prefixes = table.prefixes.iter().flat_map(|(_, rules)| rules);
            let mut rules: Vec<&PriceRule> = table.exact.values().flatten().chain(prefixes).collect();
            rules.sort_unstable_by_key(|rule| rule.line);
            rules
        })
    }

    /// What the call cost, or `None` if no rule knows the model.
    pub fn cost(&self, call: &PricedCall<'_>) -> Option<Money> {
        let rule = self.rule_for(call)?;
        Some(rule.rates.parts(call.usage).iter().map(Part::cost).sum())
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
        let other_tier = rule.tier != Tier::of(call);
        let no_provider = rule.provider.is_some() && call.provider.is_none();
        Some(Explanation {
            rule,
            estimated: other_tier || no_provider || parts.iter().any(|part| !part.listed),
            cost: parts.iter().map(Part::cost).sum(),
            parts,
        })
    }

    /// The rule that holds for a call. The operator's table goes before the built-in one, a rule for its very provider
    /// before those for any, a whole name before the longest beginning, its service tier before the usual one, then the
    /// largest size that the call exceeds. Only where nobody knows better does a call that names no provider get the
    /// price of some provider.
    pub fn rule_for(&self, call: &PricedCall<'_>) -> Option<&PriceRule> {
        let name = OnceCell::new();
        let find = |guess| self.tables.iter().find_map(|table| table.rule_for(call, &name, guess));
        find(false).or_else(|| call.provider.is_none().then(|| find(true))?)
    }
}

impl Table {
    fn rule_for(&self, call: &PricedCall<'_>, name: &OnceCell<String>, guess: bool) -> Option<&PriceRule> {
        let exact = |name: &str| self.exact.get(name).and_then(|rules| choose(rules, call, guess));
        if let Some(rule) = exact(call.model) {
            return Some(rule);
        }
        let name = name.get_or_init(|| names::model(call.model));
        exact(name).or_else(|| {
            let matching = self.prefixes.iter().filter(|(prefix, _)| name.starts_with(prefix));
            matching.filter_map(|(_, rules)| choose(rules, call, guess)).next()
        })
    }
}

/// The rule among those of one name. Whether the provider may be guessed only matters to a call that names none.
fn choose<'a>(rules: &'a [PriceRule], call: &PricedCall<'_>, guess: bool) -> Option<&'a PriceRule> {
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
            (None, _, _) => true,
            (Some(_), _, None) => guess,
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

    /// The name that it has in a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Flex => "flex",
            Self::Fast => "fast",
            Self::Batch => "batch",
        }
    }

    fn of(call: &PricedCall<'_>) -> Self {
        call.service_tier.and_then(Self::from_name).unwrap_or(Self::Default)
    }
}
