//! Which keys a list of patterns covers.

use crate::Error;

/// The words of a key, in lower case: its segments between dots, or finer.
pub(super) fn words(key: &str, split: bool) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in key.chars() {
        let boundary = c == '.' || (split && matches!(c, '_' | '-'));
        if boundary || (split && after_lower && c.is_uppercase()) {
            words.push(String::new());
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        if !boundary && let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Patterns as runs of words.
#[derive(Debug)]
pub(super) struct Patterns(Vec<Vec<String>>);

impl Patterns {
    pub(super) fn parse(field: &str, patterns: &[String], split: bool) -> Result<Self, Error> {
        let parse = |pattern: &String| match words(pattern, split) {
            words if words.iter().any(String::is_empty) => {
                Err(Error::configuration(field, format!("the key {pattern:?} has an empty part")))
            }
            words => Ok(words),
        };
        patterns.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of the patterns is a run of these words.
    pub(super) fn cover(&self, words: &[String]) -> bool {
        self.0.iter().any(|pattern| words.windows(pattern.len()).any(|run| run == pattern))
    }
}
