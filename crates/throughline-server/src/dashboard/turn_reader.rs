//! Reads as much of a turn as a page shows: small turns whole; of large ones the outline, then only what is shown.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use throughline_model::{Observation, ObservationType, ProjectId, SpanId, Trace};

use super::tree::{self, Branch, Node, Place, Record};
use crate::domain::query::{SpanOutline, TraceDetail, TraceOutline};
use crate::http::State;
use crate::store::ReadError;

/// Turns of more observations are read in parts.
const SMALL: u64 = 400;
/// Rows that are read beyond those drawn: what a layer's row says depends on the layers inside it.
const AROUND: usize = 16;
/// Failures that are read of a turn in which nothing else is told.
const FAILURES: usize = 20;

/// What is wanted of a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The first step told, and how many; without a first one, the last of them.
    pub first: Option<usize>,
    pub steps: usize,
    /// How many steps before these are read too, not to be told again.
    pub before: usize,
    /// Rows drawn.
    pub rows: usize,
}

/// A turn as far as it has been read.
#[derive(Debug)]
pub(super) struct ReadTurn {
    detail: TraceDetail,
    /// The steps that are told, as places among the observations.
    told: Vec<usize>,
    /// Those before them.
    before: Vec<usize>,
    /// Which steps these are.
    pub steps: Range<usize>,
    /// How many there are.
    pub all_steps: usize,
    /// The rows that were read of a large turn, in the order of the tree, and how many there are; `None` if all.
    rows: Option<(Vec<(RowId, Place)>, usize)>,
}

#[derive(Debug, Clone, Copy)]
enum RowId {
    Span(SpanId),
    /// A place among the events.
    Event(usize),
}

/// Whether a turn's conversation tells what this was: what was said to a model and by it, what tools did, and what was
/// looked up.
const fn is_step(kind: ObservationType) -> bool {
    matches!(kind, ObservationType::Generation | ObservationType::Tool | ObservationType::Retriever)
}

impl ReadTurn {
    /// `None` if the trace is gone.
    pub(super) async fn read(
        state: &State,
        project: &ProjectId,
        trace: &Trace,
        wanted: Wanted,
    ) -> Result<Option<Self>, ReadError> {
        if trace.observation_count <= SMALL {
            let detail = state.store.trace(project, &trace.id).await?;
            return Ok(detail.map(|detail| Self::of(detail, wanted)));
        }
        let Some(outline) = state.store.trace_outline(project, &trace.id).await? else { return Ok(None) };
        let plan = ReadPlan::new(&outline, wanted);
        let observations = state.store.observations(project, &trace.id, &plan.ids).await?;
        Ok(Some(plan.carry_out(outline, observations)))
    }

    /// A turn that has been read whole.
    pub(super) fn of(detail: TraceDetail, wanted: Wanted) -> Self {
        let observations = detail.observations.iter().enumerate();
        let mut steps: Vec<usize> =
            observations.filter(|(_, step)| is_step(step.kind)).map(|(place, _)| place).collect();
        steps.sort_by_key(|&place| detail.observations[place].start_time);
        let (shown, all_steps) = (wanted.range(steps.len()), steps.len());
        let before = steps[shown.start.saturating_sub(wanted.before)..shown.start].to_vec();
        Self { told: steps[shown.clone()].to_vec(), before, steps: shown, all_steps, rows: None, detail }
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.detail.trace
    }

    /// The steps to tell, in order of time.
    pub(super) fn told(&self) -> impl Iterator<Item = &Observation> {
        self.told.iter().map(|&place| &self.detail.observations[place])
    }

    /// The steps read before those.
    pub(super) fn before(&self) -> impl Iterator<Item = &Observation> {
        self.before.iter().map(|&place| &self.detail.observations[place])
    }

    /// Everything that was read.
    pub(super) fn observations(&self) -> &[Observation] {
        &self.detail.observations
    }

    /// The first rows of the tree, and how many there are in all.
    pub(super) fn rows(&self) -> (Vec<Node<'_>>, usize) {
        let Some((rows, count)) = &self.rows else {
            let nodes = tree::flatten(&self.detail);
            let count = nodes.len();
            return (nodes, count);
        };
        let by_id: HashMap<SpanId, &Observation> =
            self.detail.observations.iter().map(|observation| (observation.id, observation)).collect();
        let node = |(id, place): &(RowId, Place)| {
            let record = match id {
                RowId::Span(id) => Record::Observation(by_id.get(id)?),
                RowId::Event(place) => Record::Event(self.detail.events.get(*place)?),
            };
            let Place { depth, descendants, troubled, .. } = *place;
            Some(Node { record, depth, descendants, troubled })
        };
        (rows.iter().filter_map(node).collect(), *count)
    }
}

impl Wanted {
    fn range(self, steps: usize) -> Range<usize> {
        let first = self.first.map_or(steps.saturating_sub(self.steps), |first| first.min(steps));
        first..steps.min(first.saturating_add(self.steps))
    }
}

/// Which observations of a large turn to read.
struct ReadPlan {
    ids: Vec<SpanId>,
    told: HashSet<SpanId>,
    before: HashSet<SpanId>,
    steps: Range<usize>,
    all_steps: usize,
    rows: Vec<(RowId, Place)>,
    all_rows: usize,
}

impl ReadPlan {
    fn new(outline: &TraceOutline, wanted: Wanted) -> Self {
        let TraceOutline { spans, events, .. } = outline;
        let steps: Vec<&SpanOutline> = spans.iter().filter(|span| is_step(span.kind)).collect();
        let shown = wanted.range(steps.len());
        let ids = |range: Range<usize>| steps[range].iter().map(|step| step.id).collect::<HashSet<SpanId>>();
        let (told, before) =
            (ids(shown.clone()), ids(shown.start.saturating_sub(wanted.before)..shown.start));
        let branches: Vec<Branch> =
            spans.iter().map(Branch::of_span).chain(events.iter().map(Branch::of_event)).collect();
        let places = tree::arrange(&branches);
        let row = |place: &Place| {
            let id = match spans.get(place.index) {
                Some(span) => RowId::Span(span.id),
                None => RowId::Event(place.index - spans.len()),
            };
            (id, *place)
        };
        let read = if wanted.rows == 0 { 0 } else { wanted.rows + AROUND };
        let rows: Vec<(RowId, Place)> = places.iter().take(read).map(row).collect();
        let drawn = rows.iter().filter_map(|(id, _)| if let RowId::Span(id) = id { Some(*id) } else { None });
        let failed = spans.iter().filter(|span| span.failed && steps.is_empty()).take(FAILURES);
        let ids: HashSet<SpanId> =
            told.union(&before).copied().chain(drawn).chain(failed.map(|span| span.id)).collect();
        Self {
            ids: ids.into_iter().collect(),
            told,
            before,
            steps: shown,
            all_steps: steps.len(),
            rows,
            all_rows: places.len(),
        }
    }

    fn carry_out(self, outline: TraceOutline, observations: Vec<Observation>) -> ReadTurn {
        let TraceOutline { trace, events, .. } = outline;
        let places = |ids: &HashSet<SpanId>| {
            let steps = observations.iter().enumerate().filter(|(_, step)| ids.contains(&step.id));
            steps.map(|(place, _)| place).collect()
        };
        ReadTurn {
            told: places(&self.told),
            before: places(&self.before),
            steps: self.steps,
            all_steps: self.all_steps,
            rows: Some((self.rows, self.all_rows)),
            detail: TraceDetail { trace, observations, events },
        }
    }
}
