//! Inclusive and exclusive counts, guards, totals.

use serde_json::{Value, json};
use throughline_model::Usage;

use crate::support::{request, span, with_facts};

/// Uncached, cache read, cache write, cache write 1 h, output, reasoning.
fn buckets(usage: Usage) -> [u64; 6] {
    let Usage { input_uncached, cache_read, cache_write, cache_write_1h, output, reasoning, .. } = usage;
    [input_uncached, cache_read, cache_write, cache_write_1h, output, reasoning]
}

const EXCLUSIVE: &[&str] = &["usage_exclusive"];

#[track_caller]
fn check_in(scope: &str, attributes: &Value, expected: [u64; 6], flags: &[&str]) {
    with_facts(&request(&json!({}), scope, vec![span(attributes)]), |facts| {
        assert_eq!(facts.usage.map(buckets), Some(expected), "{attributes}");
        assert_eq!(facts.flags, flags, "{attributes}");
    });
}

#[track_caller]
fn check(attributes: &Value, expected: [u64; 6], flags: &[&str]) {
    check_in("test", attributes, expected, flags);
}

#[test]
fn what_is_inside_is_taken_out() {
    let otel = |extra: Value| {
        let mut all = json!({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        all
    };
    check(&otel(json!({})), [100, 0, 0, 0, 20, 0], &[]);
    let read = json!({"gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.usage.reasoning.output_tokens": 8});
    check(&otel(read), [36, 64, 0, 0, 12, 8], &[]);
    check(&otel(json!({"gen_ai.usage.cache_creation.input_tokens": 100})), [0, 0, 100, 0, 20, 0], &[]);
    let hour = json!({"gen_ai.usage.cache_write.input_tokens": 40, "throughline.usage.cache_write_1h": 30});
    check(&otel(hour), [60, 0, 10, 30, 20, 0], &[]);
    check(&otel(json!({"gen_ai.usage.reasoning.output_tokens": 20})), [100, 0, 0, 0, 0, 20], &[]);
}

#[test]
fn a_part_greater_than_its_whole_lies_beside_it_and_is_flagged() {
    let cache = json!({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.usage.cache_creation.input_tokens": 3});
    check(&cache, [10, 64, 3, 0, 5, 0], EXCLUSIVE);
    let reasoning = json!({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 6});
    check(&reasoning, [10, 0, 0, 0, 5, 6], EXCLUSIVE);
}

#[test]
fn the_total_tells_what_lies_where() {
    let with_total = |total: u64| {
        json!({"llm.token_count.prompt": 100, "llm.token_count.completion": 20, "llm.token_count.total": total,
            "llm.token_count.prompt_details.cache_read": 64, "llm.token_count.completion_details.reasoning": 8})
    };
    check(&with_total(120), [36, 64, 0, 0, 12, 8], &[]);
    check(&with_total(184), [100, 64, 0, 0, 12, 8], &[]);
    check(&with_total(128), [36, 64, 0, 0, 20, 8], &[]);
    check(&with_total(192), [100, 64, 0, 0, 20, 8], &[]);
    check(&with_total(7), [36, 64, 0, 0, 12, 8], &[]);
    check(&json!({"ai.usage.tokens": 9}), [9, 0, 0, 0, 0, 0], &[]);
}

#[test]
fn claude_code_counts_beside() {
    let attributes =
        json!({"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 3, "cache_creation_tokens": 2});
    check_in("com.anthropic.claude_code.tracing", &attributes, [10, 3, 2, 0, 5, 0], &[]);
}

#[test]
fn what_the_ai_sdk_says_outright_counts() {
    let details = json!({"ai.usage.inputTokens": 100, "ai.usage.outputTokens": 20,
        "ai.usage.inputTokenDetails.noCacheTokens": 36, "ai.usage.outputTokenDetails.reasoningTokens": 8});
    check(&details, [36, 64, 0, 0, 12, 8], &[]);
    let only_details = json!({"ai.usage.inputTokenDetails.noCacheTokens": 36,
        "ai.usage.outputTokenDetails.textTokens": 12, "ai.usage.outputTokenDetails.reasoningTokens": 8});
    check(&only_details, [36, 0, 0, 0, 12, 8], &[]);
}

#[test]
fn json_of_details_in_every_shape() {
    let details = |json: &str| json!({"langfuse.observation.usage_details": json});
    for (json, expected) in [
        (
            r#"{"input":36,"output":12,"input_cached_tokens":64,"output_reasoning":8,"later_key":{"a":1}}"#,
            [36, 64, 0, 0, 12, 8],
        ),
        (
            r#"{"input":36,"output":12,"input_cache_creation_5m":10,"input_cache_creation_1h":20}"#,
            [36, 0, 10, 20, 12, 0],
        ),
        (r#"{"input":36,"output":12,"input_cached_tokens":64,"total":112}"#, [36, 64, 0, 0, 12, 0]),
        (r#"{"input":100,"output":20,"input_cached_tokens":64,"total":120}"#, [36, 64, 0, 0, 20, 0]),
        (r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}"#, [100, 0, 0, 0, 20, 0]),
        (
            r#"{"input_tokens":100,"output_tokens":20,"input_tokens_details":{"cached_tokens":64},"output_tokens_details":{"reasoning_tokens":8}}"#,
            [36, 64, 0, 0, 12, 8],
        ),
        (
            r#"{"input_tokens":4,"output_tokens":20,"cache_read_input_tokens":64,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":3}}"#,
            [4, 64, 6, 3, 20, 0],
        ),
        (r#"{"promptTokens":"100","completionTokens":20.0}"#, [100, 0, 0, 0, 20, 0]),
    ] {
        check(&details(json), expected, &[]);
    }
}

#[test]
fn no_token_is_no_usage_and_a_zero_beside_it_no_cost() {
    for attributes in [
        json!({}),
        json!({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0, "llm.cost.total": 0}),
        json!({"langfuse.observation.cost_details": "{\"input\":0,\"output\":0,\"total\":0}"}),
        json!({"gen_ai.usage.input_tokens": -5, "langfuse.observation.usage_details": "{broken"}),
    ] {
        with_facts(&request(&json!({}), "test", vec![span(&attributes)]), |facts| {
            assert_eq!((facts.usage, facts.given_cost), (None, None), "{attributes}");
        });
    }
    let free = json!({"gen_ai.usage.input_tokens": 5, "llm.cost.total": 0});
    with_facts(&request(&json!({}), "test", vec![span(&free)]), |facts| {
        assert_eq!(facts.given_cost.map(|cost| cost.picodollars()), Some(0));
    });
}
