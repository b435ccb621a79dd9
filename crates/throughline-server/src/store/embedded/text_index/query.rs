//! Documents that hold a word, as the index library asks for them.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tantivy::index::SegmentId;
use tantivy::query::{ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet as _, Score, Searcher, SegmentReader, TantivyError};

use super::component;
use super::file::WordsFile;

/// The texts of all segments that a searcher looks into.
#[derive(Clone, Default)]
pub(in super::super) struct Texts(Arc<FxHashMap<SegmentId, WordsFile>>);

impl Texts {
    /// Those of segments that were open before are taken from there. A file is missing if a merge just took its segment
    /// away: then there is a later searcher.
    pub(in super::super) fn open(searcher: &Searcher, before: &Self) -> tantivy::Result<Self> {
        let open = |segment: &SegmentReader| -> tantivy::Result<_> {
            let id = segment.segment_id();
            let file = match before.0.get(&id) {
                Some(file) => file.clone(),
                None => WordsFile::open(segment.open_read(component())?.read_bytes()?)?,
            };
            Ok((id, file))
        };
        searcher
            .segment_readers()
            .iter()
            .map(open)
            .collect::<tantivy::Result<_>>()
            .map(|files| Self(Arc::new(files)))
    }

    /// How many documents hold the word, deleted ones included.
    pub(in super::super) fn count(&self, word: &str) -> tantivy::Result<u64> {
        self.0.values().try_fold(0, |count, file| Ok(count + u64::from(file.count(word.as_bytes())?)))
    }
}

/// The documents that hold a word, as [`crate::domain::filter::words`] cuts texts.
pub(in super::super) fn holds(texts: &Texts, word: &str) -> Box<dyn Query> {
    Box::new(Holds { texts: texts.clone(), word: word.to_owned() })
}

#[derive(Clone)]
struct Holds {
    texts: Texts,
    word: String,
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holds({:?})", self.word)
    }
}

impl Query for Holds {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Holds {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let file = self.texts.0.get(&segment.segment_id());
        let file =
            file.ok_or_else(|| TantivyError::InvalidArgument("a segment of another searcher".to_owned()))?;
        Ok(match file.find(self.word.as_bytes())? {
            Some(postings) => Box::new(ConstScorer::new(postings, boost)),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        if scorer.doc() <= document && scorer.seek(document) == document {
            return Ok(Explanation::new("Holds", 1.0));
        }
        Err(TantivyError::InvalidArgument(format!("document {document} does not match")))
    }
}
