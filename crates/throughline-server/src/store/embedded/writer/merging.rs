//! Which segments of the index of records are merged, and when.
//!
//! Merging costs a sixth of what ingest does, and can wait: while more comes than is indexed at leisure, segments are
//! left until there are many of a size, which then are merged once and not twice. Searches look into more of them
//! meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::SegmentMeta;
use tantivy::index::SegmentId;
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};

/// So many segments of about a size are merged, or so many while the writer is behind.
const SEGMENTS: usize = 8;
const SEGMENTS_BEHIND: usize = 32;
/// What a merge makes has about so many documents at most, so that none takes long.
const MERGED_DOCUMENTS: u32 = 1_200_000;
/// A segment with more than this share of deleted documents is merged even alone, so that deleted data leaves the disk.
const DELETED_SHARE: f32 = 0.2;

/// Whether there is more to index than goes into a commit in time: then the last commit did not come because nothing waited.
#[derive(Debug, Clone, Default)]
pub(super) struct Behind(Arc<AtomicBool>);

impl Behind {
    pub(super) fn set(&self, is_behind: bool) {
        self.0.store(is_behind, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct PatientMergePolicy {
    at_leisure: LogMergePolicy,
    while_behind: LogMergePolicy,
    behind: Behind,
}

impl PatientMergePolicy {
    pub(super) fn new(behind: Behind) -> Self {
        let policy = |segments| {
            let mut policy = LogMergePolicy::default();
            policy.set_min_num_segments(segments);
            policy.set_max_docs_before_merge(MERGED_DOCUMENTS as usize);
            policy.set_del_docs_ratio_before_merge(DELETED_SHARE);
            policy
        };
        Self { at_leisure: policy(SEGMENTS), while_behind: policy(SEGMENTS_BEHIND), behind }
    }
}

impl MergePolicy for PatientMergePolicy {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let is_behind = self.behind.0.load(Ordering::Relaxed);
        let policy = if is_behind { &self.while_behind } else { &self.at_leisure };
        let candidates = policy.compute_merge_candidates(segments);
        candidates.into_iter().flat_map(|candidate| within_bounds(&candidate.0, segments)).collect()
    }
}

/// As many of these as may become one, and for themselves those of the others that have much deleted.
fn within_bounds(level: &[SegmentId], segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
    let mut level: Vec<_> = segments.iter().filter(|segment| level.contains(&segment.id())).collect();
    level.sort_by_key(|segment| segment.num_docs());
    let mut room = MERGED_DOCUMENTS;
    let (together, others): (Vec<_>, Vec<_>) = level.into_iter().partition(|segment| {
        let left = room.checked_sub(segment.num_docs());
        room = left.unwrap_or(room);
        left.is_some()
    });
    let has_much_deleted =
        |segment: &SegmentMeta| segment.num_deleted_docs() as f32 > segment.max_doc() as f32 * DELETED_SHARE;
    let ids =
        |segments: &[&SegmentMeta]| MergeCandidate(segments.iter().map(|segment| segment.id()).collect());
    let is_worth_it = together.len() > 1 || together.iter().any(|segment| has_much_deleted(segment));
    let alone = others.into_iter().filter(|segment| has_much_deleted(segment)).map(|segment| ids(&[segment]));
    is_worth_it.then(|| ids(&together)).into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use tantivy::Index;
    use tantivy::schema::Schema;

    use super::*;

    /// How many of segments of these sizes are merged into one.
    fn merges(is_behind: bool, documents: &[u32]) -> Vec<usize> {
        let index = Index::create_in_ram(Schema::builder().build());
        let segment = |documents: &u32| index.new_segment_meta(SegmentId::generate_random(), *documents);
        let segments: Vec<_> = documents.iter().map(segment).collect();
        let behind = Behind::default();
        behind.set(is_behind);
        let candidates = PatientMergePolicy::new(behind).compute_merge_candidates(&segments);
        candidates.iter().map(|candidate| candidate.0.len()).collect()
    }

    #[test]
    fn more_segments_are_let_pile_up_while_the_writer_is_behind_but_not_any_number() {
        assert!(merges(false, &[20_000; 7]).is_empty());
        assert_eq!(merges(false, &[20_000; 8]), [8]);
        assert!(merges(true, &[20_000; 31]).is_empty());
        assert_eq!(merges(true, &[20_000; 32]), [32]);
        assert_eq!(merges(false, &[20_000; 31]), [31], "what piled up is merged once there is time");
    }

    #[test]
    fn what_a_merge_makes_is_bounded() {
        assert_eq!(merges(false, &[300_000; 10]), [4]);
        assert!(merges(false, &[900_000; 10]).is_empty());
        assert!(merges(false, &[2_000_000; 10]).is_empty());
        assert_eq!(merges(false, &[vec![900_000; 8], vec![30_000; 8]].concat()), [8]);
    }
}
