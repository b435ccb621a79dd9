//! How text is cut into words, the same way by the index and by whoever evaluates a filter.
//!
//! A word is a run of letters and digits (Unicode's), in lower case; what is longer than [`MAX_WORD_BYTES`] is cut
//! there. Scripts that are written without spaces (Chinese, Japanese, Thai, ...) are cut into overlapping pairs of
//! characters, so that any part of two characters or more can be found; a single character is found where it stands
//! alone. In JSON text escapes are resolved first: `"one\ntwo"` holds `one` and `two`, and `\u5929` the character.

use std::ops::Range;

use serde_json::Value;

/// Longer words are known by their first so many bytes (a character is never split).
pub const MAX_WORD_BYTES: usize = 40;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Plain,
    /// Backslashes escape as in JSON strings.
    Json,
}

impl Syntax {
    /// What inputs and outputs are as they come from clients: JSON if it looks like an object, an array or a string.
    pub fn of(text: &str) -> Self {
        match text.trim_start().as_bytes().first() {
            Some(b'{' | b'[' | b'"') => Self::Json,
            _ => Self::Plain,
        }
    }
}

/// Finds the next word at or after byte `at` of `text`, puts it into `word` and returns where it is. The next call
/// goes on from the end of that range.
pub fn next_word(text: &str, mut at: usize, syntax: Syntax, word: &mut String) -> Option<Range<usize>> {
    word.clear();
    let (start, first, mut len) = loop {
        let (c, len) = char_at(text, at, syntax)?;
        if c.is_alphanumeric() {
            break (at, c, len);
        }
        at += len;
    };
    at += len;
    word.push(lower(first));
    if is_unspaced(first) {
        let second = |at| char_at(text, at, syntax).filter(|(c, _)| is_unspaced(*c) && c.is_alphanumeric());
        if let Some((c, len)) = second(at) {
            word.push(lower(c));
            // the second character also begins the next pair, unless it is the last
            return Some(start..if second(at + len).is_some() { at } else { at + len });
        }
        return Some(start..at);
    }
    let mut full = false;
    loop {
        let c;
        (c, len) = match char_at(text, at, syntax) {
            Some((c, len)) if c.is_alphanumeric() && !is_unspaced(c) => (lower(c), len),
            _ => return Some(start..at),
        };
        full |= word.len() + c.len_utf8() > MAX_WORD_BYTES;
        if !full {
            word.push(c);
        }
        at += len;
    }
}

/// The words of a text, in order, repeats included.
pub fn words(text: &str, syntax: Syntax) -> impl Iterator<Item = String> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut word = String::new();
        at = next_word(text, at, syntax, &mut word)?.end;
        Some(word)
    })
}

/// Whether each of `wanted` occurs in one of `texts`.
pub fn contain_all(texts: &[Text<'_>], wanted: &[&str]) -> bool {
    let mut missing = wanted.to_vec();
    let mut word = String::new();
    for text in texts {
        let (text, syntax) = text.written();
        let mut at = 0;
        while let Some(range) = next_word(&text, at, syntax, &mut word) {
            missing.retain(|wanted| *wanted != word);
            if missing.is_empty() {
                return true;
            }
            at = range.end;
        }
    }
    missing.is_empty()
}

/// A text that words are looked for in.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    Plain(&'a str),
    /// Text or JSON, keys included.
    Value(&'a Value),
}

impl Text<'_> {
    fn written(&self) -> (std::borrow::Cow<'_, str>, Syntax) {
        match self {
            Self::Plain(text) => ((*text).into(), Syntax::Plain),
            Self::Value(Value::String(text)) => (text.into(), Syntax::Plain),
            Self::Value(value) => (value.to_string().into(), Syntax::Json),
        }
    }
}

/// The character at byte `at` and the number of bytes it is written in.
#[inline]
fn char_at(text: &str, at: usize, syntax: Syntax) -> Option<(char, usize)> {
    match *text.as_bytes().get(at)? {
        b'\\' if syntax == Syntax::Json => Some(escaped_at(text.as_bytes(), at)),
        byte if byte.is_ascii() => Some((char::from(byte), 1)),
        _ => text[at..].chars().next().map(|c| (c, c.len_utf8())),
    }
}

/// The character that the escape at byte `at` stands for; a broken escape is a lone backslash.
fn escaped_at(bytes: &[u8], at: usize) -> (char, usize) {
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    };
    let decoded = match (unit(at), unit(at + 6)) {
        (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
            char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).map(|c| (c, 12))
        }
        (Some(unit), _) => Some((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6)),
        // none of the one-letter escapes stands for a letter or digit
        (None, _) => bytes.get(at + 1).filter(|c| b"\"\\/bfnrt".contains(c)).map(|_| (' ', 2)),
    };
    decoded.unwrap_or(('\\', 1))
}

/// One character for one, so that cutting words a second time changes nothing (`İ` would become two).
#[inline]
fn lower(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { c.to_lowercase().next().unwrap_or(c) }
}

/// Whether the character belongs to a script written without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' // Han
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' // half-width Katakana
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn cut(text: &str) -> Vec<String> {
        words(text, Syntax::Plain).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(
            cut("Order ord_789: “Größe” — İstanbul, don’t"),
            ["order", "ord", "789", "größe", "istanbul", "don", "t"]
        );
        assert_eq!(cut(" \u{a0}—。!"), Vec::<String>::new());
    }

    #[test]
    fn long_words_are_known_by_their_beginning() {
        let (digest, same_beginning) = ("ab".repeat(32), format!("{}zz", "ab".repeat(20)));
        assert_eq!(cut(&digest), cut(&same_beginning));
        assert_eq!(cut(&"é".repeat(50)), ["é".repeat(20)]);
        assert_eq!(
            cut(&format!("x{}", "é".repeat(50))),
            [format!("x{}", "é".repeat(19))],
            "never inside a character"
        );
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_pairs() {
        assert_eq!(cut("请给我退款，谢谢GPT。天"), ["请给", "给我", "我退", "退款", "谢谢", "gpt", "天"]);
        assert!(contain_all(&[Text::Plain("请给我退款")], &["退款"]));
    }

    #[test]
    fn escapes_in_json_are_no_part_of_words() {
        let text = r#"{"a\nb":"caf\u00e9 \ud83d\ude00 \u9000\u6b3e \"q\" \x"}"#;
        assert_eq!(Syntax::of(text), Syntax::Json);
        assert_eq!(words(text, Syntax::Json).collect::<Vec<_>>(), ["a", "b", "café", "退款", "q", "x"]);
        assert_eq!(cut(r"C:\new"), ["c", "new"]);
    }

    #[test]
    fn all_words_must_occur_but_in_any_of_the_texts() {
        let value = json!({"role": "user", "content": "I want a\nrefund"});
        let texts = [Text::Value(&value), Text::Plain("Order 789")];
        assert!(contain_all(&texts, &["refund", "role", "789"]));
        assert!(!contain_all(&texts, &["refund", "order", "78"]));
    }

    proptest! {
        #[test]
        fn cutting_again_changes_nothing(text in "\\PC*") {
            let once = cut(&text);
            prop_assert_eq!(cut(&once.join(" ")), once);
        }

        #[test]
        fn json_text_has_the_words_of_what_it_says(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(words(&json, Syntax::Json).collect::<Vec<_>>(), cut(&text));
        }

        #[test]
        fn anything_can_be_cut(text in any::<String>()) {
            for syntax in [Syntax::Plain, Syntax::Json] {
                let mut at = 0;
                let mut word = String::new();
                while let Some(range) = next_word(&text, at, syntax, &mut word) {
                    prop_assert!(range.start >= at && range.end > range.start && text.is_char_boundary(range.end));
                    prop_assert!(!word.is_empty() && word.len() <= MAX_WORD_BYTES);
                    at = range.end;
                }
            }
        }
    }
}
