//! Tokens and costs as sources count them, split into our disjoint buckets.
//!
//! Sources that follow OpenTelemetry count cached tokens inside the input and reasoning inside the output; others
//! (Anthropic's own numbers, Langfuse's generic buckets, Claude Code) count them beside. Where a source gives a total,
//! the total tells which; else its convention does; and a part that is greater than its whole always does.

use serde_json::{Map, Value};

use super::mapping::{Field, Shape};
use super::slots::Slots;
use super::value::RawValue;
use crate::{Money, Usage};

/// What a source counted, before it is split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) total: Option<u64>,
    /// Input without the cache, said outright.
    pub(super) uncached: Option<u64>,
    /// Output without reasoning, said outright.
    pub(super) text: Option<u64>,
    pub(super) cache_read: u64,
    /// Both life times together.
    pub(super) cache_write: u64,
    pub(super) cache_write_1h: u64,
    pub(super) input_audio: u64,
    pub(super) reasoning: u64,
    pub(super) output_audio: u64,
    /// By the source's convention the parts are beside `input` and `output`, not inside.
    pub(super) exclusive: bool,
}

impl Counts {
    /// What the slots say; a JSON of details only counts for what no attribute says.
    pub(super) fn read(slots: &Slots<'_>) -> Self {
        let mut counts = match slots.value(Field::UsageDetails).and_then(object) {
            Some(details) => Self::of_details(&details),
            None => Self::default(),
        };
        let exclusive = |(rule, _): (&super::mapping::Rule, _)| matches!(rule.shape, Shape::ExclusiveCount);
        counts.exclusive |= slots.get(Field::InputTokens).is_some_and(exclusive);
        for (count, field) in [
            (&mut counts.input, Field::InputTokens),
            (&mut counts.output, Field::OutputTokens),
            (&mut counts.total, Field::TotalTokens),
            (&mut counts.uncached, Field::UncachedTokens),
            (&mut counts.text, Field::TextTokens),
        ] {
            *count = slots.count(field).or(*count);
        }
        for (count, field) in [
            (&mut counts.cache_read, Field::CacheRead),
            (&mut counts.cache_write, Field::CacheWrite),
            (&mut counts.cache_write_1h, Field::CacheWrite1h),
            (&mut counts.input_audio, Field::InputAudio),
            (&mut counts.reasoning, Field::Reasoning),
            (&mut counts.output_audio, Field::OutputAudio),
        ] {
            *count = slots.count(field).unwrap_or(*count);
        }
        counts
    }

    /// Fills in what only the provider's own report says (AI SDK's `providerMetadata`).
    pub(super) fn add_provider_report(&mut self, report: &Map<String, Value>) {
        let number = |path: &[&str]| number_at(report, path);
        let hour = number(&["anthropic", "usage", "cache_creation", "ephemeral_1h_input_tokens"]);
        let written = number(&["anthropic", "usage", "cache_creation_input_tokens"])
            .or_else(|| number(&["anthropic", "cacheCreationInputTokens"]))
            .or_else(|| number(&["bedrock", "usage", "cacheWriteInputTokens"]));
        if self.cache_write == 0 {
            self.cache_write = written.unwrap_or(0);
        }
        if self.cache_write_1h == 0 {
            self.cache_write_1h = hour.unwrap_or(0);
        }
    }

    /// A JSON object of counts: OpenAI's shapes, Anthropic's, LangChain's, or Langfuse's generic buckets. Unknown keys are nobody's
    /// mistake and are passed over.
    pub(super) fn of_details(details: &Map<String, Value>) -> Self {
        let number = |path: &[&str]| number_at(details, path);
        let any = |paths: &[&[&str]]| paths.iter().find_map(|path| number(path));
        let generic = number(&["input"]).is_some() || number(&["output"]).is_some();
        let anthropic = number(&["cache_read_input_tokens"]).is_some()
            || number(&["cache_creation_input_tokens"]).is_some();
        let hour = any(&[&["input_cache_creation_1h"], &["cache_creation", "ephemeral_1h_input_tokens"]]);
        let five_minutes = number(&["input_cache_creation_5m"]);
        let written = any(&[
            &["input_cache_creation"],
            &["cache_creation_input_tokens"],
            &["input_token_details", "cache_creation"],
        ]);
        Self {
            input: any(&[
                &["input"],
                &["prompt_tokens"],
                &["input_tokens"],
                &["promptTokens"],
                &["inputTokens"],
            ]),
            output: any(&[
                &["output"],
                &["completion_tokens"],
                &["output_tokens"],
                &["completionTokens"],
                &["outputTokens"],
            ]),
            total: any(&[&["total"], &["total_tokens"], &["totalTokens"]]),
            cache_read: any(&[
                &["input_cached_tokens"],
                &["input_cache_read"],
                &["cache_read_input_tokens"],
                &["prompt_tokens_details", "cached_tokens"],
                &["input_tokens_details", "cached_tokens"],
                &["input_token_details", "cache_read"],
            ])
            .unwrap_or(0),
            cache_write: written
                .unwrap_or_else(|| hour.unwrap_or(0).saturating_add(five_minutes.unwrap_or(0))),
            cache_write_1h: hour.unwrap_or(0),
            input_audio: any(&[
                &["input_audio"],
                &["input_audio_tokens"],
                &["prompt_tokens_details", "audio_tokens"],
                &["input_tokens_details", "audio_tokens"],
                &["input_token_details", "audio"],
            ])
            .unwrap_or(0),
            reasoning: any(&[
                &["output_reasoning"],
                &["output_reasoning_tokens"],
                &["completion_tokens_details", "reasoning_tokens"],
                &["output_tokens_details", "reasoning_tokens"],
                &["output_token_details", "reasoning"],
            ])
            .unwrap_or(0),
            output_audio: any(&[
                &["output_audio"],
                &["output_audio_tokens"],
                &["completion_tokens_details", "audio_tokens"],
                &["output_tokens_details", "audio_tokens"],
                &["output_token_details", "audio"],
            ])
            .unwrap_or(0),
            exclusive: generic || anthropic,
            ..Self::default()
        }
    }

    /// The counts in disjoint buckets, and whether a part was greater than its whole, so that the source's convention
    /// had to be doubted. `None` without a single token.
    pub(super) fn split(self) -> Option<(Usage, bool)> {
        let (input, input_doubted) = self.split_input();
        let (output, output_doubted) = self.split_output();
        let mut usage = input;
        usage += output;
        if usage.total() == 0 {
            // A source that gives nothing but a total, like an embedding's.
            usage.input_uncached = self.total.unwrap_or(0);
        }
        (usage.total() > 0).then_some((usage, input_doubted || output_doubted))
    }

    fn cached(&self) -> u64 {
        self.cache_read.saturating_add(self.cache_write.max(self.cache_write_1h))
    }

    fn split_input(&self) -> (Usage, bool) {
        let cached = self.cached();
        let parts = Usage {
            cache_read: self.cache_read,
            cache_write: self.cache_write.saturating_sub(self.cache_write_1h),
            cache_write_1h: self.cache_write_1h,
            input_audio: self.input_audio,
            ..Usage::default()
        };
        let Some(input) = self.input else {
            return (Usage { input_uncached: self.uncached.unwrap_or(0), ..parts }, false);
        };
        if let Some(uncached) = self.uncached {
            // What is neither uncached nor counted as cached can only have been read from the cache.
            let rest = input.saturating_sub(uncached).saturating_sub(cached);
            let usage = Usage {
                input_uncached: uncached.saturating_sub(self.input_audio),
                cache_read: self.cache_read.saturating_add(rest),
                ..parts
            };
            return (usage, false);
        }
        let impossible = cached > input;
        if impossible || self.is_exclusive(cached) {
            return (Usage { input_uncached: input, ..parts }, impossible && !self.exclusive);
        }
        let text = input.saturating_sub(cached);
        let input_audio = self.input_audio.min(text);
        (Usage { input_uncached: text - input_audio, input_audio, ..parts }, false)
    }

    fn split_output(&self) -> (Usage, bool) {
        let within = self.reasoning.saturating_add(self.output_audio);
        let parts = Usage { reasoning: self.reasoning, output_audio: self.output_audio, ..Usage::default() };
        let Some(output) = self.output else {
            return (Usage { output: self.text.unwrap_or(0), ..parts }, false);
        };
        let impossible = within > output;
        if impossible || self.is_exclusive(within) {
            return (Usage { output, ..parts }, impossible && !self.exclusive);
        }
        (Usage { output: output.saturating_sub(within), ..parts }, false)
    }

    /// Whether `part` (cached input, or reasoning) is beside input and output. The total knows best.
    fn is_exclusive(&self, part: u64) -> bool {
        let (Some(input), Some(output), Some(total)) = (self.input, self.output, self.total) else {
            return self.exclusive;
        };
        let rest = total.checked_sub(input.saturating_add(output));
        match rest {
            Some(0) if part > 0 => false,
            Some(rest) if rest > 0 => {
                let cached = self.cached();
                let within = self.reasoning.saturating_add(self.output_audio);
                rest == part || rest == cached.saturating_add(within) || self.exclusive
            }
            _ => self.exclusive,
        }
    }
}

/// What the source says the call cost. A zero beside no usage is a placeholder.
pub(super) fn given_cost(slots: &Slots<'_>, has_usage: bool) -> Option<Money> {
    let dollars = slots.number(Field::Cost).or_else(|| {
        let details = slots.value(Field::CostDetails).and_then(object)?;
        let each = || details.iter().filter_map(|(_, value)| value.as_f64());
        details.get("total").and_then(Value::as_f64).or_else(|| each().reduce(|sum, part| sum + part))
    });
    let dollars =
        dollars.or_else(|| match (slots.number(Field::InputCost), slots.number(Field::OutputCost)) {
            (None, None) => None,
            (input, output) => Some(input.unwrap_or(0.0) + output.unwrap_or(0.0)),
        })?;
    (dollars > 0.0 || has_usage).then(|| Money::from_dollars(dollars)).flatten()
}

/// The JSON object that a value is, or is the text of.
pub(super) fn object(value: RawValue<'_>) -> Option<Map<String, Value>> {
    match value {
        RawValue::Text(text) => serde_json::from_slice(text).ok(),
        RawValue::Map(_) => match value.to_json() {
            Value::Object(object) => Some(object),
            _ => None,
        },
        _ => None,
    }
}

fn number_at(object: &Map<String, Value>, path: &[&str]) -> Option<u64> {
    let (last, parents) = path.split_last()?;
    let mut object = object;
    for key in parents {
        object = object.get(*key)?.as_object()?;
    }
    match object.get(*last)? {
        Value::Number(number) => RawValue::Float(number.as_f64()?).to_count(),
        Value::String(text) => RawValue::Text(text.as_bytes()).to_count(),
        _ => None,
    }
}
