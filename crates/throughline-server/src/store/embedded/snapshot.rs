//! Both indexes as they were after one commit, so that lists agree with the records they sum.

use std::sync::{Arc, PoisonError, RwLock};

use tantivy::columnar::Column;
use tantivy::directory::error::OpenReadError;
use tantivy::schema::IndexRecordOption;
use tantivy::{
    DocAddress, DocId, DocSet, IndexReader, ReloadPolicy, Searcher, TERMINATED, TantivyError, Term,
};
use throughline_model::{Event, ProjectId, TraceId};

use super::derived_index::{DerivedFields, session_term, trace_term};
use super::key::{text_key, trace_key};
use super::span_index::SpanFields;
use super::text_index::Texts;
use super::vocabulary::{DecodeError, Vocabularies};
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_summary::TraceSummary;

/// Blocks of 128 KB that each segment keeps unpacked.
const CACHED_BLOCKS: usize = 3;

/// So many merges may end while a snapshot is taken; more than one is hardly possible.
const MERGES_MEANWHILE: usize = 8;

/// Why something could not be read back from an index.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error(transparent)]
    Index(#[from] tantivy::TantivyError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("a stored summary or event cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("something stored cannot be read: {0}")]
    Words(#[from] DecodeError),
}

pub(super) struct Fields {
    pub(super) span: SpanFields,
    pub(super) derived: DerivedFields,
    pub(super) vocabularies: Arc<Vocabularies>,
}

pub(super) struct Snapshot {
    pub(super) spans: Searcher,
    pub(super) derived: Searcher,
    pub(super) texts: Texts,
    pub(super) fields: Arc<Fields>,
}

/// Where readers find the latest snapshot.
#[derive(Clone)]
pub(super) struct Snapshots {
    latest: Arc<RwLock<Arc<Snapshot>>>,
    spans: IndexReader,
    derived: IndexReader,
}

impl Snapshots {
    pub(super) fn open(
        spans: &tantivy::Index,
        derived: &tantivy::Index,
        fields: Arc<Fields>,
    ) -> tantivy::Result<Self> {
        let reader = |index: &tantivy::Index| {
            let builder = index.reader_builder().reload_policy(ReloadPolicy::Manual);
            builder.doc_store_cache_num_blocks(CACHED_BLOCKS).try_into()
        };
        let (spans, derived): (IndexReader, IndexReader) = (reader(spans)?, reader(derived)?);
        let first = Snapshot::of(spans.searcher(), derived.searcher(), &Texts::default(), fields)?;
        Ok(Self { latest: Arc::new(RwLock::new(Arc::new(first))), spans, derived })
    }

    pub(super) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows readers what was just committed. Only the writer calls this, between commits.
    pub(super) fn advance(&self) -> tantivy::Result<Arc<Snapshot>> {
        let snapshot = self.as_committed()?;
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
        Ok(snapshot)
    }

    /// Both indexes as their last commits left them. After a failure the two may tell of different moments, so readers
    /// do not get to see it.
    pub(super) fn as_committed(&self) -> tantivy::Result<Arc<Snapshot>> {
        let latest = self.latest();
        let mut tries = 1..=MERGES_MEANWHILE;
        loop {
            self.spans.reload()?;
            self.derived.reload()?;
            let (spans, derived) = (self.spans.searcher(), self.derived.searcher());
            match Snapshot::of(spans, derived, &latest.texts, Arc::clone(&latest.fields)) {
                // A merge took the place of segments between the two steps, and their files are gone.
                Err(TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_)))
                    if tries.next().is_some() => {}
                snapshot => return snapshot.map(Arc::new),
            }
        }
    }
}

/// What is stored of one span or event.
pub(super) enum StoredRecord {
    /// One-span `TracesData`, and the cost column.
    Span {
        body: Vec<u8>,
        cost: Option<i64>,
    },
    Event(Box<Event>),
}

impl Snapshot {
    fn of(
        spans: Searcher,
        derived: Searcher,
        texts_before: &Texts,
        fields: Arc<Fields>,
    ) -> tantivy::Result<Self> {
        let texts = Texts::open(&spans, texts_before)?;
        Ok(Self { spans, derived, texts, fields })
    }

    /// How many records of this kind (see [`super::span_index::mark`]) there are in all projects.
    pub(super) fn count(&self, mark: &str) -> Result<u64, IndexError> {
        let mut count = 0;
        let suffix = text_key(&ProjectId::from(""), mark);
        for segment in self.spans.segment_readers() {
            let inverted = segment.inverted_index(self.fields.span.mark)?;
            let mut terms = inverted.terms().stream()?;
            while terms.advance() {
                if terms.key().ends_with(suffix.as_bytes()) {
                    let postings =
                        inverted.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                    count += match segment.alive_bitset() {
                        Some(alive) => u64::from({ postings }.count(alive)),
                        None => u64::from(terms.value().doc_freq),
                    };
                }
            }
        }
        Ok(count)
    }

    /// The documents that hold this term, in the order of the index.
    pub(super) fn documents(searcher: &Searcher, term: &Term) -> Result<Vec<DocAddress>, IndexError> {
        let mut found = Vec::new();
        for (ord, segment) in (0..).zip(searcher.segment_readers()) {
            let inverted = segment.inverted_index(term.field())?;
            let Some(mut postings) = inverted.read_postings(term, IndexRecordOption::Basic)? else {
                continue;
            };
            while postings.doc() != TERMINATED {
                if !segment.is_deleted(postings.doc()) {
                    found.push(DocAddress::new(ord, postings.doc()));
                }
                postings.advance();
            }
        }
        Ok(found)
    }

    /// The stored bytes of a trace's or session's document, if there is one; empty for [`super::derived_index::kind::EVENTS_ONLY`].
    fn derived_document(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let term = Term::from_field_bytes(self.fields.derived.key, key);
        let Some(&address) = Self::documents(&self.derived, &term)?.first() else { return Ok(None) };
        Ok(Some(self.fields.derived.summary.read(&self.derived, address)?))
    }

    /// Whether anything of the trace is known, and its summary if that is more than events.
    pub(super) fn trace(
        &self,
        project: &ProjectId,
        id: TraceId,
    ) -> Result<Option<Option<TraceSummary>>, IndexError> {
        match self.derived_document(&trace_term(project, id))? {
            None => Ok(None),
            Some(bytes) if bytes.is_empty() => Ok(Some(None)),
            Some(bytes) => Ok(Some(Some(serde_json::from_slice(&bytes)?))),
        }
    }

    pub(super) fn session(
        &self,
        project: &ProjectId,
        id: &str,
    ) -> Result<Option<SessionSummary>, IndexError> {
        let bytes = self.derived_document(&session_term(project, id))?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    /// Calls `each` with every record of a trace.
    pub(super) fn trace_records<E: From<IndexError>>(
        &self,
        project: &ProjectId,
        id: TraceId,
        each: impl FnMut(StoredRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let term = Term::from_field_bytes(self.fields.span.trace, &trace_key(project, id));
        self.records(&Self::documents(&self.spans, &term)?, each)
    }

    /// Calls `each` with the records at these addresses.
    pub(super) fn records<E: From<IndexError>>(
        &self,
        addresses: &[DocAddress],
        mut each: impl FnMut(StoredRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let error = |error: tantivy::TantivyError| E::from(IndexError::from(error));
        let mut columns: Option<RecordColumns> = None;
        for &address in addresses {
            if columns.as_ref().is_none_or(|columns| columns.segment_ord != address.segment_ord) {
                columns = Some(RecordColumns::open(&self.spans, address.segment_ord).map_err(error)?);
            }
            let Some(columns) = &columns else { continue };
            let body = self.fields.span.body.read(&self.spans, address)?;
            if first(&columns.span, address.doc_id).is_some() {
                each(StoredRecord::Span { body, cost: first(&columns.cost, address.doc_id) })?;
            } else {
                let event = serde_json::from_slice(&body).map_err(|error| E::from(error.into()))?;
                each(StoredRecord::Event(event))?;
            }
        }
        Ok(())
    }
}

/// The columns that tell spans from events, and what spans cost.
struct RecordColumns {
    segment_ord: u32,
    span: Option<Column<u64>>,
    cost: Option<Column<i64>>,
}

impl RecordColumns {
    fn open(searcher: &Searcher, segment_ord: u32) -> tantivy::Result<Self> {
        let columns = searcher.segment_reader(segment_ord).fast_fields();
        Ok(Self { segment_ord, span: columns.column_opt("span")?, cost: columns.column_opt("cost")? })
    }
}

fn first<T>(column: &Option<Column<T>>, doc: DocId) -> Option<T>
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    column.as_ref().and_then(|column| column.first(doc))
}
