//! Names with how many traces and events say them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Stale;

/// The most names kept: the first in order of the alphabet, whoever came first.
const MAX_NAMES: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counted {
    counts: BTreeMap<String, u64>,
    /// There are names beyond those kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

impl Counted {
    pub(super) fn replace(&mut self, old: &[String], new: &[String]) -> Result<(), Stale> {
        if old == new {
            return Ok(());
        }
        new.iter().for_each(|name| self.add(name));
        old.iter().try_for_each(|name| self.remove(name))
    }

    pub(super) fn add(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        let is_beyond =
            self.more && self.counts.last_key_value().is_some_and(|(last, _)| name > last.as_str());
        if is_beyond {
            return;
        }
        self.counts.insert(name.to_owned(), 1);
        if self.counts.len() > MAX_NAMES {
            self.counts.pop_last();
            self.more = true;
        }
    }

    fn remove(&mut self, name: &str) -> Result<(), Stale> {
        match self.counts.get_mut(name) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) if self.more => return Err(Stale),
            Some(_) => {
                self.counts.remove(name);
            }
            None if self.more => {}
            None => return Err(Stale),
        }
        Ok(())
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.counts.contains_key(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.counts.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|n| format!("{n:03}")).collect()
    }

    #[test]
    fn keeps_the_first_names_whatever_their_order() {
        let (mut upwards, mut downwards) = (Counted::default(), Counted::default());
        for name in names(0..100) {
            upwards.replace(&[], std::slice::from_ref(&name)).unwrap();
        }
        for name in names(0..100).iter().rev() {
            downwards.replace(&[], std::slice::from_ref(name)).unwrap();
        }
        assert_eq!(upwards.names(), names(0..64));
        assert_eq!(upwards, downwards);
    }

    #[test]
    fn cannot_tell_who_moves_up_when_one_leaves() {
        let mut counted = Counted::default();
        counted.replace(&[], &names(0..70)).unwrap();
        assert_eq!(counted.replace(&names(69..70), &[]), Ok(()));
        assert_eq!(counted.replace(&names(3..4), &[]), Err(Stale));
    }
}
