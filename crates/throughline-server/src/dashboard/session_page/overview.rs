//! The part of a session that its page is about: which turns the rail and the chart show, and which are shown in full.

use throughline_model::{Money, SessionId, Trace};

use super::reader::Reader;
use super::{Parameters, TURNS, View, with_view};
use crate::dashboard::address::Address;
use crate::dashboard::list_place;
use crate::domain::query::Page;
use crate::http::Error;

/// The turns that the rail and the chart show, and which of them are shown in full.
pub(super) struct Overview {
    pub(super) traces: Page<Trace>,
    pub(super) after: String,
    /// The number of the first one.
    pub(super) first: usize,
    /// What those before it cost, as far as the address tells.
    pub(super) spent: Money,
    /// The place among them of the first turn in full.
    pub(super) window: usize,
    pub(super) length: usize,
    /// The first step told of the first turn in full.
    pub(super) step: usize,
}

impl Overview {
    pub(super) async fn read(reader: &Reader<'_>, parameters: &Parameters) -> Result<Self, Error> {
        let cursor = list_place::read_cursor(&parameters.after);
        let first = parameters.first.parse().ok().filter(|_| cursor.is_some()).unwrap_or(1_usize).max(1);
        let traces = reader.session_traces(cursor.as_ref()).await?;
        let spent = parameters.spent.parse().ok().filter(|_| cursor.is_some()).unwrap_or(0_i64);
        let spent = Money::from_picodollars(spent.max(0).into());
        let wanted = parameters.turn.parse().unwrap_or(first);
        let window = wanted.saturating_sub(first).min(traces.rows.len().saturating_sub(1));
        let step = parameters.step.parse().unwrap_or(1_usize).saturating_sub(1);
        let length = if step > 0 { 1 } else { TURNS }.min(traces.rows.len() - window);
        let after = if cursor.is_some() { parameters.after.clone() } else { String::new() };
        Ok(Self { traces, after, first, spent, window, length, step })
    }

    /// The page with the same part of the session in the rail.
    pub(super) fn address(&self, session: &SessionId) -> Address {
        let first = if self.after.is_empty() { String::new() } else { self.first.to_string() };
        let spent = picodollars(self.spent);
        Address::session(session.as_str())
            .with("after", &self.after)
            .with("first", first)
            .with("spent", spent)
    }

    /// What leads to the part of the session that comes after this one.
    pub(super) fn next_parameters(&self) -> Option<Parameters> {
        let next = self.traces.next.as_ref()?;
        let costs = self.traces.rows.iter().filter_map(|trace| trace.total_cost);
        Some(Parameters {
            after: list_place::write_cursor(next),
            first: (self.first + self.traces.rows.len()).to_string(),
            spent: picodollars(self.spent + costs.sum()),
            ..Parameters::default()
        })
    }

    pub(super) fn next_part(&self, session: &SessionId) -> Option<Address> {
        let Parameters { after, first, spent, .. } = self.next_parameters()?;
        let address = Address::session(session.as_str());
        Some(address.with("after", after).with("first", first).with("spent", spent))
    }

    pub(super) fn address_of_turn(&self, session: &SessionId, view: View, number: usize) -> Address {
        let page = number - (number - self.first) % TURNS;
        let page = if page == self.first { String::new() } else { page.to_string() };
        with_view(self.address(session), view).with("turn", page)
    }

    pub(super) fn shown(&self) -> std::ops::Range<usize> {
        self.window..self.window + self.length
    }
}

fn picodollars(spent: Money) -> String {
    if spent == Money::ZERO { String::new() } else { spent.picodollars().to_string() }
}
