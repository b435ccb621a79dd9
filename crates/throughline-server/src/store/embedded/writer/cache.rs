//! The traces and sessions that the writer has in mind: all that changed since the last commit, and as many of the
//! others as fit, the latest used first.

use rustc_hash::FxHashMap;
use throughline_model::{Event, ProjectId, SessionId, SpanId, TraceId};

use crate::domain::lifecycle::Boundary;
use crate::domain::price::CallRange;
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_records::TraceRecords;
use crate::domain::trace_summary::TraceSummary;

/// A project's number while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ProjectNumber(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TraceKey {
    pub(super) project: ProjectNumber,
    pub(super) id: TraceId,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) project: ProjectNumber,
    pub(super) id: SessionId,
}

/// Project ids, numbered as they come.
#[derive(Debug, Default)]
pub(super) struct Projects(Vec<ProjectId>);

impl Projects {
    pub(super) fn number(&mut self, project: &ProjectId) -> ProjectNumber {
        let known = self.0.iter().position(|known| known == project);
        let number = known.unwrap_or_else(|| {
            self.0.push(project.clone());
            self.0.len() - 1
        });
        ProjectNumber(number as u32)
    }

    pub(super) fn id(&self, number: ProjectNumber) -> &ProjectId {
        &self.0[number.0 as usize]
    }
}

/// What the writer knows of a trace.
pub(super) struct TraceState {
    pub(super) records: TraceRecords,
    pub(super) has_events: bool,
    /// What its session's sums and its own document say of it, or will after this commit.
    pub(super) counted: Option<TraceSummary>,
    /// The derived index has a document of it.
    pub(super) in_derived: bool,
    /// What was written of it is no longer true: its documents are to be replaced.
    pub(super) rewrite: bool,
    /// The calls whose cost is computed afresh with this commit.
    pub(super) repriced: Option<CallRange>,
    /// Further parts came of spans that it has: what is known of it is to be put together anew.
    pub(super) parts_came: bool,
    /// The spans that came in parts, put together; only until the next commit, and only if parts came.
    pub(super) whole_spans: FxHashMap<SpanId, Vec<u8>>,
    /// Entries since the last commit that brought something of it, ascending; none if nothing changed.
    pub(super) entries: Vec<u32>,
    pub(super) changed: bool,
}

impl TraceState {
    pub(super) fn new(id: TraceId, boundary: Boundary) -> Self {
        Self {
            records: TraceRecords::within(id, boundary),
            has_events: false,
            counted: None,
            in_derived: false,
            rewrite: false,
            repriced: None,
            parts_came: false,
            whole_spans: FxHashMap::default(),
            entries: Vec::new(),
            changed: false,
        }
    }
}

/// What the writer knows of a session.
pub(super) struct SessionState {
    pub(super) summary: SessionSummary,
    /// The derived index has a document of it.
    pub(super) in_derived: bool,
    pub(super) changed: bool,
    /// The running sums could not follow: they are to be computed afresh.
    pub(super) stale: bool,
    /// Events since the last commit that name the session themselves.
    pub(super) events: Vec<Event>,
}

impl SessionState {
    pub(super) fn new(summary: SessionSummary, in_derived: bool) -> Self {
        Self { summary, in_derived, changed: false, stale: false, events: Vec::new() }
    }
}

struct Slot<V> {
    value: V,
    used: u64,
    bytes: usize,
}

/// Values by key with their size in bytes. What was not used for longest is forgotten first, but only when asked to.
pub(super) struct Cache<K, V> {
    slots: FxHashMap<K, Slot<V>>,
    clock: u64,
    bytes: usize,
}

impl<K: Clone + Eq + std::hash::Hash, V> Cache<K, V> {
    pub(super) fn new() -> Self {
        Self { slots: FxHashMap::default(), clock: 0, bytes: 0 }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let slot = self.slots.get_mut(key)?;
        self.clock += 1;
        slot.used = self.clock;
        Some(&mut slot.value)
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.slots.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.clock += 1;
        if let Some(old) = self.slots.insert(key, Slot { value, used: self.clock, bytes: 0 }) {
            self.bytes -= old.bytes;
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.remove(key)?;
        self.bytes -= slot.bytes;
        Some(slot.value)
    }

    /// Notes how large a value is by now.
    pub(super) fn set_size(&mut self, key: &K, bytes: usize) {
        if let Some(slot) = self.slots.get_mut(key) {
            self.bytes = self.bytes - slot.bytes + bytes;
            slot.bytes = bytes;
        }
    }

    /// Forgets what was not used for longest until at most `limit` bytes are left, with some room to spare.
    pub(super) fn shrink_to(&mut self, limit: usize) {
        if self.bytes <= limit {
            return;
        }
        let mut oldest: Vec<_> = self.slots.iter().map(|(key, slot)| (slot.used, key.clone())).collect();
        oldest.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in oldest {
            if self.bytes <= limit / 4 * 3 {
                break;
            }
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut cache = Cache::new();
        for n in 0..10 {
            cache.insert(n, n);
            cache.set_size(&n, 10);
        }
        assert_eq!(cache.get_mut(&0), Some(&mut 0));
        cache.shrink_to(80);
        let left: Vec<_> = (0..10).filter(|n| cache.contains(n)).collect();
        assert_eq!(left, [0, 5, 6, 7, 8, 9]);
        cache.remove(&0);
        assert_eq!(cache.bytes, 50);
    }
}
