//! Journeys: the steps that sessions take one after another, where they branch, and where they end.

use std::collections::BTreeMap;

use throughline_model::Money;

use super::SessionFacts;

/// The most steps of a path that are told apart; what follows is only said to be there.
const MAX_STEPS: usize = 12;

/// The most paths listed.
const MAX_PATHS: usize = 25;

/// The most branches shown after one step.
const MAX_BRANCHES: usize = 6;

/// The deepest step of the tree.
const MAX_DEPTH: usize = 8;

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A trace, by its name.
    Name,
    /// A tag of a trace, where it first occurs in the session.
    Tag,
}

/// Sessions that took the same path.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PathTotals {
    pub sessions: u64,
    pub with_errors: u64,
    /// Over, and their last turn failed.
    pub abandoned: u64,
    /// Over those of which it is known.
    pub cost: Option<Money>,
}

/// A path with the sessions that took it from beginning to end.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    pub steps: Vec<String>,
    /// More steps follow that are not told apart.
    pub is_cut: bool,
    pub totals: PathTotals,
}

/// A step in the tree of paths, which is listed parents first.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// 0 for first steps.
    pub depth: usize,
    pub step: String,
    /// Sessions that came this way.
    pub sessions: u64,
    /// Those that went no further.
    pub ended: u64,
    /// Sessions that went on to steps too rare to be listed.
    pub others: u64,
}

/// A step of a funnel with the sessions that took it after all those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelStep {
    pub step: String,
    pub sessions: u64,
}

/// What journeys sessions made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journeys {
    /// Sessions that took any step.
    pub sessions: u64,
    /// How many different paths there are.
    pub distinct: u64,
    /// The most frequent paths.
    pub paths: Vec<Path>,
    pub tree: Vec<Branch>,
    pub funnel: Vec<FunnelStep>,
}

/// Takes paths in. The same step several times in a row is one step.
#[derive(Debug, Default)]
pub struct PathGatherer {
    paths: BTreeMap<(Vec<String>, bool), PathTotals>,
}

impl PathTotals {
    /// One session.
    pub fn of(session: &SessionFacts) -> Self {
        Self {
            sessions: 1,
            with_errors: u64::from(session.errors > 0),
            abandoned: u64::from(session.abandoned),
            cost: session.cost.map(|cost| Money::from_picodollars(cost.into())),
        }
    }

    pub fn add(&mut self, more: &Self) {
        self.sessions += more.sessions;
        self.with_errors += more.with_errors;
        self.abandoned += more.abandoned;
        self.cost = match (self.cost, more.cost) {
            (Some(sum), Some(part)) => Some(sum + part),
            (sum, part) => sum.or(part),
        };
    }
}

impl PathGatherer {
    /// What is kept of a session's steps: repetitions are one, and the first of many; and whether there were more.
    pub fn path<S: PartialEq>(steps: impl IntoIterator<Item = S>) -> (Vec<S>, bool) {
        let mut path = Vec::new();
        for step in steps {
            if path.last() == Some(&step) {
                continue;
            }
            if path.len() == MAX_STEPS {
                return (path, true);
            }
            path.push(step);
        }
        (path, false)
    }

    /// Takes in sessions that took the same path, as [`Self::path`] gives it.
    pub fn add(&mut self, path: (Vec<String>, bool), totals: &PathTotals) {
        if !path.0.is_empty() {
            self.paths.entry(path).or_default().add(totals);
        }
    }

    /// `funnel` names steps, for each of which the sessions are counted that took it after those before.
    pub fn finish(self, funnel: &[String]) -> Journeys {
        let mut counts = vec![0; funnel.len()];
        let mut root = Node::default();
        let mut sessions = 0;
        for ((steps, _), totals) in &self.paths {
            sessions += totals.sessions;
            root.add(steps, totals.sessions);
            for count in &mut counts[..reached(steps, funnel)] {
                *count += totals.sessions;
            }
        }
        let mut tree = Vec::new();
        root.list(0, &mut tree);
        let funnel = funnel.iter().zip(counts);
        let path = |((steps, is_cut), totals)| Path { steps, is_cut, totals };
        let distinct = self.paths.len() as u64;
        let mut paths: Vec<Path> = self.paths.into_iter().map(path).collect();
        // Stable: of equals the first in order of the alphabet.
        paths.sort_by_key(|path| std::cmp::Reverse(path.totals.sessions));
        paths.truncate(MAX_PATHS);
        Journeys {
            sessions,
            distinct,
            paths,
            tree,
            funnel: funnel.map(|(step, sessions)| FunnelStep { step: step.clone(), sessions }).collect(),
        }
    }
}

/// Reads the steps of a funnel as people write them: `browse > cart > pay`.
pub fn read_funnel(text: &str) -> Vec<String> {
    text.split('>').map(str::trim).filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

/// How many steps of the funnel a path takes, in their order, whatever is between.
fn reached(path: &[String], funnel: &[String]) -> usize {
    let mut wanted = funnel.iter();
    let mut next = wanted.next();
    let mut reached = 0;
    for step in path {
        if Some(step) == next {
            reached += 1;
            next = wanted.next();
        }
    }
    reached
}

/// A step and the steps that follow it.
#[derive(Debug, Default)]
struct Node<'a> {
    sessions: u64,
    ended: u64,
    next: BTreeMap<&'a str, Self>,
}

impl<'a> Node<'a> {
    fn add(&mut self, steps: &'a [String], sessions: u64) {
        self.sessions += sessions;
        match steps.split_first() {
            Some((step, rest)) => self.next.entry(step).or_default().add(rest, sessions),
            None => self.ended += sessions,
        }
    }

    fn list(&self, depth: usize, tree: &mut Vec<Branch>) {
        for (step, node) in self.frequent(depth) {
            let listed: u64 = node.frequent(depth + 1).iter().map(|(_, next)| next.sessions).sum();
            tree.push(Branch {
                depth,
                step: (*step).to_owned(),
                sessions: node.sessions,
                ended: node.ended,
                others: node.sessions - node.ended - listed,
            });
            node.list(depth + 1, tree);
        }
    }

    /// The steps that most go on to.
    fn frequent(&self, depth: usize) -> Vec<(&&'a str, &Self)> {
        if depth == MAX_DEPTH {
            return Vec::new();
        }
        let mut next: Vec<_> = self.next.iter().collect();
        next.sort_by_key(|(_, node)| std::cmp::Reverse(node.sessions));
        next.truncate(MAX_BRANCHES);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(paths: &[(&str, u64)]) -> PathGatherer {
        let mut gatherer = PathGatherer::default();
        for (path, sessions) in paths {
            let totals = PathTotals { sessions: *sessions, ..PathTotals::default() };
            gatherer.add(PathGatherer::path(path.split_whitespace().map(str::to_owned)), &totals);
        }
        gatherer
    }

    const SHOP: [(&str, u64); 5] = [
        ("browse browse cart pay", 3),
        ("browse cart", 4),
        ("browse", 2),
        ("search browse cart browse pay", 1),
        ("", 9),
    ];

    #[test]
    fn paths_fold_repetitions_and_come_by_frequency() {
        let journeys = gather(&SHOP).finish(&[]);
        let paths: Vec<_> =
            journeys.paths.iter().map(|path| (path.steps.join(" "), path.totals.sessions)).collect();
        let expected =
            [("browse cart", 4), ("browse cart pay", 3), ("browse", 2), ("search browse cart browse pay", 1)];
        assert_eq!(paths, expected.map(|(path, sessions)| (path.to_owned(), sessions)));
        assert_eq!((journeys.sessions, journeys.distinct), (10, 4));
    }

    #[test]
    fn the_tree_tells_where_sessions_end() {
        let tree = gather(&SHOP).finish(&[]).tree;
        let browse = &tree[0];
        assert_eq!((browse.depth, browse.step.as_str(), browse.sessions, browse.ended), (0, "browse", 9, 2));
        let cart = &tree[1];
        assert_eq!((cart.depth, cart.step.as_str(), cart.sessions, cart.ended), (1, "cart", 7, 4));
        assert!(tree.iter().all(|branch| branch.others == 0));
    }

    #[test]
    fn rare_branches_are_summed_up() {
        let mut paths: Vec<(String, u64)> = (0..10).map(|n| (format!("start b{n}"), 20 - n)).collect();
        paths.push(("start".to_owned(), 1));
        let paths: Vec<(&str, u64)> = paths.iter().map(|(path, n)| (path.as_str(), *n)).collect();
        let tree = gather(&paths).finish(&[]).tree;
        assert_eq!((tree.len(), tree[0].ended, tree[0].others), (7, 1, 14 + 13 + 12 + 11));
    }

    #[test]
    fn a_funnel_counts_steps_in_their_order_whatever_is_between() {
        let funnel = ["browse", "cart", "pay"].map(str::to_owned);
        let counts: Vec<u64> =
            gather(&SHOP).finish(&funnel).funnel.iter().map(|step| step.sessions).collect();
        assert_eq!(counts, [10, 8, 4]);
        let backwards = ["pay", "browse"].map(str::to_owned);
        let counts: Vec<u64> =
            gather(&SHOP).finish(&backwards).funnel.iter().map(|step| step.sessions).collect();
        assert_eq!(counts, [4, 0]);
    }

    #[test]
    fn long_paths_are_cut() {
        let (path, is_cut) = PathGatherer::path((0..40).map(|n| n / 2));
        assert_eq!((path, is_cut), ((0..12).collect::<Vec<_>>(), true));
        assert_eq!(PathGatherer::path((0..12).chain([11, 11])), ((0..12).collect::<Vec<_>>(), false));
    }
}
