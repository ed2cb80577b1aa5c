//! What was invalidated, and at which version of the source: what was read before must not be kept after.
//!
//! A load begins, the row changes, the change drops the entry, and then the load ends with the old row. Whoever keeps it now
//! shows it until its time is over. So a load says how much of the source it has seen, and is kept only if no younger
//! invalidation names its key or one of its tags.
use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};

/// The latest invalidations, at most so many; for what is older than those it remembers, it refuses rather than errs.
#[derive(Debug)]
pub struct Tombstones {
    most: usize,
    hasher: DefaultHashBuilder,
    latest: HashMap<u64, u64>,
    order: VecDeque<(u64, u64)>,
    /// The youngest version forgotten: below it nothing is known.
    floor: u64,
    /// The youngest version seen.
    horizon: u64,
}

impl Tombstones {
    /// Remember at most `most` invalidations (at least one).
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            hasher: DefaultHashBuilder::default(),
            latest: HashMap::new(),
            order: VecDeque::new(),
            floor: 0,
            horizon: 0,
        }
    }

    /// The youngest version whose invalidations are all known here; a load that begins now has seen at least it.
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Say that all invalidations up to `version` have been told.
    pub fn reach(&mut self, version: u64) {
        self.horizon = self.horizon.max(version);
    }

    /// Remember that what `name` (a key or a tag) stands for changed at `version`.
    pub fn bury(&mut self, name: &str, version: u64) {
        let hash = self.hasher.hash_one(name);
        let latest = self.latest.entry(hash).or_insert(0);
        if version <= *latest {
            return;
        }
        *latest = version;
        self.order.push_back((hash, version));
        while self.order.len() > self.most {
            if let Some((old, forgotten)) = self.order.pop_front() {
                self.floor = self.floor.max(forgotten);
                if self.latest.get(&old) == Some(&forgotten) {
                    self.latest.remove(&old);
                }
            }
        }
    }

    /// Remember that everything changed at `version`.
    pub fn bury_all(&mut self, version: u64) {
        self.floor = self.floor.max(version);
    }

    /// Whether what was loaded at `version` under `names` (its key, its tags) may be kept.
    pub fn admits<'a>(&self, names: impl IntoIterator<Item = &'a str>, version: u64) -> bool {
        version >= self.floor
            && names.into_iter().all(|name| {
                self.latest
                    .get(&self.hasher.hash_one(name))
                    .is_none_or(|&changed| version >= changed)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_began_before_a_change_is_not_kept() {
        let mut stones = Tombstones::new(10);
        let began = stones.horizon();
        stones.bury("lead:1", 7);
        stones.reach(7);
        assert!(!stones.admits(["lead:1"], began));
        assert!(!stones.admits(["list", "lead:1"], began));
        assert!(stones.admits(["lead:2"], began));
        assert!(stones.admits(["lead:1"], stones.horizon()));
    }

    #[test]
    fn what_is_forgotten_is_refused_not_guessed() {
        let mut stones = Tombstones::new(2);
        for version in 1..=3 {
            stones.bury(&format!("lead:{version}"), version * 10);
        }
        assert!(
            !stones.admits(["lead:9"], 9),
            "lead:9 may be what was forgotten"
        );
        assert!(stones.admits(["lead:1"], 10));
        assert!(!stones.admits(["lead:3"], 29));
    }

    #[test]
    fn a_key_that_changes_often_takes_one_place_of_the_latest() {
        let mut stones = Tombstones::new(3);
        for version in 1..=100 {
            stones.bury("lead:1", version);
        }
        assert_eq!(stones.latest.len(), 1);
        assert!(stones.order.len() <= 3);
        assert!(!stones.admits(["lead:1"], 99));
        assert!(stones.admits(["lead:1"], 100));
    }

    #[test]
    fn everything_is_dropped_at_once() {
        let mut stones = Tombstones::new(3);
        stones.bury_all(5);
        assert!(!stones.admits(["any"], 4));
        assert!(stones.admits(["any"], 5));
    }
}
