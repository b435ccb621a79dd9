//! The groups of all segments together.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::segment::Found;
use super::sums::{Detail, Series, Sums};
use crate::domain::query::{OtherUsage, UsageOrder, UsageRow};

/// Groups by number.
pub(super) struct Groups<'a> {
    names: Vec<&'a str>,
    sums: Vec<Sums>,
    /// Of each segment, the numbers of its groups.
    of_segments: Vec<Vec<u32>>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(segments: &'a [Found]) -> Self {
        let most = segments.iter().map(|found| found.sums.len()).max().unwrap_or_default();
        let mut numbers: FxHashMap<&str, u32> = FxHashMap::default();
        numbers.reserve(most);
        let mut all =
            Self { names: Vec::with_capacity(most), sums: Vec::with_capacity(most), of_segments: Vec::new() };
        for found in segments {
            let mut of_segment = Vec::with_capacity(found.sums.len());
            for (name, sums) in found.names.iter().zip(&found.sums) {
                let number = *numbers.entry(name).or_insert(all.names.len() as u32);
                match all.sums.get_mut(number as usize) {
                    Some(known) => known.add(sums),
                    None => {
                        all.names.push(name);
                        all.sums.push(*sums);
                    }
                }
                of_segment.push(number);
            }
            all.of_segments.push(of_segment);
        }
        all
    }

    /// The numbers of so many groups, the largest first.
    pub(super) fn largest(&self, order: UsageOrder, limit: usize) -> Vec<u32> {
        let rank = |sums: &Sums| order.rank(sums.usage().total(), sums.cost());
        let mut ranked: Vec<_> =
            (0..).zip(&self.sums).map(|(number, sums): (u32, _)| (Reverse(rank(sums)), number)).collect();
        let key = |(rank, number): &(Reverse<_>, u32)| (*rank, self.names[*number as usize]);
        if limit < ranked.len() {
            ranked.select_nth_unstable_by(limit, |a, b| key(a).cmp(&key(b)));
            ranked.truncate(limit);
        }
        ranked.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        ranked.into_iter().map(|(_, number)| number).collect()
    }

    /// Of each segment, the places of its groups among those chosen; what is not chosen comes after them.
    pub(super) fn places(&self, chosen: &[u32]) -> Vec<Vec<u32>> {
        let mut place_of = vec![chosen.len() as u32; self.names.len()];
        for (place, number) in (0..).zip(chosen) {
            place_of[*number as usize] = place;
        }
        let places =
            |of_segment: &Vec<u32>| of_segment.iter().map(|number| place_of[*number as usize]).collect();
        self.of_segments.iter().map(places).collect()
    }

    pub(super) fn row(&self, number: u32, mut detail: Detail) -> UsageRow {
        let sums = &self.sums[number as usize];
        let (duration_p50, duration_p95) = detail.percentiles();
        UsageRow {
            group: self.names[number as usize].to_owned(),
            observation_count: sums.observations,
            error_count: sums.errors,
            usage: sums.usage(),
            cost: sums.cost(),
            duration_p50,
            duration_p95,
            series: detail.series.points(),
        }
    }

    /// All but those chosen, with their series.
    pub(super) fn others(&self, chosen: &[u32], series: &Series) -> Option<OtherUsage> {
        let mut is_chosen = vec![false; self.names.len()];
        chosen.iter().for_each(|number| is_chosen[*number as usize] = true);
        let mut all = Sums::default();
        let others = self.sums.iter().zip(is_chosen).filter(|(_, is_chosen)| !is_chosen);
        others.for_each(|(sums, _)| all.add(sums));
        let groups = self.names.len() - chosen.len();
        (groups > 0).then(|| OtherUsage {
            groups: groups as u64,
            observation_count: all.observations,
            error_count: all.errors,
            usage: all.usage(),
            cost: all.cost(),
            series: series.points(),
        })
    }
}
