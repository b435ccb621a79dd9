//! Patterns over names: `*` stands for any run of characters, dots included; `x.*` also matches `x`, `*.x` also `x`.

use crate::Error;

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(String);

impl Glob {
    /// The pattern in `text`, for the configuration field `field`.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*');
        match text.chars().find(|c| !allowed(*c)) {
            _ if text.is_empty() => Err(Error::configuration(field, "a pattern is empty")),
            Some(c) => Err(Error::configuration(field, format!("the pattern {text:?} contains {c:?}"))),
            None => Ok(Self(text.to_owned())),
        }
    }

    pub(crate) fn parse_all(field: &str, texts: &[String]) -> Result<Vec<Self>, Error> {
        texts.iter().map(|text| Self::parse(field, text)).collect()
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let pattern = self.0.as_str();
        pattern.strip_suffix(".*").is_some_and(|stem| run_matches(stem, name))
            || pattern.strip_prefix("*.").is_some_and(|stem| run_matches(stem, name))
            || run_matches(pattern, name)
    }
}

/// Greedy matching with one step back: linear in practice, and at worst pattern times name.
fn run_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Glob, run_matches};

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::parse("test", pattern).unwrap().matches(name)
    }

    #[test]
    fn stars_match_any_run_dots_included() {
        for (pattern, yes, no) in [
            ("*", vec!["a", "a.b.c"], vec![]),
            ("job.*", vec!["job", "job.a", "job.a.b"], vec!["jobs", "a.job"]),
            ("*.failed", vec!["failed", "a.failed", "a.b.failed"], vec!["a.failed.b", "afailed"]),
            (
                "job.*.completed",
                vec!["job.a.completed", "job.a.b.completed"],
                vec!["job.completed", "x.job.a.completed"],
            ),
            ("user.*in*", vec!["user.login", "user.signin.x"], vec!["user.out"]),
            ("exact", vec!["exact"], vec!["exactly", "Exact"]),
        ] {
            yes.iter().for_each(|name| assert!(matches(pattern, name), "{pattern} {name}"));
            no.iter().for_each(|name| assert!(!matches(pattern, name), "{pattern} {name}"));
        }
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = Glob::parse("sampling.never", "a b").unwrap_err();
        assert_eq!(error.to_string(), "sampling.never: the pattern \"a b\" contains ' '");
    }

    /// The definition, without cleverness.
    fn defined(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|skip| defined(rest, &name[skip..])),
            ([p, rest @ ..], [n, name @ ..]) => p == n && defined(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(pattern in "[ab.*]{0,8}", name in "[ab.]{0,10}") {
            prop_assert_eq!(run_matches(&pattern, &name), defined(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
