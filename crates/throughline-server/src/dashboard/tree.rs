//! The records of a trace as a tree, flattened in the order it is drawn.

use std::collections::{HashMap, HashSet};

use throughline_model::{Event, Observation, SpanId, Timestamp};

use crate::domain::query::TraceDetail;

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
    let known: HashSet<SpanId> = detail.observations.iter().map(|observation| observation.id).collect();
    let records: Vec<Record<'_>> = detail
        .observations
        .iter()
        .map(Record::Observation)
        .chain(detail.events.iter().map(Record::Event))
        .collect();
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|&i| records[i].start());
    let mut roots = Vec::new();
    let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
    for &i in &order {
        match parent_of(&records[i]).filter(|parent| known.contains(parent)) {
            Some(parent) => children.entry(parent).or_default().push(i),
            None => roots.push(i),
        }
    }
    let mut walk =
        Walk { records: &records, children, visited: vec![false; records.len()], nodes: Vec::new() };
    for root in roots.into_iter().chain(order) {
        walk.visit(root);
    }
    let mut nodes = walk.nodes;
    count_descendants(&mut nodes);
    nodes
}

fn parent_of(record: &Record<'_>) -> Option<SpanId> {
    match record {
        Record::Observation(observation) => observation.parent_id.filter(|parent| *parent != observation.id),
        Record::Event(event) => event.span_id,
    }
}

struct Walk<'r, 'a> {
    records: &'r [Record<'a>],
    children: HashMap<SpanId, Vec<usize>>,
    visited: Vec<bool>,
    nodes: Vec<Node<'a>>,
}

impl Walk<'_, '_> {
    /// Without recursion: traces come in any depth.
    fn visit(&mut self, root: usize) {
        let mut waiting = vec![(root, 0)];
        while let Some((i, depth)) = waiting.pop() {
            if std::mem::replace(&mut self.visited[i], true) {
                continue;
            }
            let record = self.records[i];
            self.nodes.push(Node { record, depth, descendants: 0, troubled: record.is_error() });
            if let Record::Observation(observation) = record
                && let Some(children) = self.children.get(&observation.id)
            {
                waiting.extend(children.iter().rev().map(|&child| (child, depth + 1)));
            }
        }
    }
}

fn count_descendants(nodes: &mut [Node<'_>]) {
    let mut open: Vec<usize> = Vec::new();
    for i in 0..=nodes.len() {
        let depth = nodes.get(i).map_or(0, |node| node.depth);
        while let Some(&last) = open.last()
            && nodes[last].depth >= depth
        {
            open.pop();
            nodes[last].descendants = i - last - 1;
            if let Some(&parent) = open.last() {
                nodes[parent].troubled |= nodes[last].troubled;
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
