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

/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// The highest bit of each of eight bytes.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Of ASCII's letters and digits only capitals lack this bit.
const LOWER: u128 = 0x2020_2020_2020_2020_2020_2020_2020_2020;
/// Words of so many bytes are taken in one piece.
pub const SHORT_BYTES: usize = 16;

/// Cuts a text into its words, in order, repeats included.
///
/// Bytes are told apart a block at a time and words found in the block's bits, because words are so short that a loop
/// over bytes spends most of its time on jumps that were not foreseen. What is not ASCII, and what is very long, is
/// looked at character by character.
///
/// ```
/// use throughline_server::domain::filter::words::Cutter;
///
/// let (mut cutter, mut word) = (Cutter::new("The Größe"), String::new());
/// let the = cutter.next().unwrap();
/// cutter.write(&the, &mut word);
/// assert_eq!((word.as_str(), the.start..the.end), ("the", 0..3));
/// let next = cutter.next().unwrap();
/// cutter.write(&next, &mut word);
/// assert_eq!(word, "größe");
/// ```
#[derive(Debug)]
pub struct Cutter<'a> {
    text: &'a str,
    /// Where the block begins.
    base: usize,
    /// Which of its bytes are letters and digits of words to come.
    in_word: u64,
    /// So many of its bytes are known: it ends with the text, and before what is not ASCII.
    known: usize,
    /// The last word that was looked at character by character.
    written_out: String,
}

/// Where a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// The same for the same word, however it is written; of two words it is the same once in 10¹⁹ pairs.
    pub hash: u64,
    /// How the word comes from the bytes between its ends.
    pub form: Form,
}

/// How a word comes from the bytes where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// ASCII, and short: its bytes in lower case, the first one lowest, zeros behind the last.
    Short(u128),
    /// ASCII: these bytes in lower case.
    Long,
    /// See [`Cutter::write`].
    WrittenOut,
}

impl<'a> Cutter<'a> {
    /// Begins with the first word of a text.
    #[inline]
    pub fn new(text: &'a str) -> Self {
        Self { text, base: 0, in_word: 0, known: 0, written_out: String::new() }
    }

    /// The next word, `None` when there are no more.
    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "what it returns is to be written by the cutter")]
    pub fn next(&mut self) -> Option<Cut> {
        loop {
            if self.in_word == 0 {
                self.base += self.known;
                if self.base >= self.text.len() {
                    return None;
                }
                self.look_at_block();
                if self.known == 0 {
                    return self.next_of_any_script();
                }
                continue;
            }
            let start = self.in_word.trailing_zeros() as usize;
            let len = (!(self.in_word >> start)).trailing_zeros() as usize;
            let is_whole = start + len < self.known || self.base + self.known == self.text.len();
            if is_whole && len <= MAX_WORD_BYTES {
                self.in_word &= self.in_word.wrapping_add(1 << start);
                return Some(self.cut(self.base + start, len));
            }
            if start == 0 {
                return self.next_of_any_script();
            }
            self.base += start;
            self.look_at_block();
        }
    }

    #[inline(always)]
    fn look_at_block(&mut self) {
        let rest = &self.text.as_bytes()[self.base..];
        let (in_word, beyond) = match rest.first_chunk() {
            Some(block) => classes(block),
            None => {
                let mut block = [0; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                classes(&block)
            }
        };
        self.known = (beyond.trailing_zeros() as usize).min(rest.len());
        self.in_word = if self.known < BLOCK { in_word & ((1 << self.known) - 1) } else { in_word };
    }

    #[inline(always)]
    fn cut(&self, start: usize, len: usize) -> Cut {
        let (bytes, end) = (self.text.as_bytes(), start + len);
        if len > SHORT_BYTES {
            return Cut { start, end, hash: hash_of_long(&bytes[start..end]), form: Form::Long };
        }
        let sixteen = match bytes[start..].first_chunk() {
            Some(sixteen) => *sixteen,
            None => {
                let mut sixteen = [0; SHORT_BYTES];
                sixteen[..len].copy_from_slice(&bytes[start..end]);
                sixteen
            }
        };
        let word = u128::from_le_bytes(sixteen) & (u128::MAX >> (8 * (SHORT_BYTES - len)));
        // What has bit 6 among letters and digits is a letter.
        let lower = word | (word >> 1) & LOWER;
        Cut { start, end, hash: hash(0, lower), form: Form::Short(lower) }
    }

    /// Writes the word that [`Self::next`] returned last.
    #[inline]
    pub fn write(&self, cut: &Cut, word: &mut String) {
        word.clear();
        match cut.form {
            Form::Short(sixteen) => {
                let bytes = &sixteen.to_le_bytes()[..cut.end - cut.start];
                word.push_str(std::str::from_utf8(bytes).unwrap_or_default());
            }
            Form::Long => {
                word.push_str(&self.text[cut.start..cut.end]);
                word.make_ascii_lowercase();
            }
            Form::WrittenOut => word.push_str(&self.written_out),
        }
    }

    #[cold]
    #[inline(never)]
    fn next_of_any_script(&mut self) -> Option<Cut> {
        self.written_out.clear();
        let Some(place) = next_word_of_any_script(self.text, self.base, &mut self.written_out) else {
            (self.base, self.in_word, self.known) = (self.text.len(), 0, 0);
            return None;
        };
        (self.base, self.in_word, self.known) = (place.end, 0, 0);
        let hash = hash_of_long(self.written_out.as_bytes());
        Some(Cut { start: place.start, end: place.end, hash, form: Form::WrittenOut })
    }
}

/// One bit for each byte: whether it is an ASCII letter or digit, and whether it is not ASCII.
#[inline(always)]
fn classes(block: &[u8; BLOCK]) -> (u64, u64) {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // The highest bit of each byte says whether it is at least `from` and at most `to`; none is above 0x7f.
    let is_between = |bytes: u64, from: u8, to: u8| (bytes + each(0x80 - from)) & !(bytes + each(0x7f - to));
    // Gathers the highest bits in the lowest byte.
    let gather = |bytes: u64| ((bytes & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let (mut in_word, mut beyond) = (0, 0);
    for (at, eight) in block.as_chunks().0.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        let ascii = eight & !HIGH;
        let letter_or_digit = is_between(ascii | each(0x20), b'a', b'z') | is_between(ascii, b'0', b'9');
        in_word |= gather(letter_or_digit & !eight) << (8 * at);
        beyond |= gather(eight) << (8 * at);
    }
    (in_word, beyond)
}

/// A word is not padded with zeros that it has itself, so its length need not go in.
#[inline(always)]
fn hash(before: u64, word: u128) -> u64 {
    let (low, high) = (word as u64 ^ 0x9e37_79b9_7f4a_7c15, (word >> 64) as u64 ^ 0xd1b5_4a32_d192_ed03);
    let product = u128::from(low ^ before) * u128::from(high ^ before.rotate_left(32));
    product as u64 ^ (product >> 64) as u64
}

/// The same for a short word, of any length.
#[inline(never)]
fn hash_of_long(word: &[u8]) -> u64 {
    word.chunks(SHORT_BYTES).fold(0, |before, part| {
        let mut sixteen = [0; SHORT_BYTES];
        sixteen[..part.len()].copy_from_slice(part);
        sixteen.make_ascii_lowercase();
        hash(before, u128::from_le_bytes(sixteen))
    })
}

/// Finds the next word at or after byte `at` of `text`, puts it into `word` and returns where it is. The next call
/// goes on from the end of that range.
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
    let mut cutter = Cutter::new(text);
    std::iter::from_fn(move || {
        let (cut, mut word) = (cutter.next()?, String::new());
        cutter.write(&cut, &mut word);
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
        let mut cutter = Cutter::new(&text);
        while let Some(cut) = cutter.next() {
            cutter.write(&cut, &mut word);
            missing.retain(|wanted| *wanted != word);
            if missing.is_empty() {
                return true;
            }
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

        /// Blocks of bytes and characters one by one come to the same.
        #[test]
        fn anything_can_be_cut(text in prop_oneof![any::<String>(), "[a-zA-Z0-9 ,é天]{0,300}", "[a-z0-9é]{30,80}"]) {
            let (mut cutter, mut word, mut one_by_one) = (Cutter::new(&text), String::new(), String::new());
            let (mut at, mut hashes) = (0, std::collections::HashMap::new());
            while let Some(cut) = cutter.next() {
                cutter.write(&cut, &mut word);
                one_by_one.clear();
                let place = next_word_of_any_script(&text, at, &mut one_by_one);
                prop_assert_eq!((Some(cut.start..cut.end), &word), (place, &one_by_one));
                prop_assert!(!word.is_empty() && word.len() <= MAX_WORD_BYTES);
                prop_assert_eq!(hashes.entry(cut.hash).or_insert_with(|| word.clone()), &word);
                prop_assert_eq!(cut.hash, hash_of_long(word.as_bytes()));
                at = cut.end;
            }
            prop_assert_eq!(next_word_of_any_script(&text, at, &mut one_by_one), None);
        }
    }
}
