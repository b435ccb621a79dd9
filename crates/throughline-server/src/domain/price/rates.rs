//! What a token costs, by bucket.

use throughline_model::{Money, Usage};

use super::Part;

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

impl Rates {
    /// Each bucket with its price.
    pub(super) fn parts(&self, usage: &Usage) -> [Part; 8] {
        usage.buckets().map(|(bucket, tokens)| Part {
            bucket,
            tokens,
            per_token: self.per_token(bucket),
            listed: self.lists(bucket),
        })
    }

    /// The prices that are set, each with its bucket, in the order of [`Usage::buckets`].
    pub fn listed(&self) -> Vec<(&'static str, Money)> {
        [
            ("inputUncached", Some(self.input)),
            ("cacheRead", self.cache_read),
            ("cacheWrite", self.cache_write),
            ("cacheWrite1h", self.cache_write_1h),
            ("inputAudio", self.input_audio),
            ("output", Some(self.output)),
            ("reasoning", self.reasoning),
            ("outputAudio", self.output_audio),
        ]
        .into_iter()
        .filter_map(|(bucket, price)| Some((bucket, price?)))
        .collect()
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

/// A price per token as dollars per million tokens, exactly: `2.50`, `0.003625`.
pub fn per_million(price: Money) -> String {
    let picodollars = price.picodollars();
    let (sign, magnitude) = (if picodollars < 0 { "-" } else { "" }, picodollars.unsigned_abs());
    let places = format!("{:06}", magnitude % 1_000_000);
    let places = places.trim_end_matches('0');
    format!("{sign}{}.{places:0<2}", magnitude / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_shown_whole() {
        for (picodollars, expected) in [
            (2_500_000, "2.50"),
            (3_625, "0.003625"),
            (0, "0.00"),
            (-150_000, "-0.15"),
            (30_000_000, "30.00"),
        ] {
            assert_eq!(per_million(Money::from_picodollars(picodollars)), expected);
        }
    }
}
