//! How text is cut into words, the same way by the index and by whoever evaluates a filter.
//!
//! A word is a run of letters and digits (Unicode's), in lower case; what is longer than [`MAX_WORD_BYTES`] is cut
//! there. Scripts that are written without spaces (Chinese, Japanese, Thai, ...) are cut into overlapping pairs of
//! characters, so that any part of two characters or more can be found; a single character is found where it stands
//! alone. What of a JSON text is searched at all is for [`searchable_text`] to say; words are cut from what it leaves.

use std::borrow::Cow;
use std::ops::Range;

use throughline_model::message::searchable_text;

/// Longer words are known by their first so many bytes (a character is never split).
pub const MAX_WORD_BYTES: usize = 40;

/// What a byte is in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Between,
    InWord,
    /// Part of a character beyond ASCII, which has to be looked at.
    Beyond,
}

const BYTES: [Byte; 256] = {
    let mut bytes = [Byte::Between; 256];
    let mut byte = 0;
    while byte < bytes.len() {
        if byte >= 0x80 {
            bytes[byte] = Byte::Beyond;
        } else if (byte as u8).is_ascii_alphanumeric() {
            bytes[byte] = Byte::InWord;
        }
        byte += 1;
    }
    bytes
};

/// Of ASCII's letters and digits only capitals lack this bit.
const LOWER: u8 = 0x20;

/// Finds the next word at or after byte `at` of `text`, puts it into `word` and returns where it is. The next call
/// goes on from the end of that range.
#[inline(always)]
pub fn next_word(text: &str, at: usize, word: &mut String) -> Option<Range<usize>> {
    word.clear();
    let is = |byte: &u8| BYTES[usize::from(*byte)];
    let rest = text.as_bytes().get(at..)?;
    let rest = &rest[rest.iter().position(|byte| is(byte) != Byte::Between)?..];
    let start = text.len() - rest.len();
    let (mut len, mut common) = (0, LOWER);
    while let Some(byte) = rest.get(len).filter(|byte| is(byte) == Byte::InWord) {
        common &= byte;
        len += 1;
    }
    if len > MAX_WORD_BYTES || rest.get(len).is_some_and(|byte| is(byte) == Byte::Beyond) {
        return next_word_of_any_script(text, start, word);
    }
    word.push_str(&text[start..start + len]);
    if common != LOWER {
        word.make_ascii_lowercase();
    }
    Some(start..start + len)
}

#[cold]
#[inline(never)]
fn next_word_of_any_script(text: &str, mut at: usize, word: &mut String) -> Option<Range<usize>> {
    let (start, first, mut len) = loop {
        let (c, len) = char_at(text, at)?;
        if c.is_alphanumeric() {
            break (at, c, len);
        }
        at += len;
    };
    at += len;
    word.push(lower(first));
    if is_unspaced(first) {
        let second = |at| char_at(text, at).filter(|(c, _)| is_unspaced(*c) && c.is_alphanumeric());
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
        (c, len) = match char_at(text, at) {
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
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut word = String::new();
        at = next_word(text, at, &mut word)?.end;
        Some(word)
    })
}

/// Whether each of `wanted` occurs in one of `texts`, which are plain or JSON as they came.
pub fn contain_all<'a>(texts: impl IntoIterator<Item = Cow<'a, str>>, wanted: &[&str]) -> bool {
    let mut missing = wanted.to_vec();
    let (mut text, mut word) = (String::new(), String::new());
    for raw in texts {
        text.clear();
        searchable_text(&raw, &mut text, usize::MAX);
        let mut at = 0;
        while let Some(range) = next_word(&text, at, &mut word) {
            missing.retain(|wanted| *wanted != word);
            if missing.is_empty() {
                return true;
            }
            at = range.end;
        }
    }
    missing.is_empty()
}

/// The character at byte `at` and the number of bytes it is written in.
#[inline]
fn char_at(text: &str, at: usize) -> Option<(char, usize)> {
    match *text.as_bytes().get(at)? {
        byte if byte.is_ascii() => Some((char::from(byte), 1)),
        _ => text[at..].chars().next().map(|c| (c, c.len_utf8())),
    }
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

    use super::*;

    fn cut(text: &str) -> Vec<String> {
        words(text).collect()
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
        assert!(contain_all(["请给我退款".into()], &["退款"]));
    }

    #[test]
    fn all_words_must_occur_but_in_any_of_the_texts() {
        let json = r#"[{"role": "user", "content": "I want a\nrefund \u9000\u6b3e"}]"#;
        let contain = |wanted: &[&str]| contain_all([json.into(), r"Order 789 in C:\new".into()], wanted);
        assert!(contain(&["refund", "789", "退款", "new"]));
        assert!(!contain(&["refund", "order", "78"]));
        assert!(!contain(&["nrefund"]), "escapes are no part of words");
        assert!(!contain(&["role"]) && !contain(&["user"]), "what only programs read is not searched");
    }

    proptest! {
        #[test]
        fn cutting_again_changes_nothing(text in "\\PC*") {
            let once = cut(&text);
            prop_assert_eq!(cut(&once.join(" ")), once);
        }

        #[test]
        fn anything_can_be_cut(text in any::<String>()) {
            let mut at = 0;
            let mut word = String::new();
            while let Some(range) = next_word(&text, at, &mut word) {
                prop_assert!(range.start >= at && range.end > range.start && text.is_char_boundary(range.end));
                prop_assert!(!word.is_empty() && word.len() <= MAX_WORD_BYTES);
                at = range.end;
            }
        }
    }
}
