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
    /// How each begins.
    beginnings: Vec<Beginning>,
    /// Where to find the numbers of words, by their beginnings: at [`Beginning::place`], or at the next free place behind
    /// that is taken. One is added to each number, and 0 is a place that is free. A power of two.
    slots: Vec<u32>,
}

/// A word on its way to its number: where it stands in the bytes, how it begins, what is in the first place to look, and
/// how the word begins whose number that is.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    start: usize,
    end: usize,
    beginning: Beginning,
    place: usize,
    slot: u32,
    met: Beginning,
}

impl Words {
    /// What goes beyond [`MAX_WORDS`] has no number.
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut new = Self { text: Vec::new(), ends: Vec::new(), beginnings: Vec::new(), slots: Vec::new() };
        for word in words.into_iter().take(MAX_WORDS) {
            new.text.extend_from_slice(word);
            new.ends.push(u32::try_from(new.text.len()).unwrap_or(u32::MAX));
            new.beginnings.push(Beginning::of(word, 0..word.len()));
        }
        new.slots = vec![0; (new.ends.len() * 2).next_power_of_two()];
        for (number, beginning) in (1..).zip(&new.beginnings) {
            let mut place = beginning.place(new.slots.len());
            while new.slots[place] != 0 {
                place = new.next_place(place);
            }
            new.slots[place] = number;
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

    fn next_place(&self, place: usize) -> usize {
        (place + 1) & (self.slots.len() - 1)
    }

    /// The number of a word.
    pub(super) fn number(&self, word: &[u8]) -> Option<u32> {
        let is_one = WORD_BYTES.contains(&word.len());
        if !is_one {
            return None;
        }
        let mut wanted = self.begin_to_find(word, 0..word.len());
        self.meet(&mut wanted);
        self.find(&wanted, word)
    }

    /// Reads where the number of a word in `bytes` should stand.
    #[inline]
    fn begin_to_find(&self, bytes: &[u8], word: Range<usize>) -> Wanted {
        let Range { start, end } = word;
        let beginning = Beginning::of(bytes, word);
        let place = beginning.place(self.slots.len());
        Wanted { start, end, beginning, place, slot: self.slots[place], met: Beginning::default() }
    }

    /// Reads how the word begins whose number stands there.
    #[inline]
    fn meet(&self, wanted: &mut Wanted) {
        // Of no word is the number of a place that is free.
        let met = self.beginnings.get(wanted.slot.wrapping_sub(1) as usize);
        wanted.met = met.copied().unwrap_or_default();
    }

    /// The number of a word in `bytes`: most that have one are found where they are looked for first.
    #[inline]
    fn find(&self, wanted: &Wanted, bytes: &[u8]) -> Option<u32> {
        let number = wanted.slot.checked_sub(1)?;
        if wanted.met == wanted.beginning && wanted.end - wanted.start <= Beginning::BYTES {
            return Some(number);
        }
        self.find_further(wanted, bytes)
    }

    /// The same for words that are longer than what is kept of their beginning, or stand behind another one's place.
    #[inline(never)]
    fn find_further(&self, wanted: &Wanted, bytes: &[u8]) -> Option<u32> {
        let word = &bytes[wanted.start..wanted.end];
        let mut place = wanted.place;
        loop {
            let number = self.slots[place].checked_sub(1)?;
            if self.beginnings[number as usize] == wanted.beginning && self.word(number) == word {
                return Some(number);
            }
            place = self.next_place(place);
        }
    }

    /// Appends these bytes with their words replaced.
    pub(super) fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        let mut stretches = Stretches::of(bytes);
        let mut wanted = [Wanted::default(); EDGES / 2];
        // What is not yet written begins at `rest`.
        let (mut rest, mut behind_word) = (0, false);
        while stretches.look() {
            // Each step is done for all before the next is for the first, so that the processor waits for all at once.
            let mut count = 0;
            for stretch in stretches.whole() {
                let length = stretch.len();
                wanted[count] = self.begin_to_find(bytes, stretch);
                count += usize::from(WORD_BYTES.contains(&length));
            }
            wanted[..count].iter_mut().for_each(|word| self.meet(word));
            for word in &wanted[..count] {
                if let Some(number) = self.find(word, bytes) {
                    if !(behind_word && word.start - rest == 1 && bytes[rest] == b' ') {
                        put_between(bytes, rest..word.start, out);
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
#[inline]
pub(super) fn number_bytes(number: u32) -> usize {
    1 + usize::from(number >= ONE_BYTE) + usize::from(number >= ONE_BYTE + TWO_BYTES)
}

/// Written four bytes at a time, of which some are taken back: which length it has cannot be foretold.
#[inline]
fn put_number(number: u32, out: &mut Vec<u8>) {
    const FIRST: [u32; 3] = [
        (FIRST_OF_ONE as u32) << 24,
        ((FIRST_OF_TWO as u32) << 24) - (ONE_BYTE << 16),
        ((THREE as u32) << 24) - ((ONE_BYTE + TWO_BYTES) << 8),
    ];
    let length = number_bytes(number);
    let code = FIRST[length - 1] + (number << (32 - 8 * length));
    out.extend_from_slice(&code.to_be_bytes());
    out.truncate(out.len() - (4 - length));
}

/// Puts what stands between two words, mostly a few bytes.
#[inline]
fn put_between(bytes: &[u8], between: Range<usize>, out: &mut Vec<u8>) {
    let length = between.len();
    if let Some(eight) = bytes[between.start..].first_chunk::<8>()
        && length <= 8
        && u64::from_le_bytes(*eight) & 0x8080_8080_8080_8080 & MASKS[length][0] == 0
    {
        out.extend_from_slice(eight);
        out.truncate(out.len() - (8 - length));
    } else {
        put_as_it_is(&bytes[between], out);
    }
}

#[inline(never)]
fn put_as_it_is(mut stretch: &[u8], out: &mut Vec<u8>) {
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

/// A word itself, the first byte lowest and zeros behind its end; of a longer one than there is room for, how it begins
/// and then a byte that is no letter. So two words have the same only if they are one, or both are longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Beginning([u64; 2]);

impl Beginning {
    /// What there is room for.
    const BYTES: usize = 16;

    /// Without a branch where it can be: how long words are cannot be foretold.
    #[inline]
    fn of(bytes: &[u8], word: Range<usize>) -> Self {
        let [first, second] = if let Some(sixteen) = bytes[word.start..].first_chunk() {
            let sixteen = u128::from_le_bytes(*sixteen);
            [sixteen as u64, (sixteen >> 64) as u64]
        } else {
            [eight(bytes, word.start), eight(bytes, word.start + 8)]
        };
        let length = word.len().min(Self::BYTES + 1);
        let [one, other] = MASKS[length];
        let is_longer = u64::from(length > Self::BYTES);
        Self([first & one, second & other | is_longer << 56])
    }

    /// Where a word is looked for first, among so many places, a power of two.
    #[inline]
    fn place(self, places: usize) -> usize {
        let Self([first, second]) = self;
        let spread = (first ^ second.rotate_left(29)).wrapping_mul(SPREAD);
        // The high bits are those that all others have a part in.
        spread.rotate_left(places.trailing_zeros()) as usize & (places - 1)
    }
}

/// An odd number that spreads the bits of a word.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// By length, the bits of a word's own bytes; of a longer one all but the last byte.
const MASKS: [[u64; 2]; Beginning::BYTES + 2] = {
    let mut masks = [[u64::MAX, u64::MAX >> 8]; Beginning::BYTES + 2];
    let mut length = 0;
    while length <= Beginning::BYTES {
        let mask = u128::MAX.unbounded_shr(128 - 8 * length as u32);
        masks[length] = [mask as u64, (mask >> 64) as u64];
        length += 1;
    }
    masks
};

/// Eight bytes from here, the first lowest; zeros behind the end.
fn eight(bytes: &[u8], start: usize) -> u64 {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.iter().take(8).rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte))
}

/// The bytes that words are made of: those of names and of letters beyond ASCII. Without a branch, so that many are
/// told at a time.
fn is_letter(byte: u8) -> bool {
    let between = |first: u8, last: u8, byte: u8| byte.wrapping_sub(first) <= last - first;
    between(b'a', b'z', byte | 0x20) | between(b'0', b'9', byte) | (byte == b'_') | (byte >= 0x80)
}

/// So many bytes are looked at together, ...
const WINDOW: usize = 64;
/// ... and so many times that, before the stretches in them are worked on.
const WINDOWS: usize = 2;
/// As many edges of stretches as can be noted there, and what is noted beyond the last.
const EDGES: usize = WINDOW * WINDOWS + 1 + NOTED;
/// So many edges are noted at a time, whether there are as many or not.
const NOTED: usize = 8;

/// The stretches of letters, in order.
struct Stretches<'a> {
    bytes: &'a [u8],
    /// What was looked at ends here...
    window: usize,
    /// ... and with a letter (1) or not (0).
    within: u64,
    /// Where those that were found last begin and end, in turn; the last may not have ended.
    edges: [usize; EDGES],
    count: usize,
}

impl<'a> Stretches<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, window: 0, within: 0, edges: [0; EDGES], count: 0 }
    }

    /// Looks for more. `false` if there is nothing left to look at.
    #[inline]
    fn look(&mut self) -> bool {
        if self.window > self.bytes.len() {
            return false;
        }
        if self.within == 1 {
            self.edges[0] = self.edges[self.count - 1];
        }
        self.count = self.within as usize;
        for _ in 0..WINDOWS {
            // One window is beyond the end if need be: there the last stretch ends.
            let letters = letters(self.bytes.get(self.window..).unwrap_or_default());
            self.note(letters ^ (letters << 1 | self.within));
            self.within = letters >> (WINDOW - 1);
            self.window += WINDOW;
        }
        true
    }

    /// Notes where there are bits: some at a time, so that how many there are need not be foretold.
    #[inline]
    fn note(&mut self, mut bits: u64) {
        let end = self.count + bits.count_ones() as usize;
        while self.count < end {
            for edge in &mut self.edges[self.count..][..NOTED] {
                *edge = self.window + (bits | 1 << 63).trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
            }
            self.count += NOTED;
        }
        self.count = end;
    }

    /// Those found last that have ended.
    #[inline]
    fn whole(&self) -> impl Iterator<Item = Range<usize>> {
        self.edges[..self.count].as_chunks().0.iter().map(|[start, end]| *start..*end)
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
            // As many stretches as there can be.
            let single = "a ".repeat(many);
            assert_eq!(encoded(&words, single.as_bytes()), single.as_bytes());
            assert_eq!(encoded(&words, format!("x{single}").as_bytes()), format!("x{single}").as_bytes());
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
    fn words_that_begin_alike_have_numbers_of_their_own() {
        let words = words(&KNOWN);
        for (number, word) in (0..).zip(KNOWN) {
            assert_eq!(words.number(word.as_bytes()), Some(number), "{word}");
            assert_eq!(encoded(&words, word.as_bytes()), [FIRST_OF_ONE + number as u8], "{word}");
        }
        for other in ["incomprehensibil", "incomprehensibly", "incomprehensibilitiesly", "morningl", "goo"] {
            assert_eq!(words.number(other.as_bytes()), None, "{other}");
            assert_eq!(encoded(&words, other.as_bytes()), other.as_bytes());
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

    /// Two of them begin with the same sixteen bytes, and so does what is none of them.
    const KNOWN: [&str; 6] =
        ["good", "morning", "morningly", "\u{e4}rger", "incomprehensibility", "incomprehensibilities"];

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let known =
            prop::sample::select([&KNOWN[..], &[" ", "  ", ", ", "日本", "incomprehensible"]].concat());
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
            let words = words(&KNOWN);
            let coded = encoded(&words, &bytes);
            prop_assert_eq!(decoded(&words, &coded), Ok(bytes));
        }

        #[test]
        fn any_bytes_can_be_tried(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            drop(decoded(&words(&KNOWN), &bytes));
        }
    }
}
