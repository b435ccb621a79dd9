//! The one thread that writes: takes entries in order, finds out what is new and where it belongs, and commits.

mod apply;
mod cache;
mod merging;
mod parts;
mod records;
mod recover;
mod reprice;
mod rewrite;
mod scores;
mod sum_up;
mod thread;

pub(super) use self::recover::Replay;
pub(super) use self::thread::WriterThread;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tantivy::indexer::{IndexWriterOptions, NoMergePolicy};
use tantivy::schema::Document;
use tantivy::{Index, IndexWriter, TantivyDocument};
use throughline_model::{Event, SpanId};
use tokio::sync::{broadcast, oneshot};

use self::cache::{Cache, Projects, SessionKey, SessionState, TraceKey, TraceState};
use self::merging::{Behind, PatientMergePolicy};
use self::records::Records;
use super::EmbeddedConfig;
use super::directory::indexes;
use super::entry::Entry;
use super::health::Health;
use super::index_directory::remove_leftovers;
use super::log::Payload;
use super::queue::DocumentQueue;
use super::snapshot::{Fields, IndexError, Snapshot, Snapshots};
use crate::domain::arrival::Arrival;
use crate::domain::price::Prices;
use crate::store::priority::{Senders, from_behind};

/// Documents built and not yet completed with what their traces decide.
const PENDING_BYTES: usize = 4 << 20;
const DERIVED_HEAP_BYTES: usize = 20 << 20;

/// What the log passes on.
pub(super) enum Work {
    Entry(Arc<Entry>),
    /// Commit, then say so.
    Settle(oneshot::Sender<Result<(), String>>),
    /// Commit and end.
    Close,
}

impl Payload for Work {
    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Entry(entry) => entry.parts(),
            Self::Settle(_) | Self::Close => [&[], &[]],
        }
    }
}

/// A span's document that still lacks what its trace decides.
struct PendingSpan {
    trace: TraceKey,
    span: SpanId,
    document: TantivyDocument,
    bytes: usize,
}

pub(super) struct Writer {
    config: EmbeddedConfig,
    prices: Prices,
    fields: Arc<Fields>,
    records: Records,
    derived: IndexWriter,
    behind: Behind,
    snapshots: Snapshots,
    /// As of the last commit.
    snapshot: Arc<Snapshot>,
    health: Health,
    live: broadcast::Sender<Arrival>,
    senders: Senders,

    projects: Projects,
    traces: Cache<TraceKey, TraceState>,
    sessions: Cache<SessionKey, SessionState>,
    /// Entries since the last commit: what they brought can be written anew from them.
    entries: Vec<Arc<Entry>>,
    entry_bytes: usize,
    changed_traces: Vec<TraceKey>,
    changed_sessions: Vec<SessionKey>,
    /// Events since the last commit, by the terms of their ids.
    new_events: FxHashSet<String>,
    /// Scores that came since then and stand, by project and key.
    standing: FxHashMap<String, Event>,
    pending: Vec<PendingSpan>,
    pending_bytes: usize,
    /// Sessions were deleted since the last commit: nothing else may happen before the next.
    deleted: bool,
    /// Entries up to this one were shown and counted by a writer before this one, which failed.
    shown: u64,
    /// The entry being applied is not among those.
    first_time: bool,
    /// The last entry applied, and where the last commit stands.
    position: u64,
    committed: u64,
}

/// What the writer needs from the outside.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) config: EmbeddedConfig,
    pub(super) prices: Prices,
    pub(super) fields: Arc<Fields>,
    pub(super) spans: Index,
    pub(super) derived: Index,
    pub(super) snapshots: Snapshots,
    pub(super) health: Health,
    pub(super) live: broadcast::Sender<Arrival>,
    pub(super) senders: Senders,
}

fn index_writer<D: Document>(
    index: &Index,
    threads: usize,
    heap: usize,
    behind: Behind,
) -> tantivy::Result<IndexWriter<D>> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(threads)
        .memory_budget_per_thread(heap)
        .num_merge_threads(1)
        .build();
    let writer = index.writer_with_options(options)?;
    writer.set_merge_policy(Box::new(PatientMergePolicy::new(behind)));
    // A writer begins with the stamp of the last commit. A merge takes a deletion of that stamp for committed, and of
    // the segments that it merges some may have it and others not: so no operation may have it.
    writer.run(std::iter::empty())?;
    Ok(writer)
}

/// Commits what was written to an index up to this position of the log.
fn commit_at<D: Document>(index: &mut IndexWriter<D>, position: u64) -> tantivy::Result<()> {
    let mut prepared = index.prepare_commit()?;
    prepared.set_payload(&position.to_string());
    prepared.commit().map(|_| ())
}

/// Lets merges that run come to their end.
fn close<D: Document>(index: IndexWriter<D>) -> tantivy::Result<()> {
    index.set_merge_policy(Box::new(NoMergePolicy));
    index.wait_merging_threads()
}

/// The log position that a commit of this index carries; 0 before the first.
pub(super) fn position_of(index: &Index) -> tantivy::Result<u64> {
    let payload = index.load_metas()?.payload;
    Ok(payload.and_then(|position| position.parse().ok()).unwrap_or(0))
}

impl Writer {
    /// Opens both indexes for writing, where their last commits stand.
    pub(super) fn open(parts: Parts) -> Result<Self, IndexError> {
        let Parts { config, prices, fields, spans, derived, snapshots, health, live, senders } = parts;
        for (index, dir) in [&spans, &derived].into_iter().zip(indexes(&config.data_dir)) {
            remove_leftovers(index, &dir)?;
        }
        let position = position_of(&spans)?;
        // The threads that merge are as those that start them.
        let behind = Behind::default();
        let (spans, derived) = from_behind(|| -> tantivy::Result<_> {
            let spans = index_writer(&spans, config.index_threads, config.index_heap_bytes, behind.clone())?;
            // The writer looks traces up in all segments of this one.
            Ok((spans, index_writer(&derived, 1, DERIVED_HEAP_BYTES, Behind::default())?))
        })??;
        Ok(Self {
            records: Records::new(spans, DocumentQueue::new(config.queued_bytes)),
            derived,
            behind,
            snapshot: snapshots.latest(),
            config,
            prices,
            fields,
            snapshots,
            health,
            live,
            senders,
            projects: Projects::default(),
            traces: Cache::new(),
            sessions: Cache::new(),
            entries: Vec::new(),
            entry_bytes: 0,
            changed_traces: Vec::new(),
            changed_sessions: Vec::new(),
            new_events: FxHashSet::default(),
            standing: FxHashMap::default(),
            pending: Vec::new(),
            pending_bytes: 0,
            deleted: false,
            shown: 0,
            first_time: true,
            position,
            committed: position,
        })
    }

    /// Lets merges that run come to their end, so that none works on files that somebody else has opened since.
    fn stop_merging(self) {
        let Self { records, derived, .. } = self;
        for ended in [records.close(), close(derived)] {
            if let Err(error) = ended {
                tracing::warn!(%error, "a merge did not come to its end; what it wrote is not used");
            }
        }
    }

    fn has_changes(&self) -> bool {
        self.position > self.committed
    }

    /// As much came since the last commit as is to go into one.
    fn is_full(&self) -> bool {
        self.entry_bytes >= self.config.commit_bytes
    }

    /// Makes everything applied searchable: first the records, then what is derived from them. `is_behind` says that
    /// there is more than goes into one commit, so that merges wait.
    pub(super) fn commit(&mut self, is_behind: bool) -> Result<(), IndexError> {
        self.put_parts_together()?;
        self.rewrite_changed_traces()?;
        self.behind.set(is_behind);
        // Records are complete; what is derived from them goes elsewhere.
        let committing = self.records.begin_to_commit(self.position)?;
        let summed_up = self.sum_up();
        committing.wait()?;
        summed_up?;
        commit_at(&mut self.derived, self.position)?;
        self.snapshot = self.snapshots.advance()?;
        self.committed = self.position;
        self.forget_changes();
        if let Err(error) = self.fields.vocabularies.learn() {
            tracing::warn!(%error, "a new vocabulary cannot be written; what is stored takes more room without it");
        }
        Ok(())
    }

    fn forget_changes(&mut self) {
        for key in self.changed_traces.drain(..) {
            let Some(state) = self.traces.get_mut(&key) else { continue };
            (state.changed, state.rewrite, state.repriced) = (false, false, None);
            state.whole_spans = FxHashMap::default();
            state.entries = Vec::new();
            let counted = state.counted.as_ref().map_or(0, |summary| summary_bytes(&summary.trace));
            let bytes = state.records.size_bytes() + counted + size_of::<TraceState>();
            self.traces.set_size(&key, bytes);
        }
        for key in self.changed_sessions.drain(..) {
            let Some(state) = self.sessions.get_mut(&key) else { continue };
            (state.changed, state.stale) = (false, false);
            state.events = Vec::new();
        }
        self.traces.shrink_to(self.config.cache_bytes / 4 * 3);
        self.sessions.shrink_to(self.config.cache_bytes / 4);
        self.entries.clear();
        self.entry_bytes = 0;
        self.new_events.clear();
        self.standing.clear();
        self.deleted = false;
    }
}

/// Memory that a trace's summary takes, about: its texts are short, its metadata may not be.
fn summary_bytes(trace: &throughline_model::Trace) -> usize {
    let text =
        |value: &Option<serde_json::Value>| value.as_ref().and_then(|v| v.as_str()).map_or(64, str::len);
    size_of_val(trace)
        + text(&trace.input)
        + text(&trace.output)
        + trace.metadata.len() * 128
        + trace.tags.len() * 32
}

#[cfg(test)]
mod tests {
    use tantivy::schema::{STRING, Schema};
    use tantivy::{Index, Term};

    use super::*;

    #[test]
    fn what_a_writer_does_comes_after_the_last_commit() {
        let mut schema = Schema::builder();
        let field = schema.add_text_field("id", STRING);
        let index = Index::create_in_ram(schema.build());
        for _ in 0..3 {
            let mut writer: IndexWriter = index_writer(&index, 1, 15 << 20, Behind::default()).unwrap();
            let deleted = writer.delete_term(Term::from_field_text(field, "a"));
            assert!(deleted > index.load_metas().unwrap().opstamp);
            writer.add_document(tantivy::doc!(field => "a")).unwrap();
            writer.commit().unwrap();
        }
    }
}
