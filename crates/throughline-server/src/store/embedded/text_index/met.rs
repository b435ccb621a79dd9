//! The words of the texts of a segment that is being written.
//!
//! Each word has a number, given when it is met first, and each text is kept as the numbers of its words, two bytes each
//! as a rule. Which documents hold a word is put together once, at the end: then it is sorting, through memory that is read
//! from front to back, where a list for each word that grows with each text would be waited for at every word.

use std::io::{self, Write};

use tantivy::DocId;

use super::file::WordsWriter;
use super::leb128;
use crate::domain::filter::words::{Cut, Cutter, Form, SHORT_BYTES};
use crate::store::priority::Senders;

/// Of a place in the table where no word is, and of a word that is not where it was looked for first.
const NONE: u32 = u32::MAX;
/// Places in the first table.
const FIRST_PLACES: usize = 1 << 12;
/// A number from here on takes three units: this one, its low and its high half.
const LARGE: u16 = u16::MAX;

/// The texts of a segment, cut as [`crate::domain::filter::words`] says.
#[derive(Default)]
pub(super) struct WordsMet {
    table: Table,
    /// The words of all texts, by their numbers (see [`LARGE`]); those of a text are there once, or hardly more often.
    numbers: Vec<u16>,
    /// Where each document's end.
    ends: Vec<u32>,
    repeats: Repeats,
    /// The words of the text at hand, and of long ones what is behind the first bytes.
    wanted: Vec<Wanted>,
    beyond: Vec<u8>,
    written: String,
}

/// The words met, and their numbers. A power of two of places; a word is at the place that its hash names, or the next
/// ones if that is taken.
struct Table {
    places: Vec<Place>,
    count: u32,
    /// What long words have behind their first bytes.
    beyond: Vec<u8>,
}

/// Half a line of the processor's cache, so that to look at a word is to wait for memory once.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Place {
    word: Word,
    number: u32,
    hash: u32,
}

/// A word, or how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    /// The first bytes, the first one lowest, zeros behind the last.
    first: u64,
    second: u64,
    length: u32,
    /// Where the bytes behind these are kept, if there are any.
    beyond: u32,
}

/// A word of the text at hand.
struct Wanted {
    word: Word,
    hash: u32,
    /// The number that stands with the same word where it was looked for first.
    met: u32,
}

/// The words met in a text, a direct-mapped table of hashes: where two clash, a repeat slips through, which harms nothing.
#[derive(Default)]
struct Repeats {
    hashes: Vec<u64>,
    mask: usize,
    /// Goes into what is kept of a hash, so that nothing of the text before is taken for a word of this one.
    text: u64,
}

impl WordsMet {
    /// Takes in the text of the next document.
    pub(super) fn add(&mut self, text: &str) {
        self.cut(text);
        // All places are looked at before the first word is compared: so the processor waits for many at a time.
        for wanted in &mut self.wanted {
            wanted.met = self.table.look(wanted);
        }
        for wanted in &self.wanted {
            let number = match wanted.met {
                NONE => self.table.number(wanted, &self.beyond),
                met => met,
            };
            match u16::try_from(number) {
                Ok(number) if number < LARGE => self.numbers.push(number),
                _ => self.numbers.extend_from_slice(&[LARGE, number as u16, (number >> 16) as u16]),
            }
        }
        self.ends.push(self.numbers.len() as u32);
    }

    fn cut(&mut self, text: &str) {
        self.repeats.begin(text.len());
        self.wanted.clear();
        self.beyond.clear();
        let mut cutter = Cutter::new(text);
        while let Some(cut) = cutter.next() {
            if !self.repeats.is_new(cut.hash) {
                continue;
            }
            let word = match cut.form {
                Form::Short(sixteen) => Word::new(sixteen, cut.end - cut.start),
                Form::Long | Form::WrittenOut => self.write_out(&cutter, &cut),
            };
            self.wanted.push(Wanted { word, hash: (cut.hash >> 32) as u32, met: NONE });
        }
    }

    #[inline(never)]
    fn write_out(&mut self, cutter: &Cutter<'_>, cut: &Cut) -> Word {
        cutter.write(cut, &mut self.written);
        let bytes = self.written.as_bytes();
        let (first, beyond) = bytes.split_at(bytes.len().min(SHORT_BYTES));
        let mut sixteen = [0; SHORT_BYTES];
        sixteen[..first.len()].copy_from_slice(first);
        let word =
            Word { beyond: self.beyond.len() as u32, ..Word::new(u128::from_le_bytes(sixteen), bytes.len()) };
        self.beyond.extend_from_slice(beyond);
        word
    }

    /// Bytes in memory until [`Self::write`], which needs about a byte more for each number.
    pub(super) fn memory(&self) -> usize {
        self.table.places.len() * size_of::<Place>()
            + self.table.beyond.len()
            + self.numbers.len() * size_of::<u16>()
            + self.ends.len() * size_of::<u32>()
    }

    /// The documents and the numbers of their words.
    fn texts(&self) -> impl Iterator<Item = (DocId, &[u16])> {
        let begins = std::iter::once(&0).chain(&self.ends);
        let texts = begins.zip(&self.ends).map(|(begin, end)| &self.numbers[*begin as usize..*end as usize]);
        (0..).zip(texts)
    }

    /// Writes the words in the order of their bytes, and which documents hold them. Senders may go first meanwhile.
    pub(super) fn write(&self, file: impl Write, senders: &Senders) -> io::Result<()> {
        let words = self.table.sorted();
        let lists = self.lists(&words, senders);
        let mut writer = WordsWriter::new(file);
        let (mut word, mut documents, mut rest) = (Vec::new(), Vec::new(), lists.bytes.as_slice());
        for place in &words {
            senders.go_first();
            word.clear();
            self.table.write(&place.word, &mut word);
            let list;
            (list, rest) = rest.split_at(lists.lengths[place.number as usize]);
            read_list(list, &mut documents);
            writer.add(&word, &documents)?;
        }
        writer.finish()
    }

    /// Which documents hold each of these words. All texts are gone through twice: how long the lists become is known
    /// before they are written, so that together they are no longer than they have to be.
    fn lists(&self, words: &[Place], senders: &Senders) -> Lists {
        let mut lengths = vec![0; words.len()];
        let mut next = vec![0; words.len()];
        self.each_left_out(&mut next, senders, |number, left_out| {
            lengths[number] += leb128::length(left_out)
        });
        let mut ends = vec![0; words.len()];
        let mut end = 0;
        for place in words {
            ends[place.number as usize] = end;
            end += lengths[place.number as usize];
        }
        let mut bytes = vec![0; end];
        next.fill(0);
        self.each_left_out(&mut next, senders, |number, left_out| {
            ends[number] += leb128::write(left_out, &mut bytes[ends[number]..]);
        });
        Lists { bytes, lengths }
    }

    /// Calls `each` with the number of each word of each document, and how many documents are left out between this
    /// one and the last that holds the word. `next` is, for each word, the document behind that one; 0 at first.
    #[inline]
    fn each_left_out(&self, next: &mut [DocId], senders: &Senders, mut each: impl FnMut(usize, DocId)) {
        for (document, text) in self.texts() {
            senders.go_first();
            let mut units = text.iter().copied();
            while let Some(unit) = units.next() {
                let mut half = || usize::from(units.next().unwrap_or_default());
                let number = if unit == LARGE { half() | half() << 16 } else { usize::from(unit) };
                // A repeat is left out.
                if let Some(left_out) = document.checked_sub(next[number]) {
                    next[number] = document + 1;
                    each(number, left_out);
                }
            }
        }
    }
}

/// For each word, in the order in which they are written, how many documents are left out before each that holds it, as
/// LEB128.
struct Lists {
    bytes: Vec<u8>,
    /// By the numbers of the words.
    lengths: Vec<usize>,
}

/// Reads one of the lists.
fn read_list(mut list: &[u8], documents: &mut Vec<DocId>) {
    documents.clear();
    let mut next = 0;
    while let Some(left_out) = leb128::take(&mut list) {
        let document = next + left_out;
        documents.push(document);
        next = document + 1;
    }
}

impl Word {
    fn new(sixteen: u128, length: usize) -> Self {
        let (first, second) = (sixteen as u64, (sixteen >> 64) as u64);
        Self { first, second, length: length as u32, beyond: 0 }
    }

    /// How many bytes are kept elsewhere.
    fn bytes_beyond(&self) -> usize {
        (self.length as usize).saturating_sub(SHORT_BYTES)
    }

    /// Those bytes, in what keeps them.
    fn beyond<'a>(&self, kept: &'a [u8]) -> &'a [u8] {
        &kept[self.beyond as usize..][..self.bytes_beyond()]
    }

    fn begins_as(&self, other: &Self) -> bool {
        (self.first, self.second, self.length) == (other.first, other.second, other.length)
    }

    /// Orders as the first bytes do.
    fn order(&self) -> (u64, u64) {
        (self.first.swap_bytes(), self.second.swap_bytes())
    }
}

impl Place {
    const EMPTY: Self =
        Self { word: Word { first: 0, second: 0, length: 0, beyond: 0 }, number: NONE, hash: 0 };
}

impl Default for Table {
    fn default() -> Self {
        Self { places: vec![Place::EMPTY; FIRST_PLACES], count: 0, beyond: Vec::new() }
    }
}

impl Table {
    fn place_of(&self, hash: u32) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    /// The number of a short word, if it stands where it is looked for first; long ones are looked for further.
    #[inline]
    fn look(&self, wanted: &Wanted) -> u32 {
        let place = &self.places[self.place_of(wanted.hash)];
        let is_same = place.word.begins_as(&wanted.word) && wanted.word.length as usize <= SHORT_BYTES;
        if is_same { place.number } else { NONE }
    }

    /// The number of a word, which is a new one if it was not met before.
    #[inline(never)]
    fn number(&mut self, wanted: &Wanted, beyond: &[u8]) -> u32 {
        let beyond = wanted.word.beyond(beyond);
        let mut at = self.place_of(wanted.hash);
        loop {
            let place = &self.places[at];
            if place.number == NONE {
                break;
            }
            if place.word.begins_as(&wanted.word) && place.word.beyond(&self.beyond) == beyond {
                return place.number;
            }
            at = (at + 1) & (self.places.len() - 1);
        }
        let word = Word { beyond: self.beyond.len() as u32, ..wanted.word };
        self.beyond.extend_from_slice(beyond);
        let number = self.count;
        self.places[at] = Place { word, number, hash: wanted.hash };
        self.count += 1;
        if self.count as usize * 2 > self.places.len() {
            self.grow();
        }
        number
    }

    #[cold]
    fn grow(&mut self) {
        let double = vec![Place::EMPTY; self.places.len() * 2];
        let before = std::mem::replace(&mut self.places, double);
        for place in before.into_iter().filter(|place| place.number != NONE) {
            let mut at = self.place_of(place.hash);
            while self.places[at].number != NONE {
                at = (at + 1) & (self.places.len() - 1);
            }
            self.places[at] = place;
        }
    }

    /// All words in the order of their bytes.
    fn sorted(&self) -> Vec<Place> {
        let mut words: Vec<_> = self.places.iter().filter(|place| place.number != NONE).copied().collect();
        words.sort_unstable_by(|Place { word: one, .. }, Place { word: other, .. }| {
            // Only long words begin with the same sixteen bytes as another.
            one.order()
                .cmp(&other.order())
                .then_with(|| one.beyond(&self.beyond).cmp(other.beyond(&self.beyond)))
        });
        words
    }

    fn write(&self, word: &Word, to: &mut Vec<u8>) {
        for eight in [word.first, word.second] {
            to.extend_from_slice(&eight.to_le_bytes());
        }
        to.truncate(word.length as usize);
        to.extend_from_slice(word.beyond(&self.beyond));
    }
}

impl Repeats {
    fn begin(&mut self, text_bytes: usize) {
        let size = (text_bytes / 4).next_power_of_two().clamp(64, 8192);
        if self.hashes.len() < size {
            self.hashes.resize(size, 0);
        }
        self.mask = size - 1;
        self.text = self.text.wrapping_add(0x9e37_79b9_7f4a_7c15);
    }

    /// Whether the word was not met before, as far as is remembered.
    #[inline(always)]
    fn is_new(&mut self, hash: u64) -> bool {
        let kept = hash ^ self.text;
        std::mem::replace(&mut self.hashes[(hash >> 40) as usize & self.mask], kept) != kept
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use tantivy::directory::OwnedBytes;

    use super::super::file::WordsFile;
    use super::*;
    use crate::domain::filter::words;

    /// The words in the file, and the documents of each.
    fn written(texts: &[String]) -> Vec<(String, Vec<DocId>)> {
        let mut met = WordsMet::default();
        texts.iter().for_each(|text| met.add(text));
        let mut bytes = Vec::new();
        met.write(&mut bytes, &Senders::default()).unwrap();
        let file = WordsFile::open(OwnedBytes::new(bytes)).unwrap();
        let (mut all, mut written) = (file.all(), Vec::new());
        while all.advance().unwrap() {
            let mut documents = Vec::new();
            all.documents().unwrap().each_block(|block| documents.extend_from_slice(block));
            written.push((String::from_utf8(all.word().to_vec()).unwrap(), documents));
        }
        written
    }

    fn expected(texts: &[String]) -> Vec<(String, Vec<DocId>)> {
        let mut expected: BTreeMap<String, BTreeSet<DocId>> = BTreeMap::new();
        for (document, text) in (0..).zip(texts) {
            for word in words::words(text) {
                expected.entry(word).or_default().insert(document);
            }
        }
        expected.into_iter().map(|(word, documents)| (word, documents.into_iter().collect())).collect()
    }

    #[test]
    fn each_word_is_written_with_the_documents_that_hold_it() {
        let texts = ["The cat and THE dog", "", "the Größe of 0123456789abcdefX, the 0123456789ABCDEFy"];
        let word = |word: &str, documents: &[DocId]| (word.to_owned(), documents.to_vec());
        assert_eq!(
            written(&texts.map(str::to_owned)),
            [
                word("0123456789abcdefx", &[2]),
                word("0123456789abcdefy", &[2]),
                word("and", &[0]),
                word("cat", &[0]),
                word("dog", &[0]),
                word("größe", &[2]),
                word("of", &[2]),
                word("the", &[0, 2]),
            ]
        );
        assert!(written(&[]).is_empty());
    }

    /// So many words that some have [`LARGE`] numbers.
    #[test]
    fn a_table_grows_with_its_words() {
        let words = |text: usize| (0..24).map(move |word| format!("{text}x{word}"));
        let texts: Vec<String> = (0..3000)
            .map(|text| {
                words(text).chain(words(text / 3)).collect::<Vec<_>>().join(" and more than sixteen bytes")
            })
            .collect();
        let (written, expected) = (written(&texts), expected(&texts));
        assert!(written.len() > usize::from(LARGE) && written == expected);
    }

    proptest! {
        #[test]
        fn any_texts_are_written(texts in prop::collection::vec("[a-cA-C]{1,2}( [a-cA-C]{1,2}| [a-z]{14,19}|天[a-z]|é{1,21}){0,40}|\\PC*", 0..20)) {
            prop_assert_eq!(written(&texts), expected(&texts));
        }
    }
}
