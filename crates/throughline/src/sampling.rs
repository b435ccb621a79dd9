//! Which events are kept.

use crate::callsite::Rule;
use crate::glob::Glob;
use crate::{Error, Level};

/// Which events are kept: `never` before `always` before the rate of the event's level.
///
/// Unless set otherwise the rates are 1 % of debug, 10 % of info, and all of warn, error and fatal; in the
/// environments `development` and `test` everything is kept. An event that was kept by chance carries its weight
/// ([`Envelope::sampling_weight`](crate::Envelope)), so that counts can be scaled up again.
///
/// Patterns: `*` stands for any run of characters, dots included; `job.*` also matches `job`, `*.failed` also `failed`.
///
/// ```
/// use throughline::Sampling;
/// let sampling = Sampling::default().info(0.25).always(["payment.*"]).never(["*.heartbeat"]);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Sampling {
    rates: [Option<f64>; 5],
    keep_all: bool,
    always: Vec<String>,
    never: Vec<String>,
    per_session: bool,
}

macro_rules! rate_setters {
    ($($setter:ident => $level:ident),*) => {
        $(
            #[doc = concat!("The share of ", stringify!($setter), " events that is kept, from 0 to 1.")]
            pub const fn $setter(mut self, rate: f64) -> Self {
                self.rates[Level::$level as usize] = Some(rate);
                self
            }
        )*
    };
}

impl Sampling {
    const FIELDS: [&str; 5] =
        ["sampling.debug", "sampling.info", "sampling.warn", "sampling.error", "sampling.fatal"];

    /// Keeps everything, in every environment.
    pub fn keep_all() -> Self {
        Self { keep_all: true, ..Self::default() }
    }

    rate_setters!(debug => Debug, info => Info, warn => Warn, error => Error, fatal => Fatal);

    /// Names that are always kept, unless they match [`never`](Self::never) too.
    pub fn always<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.always.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Names that are never kept, whatever their level.
    pub fn never<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.never.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// One draw for each session instead of each event, so that a session is kept or dropped whole: at each level all
    /// of its events or none, and never a lower level without the higher.
    pub const fn per_session(mut self) -> Self {
        self.per_session = true;
        self
    }

    pub(crate) fn compile(&self, environment: &str) -> Result<Sampler, Error> {
        let all = self.keep_all || matches!(environment, "development" | "test");
        let defaults = if all { [1.0; 5] } else { [0.01, 0.1, 1.0, 1.0, 1.0] };
        let mut rates = defaults;
        for (index, field) in Self::FIELDS.iter().enumerate() {
            if let Some(rate) = self.rates[index] {
                if !(0.0..=1.0).contains(&rate) {
                    return Err(Error::configuration(field, format!("{rate} is not a rate from 0 to 1")));
                }
                rates[index] = rate;
            }
        }
        Ok(Sampler {
            rates,
            thresholds: rates.map(|rate| (rate * 2f64.powi(32)) as u32),
            always: Glob::parse_all("sampling.always", &self.always)?,
            never: Glob::parse_all("sampling.never", &self.never)?,
            per_session: self.per_session,
        })
    }
}

/// Sampling, checked and ready.
#[derive(Debug)]
pub(crate) struct Sampler {
    rates: [f64; 5],
    thresholds: [u32; 5],
    always: Vec<Glob>,
    never: Vec<Glob>,
    pub(crate) per_session: bool,
}

impl Sampler {
    pub(crate) fn rule(&self, name: &str, level: Level) -> Rule {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(name));
        let rate = self.rates[level as usize];
        match () {
            () if any(&self.never) => Rule::Never,
            () if any(&self.always) || rate >= 1.0 => Rule::Always,
            () if rate <= 0.0 => Rule::Never,
            () => Rule::Rate,
        }
    }

    /// Whether chance keeps an event of this level.
    #[inline]
    pub(crate) fn keeps(&self, level: Level, draw: u32) -> bool {
        draw < self.thresholds[level as usize]
    }

    /// How many events one that was kept by chance stands for, by level.
    pub(crate) fn weights(&self) -> [f64; 5] {
        self.rates.map(|rate| 1.0 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_before_always_and_always_before_the_rate() {
        let sampling = Sampling::default().error(0.0).always(["a.*", "both.*"]).never(["both.*"]);
        let sampler = sampling.compile("production").unwrap();
        assert_eq!(sampler.rule("a.x", Level::Error), Rule::Always);
        assert_eq!(sampler.rule("both.x", Level::Fatal), Rule::Never);
        assert_eq!(sampler.rule("c", Level::Error), Rule::Never);
        assert_eq!(sampler.rule("c", Level::Info), Rule::Rate);
        assert_eq!(sampler.rule("c", Level::Fatal), Rule::Always);
    }

    #[test]
    fn everything_is_kept_in_development_and_test_unless_set() {
        for environment in ["development", "test"] {
            let sampler = Sampling::default().info(0.5).compile(environment).unwrap();
            assert_eq!(sampler.rule("x", Level::Debug), Rule::Always);
            assert_eq!(sampler.rule("x", Level::Info), Rule::Rate);
        }
    }

    #[test]
    fn a_rate_that_is_none_is_refused_by_name() {
        for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Sampling::default().warn(rate).compile("production").unwrap_err();
            assert!(error.to_string().starts_with("sampling.warn: "), "{error}");
        }
    }

    #[test]
    fn chance_keeps_its_rate() {
        let sampler = Sampling::default().compile("production").unwrap();
        let kept =
            (0..100_000u32).filter(|n| sampler.keeps(Level::Info, n.wrapping_mul(0x9E37_79B9))).count();
        assert!((9_900..10_100).contains(&kept), "{kept}");
        assert!((sampler.weights()[Level::Info as usize] - 10.0).abs() < 1e-9);
    }
}
