//! A list of words, and bytes in which those words are replaced by their numbers.
//!
//! | first byte | stands for |
//! |---|---|
//! | `00..=7f` | itself |
//! | `80..=bf` | one of the 64 commonest words |
//! | `c0..=fd` | with the byte that follows, one of the next 15 872 |
//! | `fe` | with the two that follow, one of the rest |
//! | `ff` | so many bytes as the next byte says, which follow as they are |
//!
//! Between two words that follow each other directly in this form there was a space.

use std::ops::{Range, RangeInclusive};

const ONE_BYTE: u32 = 64;
const TWO_BYTES: u32 = 62 * 256;
const FIRST_OF_ONE: u8 = 0x80;
const FIRST_OF_TWO: u8 = 0xc0;
const THREE: u8 = 0xfe;
const AS_IT_IS: u8 = 0xff;
/// The most words that have numbers.
pub(super) const MAX_WORDS: usize = (ONE_BYTE + TWO_BYTES + (1 << 16)) as usize;
/// Shorter ones are as short as their numbers, longer ones are hardly ever words.
const WORD_BYTES: RangeInclusive<usize> = 2..=24;
/// Bytes below 0x80 between two others that are taken along with them: a stretch of its own costs as much.
const GAP_BYTES: usize = 2;

/// Bytes that are not what [`Words::encode`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a word is not in the vocabulary, or the end is missing")]
pub(in super::super) struct NotInWords;

/// Words by their numbers, the commonest first.
#[derive(Debug)]
pub(super) struct Words {
    /// All of them, one behind the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<u32>,
    /// Numbers by the words' keys: the next free place behind that of the key is taken.
    slots: Vec<Slot>,
}

/// Where nothing is, the key is 0.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    number: u32,
}

/// Words that are looked up together, so that the processor fetches what it needs for all of them at once.
const AT_A_TIME: usize = 32;

/// A word on its way to its number: where it stands in the bytes, and what is in the first place to look.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    start: usize,
    end: usize,
    key: u64,
    place: usize,
    slot: Slot,
}

impl Words {
    /// What goes beyond [`MAX_WORDS`] has no number.
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for word in words.into_iter().take(MAX_WORDS) {
            text.extend_from_slice(word);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        let places = (ends.len() * 2).next_power_of_two();
        let mut words = Self { text, ends, slots: vec![Slot::default(); places] };
        for number in 0..words.len() {
            let word = words.word(number);
            let key = key(eight(word), word);
            let mut place = words.place(key);
            while words.slots[place].key != 0 {
                place = words.next_place(place);
            }
            words.slots[place] = Slot { key, number };
        }
        words
    }

    pub(super) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| self.word(number))
    }

    fn word(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[number] as usize]
    }

    /// Where words of this key are looked for first.
    fn place(&self, key: u64) -> usize {
        let bits = self.slots.len().trailing_zeros();
        key.wrapping_mul(SPREAD).rotate_left(bits) as usize & (self.slots.len() - 1)
    }

    fn next_place(&self, place: usize) -> usize {
        (place + 1) & (self.slots.len() - 1)
    }

    /// The number of a word.
    pub(super) fn number(&self, word: &[u8]) -> Option<u32> {
        let is_one = WORD_BYTES.contains(&word.len());
        is_one.then(|| self.find(&self.begin_to_find(word, 0..word.len()), word)).flatten()
    }

    /// Reads where the number of a word in `bytes` should stand.
    #[inline]
    fn begin_to_find(&self, bytes: &[u8], Range { start, end }: Range<usize>) -> Wanted {
        let key = key(eight(&bytes[start..]), &bytes[start..end]);
        let place = self.place(key);
        Wanted { start, end, key, place, slot: self.slots[place] }
    }

    /// The number of a word in `bytes`.
    #[inline]
    fn find(&self, wanted: &Wanted, bytes: &[u8]) -> Option<u32> {
        let word = &bytes[wanted.start..wanted.end];
        let (mut place, mut slot) = (wanted.place, wanted.slot);
        loop {
            if slot.key == wanted.key && (word.len() <= KEY_BYTES || self.word(slot.number) == word) {
                return Some(slot.number);
            }
            if slot.key == 0 {
                return None;
            }
            place = self.next_place(place);
            slot = self.slots[place];
        }
    }

    /// Appends these bytes with their words replaced.
    pub(super) fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        let mut words = Letters::of(bytes).filter(|word| WORD_BYTES.contains(&word.len()));
        let mut wanted = [Wanted::default(); AT_A_TIME];
        // What is not yet written begins at `rest`.
        let (mut rest, mut behind_word) = (0, false);
        loop {
            let mut count = 0;
            for (wanted, word) in wanted.iter_mut().zip(&mut words) {
                *wanted = self.begin_to_find(bytes, word);
                count += 1;
            }
            for word in &wanted[..count] {
                if let Some(number) = self.find(word, bytes) {
                    let between = &bytes[rest..word.start];
                    if !(behind_word && between == b" ") {
                        put_as_it_is(between, out);
                    }
                    put_number(number, out);
                    (rest, behind_word) = (word.end, true);
                }
            }
            if count < AT_A_TIME {
                return put_as_it_is(&bytes[rest..], out);
            }
        }
    }

    /// Appends what [`Self::encode`] was given.
    pub(super) fn decode(&self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotInWords> {
        let mut behind_word = false;
        while let Some((&first, rest)) = bytes.split_first() {
            let number = match first {
                ..FIRST_OF_ONE => {
                    out.push(first);
                    (behind_word, bytes) = (false, rest);
                    continue;
                }
                AS_IT_IS => {
                    let (&length, rest) = rest.split_first().ok_or(NotInWords)?;
                    let (stretch, rest) = rest.split_at_checked(length.into()).ok_or(NotInWords)?;
                    out.extend_from_slice(stretch);
                    (behind_word, bytes) = (false, rest);
                    continue;
                }
                FIRST_OF_ONE..FIRST_OF_TWO => {
                    bytes = rest;
                    u32::from(first - FIRST_OF_ONE)
                }
                FIRST_OF_TWO..THREE => {
                    let (&second, rest) = rest.split_first().ok_or(NotInWords)?;
                    bytes = rest;
                    ONE_BYTE + u32::from(first - FIRST_OF_TWO) * 256 + u32::from(second)
                }
                THREE => {
                    let (number, rest) = rest.split_first_chunk().ok_or(NotInWords)?;
                    bytes = rest;
                    ONE_BYTE + TWO_BYTES + u32::from(u16::from_be_bytes(*number))
                }
            };
            if number >= self.len() {
                return Err(NotInWords);
            }
            if behind_word {
                out.push(b' ');
            }
            out.extend_from_slice(self.word(number));
            behind_word = true;
        }
        Ok(())
    }
}

/// How many bytes a number takes.
pub(super) fn number_bytes(number: u32) -> usize {
    match number {
        ..ONE_BYTE => 1,
        _ if number < ONE_BYTE + TWO_BYTES => 2,
        _ => 3,
    }
}

fn put_number(number: u32, out: &mut Vec<u8>) {
    match number_bytes(number) {
        1 => out.push(FIRST_OF_ONE + number as u8),
        2 => {
            let [high, low] = ((number - ONE_BYTE) as u16).to_be_bytes();
            out.extend_from_slice(&[FIRST_OF_TWO + high, low]);
        }
        _ => {
            let [high, low] = ((number - ONE_BYTE - TWO_BYTES) as u16).to_be_bytes();
            out.extend_from_slice(&[THREE, high, low]);
        }
    }
}

fn put_as_it_is(mut stretch: &[u8], out: &mut Vec<u8>) {
    if let [byte @ ..0x80] = stretch {
        out.push(*byte);
        return;
    }
    while let Some(first) = stretch.iter().position(|byte| !byte.is_ascii()) {
        let (ascii, rest) = stretch.split_at(first);
        out.extend_from_slice(ascii);
        let (mut end, mut at) = (1, 1);
        while at < rest.len().min(usize::from(u8::MAX)) && at <= end + GAP_BYTES {
            at += 1;
            if !rest[at - 1].is_ascii() {
                end = at;
            }
        }
        let (not_ascii, rest) = rest.split_at(end);
        out.extend_from_slice(&[AS_IT_IS, end as u8]);
        out.extend_from_slice(not_ascii);
        stretch = rest;
    }
    out.extend_from_slice(stretch);
}

const KEY_BYTES: usize = 8;
/// An odd number that spreads the bits of a key.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A short word itself, or else a hash that looks like no short word: its highest byte is no letter.
#[inline]
fn key(eight: u64, word: &[u8]) -> u64 {
    if word.len() < KEY_BYTES {
        return eight & !(u64::MAX << (8 * word.len()));
    }
    match word.last_chunk() {
        Some(last) if word.len() > KEY_BYTES => {
            let mixed = (eight.wrapping_mul(SPREAD) ^ u64::from_le_bytes(*last)).wrapping_mul(SPREAD);
            1 << 56 | (mixed ^ word.len() as u64) >> 8
        }
        _ => eight,
    }
}

/// The first eight bytes, the first lowest; zeros behind the end.
#[inline]
fn eight(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    bytes.iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte))
}

/// The bytes that words are made of: those of names and of letters beyond ASCII. Without a branch, so that many are
/// told at a time.
fn is_letter(byte: u8) -> bool {
    let between = |first: u8, last: u8, byte: u8| byte.wrapping_sub(first) <= last - first;
    between(b'a', b'z', byte | 0x20) | between(b'0', b'9', byte) | (byte == b'_') | (byte >= 0x80)
}

/// The stretches of letters, in order.
struct Letters<'a> {
    bytes: &'a [u8],
    /// The window begins here; a bit for each of its bytes that is a letter and not behind us.
    window: usize,
    letters: u64,
}

const WINDOW: usize = 64;

impl<'a> Letters<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut letters = Self { bytes, window: 0, letters: 0 };
        letters.look();
        letters
    }

    fn look(&mut self) {
        /// Takes the lowest bit of each byte to the highest byte.
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let rest = self.bytes.get(self.window..).unwrap_or_default();
        let mut is = [0; WINDOW];
        if let Some(whole) = rest.first_chunk::<WINDOW>() {
            is = whole.map(|byte| u8::from(is_letter(byte)));
        } else {
            is.iter_mut().zip(rest).for_each(|(is, byte)| *is = u8::from(is_letter(*byte)));
        }
        self.letters =
            is.as_chunks().0.iter().rev().fold(0, |letters, eight| {
                letters << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56
            });
    }

    fn next_window(&mut self) {
        self.window += WINDOW;
        self.look();
    }
}

impl Iterator for Letters<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while self.letters == 0 {
            if self.window >= self.bytes.len() {
                return None;
            }
            self.next_window();
        }
        let first = self.letters.trailing_zeros() as usize;
        let start = self.window + first;
        let mut end = first + (!(self.letters >> first)).trailing_zeros() as usize;
        while end == WINDOW {
            self.next_window();
            end = (!self.letters).trailing_zeros() as usize;
        }
        self.letters &= u64::MAX << end;
        Some(start..self.window + end)
    }
}

/// Whatever may have a number.
pub(super) fn words_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    Letters::of(bytes).filter(|word| WORD_BYTES.contains(&word.len())).map(|word| &bytes[word])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&str]) -> Words {
        Words::new(words.iter().map(|word| word.as_bytes()))
    }

    fn encoded(words: &Words, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        words.encode(bytes, &mut out);
        out
    }

    fn decoded(words: &Words, bytes: &[u8]) -> Result<Vec<u8>, NotInWords> {
        let mut out = Vec::new();
        words.decode(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn words_are_numbers_and_a_space_between_two_is_nothing() {
        let words = words(&["good", "morning"]);
        for (text, expected) in [
            ("good morning", &b"\x80\x81"[..]),
            ("good  morning ", b"\x80  \x81 "),
            ("good, goodness morning", b"\x80, goodness \x81"),
            ("\u{e9}", b"\xff\x02\xc3\xa9"),
        ] {
            assert_eq!(encoded(&words, text.as_bytes()), expected, "{text}");
            assert_eq!(decoded(&words, expected).unwrap(), text.as_bytes());
        }
        for many in AT_A_TIME - 1..=2 * AT_A_TIME + 1 {
            assert_eq!(encoded(&words, "good ".repeat(many).trim_end().as_bytes()), b"\x80".repeat(many));
        }
    }

    #[test]
    fn every_number_is_read_back() {
        let many: Vec<String> = (0..MAX_WORDS + 1).map(|number| format!("w{number}")).collect();
        let words = Words::new(many.iter().map(|word| word.as_bytes()));
        assert_eq!(words.len() as usize, MAX_WORDS);
        for (at, length) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (15_935, 2),
            (15_936, 3),
            (MAX_WORDS - 1, 3),
            (MAX_WORDS, many[MAX_WORDS].len()),
        ] {
            let coded = encoded(&words, many[at].as_bytes());
            assert_eq!(coded.len(), length, "{at}");
            assert_eq!(decoded(&words, &coded).unwrap(), many[at].as_bytes());
        }
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_an_error() {
        let words = words(&["good"]);
        for bytes in [&b"\x81"[..], b"\xc0", b"\xc0\x00", b"\xfe\x00", b"\xfe\x00\x00", b"\xff", b"\xff\x02a"]
        {
            assert_eq!(decoded(&words, bytes), Err(NotInWords), "{bytes:?}");
        }
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec!["good", "morning", " ", "  ", ", ", "\u{e4}rger", "日本"]);
        let piece = prop_oneof![
            4 => known.prop_map(|word| word.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..9),
            1 => (any::<u8>(), 0..600_usize).prop_map(|(byte, length)| vec![byte; length]),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_decoded(bytes in pieces()) {
            let words = words(&["good", "morning", "\u{e4}rger"]);
            let coded = encoded(&words, &bytes);
            prop_assert_eq!(decoded(&words, &coded), Ok(bytes));
        }

        #[test]
        fn any_bytes_can_be_tried(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            drop(decoded(&words(&["good", "morning"]), &bytes));
        }
    }
}
