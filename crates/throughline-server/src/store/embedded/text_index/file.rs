//! The words of a segment in the order of their bytes, and the documents of each.
//!
//! | in this order | |
//! |---|---|
//! | for each 32 words | how many bytes their entries have, their entries, and the documents of each (see [`super::postings`]) |
//! | index | where each 32 words begin: eight bytes, the lowest first |
//! | | where the first word of each ends in what follows: four bytes |
//! | | those first words, one behind the other |
//! | end | where the index begins: eight bytes; how many 32 words there are: four bytes |
//!
//! A word's entry: how many bytes it shares with the word before, how many it has beyond them, these, how many documents
//! hold it, and in how many bytes they are written. Numbers are LEB128.

use std::io::{self, Write};
use std::ops::Range;

use bitpacking::{BitPacker, BitPacker4x};
use tantivy::DocId;
use tantivy::directory::OwnedBytes;

use super::leb128;
use super::postings::{self, Postings};

/// Words that are looked through together.
const WORDS: usize = 32;
const END_BYTES: usize = 12;

/// Writes words, which ascend, with their documents.
pub(super) struct WordsWriter<W> {
    file: W,
    written: u64,
    packer: BitPacker4x,
    /// The words that are to be written together: how many, their entries, their documents, and the last of them.
    count: usize,
    entries: Vec<u8>,
    documents: Vec<u8>,
    last: Vec<u8>,
    index: Index,
}

#[derive(Default)]
struct Index {
    begins: Vec<u8>,
    ends: Vec<u8>,
    words: Vec<u8>,
}

impl<W: Write> WordsWriter<W> {
    pub(super) fn new(file: W) -> Self {
        Self {
            file,
            written: 0,
            packer: BitPacker4x::new(),
            count: 0,
            entries: Vec::new(),
            documents: Vec::new(),
            last: Vec::new(),
            index: Index::default(),
        }
    }

    /// Adds a word that comes behind all before it, and the documents that hold it, which ascend.
    pub(super) fn add(&mut self, word: &[u8], documents: &[DocId]) -> io::Result<()> {
        if self.count == WORDS {
            self.write_words()?;
        }
        if self.count == 0 {
            self.index.begins.extend_from_slice(&self.written.to_le_bytes());
            self.index.words.extend_from_slice(word);
            self.index.ends.extend_from_slice(&(self.index.words.len() as u32).to_le_bytes());
            self.last.clear();
        }
        let shared = self.last.iter().zip(word).take_while(|(last, this)| last == this).count();
        leb128::push(shared as u32, &mut self.entries);
        leb128::push((word.len() - shared) as u32, &mut self.entries);
        self.entries.extend_from_slice(&word[shared..]);
        let begin = self.documents.len();
        postings::write(documents, &self.packer, &mut self.documents);
        leb128::push(documents.len() as u32, &mut self.entries);
        leb128::push((self.documents.len() - begin) as u32, &mut self.entries);
        self.last.truncate(shared);
        self.last.extend_from_slice(&word[shared..]);
        self.count += 1;
        Ok(())
    }

    fn write_words(&mut self) -> io::Result<()> {
        let mut length = Vec::new();
        leb128::push(self.entries.len() as u32, &mut length);
        for part in [&length, &self.entries, &self.documents] {
            self.file.write_all(part)?;
            self.written += part.len() as u64;
        }
        self.count = 0;
        self.entries.clear();
        self.documents.clear();
        Ok(())
    }

    /// Writes what is left, and how to find it.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.count > 0 {
            self.write_words()?;
        }
        let blocks = (self.index.begins.len() / 8) as u32;
        for part in [&self.index.begins, &self.index.ends, &self.index.words] {
            self.file.write_all(part)?;
        }
        self.file.write_all(&self.written.to_le_bytes())?;
        self.file.write_all(&blocks.to_le_bytes())
    }
}

/// The words of a segment, to be read.
#[derive(Clone)]
pub(super) struct WordsFile {
    bytes: OwnedBytes,
    blocks: usize,
    /// Where the parts of the index begin.
    begins: usize,
    ends: usize,
    words: usize,
}

/// A file that is not what [`WordsWriter`] makes.
fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the words of a segment cannot be read")
}

impl WordsFile {
    pub(super) fn open(bytes: OwnedBytes) -> io::Result<Self> {
        let end = bytes.last_chunk::<END_BYTES>().ok_or_else(damaged)?;
        let [b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3] = *end;
        let begins = usize::try_from(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]));
        let begins = begins.ok().filter(|begins| *begins <= bytes.len()).ok_or_else(damaged)?;
        let blocks = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        let (ends, words) = (begins + blocks * 8, begins + blocks * 12);
        if words + END_BYTES > bytes.len() {
            return Err(damaged());
        }
        Ok(Self { bytes, blocks, begins, ends, words })
    }

    /// The documents that hold the word.
    pub(super) fn find(&self, word: &[u8]) -> io::Result<Option<Postings>> {
        let Some(Entry { bytes, count }) = self.entry(word)? else { return Ok(None) };
        if bytes.end > self.bytes.len() {
            return Err(damaged());
        }
        Ok(Some(Postings::new(self.bytes.slice(bytes), count)))
    }

    /// How many documents hold the word, deleted ones included.
    pub(super) fn count(&self, word: &[u8]) -> io::Result<u32> {
        Ok(self.entry(word)?.map_or(0, |entry| entry.count))
    }

    fn entry(&self, word: &[u8]) -> io::Result<Option<Entry>> {
        let (mut low, mut high) = (0, self.blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.first_word(middle)? <= word { low = middle + 1 } else { high = middle }
        }
        let Some(block) = low.checked_sub(1) else { return Ok(None) };
        let mut entries = self.entries(block)?;
        while let Some(entry) = entries.next()? {
            match entries.word.as_slice().cmp(word) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(entry)),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    fn first_word(&self, block: usize) -> io::Result<&[u8]> {
        let end = |block: usize| -> io::Result<usize> {
            let end = self.bytes.get(self.ends + block * 4..).and_then(|ends| ends.first_chunk());
            Ok(u32::from_le_bytes(*end.ok_or_else(damaged)?) as usize)
        };
        let begin = block.checked_sub(1).map_or(Ok(0), end)?;
        self.bytes.get(self.words + begin..self.words + end(block)?).ok_or_else(damaged)
    }

    fn entries(&self, block: usize) -> io::Result<Entries<'_>> {
        let begin = self.bytes.get(self.begins + block * 8..).and_then(|begins| begins.first_chunk());
        let begin =
            usize::try_from(u64::from_le_bytes(*begin.ok_or_else(damaged)?)).map_err(|_| damaged())?;
        let mut rest = self.bytes.get(begin..self.begins).ok_or_else(damaged)?;
        let length = leb128::take(&mut rest).map(|length| length as usize);
        let (entries, documents) =
            length.and_then(|length| rest.split_at_checked(length)).ok_or_else(damaged)?;
        Ok(Entries { entries, documents: self.begins - documents.len(), word: Vec::new() })
    }

    /// All words, from the first.
    pub(super) fn all(&self) -> AllWords<'_> {
        let none = Entries { entries: &[], documents: 0, word: Vec::new() };
        AllWords { file: self, block: 0, entries: none, entry: Entry::default() }
    }
}

/// Where the documents of a word are, and how many.
#[derive(Default)]
struct Entry {
    count: u32,
    bytes: Range<usize>,
}

/// The entries of words that were written together.
struct Entries<'a> {
    entries: &'a [u8],
    /// Where the documents of the next word begin.
    documents: usize,
    /// The last word.
    word: Vec<u8>,
}

impl Entries<'_> {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        self.read().map(Some).ok_or_else(damaged)
    }

    #[inline]
    fn read(&mut self) -> Option<Entry> {
        let (shared, beyond) = (leb128::take(&mut self.entries)?, leb128::take(&mut self.entries)?);
        let (beyond, rest) = self.entries.split_at_checked(beyond as usize)?;
        self.entries = rest;
        self.word.truncate(shared as usize);
        self.word.extend_from_slice(beyond);
        let (count, bytes) = (leb128::take(&mut self.entries)?, leb128::take(&mut self.entries)?);
        let begin = self.documents;
        self.documents = begin.checked_add(bytes as usize)?;
        Some(Entry { count, bytes: begin..self.documents })
    }
}

/// Goes through all words of a segment.
pub(super) struct AllWords<'a> {
    file: &'a WordsFile,
    /// The next block.
    block: usize,
    entries: Entries<'a>,
    entry: Entry,
}

impl<'a> AllWords<'a> {
    /// Goes to the next word; `false` behind the last one.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        loop {
            if let Some(entry) = self.entries.next()? {
                self.entry = entry;
                return Ok(true);
            }
            if self.block == self.file.blocks {
                return Ok(false);
            }
            self.entries = self.file.entries(self.block)?;
            self.block += 1;
        }
    }

    pub(super) fn word(&self) -> &[u8] {
        &self.entries.word
    }

    /// The documents of the word.
    pub(super) fn documents(&self) -> io::Result<Postings<&'a [u8]>> {
        let bytes = self.file.bytes.as_slice().get(self.entry.bytes.clone()).ok_or_else(damaged)?;
        Ok(Postings::new(bytes, self.entry.count))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;
    use tantivy::{DocSet, TERMINATED};

    use super::*;

    type Documents = BTreeMap<String, Vec<DocId>>;

    fn written(words: &Documents) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = WordsWriter::new(&mut bytes);
        for (word, documents) in words {
            writer.add(word.as_bytes(), documents).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    fn read(mut postings: Postings) -> Vec<DocId> {
        let mut read = Vec::new();
        while postings.doc() != TERMINATED {
            read.push(postings.doc());
            postings.advance();
        }
        read
    }

    fn words() -> impl Strategy<Value = Documents> {
        let documents = btree_set(0..2000u32, 1..300).prop_map(|some| some.into_iter().collect());
        btree_map("[a-c]{1,6}|[a-zé]{1,40}", documents, 0..120)
    }

    proptest! {
        #[test]
        fn what_was_written_is_found(words in words(), others in vec("[a-c]{0,7}", 0..20)) {
            let file = WordsFile::open(OwnedBytes::new(written(&words))).unwrap();
            let mut all = file.all();
            for (word, documents) in &words {
                prop_assert!(all.advance().unwrap());
                prop_assert_eq!(all.word(), word.as_bytes());
                prop_assert_eq!(&read(file.find(word.as_bytes()).unwrap().unwrap()), documents);
                prop_assert_eq!(file.count(word.as_bytes()).unwrap() as usize, documents.len());
            }
            prop_assert!(!all.advance().unwrap());
            for other in others.iter().filter(|other| !words.contains_key(*other)) {
                prop_assert!(file.find(other.as_bytes()).unwrap().is_none());
            }
        }

        /// A file that is not whole, or where a byte is another, is an error or reads as something else; nothing worse.
        #[test]
        fn anything_can_be_read(words in words(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let whole = written(&words);
            let at = cut.index(whole.len());
            let mut changed = whole.clone();
            changed[at] = byte;
            for bytes in [whole[..at].to_vec(), changed] {
                let Ok(file) = WordsFile::open(OwnedBytes::new(bytes)) else { continue };
                for word in words.keys() {
                    if let Ok(Some(postings)) = file.find(word.as_bytes()) {
                        postings.each_block(|_| {});
                    }
                }
                let mut all = file.all();
                while all.advance().is_ok_and(|more| more) {
                    if let Ok(postings) = all.documents() {
                        postings.each_block(|_| {});
                    }
                }
            }
        }
    }
}
