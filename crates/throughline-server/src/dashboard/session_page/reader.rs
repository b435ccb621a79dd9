//! Reads what a session's page shows.

use std::collections::{HashMap, HashSet};

use throughline_model::{Event, ProjectId, Session, Timestamp, Trace, TraceId};

use super::overview::Overview;
use super::{
    EVENTS, FEW_STEPS, OVERVIEW, Parameters, ROWS_ALONE, ROWS_BESIDE, STEPS, STEPS_OF_ALL, SessionPage, TEXT,
    View, gap, with_view,
};
use crate::dashboard::address::Address;
use crate::dashboard::conversation;
use crate::dashboard::cost_view::{self, CostView};
use crate::dashboard::event_list::EventRow;
use crate::dashboard::finder::exactly;
use crate::dashboard::history::History;
use crate::dashboard::list_place;
use crate::dashboard::message::Room;
use crate::dashboard::passage;
use crate::dashboard::time_scale::TimeScale;
use crate::dashboard::turn::{self, Turn, TurnPlan};
use crate::dashboard::turn_reader::{ReadTurn, Wanted};
use crate::domain::filter::Field;
use crate::domain::query::{Cursor, ListQuery, Page, Sort, SortField};
use crate::domain::session_cost::SessionCost;
use crate::http::{Error, State};

/// Reads what the page needs from the store.
pub(super) struct Reader<'a> {
    pub(super) state: &'a State,
    pub(super) project: &'a ProjectId,
    pub(super) session: &'a Session,
    pub(super) now: Timestamp,
}

impl Reader<'_> {
    pub(super) async fn session_traces(&self, after: Option<&Cursor>) -> Result<Page<Trace>, Error> {
        let mut page =
            self.state.store.session_traces(self.project, &self.session.id, after, OVERVIEW).await?;
        self.state.note_unfinished(&mut page.rows);
        Ok(page)
    }

    async fn read(&self, trace: &Trace, wanted: Wanted) -> Result<Option<ReadTurn>, Error> {
        Ok(ReadTurn::read(self.state, self.project, trace, wanted).await?)
    }

    pub(super) async fn turns(&self, page: &mut SessionPage, overview: &Overview) -> Result<(), Error> {
        let alone = page.view == View::Waterfall;
        let traces = &overview.traces.rows;
        let shown = overview.shown();
        let stretches: Vec<_> =
            traces[shown.clone()].iter().map(|trace| (trace.start_time, trace.end_time)).collect();
        let scale = TimeScale::of_several(&stretches);
        let rows = match (alone, overview.step) {
            (true, _) => ROWS_ALONE,
            (false, 0) => ROWS_BESIDE,
            (false, _) => 0,
        };
        let plan = TurnPlan { scale: alone.then_some(&scale), rows, now: self.now };
        let mut history = History::default();
        let mut room = Room::new(TEXT, passage::SHORT);
        if !alone && overview.step == 0 {
            self.remember(overview, &mut history).await?;
        }
        let mut steps_left = STEPS_OF_ALL;
        for place in shown.clone() {
            let steps = if alone { 0 } else { STEPS.min(steps_left.max(FEW_STEPS)) };
            let wanted = Wanted { first: Some(overview.step), steps, before: STEPS, rows };
            // A trace that was deleted meanwhile is simply no longer there.
            let Some(read) = self.read(&traces[place], wanted).await? else { continue };
            steps_left = steps_left.saturating_sub(read.steps.len());
            let gap = gap(self.session, traces, place);
            let entries = if alone { Vec::new() } else { conversation::turn(&read, &mut history, &mut room) };
            let number = overview.first + place;
            let mut turn = Turn::new(number, &read, gap, entries, &plan);
            turn.unfinished = turn::unfinished(&traces[place]);
            if !alone {
                let address = overview.address(&self.session.id).with("turn", number.to_string());
                (turn.earlier_steps, turn.later_steps) = turn::more_steps(&read, STEPS, number, &address);
            }
            page.turns.push(turn);
        }
        if self.session.event_count > 0 && !alone {
            self.happenings(page, overview).await?;
        }
        Ok(())
    }

    /// What was said in the turn before the page: clients send it along again.
    async fn remember(&self, overview: &Overview, history: &mut History) -> Result<(), Error> {
        let before = overview.window.checked_sub(1);
        let Some(trace) = before.and_then(|before| overview.traces.rows.get(before)) else { return Ok(()) };
        if let Some(read) = self.read(trace, Wanted { first: None, steps: STEPS, before: 0, rows: 0 }).await?
        {
            conversation::remember(&read, history);
        }
        Ok(())
    }

    /// Puts the events that belong to no turn between the turns.
    async fn happenings(&self, page: &mut SessionPage, overview: &Overview) -> Result<(), Error> {
        let traces = &overview.traces.rows;
        let shown = overview.shown();
        let is_first = shown.start == 0 && overview.after.is_empty();
        let from = traces.get(shown.start).filter(|_| !is_first).map(|trace| trace.start_time);
        let to = traces.get(shown.end).map(|trace| trace.start_time);
        let outside = self.list_events(from, to, None).await?;
        for event in outside.rows.iter().filter(|event| event.trace_id.is_none()) {
            let row = EventRow::new(event, self.now);
            let before = traces[shown.clone()].iter().rposition(|trace| trace.start_time <= event.time);
            match before.and_then(|place| page.turns.get_mut(place)) {
                Some(turn) => turn.after.push(row),
                None => page.opening.push(row),
            }
        }
        Ok(())
    }

    pub(super) async fn events(&self, page: &mut SessionPage, parameters: &Parameters) -> Result<(), Error> {
        let after = list_place::read_cursor(&parameters.events_after);
        let events = self.list_events(None, None, after).await?;
        page.events = events.rows.iter().map(|event| EventRow::new(event, self.now)).collect();
        let address = with_view(Address::session(self.session.id.as_str()), View::Events);
        page.next_events =
            events.next.map(|next| address.with("events_after", list_place::write_cursor(&next)).to_string());
        Ok(())
    }

    pub(super) async fn cost(&self, page: &mut SessionPage, parameters: &Parameters) -> Result<(), Error> {
        let calls = self.state.store.session_calls(self.project, &self.session.id).await?;
        let cost = SessionCost::of(calls, &self.state.prices);
        let first = parameters.costs_after.parse().unwrap_or(0_usize).min(cost.turns.len());
        let last = cost.turns.len().min(first + cost_view::TURNS);
        let places = self.places(cost.turns[first..last].iter().map(|(id, _)| *id).collect()).await?;
        page.cost = CostView::new(&cost, first, |id| places.get(id).cloned());
        let address = with_view(Address::session(self.session.id.as_str()), View::Cost);
        let from = |place: usize| {
            let after = if place == 0 { String::new() } else { place.to_string() };
            address.clone().with("costs_after", after).to_string()
        };
        page.earlier_costs = (first > 0).then(|| from(first.saturating_sub(cost_view::TURNS)));
        page.later_costs = (last < cost.turns.len()).then(|| from(last));
        Ok(())
    }

    /// The numbers of these turns, and where each is shown.
    async fn places(&self, mut wanted: HashSet<TraceId>) -> Result<HashMap<TraceId, (usize, String)>, Error> {
        let id = &self.session.id;
        let mut places = HashMap::new();
        let mut part = Overview::read(self, &Parameters::default()).await?;
        loop {
            for (place, trace) in part.traces.rows.iter().enumerate() {
                if wanted.remove(&trace.id) {
                    let number = part.first + place;
                    let page = part.address_of_turn(id, View::Conversation, number);
                    places.insert(trace.id, (number, page.at(format!("turn-{number}")).to_string()));
                }
            }
            let Some(parameters) = part.next_parameters().filter(|_| !wanted.is_empty()) else {
                return Ok(places);
            };
            part = Overview::read(self, &parameters).await?;
        }
    }

    async fn list_events(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        after: Option<Cursor>,
    ) -> Result<Page<Event>, Error> {
        let filter = exactly(Field::Session, self.session.id.as_str());
        let sort = Sort { by: SortField::StartTime, descending: false };
        let query = ListQuery { filter, from, to, sort, limit: EVENTS, after, now: self.now };
        Ok(self.state.store.events(self.project, &query).await?)
    }
}
