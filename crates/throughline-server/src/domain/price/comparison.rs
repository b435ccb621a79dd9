//! What a table of one's own changes.

use throughline_model::{Money, Timestamp, Usage};

use super::{PriceRule, PricedCall, Prices, Rates, Tier};

/// What one rule of a table changes against the rules behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEffect<'a> {
    pub rule: &'a PriceRule,
    pub effect: Effect,
    /// Models of the rules behind it that this one decides from now on, besides the one with its very name.
    pub covers: Vec<&'a str>,
    /// The earlier line of the same table that goes before it, and whether nothing is left to this one.
    pub hidden: Option<(usize, bool)>,
}

/// What a rule does to the price of its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// So far there was no price.
    New,
    /// So far there were others.
    Changed(Vec<RateChange>),
    /// So far it was the same.
    Same,
}

/// A price that differs; `None` where it is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateChange {
    /// As in [`Usage::buckets`].
    pub bucket: &'static str,
    pub old: Option<Money>,
    pub new: Option<Money>,
}

impl Prices {
    /// What each of these rules, in the order of their lines, changes if it goes before those `behind`. A rule that
    /// always holds is compared with what holds at the time `now`.
    pub fn compare<'a>(&'a self, behind: &'a Self, now: Timestamp) -> Vec<RuleEffect<'a>> {
        let rules: Vec<&PriceRule> = self.rules().collect();
        let effect = |(n, rule): (usize, &&'a PriceRule)| RuleEffect {
            rule,
            effect: effect(rule, behind, now),
            covers: covered(rule, behind),
            hidden: hidden(rule, &rules[..n]),
        };
        rules.iter().enumerate().map(effect).collect()
    }

    /// Every model that a rule names whole, in order of the alphabet.
    pub fn models(&self) -> Vec<&str> {
        let whole = self.rules().filter(|rule| !rule.is_prefix);
        let mut models: Vec<&str> = whole.map(|rule| rule.model.as_str()).collect();
        models.sort_unstable();
        models.dedup();
        models
    }
}

impl PriceRule {
    /// Whether the rule speaks of this model, given by its normalised name.
    pub fn names(&self, model: &str) -> bool {
        if self.is_prefix { model.starts_with(&self.model) } else { model == self.model }
    }

    /// A time at which the rule holds, `now` if it does.
    fn sometime(&self, now: Timestamp) -> Timestamp {
        match (self.from, self.before) {
            (Some(from), _) if now < from => from,
            (_, Some(before)) if now >= before => before.plus_nanos(-1),
            _ => now,
        }
    }
}

fn effect(rule: &PriceRule, behind: &Prices, now: Timestamp) -> Effect {
    let usage = Usage { input_uncached: rule.above.saturating_add(1), ..Usage::default() };
    let call = PricedCall {
        provider: rule.provider.as_deref(),
        model: &rule.model,
        service_tier: Some(rule.tier.as_str()).filter(|_| rule.tier != Tier::Default),
        start: rule.sometime(now),
        usage: &usage,
    };
    match behind.rule_for(&call) {
        None => Effect::New,
        Some(old) => match changes(&old.rates, &rule.rates) {
            changes if changes.is_empty() => Effect::Same,
            changes => Effect::Changed(changes),
        },
    }
}

fn changes(old: &Rates, new: &Rates) -> Vec<RateChange> {
    let price = |rates: &Rates, bucket: &str| {
        rates.listed().into_iter().find(|(listed, _)| *listed == bucket).map(|(_, price)| price)
    };
    let buckets = Usage::default().buckets().map(|(bucket, _)| bucket);
    let change = |bucket| RateChange { bucket, old: price(old, bucket), new: price(new, bucket) };
    buckets.into_iter().map(change).filter(|change| change.old != change.new).collect()
}

fn covered<'a>(rule: &PriceRule, behind: &'a Prices) -> Vec<&'a str> {
    if !rule.is_prefix {
        return Vec::new();
    }
    behind.models().into_iter().filter(|model| rule.names(model) && *model != rule.model).collect()
}

/// Of rules that differ in nothing but their days, the first one holds.
fn hidden(rule: &PriceRule, earlier: &[&PriceRule]) -> Option<(usize, bool)> {
    let same = earlier.iter().filter(|other| {
        (&other.model, other.is_prefix, &other.provider, other.tier, other.above)
            == (&rule.model, rule.is_prefix, &rule.provider, rule.tier, rule.above)
    });
    let (first, last) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
    let days = |rule: &PriceRule| (rule.from.unwrap_or(first), rule.before.unwrap_or(last));
    let (from, before) = days(rule);
    let mut overlapping = same.filter(|other| days(other).0 < before && from < days(other).1);
    let other = overlapping.next()?;
    Some((other.line, days(other).0 <= from && before <= days(other).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_795_262_400_000_000_000);

    #[test]
    fn a_table_tells_what_it_changes() {
        let own = "model, from, before, input, cache_read, output\n\
                   my-model, , , 1, , 2\n\
                   gpt-4o, , , 2.5, 1.25, 9\n\
                   o3, , , 2, 0.5, 8\n\
                   o3, , 2025-06-10, 10, , 40\n\
                   my-model, 2026-01-01, 2027-01-01, 3, , 3\n\
                   claude-opus-4*, , , 5, 0.5, 25\n";
        let (own, builtin) = (Prices::parse(own).unwrap(), Prices::builtin());
        let told = own.compare(&builtin, NOW);
        let effects: Vec<&Effect> = told.iter().map(|told| &told.effect).collect();
        let dollars = |dollars: i128| Some(Money::from_picodollars(dollars * 1_000_000));
        let output = RateChange { bucket: "output", old: dollars(10), new: dollars(9) };
        assert_eq!(effects[0], &Effect::New);
        assert_eq!(effects[1], &Effect::Changed(vec![output]));
        assert_eq!(effects[2], &Effect::Same);
        let hidden: Vec<_> = told.iter().map(|told| told.hidden).collect();
        assert_eq!(hidden, [None, None, None, Some((4, true)), Some((2, true)), None]);
        let covers =
            ["claude-opus-4-1", "claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8"];
        assert_eq!((effects[5], &*told[5].covers), (&Effect::New, &covers[..]));
    }

    #[test]
    fn rules_of_other_days_hide_only_what_they_share() {
        let own = "model, from, before, input, output\n\
                   m, 2026-01-01, 2026-06-01, 1, 1\n\
                   m, 2026-03-01, , 2, 2\n\
                   m, 2025-01-01, 2026-01-01, 3, 3\n";
        let own = Prices::parse(own).unwrap();
        let hidden: Vec<_> = own.compare(&Prices::default(), NOW).iter().map(|told| told.hidden).collect();
        assert_eq!(hidden, [None, Some((2, false)), None]);
    }
}
