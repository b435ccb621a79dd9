//! Usage of billable observations, grouped: exact sums over columns, a segment at a time.
//!
//! What a call says itself is summed over the calls; by its trace's name or tags, over the documents of traces, which
//! have their calls summed up already. Groups are numbers while they are summed. Only the largest are answered one by
//! one, so that only their durations and their series are gathered.

mod calls;
mod groups;
mod segment;
mod sums;

use std::sync::Arc;

use throughline_model::Timestamp;

use self::calls::Summing;
use self::groups::Groups;
use self::sums::{Detail, Series};
use super::Reading;
use super::references::ReferenceSet;
use super::scan::Scan;
use crate::domain::filter::{Filter, Target};
use crate::domain::query::{UsageGroup, UsageQuery, UsageReport, UsageRow};
use crate::store::embedded::snapshot::IndexError;

impl Reading {
    pub(crate) fn usage(&self, asked: &UsageQuery) -> Result<UsageReport, IndexError> {
        let target = asked.group.target();
        let mut conditions = Vec::new();
        if let Some(sessions) = self.session_references(&asked.sessions, asked.now)? {
            conditions.push(Scan::one_of("session_ref", sessions));
        }
        let query = self.translator(target, asked.now).list(&asked.filter, conditions, None)?;
        let summing = Summing {
            times: (asked.from, asked.to),
            group: column(asked.group),
            interval: asked.interval,
            of_traces: target == Target::Trace,
        };
        let searcher = if summing.of_traces { &self.snapshot.derived } else { &self.snapshot.spans };
        let summed = self.fold(searcher, &*query, |segment, docs| segment::sum(segment, docs, summing))?;
        let (found, rest): (Vec<_>, Vec<_>) = summed.into_iter().unzip();
        let groups = Groups::of(&found);
        let chosen = groups.largest(asked.order, asked.limit);
        let segments = searcher.segment_readers().iter().zip(rest).zip(groups.places(&chosen));
        let details = self.executor.map(
            |((segment, rest), places)| rest.details(segment, summing, &places, chosen.len()),
            segments,
        )?;
        let mut others = Series::default();
        details.iter().for_each(|(_, series)| others.add(series));
        let details = details.into_iter().map(|(details, _)| details);
        let rows = self.rows(&groups, &chosen, details)?;
        Ok(UsageReport { rows, others: groups.others(&chosen, &others) })
    }

    /// The groups chosen, each with what segments say of it in detail.
    fn rows(
        &self,
        groups: &Groups<'_>,
        chosen: &[u32],
        details: impl Iterator<Item = Vec<Detail>>,
    ) -> Result<Vec<UsageRow>, IndexError> {
        let mut by_place: Vec<Vec<Detail>> = chosen.iter().map(|_| Vec::new()).collect();
        for (place, detail) in details.flat_map(|part| part.into_iter().enumerate()) {
            by_place[place].push(detail);
        }
        let numbered: Vec<(usize, Vec<Detail>)> = by_place.into_iter().enumerate().collect();
        let row = |(place, details): (usize, Vec<Detail>)| {
            let group = chosen[place];
            Ok((place, groups.row(group, Detail::all(details))))
        };
        // Handing a small one to another thread takes longer than it does.
        let is_large = |(_, details): &(usize, Vec<Detail>)| {
            details.iter().map(Detail::durations).sum::<usize>() > 10_000
        };
        let (large, small): (Vec<_>, Vec<_>) = numbered.into_iter().partition(is_large);
        let mut rows = self.executor.map(row, large.into_iter())?;
        for group in small {
            rows.push(row(group)?);
        }
        rows.sort_unstable_by_key(|(place, _)| *place);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The sessions that the filter finds; nothing if it finds all.
    pub(super) fn session_references(
        &self,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<Option<Arc<ReferenceSet>>, IndexError> {
        if *filter == Filter::All {
            return Ok(None);
        }
        let found = self.derived(Target::Session, filter, (None, None), now)?;
        let sessions = self.translator(Target::Session, now).references_of(found)?;
        Ok(Some(Arc::new(sessions)))
    }
}

fn column(group: UsageGroup) -> &'static str {
    match group {
        UsageGroup::Model => "model",
        UsageGroup::User => "user",
        UsageGroup::Service => "service",
        UsageGroup::Environment => "environment",
        UsageGroup::Name | UsageGroup::Trace => "name",
        UsageGroup::Type => "kind",
        UsageGroup::Tag => "tag",
    }
}
