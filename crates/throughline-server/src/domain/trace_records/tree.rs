//! The tree of one trace, and where in it usage counts.
//!
//! Parents may come late, never, or in a circle. A parent not seen yet has a place in the tree already; marks about
//! what is above and below travel each edge once and only ever get set, so that any order of arrival costs O(n) and
//! ends in the same marks.

use std::collections::HashMap;

use throughline_model::SpanId;

const NONE: u32 = u32::MAX;

/// Up to this many nodes are searched one by one; beyond, by hash.
const LINEAR: usize = 16;

mod mark {
    /// It carries usage.
    pub(super) const USAGE: u8 = 1;
    /// It carries usage and calls a model itself.
    pub(super) const MODEL: u8 = 2;
    /// Something below it carries usage.
    pub(super) const USAGE_BELOW: u8 = 4;
    /// A model call with usage is below it.
    pub(super) const MODEL_BELOW: u8 = 8;
    /// A model call with usage is above it.
    pub(super) const MODEL_ABOVE: u8 = 16;
}

/// Whose usage a span carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    Nothing,
    /// Of what happened in it.
    Usage,
    /// Of a model call, which it is.
    ModelUsage,
}

impl Carries {
    fn marks(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Usage => mark::USAGE,
            Self::ModelUsage => mark::USAGE | mark::MODEL,
        }
    }
}

#[derive(Debug, Clone)]
struct Node {
    id: SpanId,
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    /// Its number in order of arrival; `NONE` while it is only known as somebody's parent.
    arrival: u32,
    marks: u8,
}

impl Node {
    fn is_billable(&self) -> bool {
        let unless = match self.marks & (mark::USAGE | mark::MODEL) {
            0 => return false,
            mark::USAGE => mark::USAGE_BELOW | mark::MODEL_ABOVE,
            _ => mark::MODEL_BELOW,
        };
        self.marks & unless == 0
    }
}

/// What an insertion did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) billable: bool,
    /// Its parent has not come yet.
    pub(super) is_orphan: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    index: HashMap<SpanId, u32>,
    arrived: u32,
    /// Arrival numbers of those that stopped being billable during the last insertion.
    replaced: Vec<u32>,
}

impl Tree {
    /// How many spans there are.
    pub(super) fn len(&self) -> u32 {
        self.arrived
    }

    /// Puts a span in its place; `None` if it is there already.
    pub(super) fn insert(
        &mut self,
        span: SpanId,
        parent: Option<SpanId>,
        carries: Carries,
    ) -> Option<Placed> {
        self.replaced.clear();
        let node = self.find_or_add(span);
        if self.at(node).arrival != NONE {
            return None;
        }
        let arrival = self.arrived;
        self.arrived += 1;
        self.at_mut(node).arrival = arrival;
        self.at_mut(node).marks |= carries.marks();
        let mut is_orphan = false;
        if let Some(parent) = parent {
            let parent = self.find_or_add(parent);
            is_orphan = self.at(parent).arrival == NONE;
            self.link(node, parent);
        }
        if self.at(node).marks & (mark::MODEL | mark::MODEL_ABOVE) != 0 {
            self.mark_below(node);
        }
        let billable = self.at(node).is_billable();
        // In a circle of parents the new span is below itself, too.
        self.replaced.retain(|&other| other != arrival);
        Some(Placed { billable, is_orphan })
    }

    /// Who stopped being billable during the last insertion, by arrival number.
    pub(super) fn replaced(&self) -> &[u32] {
        &self.replaced
    }

    pub(super) fn contains(&self, span: SpanId) -> bool {
        self.find(span).is_some_and(|node| self.at(node).arrival != NONE)
    }

    pub(super) fn is_billable(&self, span: SpanId) -> bool {
        self.find(span).is_some_and(|node| self.at(node).is_billable())
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.index.capacity() * (size_of::<(SpanId, u32)>() + 1)
    }

    fn link(&mut self, node: u32, parent: u32) {
        let next_sibling = std::mem::replace(&mut self.at_mut(parent).first_child, node);
        let above = self.at(parent).marks;
        let child = self.at_mut(node);
        child.parent = parent;
        child.next_sibling = next_sibling;
        if above & (mark::MODEL | mark::MODEL_ABOVE) != 0 {
            child.marks |= mark::MODEL_ABOVE;
        }
        let mut up = child.marks & (mark::USAGE_BELOW | mark::MODEL_BELOW);
        if child.marks & mark::USAGE != 0 {
            up |= mark::USAGE_BELOW;
        }
        if child.marks & mark::MODEL != 0 {
            up |= mark::MODEL_BELOW;
        }
        self.mark_above(parent, up);
    }

    /// Tells everything from `node` upwards what is below it; what knows already has told those above.
    fn mark_above(&mut self, mut node: u32, mut marks: u8) {
        while node != NONE {
            marks &= !self.at(node).marks;
            if marks == 0 {
                return;
            }
            self.mark(node, marks);
            node = self.at(node).parent;
        }
    }

    /// Tells everything below `node` that a model call is above it.
    fn mark_below(&mut self, node: u32) {
        let mut to_visit = vec![node];
        while let Some(node) = to_visit.pop() {
            let mut child = self.at(node).first_child;
            while child != NONE {
                if self.at(child).marks & mark::MODEL_ABOVE == 0 {
                    self.mark(child, mark::MODEL_ABOVE);
                    to_visit.push(child);
                }
                child = self.at(child).next_sibling;
            }
        }
    }

    fn mark(&mut self, node: u32, marks: u8) {
        let node = self.at_mut(node);
        let before = node.is_billable();
        node.marks |= marks;
        if before && !node.is_billable() {
            let arrival = node.arrival;
            self.replaced.push(arrival);
        }
    }

    fn find(&self, span: SpanId) -> Option<u32> {
        if self.nodes.len() <= LINEAR {
            return self.nodes.iter().position(|node| node.id == span).map(|node| node as u32);
        }
        self.index.get(&span).copied()
    }

    fn find_or_add(&mut self, span: SpanId) -> u32 {
        if let Some(node) = self.find(span) {
            return node;
        }
        let node = self.nodes.len() as u32;
        self.nodes.push(Node {
            id: span,
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
            arrival: NONE,
            marks: 0,
        });
        match self.nodes.len() {
            n if n <= LINEAR => {}
            n if n == LINEAR + 1 => self.index.extend(self.nodes.iter().map(|n| n.id).zip(0..)),
            _ => {
                self.index.insert(span, node);
            }
        }
        node
    }

    fn at(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn at_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }
}
