//! The place in the code that emits: a static, so that what never changes is neither copied nor computed per event.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pipeline::SiteJson;
#[cfg(feature = "otlp")]
use crate::pipeline::SiteOtlp;
use crate::{Level, Source};

/// One `emit!` in the source. Made by the macro.
#[doc(hidden)]
pub struct Callsite {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) module: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) keys: &'static [&'static str],
    /// The sampling rule that one configuration has for this name: the configuration's number and the rule.
    cache: AtomicU64,
    json: OnceLock<SiteJson>,
    #[cfg(feature = "otlp")]
    otlp: OnceLock<SiteOtlp>,
}

/// What sampling has to say about a name, before chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Never,
    Always,
    Rate,
    /// Check the event first, then ask sampling.
    Check,
}

const RULE_BITS: u32 = 2;

impl Callsite {
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        level: Level,
        module: &'static str,
        (file, line): (&'static str, u32),
        keys: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            level,
            module,
            file,
            line,
            keys,
            cache: AtomicU64::new(0),
            json: OnceLock::new(),
            #[cfg(feature = "otlp")]
            otlp: OnceLock::new(),
        }
    }

    /// What all its events say, as JSON.
    pub(crate) fn json(&self) -> &SiteJson {
        self.json.get_or_init(|| SiteJson::new(self))
    }

    /// The same as OTLP has it.
    #[cfg(feature = "otlp")]
    pub(crate) fn otlp(&self) -> &SiteOtlp {
        self.otlp.get_or_init(|| SiteOtlp::new(self))
    }

    /// A number that neighbours do not share.
    #[inline(always)]
    pub(crate) fn lane(&self) -> usize {
        std::ptr::from_ref(self).addr() >> 6
    }

    /// Where it is.
    pub(crate) fn source(&self) -> Source {
        Source {
            causer: Some(self.module.to_owned()),
            file: Some(self.file.to_owned()),
            line: Some(self.line),
        }
    }

    /// The rule that configuration number `config` (never 0) has for this name; `find` computes it once.
    #[inline]
    pub(crate) fn rule(&self, config: u64, find: impl FnOnce() -> Rule) -> Rule {
        let cached = self.cache.load(Ordering::Relaxed);
        if cached >> RULE_BITS == config { Self::decode(cached) } else { self.find_rule(config, find) }
    }

    /// Whether configuration number `config` is known to have the rule that drops everything of this name.
    #[inline(always)]
    pub(crate) fn is_never(&self, config: u64) -> bool {
        self.cache.load(Ordering::Relaxed) == config << RULE_BITS | Rule::Never as u64
    }

    #[cold]
    fn find_rule(&self, config: u64, find: impl FnOnce() -> Rule) -> Rule {
        let rule = find();
        self.cache.store(config << RULE_BITS | rule as u64, Ordering::Relaxed);
        rule
    }

    #[inline]
    fn decode(cached: u64) -> Rule {
        match cached & ((1 << RULE_BITS) - 1) {
            0 => Rule::Never,
            1 => Rule::Always,
            2 => Rule::Rate,
            _ => Rule::Check,
        }
    }
}
