use throughline_model::{Money, Timestamp, Usage};

use super::{PricedCall, Prices, Source, Tier};

const USAGE: Usage = Usage {
    input_uncached: 1000,
    cache_read: 0,
    cache_write: 0,
    cache_write_1h: 0,
    input_audio: 0,
    output: 100,
    reasoning: 0,
    output_audio: 0,
};

fn day(day: &str) -> Timestamp {
    format!("{day}T00:00:00Z").parse().unwrap()
}

fn call<'a>(model: &'a str, usage: &'a Usage) -> PricedCall<'a> {
    PricedCall { provider: None, model, service_tier: None, start: day("2026-11-20"), usage }
}

fn dollars(call: &PricedCall<'_>) -> Option<f64> {
    Prices::builtin().cost(call).map(Money::dollars)
}

/// 1000 input and 100 output tokens, worked out by hand.
#[test]
fn prices_of_the_day() {
    for (model, expected) in [
        ("claude-opus-4-6", 0.0075),
        ("claude-sonnet-5", 0.0045),
        ("anthropic/claude-sonnet-4.5", 0.0045),
        ("claude-haiku-4-5-20251001", 0.0015),
        ("claude-3-5-haiku-latest", 0.0012),
        ("gpt-5.6-sol", 0.008),
        ("gpt-5.6-luna", 0.00032),
        ("gpt-5.4-nano", 0.000325),
        ("gpt-4o-2024-08-06", 0.0035),
        ("gpt-4o-mini", 0.00021),
        ("o3", 0.0028),
        ("gemini-3.7-flash", 0.001125),
        ("models/gemini-2.5-flash-lite", 0.00014),
        ("grok-4.20-reasoning", 0.0015),
        ("text-embedding-3-small", 0.00002),
        ("us.amazon.nova-pro-v1:0", 0.00112),
    ] {
        assert_eq!(dollars(&call(model, &USAGE)), Some(expected), "{model}");
    }
}

#[test]
fn unknown_models_have_no_price() {
    for model in ["", "my-own-model", "gpt-4", "gpt-4o:free", "claude"] {
        assert_eq!(dollars(&call(model, &USAGE)), None, "{model}");
    }
    assert_eq!(Prices::default().cost(&call("gpt-4o", &USAGE)), None);
}

#[test]
fn every_bucket_has_its_price() {
    let usage = Usage {
        input_uncached: 1,
        cache_read: 10,
        cache_write: 100,
        cache_write_1h: 1000,
        output: 10_000,
        reasoning: 100_000,
        ..Usage::default()
    };
    // 5 + 10 * 0.5 + 100 * 6.25 + 1000 * 10 + 110_000 * 25 dollars per million
    let expected = Money::from_picodollars((5 + 5 + 625 + 10_000 + 2_750_000) * 1_000_000);
    assert_eq!(Prices::builtin().cost(&call("claude-opus-4-5", &usage)), Some(expected));
    let explanation = Prices::builtin();
    let explanation = explanation.explain(&call("claude-opus-4-5", &usage)).unwrap();
    assert_eq!((explanation.cost, explanation.estimated, explanation.parts.len()), (expected, false, 6));
}

#[test]
fn a_price_that_is_not_listed_falls_back() {
    let prices = Prices::builtin();
    let usage =
        Usage { cache_read: 4, cache_write_1h: 2, input_audio: 1, output_audio: 1, ..Usage::default() };
    // gpt-5.5-pro lists input 30 and output 180 only.
    let explanation = prices.explain(&call("gpt-5.5-pro", &usage)).unwrap();
    assert_eq!((explanation.cost.picodollars(), explanation.estimated), ((7 * 30 + 180) * 1_000_000, true));
    // gpt-5.6-sol writes caches at 6.25, for an hour too.
    let usage = Usage { cache_write_1h: 4, ..Usage::default() };
    assert_eq!(prices.cost(&call("gpt-5.6-sol", &usage)), Some(Money::from_picodollars(25_000_000)));
    let usage = Usage { reasoning: 3, ..Usage::default() };
    assert!(!prices.explain(&call("gpt-5.4", &usage)).unwrap().estimated, "reasoning is output");
}

#[test]
fn prices_change_from_one_day_to_the_next() {
    let on = |model, start: &str| dollars(&PricedCall { start: day(start), ..call(model, &USAGE) });
    assert_eq!(on("claude-sonnet-5", "2026-08-31"), Some(0.003));
    assert_eq!(on("claude-sonnet-5", "2026-09-01"), Some(0.0045));
    assert_eq!(on("o3", "2025-06-09"), Some(0.014));
    assert_eq!(on("o3", "2025-06-10"), Some(0.0028));
    assert_eq!(on("gemini-3.6-flash", "2027-01-01"), Some(0.00225));
}

#[test]
fn tiers_have_their_price() {
    let at = |model, tier| {
        let prices = Prices::builtin();
        let call = PricedCall { service_tier: Some(tier), ..call(model, &USAGE) };
        prices.explain(&call).map(|explanation| (explanation.cost.dollars(), explanation.estimated))
    };
    assert_eq!(at("gpt-5", "priority"), Some((0.0045, false)));
    assert_eq!(at("gpt-5", "flex"), Some((0.001125, false)));
    assert_eq!(at("claude-opus-5", "fast"), Some((0.015, false)));
    assert_eq!(at("gpt-5", "default"), Some((0.00225, false)));
    assert_eq!(at("gpt-5", "batch"), Some((0.00225, true)), "not listed: as usual, and said so");
    assert_eq!(at("gpt-5", "something new"), Some((0.00225, false)));
}

#[test]
fn beyond_a_size_the_whole_call_costs_more() {
    let with_input = |model, cache_read| {
        let usage = Usage { input_uncached: 100_000, cache_read, ..Usage::default() };
        dollars(&call(model, &usage))
    };
    assert_eq!(with_input("gpt-5.4", 172_000), Some(0.293));
    assert_eq!(with_input("gpt-5.4", 172_001), Some(0.586_000_5));
    assert_eq!(with_input("gemini-2.5-pro", 100_001), Some(0.275_000_25));
    assert_eq!(with_input("minimax-m3", 412_001), Some(0.109_440_12));
}

#[test]
fn the_same_model_costs_differently_elsewhere() {
    let at = |provider: Option<&'static str>, model| {
        let prices = Prices::builtin();
        let call = PricedCall { provider, ..call(model, &USAGE) };
        prices.explain(&call).map(|explanation| (explanation.cost.dollars(), explanation.estimated))
    };
    assert_eq!(at(Some("deepseek"), "deepseek-v4-pro"), Some((0.000522, false)));
    assert_eq!(
        at(Some("fireworks_ai"), "accounts/fireworks/models/deepseek-v4-pro"),
        Some((0.002088, false))
    );
    assert_eq!(at(None, "deepseek-v4-pro"), Some((0.000522, true)), "the first in the table");
    assert_eq!(at(Some("openrouter"), "deepseek-v4-pro"), None);
    assert_eq!(at(Some("z.ai"), "GLM-5.2"), Some((0.00184, false)));
    assert_eq!(at(Some("openrouter"), "gpt-4o"), Some((0.0035, false)), "the same everywhere");
}

#[test]
fn a_million_small_calls_add_up_exactly() {
    let prices = Prices::builtin();
    let usage = Usage { input_uncached: 2, output: 1, ..Usage::default() };
    let cost = prices.cost(&call("gpt-5-nano", &usage)).unwrap();
    let total: Money = (0..1_000_000).map(|_| cost).sum();
    assert_eq!((total.picodollars(), total.dollars()), (500_000_000_000, 0.5));
}

#[test]
fn nothing_overflows() {
    let usage =
        Usage { output: u64::MAX, input_uncached: u64::MAX, cache_read: u64::MAX, ..Usage::default() };
    assert!(dollars(&call("gpt-5.5-pro", &usage)).unwrap() > 1e15);
}

#[test]
fn a_table_says_what_is_wrong_with_it() {
    let error = |table: &str| Prices::parse(table).unwrap_err().to_string();
    let header = "model, tier, above, from, before, input, output";
    for (row, expected) in [
        ("m, , , , , 1", "2:12: m: 6 cells for 7 columns"),
        (", , , , , 1, 2", "2:1: model: missing"),
        ("\"m\", , , , , 1, 2", r#"2:1: model: must stand without quotes, got "\"m\"""#),
        ("openai/, , , , , 1, 2", r#"2:1: model: names no model, got "openai/""#),
        ("m, slow, , , , 1, 2", r#"2:4: tier: must be flex, fast or batch, got "slow""#),
        ("m, , many, , , 1, 2", r#"2:6: above: must be a number of tokens, got "many""#),
        ("m, , , May, , 1, 2", r#"2:8: from: must be a day like 2026-08-31, got "May""#),
        (
            "m, , , 2026-05-01, 2026-05-01, 1, 2",
            r#"2:20: before: must be a day after that of `from`, got "2026-05-01""#,
        ),
        ("ü, , , , , 1, ", "2:15: output: missing"),
        ("m, , , , , -1, 2", r#"2:12: input: must be dollars like 2.50, with at most six places, got "-1""#),
    ] {
        assert_eq!(error(&format!("{header}\n{row}")), expected);
    }
    assert!(error("model, input").contains("output: column missing"));
    assert!(error("model, input, output, price").starts_with("1:23: price: unknown column"));
    assert!(error("").contains("header: there is none"));
    let all = Prices::parse("\u{feff}# ours\nmodel, input, output\nm, x, y\n\n, 1, 2\n").unwrap_err();
    let places: Vec<_> =
        all.mistakes.iter().map(|mistake| (mistake.line, mistake.character, &*mistake.column)).collect();
    assert_eq!(places, [(3, 4, "input"), (3, 7, "output"), (5, 1, "model")]);
    assert!(all.to_string().ends_with("(and 2 more mistakes)"));
}

#[test]
fn an_own_table_goes_before_the_built_in_one() {
    let own = "model, provider, from, input, output\n\
               gpt-4o, , 2026-01-01, 1, 1\n\
               gpt-4o, azure, , 7, 7\n\
               my-model*, , , 2, 2\n\
               gpt-5*, , , 3, 3\n";
    let prices = Prices::parse(own).unwrap().or(Prices::builtin());
    let input = |call: PricedCall<'_>| {
        let rule = prices.rule_for(&call)?;
        Some((rule.source, rule.rates.input.picodollars() / 100_000))
    };
    assert_eq!(input(call("gpt-4o", &USAGE)), Some((Source::File, 10)), "no provider is guessed");
    let before = PricedCall { start: day("2025-12-31"), ..call("gpt-4o", &USAGE) };
    assert_eq!(input(before), Some((Source::Builtin, 25)), "before its first day the built-in one holds");
    let azure = PricedCall { provider: Some("Azure"), ..before };
    assert_eq!(input(azure), Some((Source::File, 70)));
    assert_eq!(input(call("my-model-2", &USAGE)), Some((Source::File, 20)));
    assert_eq!(input(call("gpt-5-nano", &USAGE)), Some((Source::File, 30)), "even by the name's beginning");
    assert_eq!(input(call("o3", &USAGE)), Some((Source::Builtin, 20)));
}

#[test]
fn the_longest_beginning_wins_and_a_whole_name_before_it() {
    let table = "model, input, output\nbig*, 1, 0\nbig-model*, 2, 0\nbig-model-one, 3, 0\n";
    let prices = Prices::parse(table).unwrap();
    let price =
        |model| prices.rule_for(&call(model, &USAGE)).map(|rule| rule.rates.input.picodollars() / 1_000_000);
    assert_eq!(price("big-model-one"), Some(3));
    assert_eq!(price("big-model-two"), Some(2));
    assert_eq!(price("bigger"), Some(1));
    assert_eq!(Tier::from_name("PRIORITY"), Some(Tier::Fast));
}
