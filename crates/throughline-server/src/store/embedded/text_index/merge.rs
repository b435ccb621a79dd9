//! One file out of those of several segments, which are put behind each other without what was deleted.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{self, Write};

use tantivy::indexer::doc_id_mapping::{MappingType, SegmentDocIdMapping};
use tantivy::{DocId, SegmentReader, TantivyError};

use super::component;
use super::file::{AllWords, WordsFile, WordsWriter};
use crate::store::priority::Senders;

/// Where the documents of a segment go.
enum NewNumbers {
    /// Behind those of the segments before it.
    Behind(DocId),
    /// These, `None` for what was deleted.
    Each(Vec<Option<DocId>>),
}

/// A segment on the way through its words.
struct Source<'a> {
    words: AllWords<'a>,
    /// Its place among the segments.
    place: usize,
    numbers: NewNumbers,
}

pub(super) fn merge(
    segments: &[SegmentReader],
    mapping: &SegmentDocIdMapping,
    file: &mut dyn Write,
    senders: &Senders,
) -> tantivy::Result<()> {
    if mapping.mapping_type() == MappingType::Shuffled {
        return Err(TantivyError::InvalidArgument("records stay in the order in which they came".to_owned()));
    }
    let open = |segment: &SegmentReader| Ok(WordsFile::open(segment.open_read(component())?.read_bytes()?)?);
    let files = segments.iter().map(open).collect::<tantivy::Result<Vec<_>>>()?;
    let mut next = 0;
    let numbers = segments.iter().map(|segment| new_numbers(segment, &mut next));
    Ok(merge_words(files.iter().zip(numbers), file, senders)?)
}

/// The numbers of a segment's documents, when `next` is the first that is free.
fn new_numbers(segment: &SegmentReader, next: &mut DocId) -> NewNumbers {
    let first = *next;
    *next += segment.num_docs();
    let Some(alive) = segment.alive_bitset() else { return NewNumbers::Behind(first) };
    let mut number = first;
    let each = (0..segment.max_doc()).map(|document| {
        let is_alive = alive.is_alive(document);
        number += DocId::from(is_alive);
        is_alive.then(|| number - 1)
    });
    NewNumbers::Each(each.collect())
}

fn merge_words<'a>(
    segments: impl Iterator<Item = (&'a WordsFile, NewNumbers)>,
    file: &mut dyn Write,
    senders: &Senders,
) -> io::Result<()> {
    let mut sources = BinaryHeap::new();
    for (place, (file, numbers)) in segments.enumerate() {
        let mut words = file.all();
        if words.advance()? {
            sources.push(Source { words, place, numbers });
        }
    }
    let mut writer = WordsWriter::new(file);
    let (mut word, mut documents) = (Vec::new(), Vec::new());
    while let Some(first) = sources.peek() {
        word.clear();
        word.extend_from_slice(first.words.word());
        documents.clear();
        while let Some(mut source) = sources.peek_mut().filter(|source| source.words.word() == word) {
            senders.go_first();
            source.documents(&mut documents)?;
            if !source.words.advance()? {
                PeekMut::pop(source);
            }
        }
        if !documents.is_empty() {
            writer.add(&word, &documents)?;
        }
    }
    writer.finish()
}

impl Source<'_> {
    /// Appends the new numbers of the word's documents.
    fn documents(&self, to: &mut Vec<DocId>) -> io::Result<()> {
        self.words.documents()?.each_block(|block| match &self.numbers {
            NewNumbers::Behind(first) => to.extend(block.iter().map(|document| first + document)),
            NewNumbers::Each(numbers) => {
                to.extend(
                    block.iter().filter_map(|document| numbers.get(*document as usize).copied().flatten()),
                );
            }
        });
        Ok(())
    }
}

/// The first word is the greatest, and of segments that have the same one, the first.
impl Ord for Source<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.words.word().cmp(self.words.word()).then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Source<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Source<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Source<'_> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;
    use tantivy::collector::DocSetCollector;
    use tantivy::directory::error::OpenReadError;
    use tantivy::indexer::{NoMergePolicy, UserOperation};
    use tantivy::schema::{Field, NumericOptions, SchemaBuilder};
    use tantivy::{Index, IndexWriter, Searcher, TantivyDocument, TantivyError, Term};

    use super::super::{TextPlugin, Texts, holds, text_field};
    use crate::domain::filter::words;
    use crate::store::embedded::queue::{DocumentQueue, QueuedDocument};
    use crate::store::priority::Senders;

    /// An index of texts, which are known by when they came.
    struct Indexed {
        index: Index,
        writer: IndexWriter<QueuedDocument>,
        number: Field,
        text: Field,
        texts: Vec<String>,
        deleted: BTreeSet<u64>,
    }

    impl Indexed {
        fn new() -> Self {
            let mut schema = SchemaBuilder::new();
            let number = schema.add_u64_field("number", NumericOptions::default().set_indexed().set_fast());
            let text = text_field(&mut schema);
            let plugin = Arc::new(TextPlugin::new(text, Senders::default()));
            let index =
                Index::builder().schema(schema.build()).register_plugin(plugin).create_in_ram().unwrap();
            let writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
            writer.set_merge_policy(Box::new(NoMergePolicy));
            Self { index, writer, number, text, texts: Vec::new(), deleted: BTreeSet::new() }
        }

        fn commit(&mut self, texts: &[String]) {
            let documents = texts.iter().map(|text| {
                let mut document = TantivyDocument::new();
                document.add_u64(self.number, self.texts.len() as u64);
                if !text.is_empty() {
                    document.add_custom(self.text, text.as_bytes());
                }
                self.texts.push(text.clone());
                document
            });
            let additions = DocumentQueue::new(1 << 20).admit(documents.collect(), 1);
            self.writer.run(additions).unwrap();
            self.writer.commit().unwrap();
        }

        fn delete(&mut self, number: u64) {
            self.deleted.insert(number);
            let term = Term::from_field_u64(self.number, number);
            self.writer.run([UserOperation::Delete(term)]).unwrap();
            self.writer.commit().unwrap();
        }

        fn merge(&mut self) {
            let segments = self.index.searchable_segment_ids().unwrap();
            if !segments.is_empty() {
                self.writer.merge(&segments).wait().unwrap();
            }
            self.writer.garbage_collect_files().wait().unwrap();
        }

        fn searcher(&self) -> Searcher {
            self.index.reader().unwrap().searcher()
        }

        fn found(&self, word: &str) -> BTreeSet<u64> {
            let searcher = self.searcher();
            let texts = Texts::open(&searcher, &Texts::default()).unwrap();
            let found = searcher.search(&*holds(&texts, word), &DocSetCollector).unwrap();
            let number = |segment: u32, document| {
                let column = searcher.segment_reader(segment).fast_fields().u64("number").unwrap();
                column.first(document).unwrap()
            };
            found.into_iter().map(|found| number(found.segment_ord, found.doc_id)).collect()
        }

        fn expected(&self, word: &str) -> BTreeSet<u64> {
            let holds = |text: &String| words::words(text).any(|one| one == word);
            let all = (0..).zip(&self.texts).filter(|(number, _)| !self.deleted.contains(number));
            all.filter(|(_, text)| holds(text)).map(|(number, _)| number).collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The same documents are found before and after segments became one, however many commits there were.
        #[test]
        fn a_merge_changes_nothing_that_is_found(
            commits in prop::collection::vec(prop::collection::vec("[a-c]{1,2}( [a-c]{1,2}| [a-z]{17,20}){0,8}|", 1..20), 1..5),
            deleted in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            again in prop::collection::vec("[a-c]( [a-c]{1,2}){0,3}", 1..5),
        ) {
            let mut indexed = Indexed::new();
            commits.iter().for_each(|texts| indexed.commit(texts));
            for number in deleted {
                indexed.delete(number.index(indexed.texts.len()) as u64);
            }
            for round in 0..2 {
                let words: BTreeSet<_> = indexed.texts.iter().flat_map(|text| words::words(text)).collect();
                for word in words.iter().map(String::as_str).chain(["", "d"]) {
                    prop_assert_eq!(indexed.found(word), indexed.expected(word), "{} before merge {}", word, round);
                }
                indexed.merge();
                for word in &words {
                    prop_assert_eq!(indexed.found(word), indexed.expected(word), "{} after merge {}", word, round);
                }
                indexed.commit(&again);
            }
        }
    }

    /// Whoever takes a snapshot knows by this error that there is a later one.
    #[test]
    fn what_a_merge_took_away_is_missing() {
        let mut indexed = Indexed::new();
        indexed.commit(&["one".to_owned()]);
        indexed.commit(&["two".to_owned()]);
        let before = indexed.searcher();
        let kept = Texts::open(&before, &Texts::default()).unwrap();
        indexed.merge();
        let missing = Texts::open(&before, &Texts::default()).err().unwrap();
        assert!(
            matches!(missing, TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_))),
            "{missing}"
        );
        assert!(Texts::open(&before, &kept).is_ok(), "what is open already stays");
    }
}
