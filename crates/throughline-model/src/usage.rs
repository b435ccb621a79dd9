//! Token usage in buckets that do not overlap.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

/// Tokens of one model call, or summed over many. The buckets are disjoint: their sum is [`Usage::total`].
///
/// Sources that count cached tokens inside the input, or reasoning inside the output, are split when they are read.
///
/// ```
/// # use throughline_model::Usage;
/// let usage = Usage { input_uncached: 36, cache_read: 64, output: 12, reasoning: 8, ..Usage::default() };
/// assert_eq!((usage.input(), usage.completion(), usage.total()), (100, 20, 120));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Input tokens neither read from nor written to a cache.
    pub input_uncached: u64,
    /// Input tokens read from the provider's cache.
    pub cache_read: u64,
    /// Input tokens written to the cache (the provider's usual life time).
    pub cache_write: u64,
    /// Input tokens written to the cache for an hour.
    #[serde(rename = "cacheWrite1h")]
    pub cache_write_1h: u64,
    /// Audio input tokens.
    pub input_audio: u64,
    /// Output tokens without reasoning and audio.
    pub output: u64,
    /// Reasoning ("thinking") tokens.
    pub reasoning: u64,
    /// Audio output tokens.
    pub output_audio: u64,
}

impl Usage {
    /// Every input bucket together.
    pub fn input(&self) -> u64 {
        [self.cache_read, self.cache_write, self.cache_write_1h, self.input_audio]
            .into_iter()
            .fold(self.input_uncached, u64::saturating_add)
    }

    /// Every output bucket together.
    pub fn completion(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.output_audio)
    }

    /// Every bucket together.
    pub fn total(&self) -> u64 {
        self.input().saturating_add(self.completion())
    }

    /// Each bucket with its name in JSON, in the order the API shows them.
    pub fn buckets(&self) -> [(&'static str, u64); 8] {
        [
            ("inputUncached", self.input_uncached),
            ("cacheRead", self.cache_read),
            ("cacheWrite", self.cache_write),
            ("cacheWrite1h", self.cache_write_1h),
            ("inputAudio", self.input_audio),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("outputAudio", self.output_audio),
        ]
    }

    /// Usage with so many tokens in each bucket, in the order of [`Usage::buckets`].
    ///
    /// ```
    /// # use throughline_model::Usage;
    /// let usage = Usage { cache_read: 64, output_audio: 5, ..Usage::default() };
    /// assert_eq!(Usage::from_buckets(usage.buckets().map(|(_, tokens)| tokens)), usage);
    /// ```
    pub fn from_buckets(buckets: [u64; 8]) -> Self {
        let [
            input_uncached,
            cache_read,
            cache_write,
            cache_write_1h,
            input_audio,
            output,
            reasoning,
            output_audio,
        ] = buckets;
        Self {
            input_uncached,
            cache_read,
            cache_write,
            cache_write_1h,
            input_audio,
            output,
            reasoning,
            output_audio,
        }
    }

    fn combined(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        let (mine, theirs) = (self.buckets(), other.buckets());
        Self::from_buckets(std::array::from_fn(|bucket| combine(mine[bucket].1, theirs[bucket].1)))
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = self.combined(&other, u64::saturating_add);
    }
}

impl SubAssign for Usage {
    fn sub_assign(&mut self, other: Self) {
        *self = self.combined(&other, u64::saturating_sub);
    }
}
