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
    /// The key of each.
    keys: Vec<u64>,
    /// Where to find the numbers of words, by what [`Self::place`] makes of their keys: the next free place behind that
    /// is taken. A power of two.
    slots: Vec<Slot>,
}

/// A number and one in the low bits, and a mark of the word's key in the others, so that hardly any number is looked
/// up in vain. As small as can be: what has all numbers should stay near the processor. Where nothing is, it is 0.
type Slot = u32;
const NUMBER_BITS: u32 = 17;
const NUMBER: Slot = (1 << NUMBER_BITS) - 1;
const _: () = assert!(MAX_WORDS < NUMBER as usize);

/// A word on its way to its number: where it stands in the bytes, and what is in the first place to look.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    start: usize,
    end: usize,
    key: u64,
    place: usize,
    /// What a slot of the key has in its high bits.
    mark: Slot,
    slot: Slot,
}

impl Words {
    /// What goes beyond [`MAX_WORDS`] has no number.
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut new = Self { text: Vec::new(), ends: Vec::new(), keys: Vec::new(), slots: Vec::new() };
        for word in words.into_iter().take(MAX_WORDS) {
            new.text.extend_from_slice(word);
            new.ends.push(u32::try_from(new.text.len()).unwrap_or(u32::MAX));
            new.keys.push(key(word, 0..word.len()));
        }
        new.slots = vec![0; (new.ends.len() * 2).next_power_of_two()];
        for number in 0..new.len() {
            let (mut place, mark) = new.place(new.keys[number as usize]);
            while new.slots[place] != 0 {
                place = new.next_place(place);
            }
            new.slots[place] = mark | (number + 1);
        }
        new
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

    /// Where words of this key are looked for first, and what marks their slots.
    #[inline]
    fn place(&self, key: u64) -> (usize, Slot) {
        let bits = self.slots.len().trailing_zeros();
        let spread = key.wrapping_mul(SPREAD).rotate_left(bits);
        (spread as usize & (self.slots.len() - 1), (spread >> 32) as Slot & !NUMBER)
    }

    #[inline]
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
    fn begin_to_find(&self, bytes: &[u8], word: Range<usize>) -> Wanted {
        let Range { start, end } = word;
        let key = key(bytes, word);
        let (place, mark) = self.place(key);
        Wanted { start, end, key, place, mark, slot: self.slots[place] }
    }

    /// The number of a word in `bytes`.
    #[inline]
    fn find(&self, wanted: &Wanted, bytes: &[u8]) -> Option<u32> {
        let (mut place, mut slot) = (wanted.place, wanted.slot);
        while slot != 0 {
            if slot & !NUMBER == wanted.mark {
                let number = (slot & NUMBER) - 1;
                let word = &bytes[wanted.start..wanted.end];
                if self.keys[number as usize] == wanted.key
                    && (word.len() <= KEY_BYTES || is_same(self.word(number), word))
                {
                    return Some(number);
                }
            }
            place = self.next_place(place);
            slot = self.slots[place];
        }
        None
    }

    /// Appends these bytes with their words replaced.
    pub(super) fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        let mut stretches = Stretches::of(bytes);
        let mut wanted = [Wanted::default(); STRETCHES];
        // What is not yet written begins at `rest`.
        let (mut rest, mut behind_word) = (0, false);
        while stretches.look() {
            // All are looked up before the first is needed, so that the processor waits for all of them at once.
            let mut count = 0;
            for stretch in stretches.whole() {
                wanted[count] = self.begin_to_find(bytes, stretch.clone());
                count += usize::from(WORD_BYTES.contains(&stretch.len()));
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
        }
        put_as_it_is(&bytes[rest..], out);
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

/// Written four bytes at a time, of which some are taken back: which length it has cannot be foretold.
fn put_number(number: u32, out: &mut Vec<u8>) {
    let length = number_bytes(number);
    let code = match length {
        1 => u32::from(FIRST_OF_ONE) + number,
        2 => (u32::from(FIRST_OF_TWO) << 8) + (number - ONE_BYTE),
        _ => (u32::from(THREE) << 16) + (number - ONE_BYTE - TWO_BYTES),
    };
    out.extend_from_slice(&(code << (32 - 8 * length)).to_be_bytes());
    out.truncate(out.len() - (4 - length));
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
fn key(bytes: &[u8], Range { start, end }: Range<usize>) -> u64 {
    let length = end - start;
    let first = eight(bytes, start);
    if length <= KEY_BYTES {
        return first & u64::MAX >> (64 - 8 * length.max(1));
    }
    let mixed = (first.wrapping_mul(SPREAD) ^ eight(bytes, end - KEY_BYTES)).wrapping_mul(SPREAD);
    1 << 56 | (mixed ^ length as u64) >> 8
}

/// Eight bytes from here, the first lowest; zeros behind the end.
#[inline]
fn eight(bytes: &[u8], start: usize) -> u64 {
    let bytes = &bytes[start..];
    if let Some(eight) = bytes.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    bytes.iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte))
}

/// Whether two words longer than [`KEY_BYTES`] are the same: eight bytes at a time, which is quicker than to call
/// what compares any number of them.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.first_chunk::<KEY_BYTES>() == other.first_chunk()
        && one.last_chunk::<KEY_BYTES>() == other.last_chunk()
        && (one.len() <= 2 * KEY_BYTES || one[KEY_BYTES..2 * KEY_BYTES] == other[KEY_BYTES..2 * KEY_BYTES])
}
const _: () = assert!(*WORD_BYTES.end() == 3 * KEY_BYTES);

/// The bytes that words are made of: those of names and of letters beyond ASCII. Without a branch, so that many are
/// told at a time.
fn is_letter(byte: u8) -> bool {
    let between = |first: u8, last: u8, byte: u8| byte.wrapping_sub(first) <= last - first;
    between(b'a', b'z', byte | 0x20) | between(b'0', b'9', byte) | (byte == b'_') | (byte >= 0x80)
}

/// So many bytes are looked at together, ...
const WINDOW: usize = 64;
/// ... and so many times that, before the stretches in them are worked on.
const WINDOWS: usize = 4;
/// As many stretches of letters as can end there.
const STRETCHES: usize = WINDOW * WINDOWS / 2 + 1;

/// The stretches of letters, in order.
struct Stretches<'a> {
    bytes: &'a [u8],
    /// What was looked at ends here...
    window: usize,
    /// ... and with a letter.
    within: bool,
    /// Where those begin and end that were found last, of which the last may not have ended.
    starts: [usize; STRETCHES],
    ends: [usize; STRETCHES],
    begun: usize,
    ended: usize,
}

impl<'a> Stretches<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let (starts, ends) = ([0; STRETCHES], [0; STRETCHES]);
        Self { bytes, window: 0, within: false, starts, ends, begun: 0, ended: 0 }
    }

    /// Looks for more. `false` if there is nothing left to look at.
    fn look(&mut self) -> bool {
        if self.window > self.bytes.len() {
            return false;
        }
        if self.within {
            self.starts[0] = self.starts[self.begun - 1];
        }
        (self.begun, self.ended) = (usize::from(self.within), 0);
        for _ in 0..WINDOWS {
            // One window is beyond the end if need be: there the last stretch ends.
            let letters = letters(self.bytes.get(self.window..).unwrap_or_default());
            let before = letters << 1 | u64::from(self.within);
            note(letters & !before, self.window, &mut self.starts, &mut self.begun);
            note(before & !letters, self.window, &mut self.ends, &mut self.ended);
            self.within = letters >> (WINDOW - 1) == 1;
            self.window += WINDOW;
        }
        true
    }

    /// Those found last that have ended.
    fn whole(&self) -> impl Iterator<Item = Range<usize>> {
        self.starts.iter().zip(&self.ends[..self.ended]).map(|(start, end)| *start..*end)
    }
}

/// Notes where there are bits.
#[inline]
fn note(mut bits: u64, window: usize, noted: &mut [usize; STRETCHES], count: &mut usize) {
    while bits != 0 {
        noted[*count] = window + bits.trailing_zeros() as usize;
        *count += 1;
        bits &= bits - 1;
    }
}

/// A bit for each of the first bytes that is a letter.
#[inline]
fn letters(bytes: &[u8]) -> u64 {
    /// Takes the lowest bit of each byte to the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut is = [0; WINDOW];
    if let Some(whole) = bytes.first_chunk::<WINDOW>() {
        is = whole.map(|byte| u8::from(is_letter(byte)));
    } else {
        is.iter_mut().zip(bytes).for_each(|(is, byte)| *is = u8::from(is_letter(*byte)));
    }
    is.as_chunks()
        .0
        .iter()
        .rev()
        .fold(0, |letters, eight| letters << 8 | u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
}

/// Whatever may have a number.
pub(super) fn each_word(bytes: &[u8], mut each: impl FnMut(&[u8])) {
    let mut stretches = Stretches::of(bytes);
    while stretches.look() {
        for stretch in stretches.whole().filter(|stretch| WORD_BYTES.contains(&stretch.len())) {
            each(&bytes[stretch]);
        }
    }
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
        for many in 1..200 {
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
