//! `/analytics`: what many sessions say together. Every figure leads to the sessions behind it.

mod chart;
mod goals_page;
mod journeys_page;
mod overview_page;
mod scores_page;
mod time_chart;
mod usage_page;
mod users_page;

use serde::Deserialize;
use throughline_model::Timestamp;

use super::address::Address;
use super::finder::Finder;
use super::list_place::Range;
use crate::domain::analytics::{Interval, Selection};
use crate::domain::filter::{Comparison, Field, Filter, Literal, Target};

pub(super) use self::goals_page::goals;
pub(super) use self::journeys_page::journeys;
pub(super) use self::overview_page::overview;
pub(super) use self::scores_page::scores;
pub(super) use self::usage_page::usage;
pub(super) use self::users_page::users;

const SESSIONS: &[Target] = &[Target::Session];

const PAGES: [(&str, &str); 6] = [
    ("Overview", "/analytics"),
    ("Goals", "/analytics/goals"),
    ("Journeys", "/analytics/journeys"),
    ("Scores", "/analytics/scores"),
    ("Usage", "/analytics/usage"),
    ("Users", "/analytics/users"),
];

/// What every page here can be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    filter: String,
    range: String,
    from: String,
    to: String,
    /// Of journeys: `name` or `tag`.
    by: String,
    /// Of journeys: steps with `>` between them.
    funnel: String,
    /// Of goals: one to try out.
    goal: String,
    /// Of scores: the one shown.
    name: String,
    /// Of usage: what to group by.
    group: String,
    /// Of users: their order, and where the page before ended.
    sort: String,
    after: String,
}

/// One of the pages here.
struct Tab {
    name: &'static str,
    href: String,
    chosen: bool,
}

/// What the pages here have in common: which sessions they are about.
struct Asked {
    /// This page with its parameters.
    address: Address,
    finder: Finder,
    selection: Selection,
    interval: Interval,
    tabs: Vec<Tab>,
}

impl Asked {
    fn read(parameters: &Parameters, path: &'static str, targets: &'static [Target], now: Timestamp) -> Self {
        let of = |path: &str| {
            Address::page(path)
                .with("filter", &parameters.filter)
                .with("range", &parameters.range)
                .with("from", &parameters.from)
                .with("to", &parameters.to)
        };
        let address = of(path)
            .with("by", &parameters.by)
            .with("funnel", &parameters.funnel)
            .with("goal", &parameters.goal)
            .with("name", &parameters.name)
            .with("group", &parameters.group)
            .with("sort", &parameters.sort);
        let (finder, filter) = Finder::read(&parameters.filter, targets, now, &address, path);
        let range = Range::read(&parameters.range, &parameters.from, &parameters.to, now);
        let finder = finder.with_range(&range, &parameters.from, &parameters.to, &address);
        let tab = |(name, page): (&'static str, &'static str)| Tab {
            name,
            href: of(page).to_string(),
            chosen: page == path,
        };
        let selection = Selection { filter, from: range.from, to: range.to, now };
        Self {
            interval: Interval::fitting(range.from, range.to.unwrap_or(now)),
            tabs: PAGES.map(tab).into(),
            address,
            finder,
            selection,
        }
    }

    /// Whether all there is began so short ago that it is better seen by the hour. From then on it is.
    fn look_closer(&mut self, first: Option<Timestamp>) -> bool {
        let to = self.selection.to.unwrap_or(self.selection.now);
        let closer = self.interval == Interval::Day
            && first.is_some_and(|first| Interval::fitting(Some(first), to) == Interval::Hour);
        if closer {
            self.interval = Interval::Hour;
        }
        closer
    }

    /// The list of these sessions, of those that `further` finds too.
    fn sessions(&self, further: Filter) -> Address {
        let filter = Filter::all_of([self.selection.filter.clone(), further]);
        let text = if filter == Filter::All { String::new() } else { filter.to_string() };
        let mut list = Address::page("/sessions").with("filter", text);
        for (key, value) in self.address.parameters().filter(|(key, _)| ["range", "from", "to"].contains(key))
        {
            list = list.with(key, value);
        }
        list
    }

    /// The list of the sessions that were going on in this stretch of time.
    fn sessions_during(&self, from: Timestamp, to: Timestamp, further: Filter) -> Address {
        let to = self.selection.to.map_or(to, |end| end.min(to));
        let from = self.selection.from.map_or(from, |start| start.max(from));
        let list = self.sessions(further).without("range").without("from").without("to");
        list.with("from", from.to_string()).with("to", to.to_string())
    }

    /// The list of the sessions that count in this stretch of time.
    fn sessions_begun(&self, from: Timestamp, to: Timestamp, further: Filter) -> Address {
        let mut conditions = vec![further, time(Comparison::Less, to)];
        // What began before the range counts in its first stretch.
        if self.selection.from.is_none_or(|start| start < from) {
            conditions.push(time(Comparison::GreaterOrEqual, from));
        }
        self.sessions(Filter::all_of(conditions))
    }
}

fn time(comparison: Comparison, at: Timestamp) -> Filter {
    Filter::field(Field::Start, comparison, Literal::Time(at))
}

/// At least `from` and below `to`.
fn between(field: &Field, from: Literal, to: Option<Literal>) -> Filter {
    let least = Filter::field(field.clone(), Comparison::GreaterOrEqual, from);
    let most = to.map(|to| Filter::field(field.clone(), Comparison::Less, to));
    Filter::all_of(std::iter::once(least).chain(most))
}

fn yes(field: Field) -> Filter {
    Filter::field(field, Comparison::Equal, Literal::Bool(true))
}

/// A share in per cent with as many places as tell it from nothing and from all.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "—".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        p if part == 0 || part == whole || (9.95..99.0).contains(&p) => format!("{p:.0} %"),
        p if p < 0.1 => "<0.1 %".to_owned(),
        p if p > 99.9 => ">99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_tell_few_from_none_and_most_from_all() {
        for (part, whole, expected) in [
            (0, 0, "—"),
            (0, 9, "0 %"),
            (9, 9, "100 %"),
            (1, 3, "33 %"),
            (1, 50, "2.0 %"),
            (1, 100_000, "<0.1 %"),
            (99_999, 100_000, ">99.9 %"),
            (199, 200, "99.5 %"),
        ] {
            assert_eq!(share(part, whole), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn links_lead_to_the_sessions_behind_a_figure() {
        let now = Timestamp::from_nanos(1_000_000_000_000_000_000);
        let parameters = Parameters {
            filter: "user:a OR user:b".to_owned(),
            range: "24h".to_owned(),
            ..Parameters::default()
        };
        let asked = Asked::read(&parameters, "/analytics", SESSIONS, now);
        let failed = asked.sessions(yes(Field::Error)).to_string();
        assert_eq!(failed, "/sessions?filter=user:a,b%20error:true&range=24h");
    }
}
