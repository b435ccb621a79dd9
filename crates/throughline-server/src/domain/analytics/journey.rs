//! Journeys: the steps that sessions take one after another, where they branch, and where they end.

use std::cmp::{Ordering, Reverse};

use rustc_hash::FxHashMap;
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
///
/// Steps are numbers here, so that a million paths that are all different can be told apart; only what is listed is
/// spelt out.
#[derive(Debug, Default)]
pub struct PathGatherer {
    steps: Vec<String>,
    numbers: FxHashMap<String, u32>,
    paths: FxHashMap<StepPath, PathTotals>,
}

/// A path by the numbers of its steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepPath {
    pub steps: Vec<u32>,
    /// More steps follow that are not told apart.
    pub is_cut: bool,
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
    /// The number of a step of this name.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.steps.len() as u32;
        self.steps.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Takes in sessions that took the same path.
    pub fn add(&mut self, path: StepPath, totals: &PathTotals) {
        if !path.steps.is_empty() {
            self.paths.entry(path).or_default().add(totals);
        }
    }

    /// Takes in paths whose steps are numbered by their places among these names.
    pub fn add_numbered(
        &mut self,
        names: &[String],
        paths: impl ExactSizeIterator<Item = (StepPath, PathTotals)>,
    ) {
        let numbers: Vec<u32> = names.iter().map(|name| self.number(name)).collect();
        self.paths.reserve(paths.len());
        for (mut path, totals) in paths {
            for step in &mut path.steps {
                *step = numbers[*step as usize];
            }
            self.add(path, &totals);
        }
    }

    /// `funnel` names steps, for each of which the sessions are counted that took it after those before.
    pub fn finish(self, funnel: &[String]) -> Journeys {
        let Self { steps: names, numbers, paths } = self;
        let wanted: Vec<Option<u32>> = funnel.iter().map(|step| numbers.get(step).copied()).collect();
        let mut counts = vec![0; funnel.len()];
        let mut taken: Vec<Taken<'_>> = paths.iter().collect();
        let mut sessions = 0;
        for (path, totals) in &taken {
            sessions += totals.sessions;
            for count in &mut counts[..reached(&path.steps, &wanted)] {
                *count += totals.sessions;
            }
        }
        let mut tree = Vec::new();
        list(&taken, 0, &names, &mut tree);
        largest(&mut taken, MAX_PATHS, |(a, of_a), (b, of_b)| {
            let by_name = || compare_steps(&a.steps, &b.steps, &names).then(a.is_cut.cmp(&b.is_cut));
            of_b.sessions.cmp(&of_a.sessions).then_with(by_name)
        });
        let spell = |steps: &[u32]| steps.iter().map(|step| names[*step as usize].clone()).collect();
        let path = |(path, totals): &Taken<'_>| Path {
            steps: spell(&path.steps),
            is_cut: path.is_cut,
            totals: **totals,
        };
        let funnel = funnel.iter().zip(counts);
        Journeys {
            sessions,
            distinct: paths.len() as u64,
            paths: taken.iter().map(path).collect(),
            tree,
            funnel: funnel.map(|(step, sessions)| FunnelStep { step: step.clone(), sessions }).collect(),
        }
    }
}

impl StepPath {
    /// What is kept of a session's steps: repetitions are one, and the first of many.
    pub fn of(steps: impl IntoIterator<Item = u32>) -> Self {
        let mut path = Self { steps: Vec::new(), is_cut: false };
        for step in steps {
            if path.steps.last() == Some(&step) {
                continue;
            }
            if path.steps.len() == MAX_STEPS {
                path.is_cut = true;
                break;
            }
            path.steps.push(step);
        }
        path
    }
}

/// A path and the sessions that took it.
type Taken<'a> = (&'a StepPath, &'a PathTotals);

fn compare_steps(a: &[u32], b: &[u32], names: &[String]) -> Ordering {
    let differ = a.iter().zip(b).find(|(a, b)| a != b);
    differ.map_or(a.len().cmp(&b.len()), |(a, b)| names[*a as usize].cmp(&names[*b as usize]))
}

/// Leaves so many of them, those that come first, in order.
fn largest<T>(items: &mut Vec<T>, count: usize, compare: impl Fn(&T, &T) -> Ordering) {
    if items.len() > count {
        items.select_nth_unstable_by(count, &compare);
        items.truncate(count);
    }
    items.sort_unstable_by(compare);
}

/// Lists the steps that most of these paths take at this depth, with what follows each; gives the sessions in them.
fn list(taken: &[Taken<'_>], depth: usize, names: &[String], tree: &mut Vec<Branch>) -> u64 {
    if depth == MAX_DEPTH {
        return 0;
    }
    let mut sessions: FxHashMap<u32, u64> = FxHashMap::default();
    for (path, totals) in taken {
        if let Some(step) = path.steps.get(depth) {
            *sessions.entry(*step).or_default() += totals.sessions;
        }
    }
    let mut frequent: Vec<(u32, u64)> = sessions.into_iter().collect();
    let key = |&(step, sessions): &(u32, u64)| (Reverse(sessions), names[step as usize].as_str());
    largest(&mut frequent, MAX_BRANCHES, |a, b| key(a).cmp(&key(b)));
    let mut of_step: Vec<Vec<Taken<'_>>> = vec![Vec::new(); frequent.len()];
    for (path, totals) in taken {
        let step = path.steps.get(depth);
        if let Some(branch) = frequent.iter().position(|(frequent, _)| Some(frequent) == step) {
            of_step[branch].push((*path, *totals));
        }
    }
    for ((step, sessions), taken) in frequent.iter().zip(&of_step) {
        let ends = taken.iter().filter(|(path, _)| path.steps.len() == depth + 1);
        let ended = ends.map(|(_, totals)| totals.sessions).sum();
        let (place, step) = (tree.len(), names[*step as usize].clone());
        tree.push(Branch { depth, step, sessions: *sessions, ended, others: 0 });
        let listed = list(taken, depth + 1, names, tree);
        tree[place].others = sessions - ended - listed;
    }
    frequent.iter().map(|(_, sessions)| sessions).sum()
}

/// Reads the steps of a funnel as people write them: `browse > cart > pay`.
pub fn read_funnel(text: &str) -> Vec<String> {
    text.split('>').map(str::trim).filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

/// How many steps of the funnel a path takes, in their order, whatever is between. A step that nobody takes is none.
fn reached(path: &[u32], funnel: &[Option<u32>]) -> usize {
    let mut reached = 0;
    for step in path {
        match funnel.get(reached) {
            Some(next) => reached += usize::from(*next == Some(*step)),
            None => break,
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(paths: &[(&str, u64)]) -> PathGatherer {
        let mut gatherer = PathGatherer::default();
        for (path, sessions) in paths {
            let totals = PathTotals { sessions: *sessions, ..PathTotals::default() };
            let steps: Vec<u32> = path.split_whitespace().map(|step| gatherer.number(step)).collect();
            gatherer.add(StepPath::of(steps), &totals);
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
    fn of_equally_frequent_ones_the_first_of_the_alphabet_are_told() {
        let paths: Vec<(String, u64)> = (0..100).rev().map(|n| (format!("s{n:02} s{n:02} end"), 2)).collect();
        let paths: Vec<(&str, u64)> = paths.iter().map(|(path, n)| (path.as_str(), *n)).collect();
        let journeys = gather(&paths).finish(&["s99".to_owned(), "nowhere".to_owned(), "end".to_owned()]);
        let firsts: Vec<String> = journeys.paths.iter().map(|path| path.steps.join(" ")).collect();
        assert_eq!(firsts, (0..MAX_PATHS).map(|n| format!("s{n:02} end")).collect::<Vec<_>>());
        let branches: Vec<_> = journeys.tree.iter().filter(|branch| branch.depth == 0).collect();
        assert_eq!(branches.len(), MAX_BRANCHES);
        assert!(branches.iter().enumerate().all(|(n, branch)| branch.step == format!("s{n:02}")));
        let funnel: Vec<u64> = journeys.funnel.iter().map(|step| step.sessions).collect();
        assert_eq!((funnel, journeys.sessions, journeys.distinct), (vec![2, 0, 0], 200, 100));
    }

    #[test]
    fn paths_of_two_places_that_number_steps_each_in_its_own_way_are_the_same() {
        let mut gatherer = gather(&[("browse cart", 4)]);
        let names = ["cart", "pay", "browse"].map(str::to_owned);
        let path = |steps: &[u32]| {
            (StepPath::of(steps.iter().copied()), PathTotals { sessions: 1, ..PathTotals::default() })
        };
        gatherer.add_numbered(&names, [path(&[2, 0]), path(&[2, 0, 1]), path(&[])].into_iter());
        let paths: Vec<_> = gatherer
            .finish(&[])
            .paths
            .into_iter()
            .map(|path| (path.steps.join(" "), path.totals.sessions))
            .collect();
        assert_eq!(paths, [("browse cart".to_owned(), 5), ("browse cart pay".to_owned(), 1)]);
    }

    #[test]
    fn long_paths_are_cut() {
        let long = StepPath::of((0..40).map(|n| n / 2));
        assert_eq!((long.steps, long.is_cut), ((0..12).collect(), true));
        let whole = StepPath::of((0..12).chain([11, 11]));
        assert_eq!((whole.steps, whole.is_cut), ((0..12).collect(), false));
    }
}
