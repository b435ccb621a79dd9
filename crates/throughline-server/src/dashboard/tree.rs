//! The records of a trace as a tree, flattened in the order it is drawn.

use std::collections::{HashMap, HashSet};

use throughline_model::{Event, Observation, SpanId, Timestamp};

use crate::domain::query::{SpanOutline, TraceDetail};

/// What a node shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Record<'a> {
    Observation(&'a Observation),
    Event(&'a Event),
}

impl Record<'_> {
    fn start(&self) -> Timestamp {
        match self {
            Self::Observation(observation) => observation.start_time,
            Self::Event(event) => event.time,
        }
    }

    pub(super) fn is_error(&self) -> bool {
        match self {
            Self::Observation(observation) => observation.is_error(),
            Self::Event(event) => event.is_error(),
        }
    }
}

/// One line of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub record: Record<'a>,
    pub depth: usize,
    /// How many lines after this one are below it.
    pub descendants: usize,
    /// Whether it or anything below it failed.
    pub troubled: bool,
}

/// Every record of a trace, parents before children, siblings by start. A record whose parent is missing is a root;
/// a circle of parents is cut where it is first met.
pub(super) fn flatten(detail: &TraceDetail) -> Vec<Node<'_>> {
    let observations = detail.observations.iter().map(Record::Observation);
    let records: Vec<Record<'_>> = observations.chain(detail.events.iter().map(Record::Event)).collect();
    let branches: Vec<Branch> = records.iter().map(Branch::of).collect();
    let node = |place: Place| {
        let Place { index, depth, descendants, troubled } = place;
        Node { record: records[index], depth, descendants, troubled }
    };
    arrange(&branches).into_iter().map(node).collect()
}

/// What the order of the tree depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    /// `None` for what nothing can be below of.
    pub id: Option<SpanId>,
    pub parent: Option<SpanId>,
    pub start: Timestamp,
    pub failed: bool,
}

/// Where a branch stands in the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Which of the branches it is.
    pub index: usize,
    pub depth: usize,
    pub descendants: usize,
    pub troubled: bool,
}

impl Branch {
    fn of(record: &Record<'_>) -> Self {
        let (start, failed) = (record.start(), record.is_error());
        match record {
            Record::Observation(observation) => {
                let parent = observation.parent_id.filter(|parent| *parent != observation.id);
                Self { id: Some(observation.id), parent, start, failed }
            }
            Record::Event(event) => Self { id: None, parent: event.span_id, start, failed },
        }
    }

    pub(super) fn of_span(span: &SpanOutline) -> Self {
        let parent = span.parent_id.filter(|parent| *parent != span.id);
        Self { id: Some(span.id), parent, start: span.start_time, failed: span.failed }
    }

    pub(super) fn of_event(event: &Event) -> Self {
        Self::of(&Record::Event(event))
    }
}

/// The branches in the order of the tree.
pub(super) fn arrange(branches: &[Branch]) -> Vec<Place> {
    let known: HashSet<SpanId> = branches.iter().filter_map(|branch| branch.id).collect();
    let mut order: Vec<usize> = (0..branches.len()).collect();
    order.sort_by_key(|&i| branches[i].start);
    let mut roots = Vec::new();
    let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
    for &i in &order {
        match branches[i].parent.filter(|parent| known.contains(parent)) {
            Some(parent) => children.entry(parent).or_default().push(i),
            None => roots.push(i),
        }
    }
    let mut walk = Walk { branches, children, visited: vec![false; branches.len()], places: Vec::new() };
    for root in roots.into_iter().chain(order) {
        walk.visit(root);
    }
    let mut places = walk.places;
    count_descendants(&mut places);
    places
}

struct Walk<'a> {
    branches: &'a [Branch],
    children: HashMap<SpanId, Vec<usize>>,
    visited: Vec<bool>,
    places: Vec<Place>,
}

impl Walk<'_> {
    /// Without recursion: traces come in any depth.
    fn visit(&mut self, root: usize) {
        let mut waiting = vec![(root, 0)];
        while let Some((index, depth)) = waiting.pop() {
            if std::mem::replace(&mut self.visited[index], true) {
                continue;
            }
            let branch = &self.branches[index];
            self.places.push(Place { index, depth, descendants: 0, troubled: branch.failed });
            if let Some(children) = branch.id.and_then(|id| self.children.get(&id)) {
                waiting.extend(children.iter().rev().map(|&child| (child, depth + 1)));
            }
        }
    }
}

fn count_descendants(places: &mut [Place]) {
    let mut open: Vec<usize> = Vec::new();
    for i in 0..=places.len() {
        let depth = places.get(i).map_or(0, |place| place.depth);
        while let Some(&last) = open.last()
            && places[last].depth >= depth
        {
            open.pop();
            places[last].descendants = i - last - 1;
            if let Some(&parent) = open.last() {
                places[parent].troubled |= places[last].troubled;
            }
        }
        open.push(i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    fn drawn(detail: &TraceDetail) -> Vec<String> {
        flatten(detail)
            .iter()
            .map(|node| {
                let name = match node.record {
                    Record::Observation(observation) => &observation.name,
                    Record::Event(event) => &event.name,
                };
                format!("{}{name} {}", "  ".repeat(node.depth), node.descendants)
            })
            .collect()
    }

    #[test]
    fn children_come_after_parents_in_order_of_time() {
        let mut detail = sample::trace("t", 0);
        detail.observations = vec![
            sample::observation(3, Some(1), "late", 5, 6),
            sample::observation(1, None, "root", 0, 9),
            sample::observation(2, Some(1), "early", 1, 4),
            sample::observation(4, Some(9), "orphan", 2, 3),
        ];
        detail.events = vec![sample::event("said", 2, Some(2))];
        assert_eq!(drawn(&detail), ["root 3", "  early 1", "    said 0", "  late 0", "orphan 0"]);
    }

    #[test]
    fn circles_and_great_depth_are_drawn() {
        let mut detail = sample::trace("t", 0);
        detail.observations =
            vec![sample::observation(1, Some(2), "a", 0, 1), sample::observation(2, Some(1), "b", 0, 1)];
        assert_eq!(drawn(&detail), ["a 1", "  b 0"]);
        detail.observations = (1..=20_000)
            .map(|i| sample::observation(i, (i > 1).then(|| i - 1), "deep", i as i64, 30_000))
            .collect();
        let nodes = flatten(&detail);
        assert_eq!((nodes.len(), nodes[0].descendants, nodes[19_999].depth), (20_000, 19_999, 19_999));
    }
}
