//! A bounded table of entries with times and tags, which keeps what is asked for again (S3-FIFO).
//!
//! S3-FIFO (Yang et al., SOSP 2023): new keys wait in a small queue and reach the main one only if asked for again; a
//! ghost list remembers the keys that left the small queue, and lets them into the main queue when they come back. A scan
//! of keys asked for once passes through the small queue alone.
use std::collections::HashSet;

use hashbrown::hash_table::HashTable;
use hashbrown::{DefaultHashBuilder, HashMap};
use slab::Slab;
use std::hash::BuildHasher;

use crate::list::{Linked, Links, Queue};
use ghosts::Ghosts;

/// An entry asked for more often than this is not told from one asked for this often.
const ASKED_MAX: u8 = 3;

/// Until when an entry is what, in the caller's nanoseconds; each at least the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// From here on somebody may load it anew ahead of time.
    pub due_ns: u64,
    /// Here it becomes stale.
    pub stale_ns: u64,
    /// Here it is gone.
    pub gone_ns: u64,
}

/// What an entry is at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be used.
    Fresh,
    /// To be used; may be loaded anew.
    Due,
    /// To be used only while it is loaded anew, or where that fails.
    Stale,
}

/// What is kept under a key.
#[derive(Debug)]
pub struct Entry<V> {
    /// The value.
    pub value: V,
    /// Its times.
    pub life: Life,
    /// How long it took to load, ns.
    pub load_ns: u64,
    /// Names by which it may be dropped together with others.
    pub tags: Box<[Box<str>]>,
}

impl<V> Entry<V> {
    /// What it is at `now_ns`; None: gone.
    pub fn state(&self, now_ns: u64) -> Option<State> {
        let Life {
            due_ns,
            stale_ns,
            gone_ns,
        } = self.life;
        match now_ns {
            now if now < due_ns => Some(State::Fresh),
            now if now < stale_ns => Some(State::Due),
            now if now < gone_ns => Some(State::Stale),
            _ => None,
        }
    }
}

/// What was asked and what became of it, since the table was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Asked and fresh or due.
    pub hits: u64,
    /// Asked and stale.
    pub stale: u64,
    /// Asked and not there.
    pub misses: u64,
    /// Pushed out by others.
    pub evicted: u64,
    /// Dropped because what they hold has changed.
    pub invalidated: u64,
}

#[derive(Debug)]
struct Slot<V> {
    hash: u64,
    key: Box<str>,
    entry: Entry<V>,
    links: Links,
    asked: u8,
    is_main: bool,
}

impl<V> Linked for Slot<V> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// The table. Not more than `entries` are kept.
#[derive(Debug)]
pub struct Table<V> {
    entries: usize,
    slots: Slab<Slot<V>>,
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
    by_tag: HashMap<Box<str>, HashSet<u32>>,
    counts: Counts,
    gone: Vec<V>,
}

impl<V> Table<V> {
    /// An empty table for at least one entry.
    pub fn new(entries: usize) -> Self {
        let entries = entries.max(1);
        Self {
            entries,
            slots: Slab::new(),
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            small: Queue::default(),
            main: Queue::default(),
            ghosts: Ghosts::new(entries),
            by_tag: HashMap::new(),
            counts: Counts::default(),
            gone: Vec::new(),
        }
    }

    /// The values that left since this was last called, for the caller to drop where it holds no lock: a value's end may ask
    /// the table again.
    pub fn take_gone(&mut self) -> Vec<V> {
        std::mem::take(&mut self.gone)
    }

    /// Every value that is kept.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().map(|(_, slot)| &slot.entry.value)
    }

    /// How many entries are kept, those that are gone by time among them until they are asked for or pushed out.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What is kept under `key` at `now_ns`; counts, and remembers that it was asked for.
    pub fn get(&mut self, key: &str, now_ns: u64) -> Option<(&Entry<V>, State)> {
        let Some(slot) = self.find(key) else {
            self.counts.misses += 1;
            return None;
        };
        let Some(state) = self.slots[slot as usize].entry.state(now_ns) else {
            self.counts.misses += 1;
            self.drop_slot(slot);
            return None;
        };
        match state {
            State::Fresh | State::Due => self.counts.hits += 1,
            State::Stale => self.counts.stale += 1,
        }
        let found = &mut self.slots[slot as usize];
        found.asked = (found.asked + 1).min(ASKED_MAX);
        Some((&found.entry, state))
    }

    /// The same, without counting or remembering.
    pub fn peek(&self, key: &str, now_ns: u64) -> Option<(&Entry<V>, State)> {
        let entry = &self.slots[self.find(key)? as usize].entry;
        Some((entry, entry.state(now_ns)?))
    }

    /// Keep `entry` under `key`, in place of what was there; another may be pushed out.
    pub fn put(&mut self, key: &str, entry: Entry<V>) {
        if let Some(slot) = self.find(key) {
            self.forget_tags(slot);
            let before = std::mem::replace(&mut self.slots[slot as usize].entry, entry);
            self.gone.push(before.value);
            self.remember_tags(slot);
            return;
        }
        while self.slots.len() >= self.entries {
            self.push_one_out();
        }
        let hash = self.hasher.hash_one(key);
        let is_main = self.ghosts.take(hash);
        let slot = self.slots.insert(Slot {
            hash,
            key: key.into(),
            entry,
            links: Links::default(),
            asked: 0,
            is_main,
        }) as u32;
        let queue = if is_main {
            &mut self.main
        } else {
            &mut self.small
        };
        queue.push(&mut self.slots, slot);
        let slots = &self.slots;
        self.by_key
            .insert_unique(hash, slot, |&other| slots[other as usize].hash);
        self.remember_tags(slot);
    }

    /// Let what is kept under `key` be fresh until `fresh_ns`, but there no longer than it was to be.
    pub fn prolong(&mut self, key: &str, fresh_ns: u64) {
        if let Some(slot) = self.find(key) {
            let life = &mut self.slots[slot as usize].entry.life;
            life.stale_ns = fresh_ns.min(life.gone_ns);
            life.due_ns = life.stale_ns;
        }
    }

    /// Drop what is kept under `key`; whether there was something.
    pub fn remove(&mut self, key: &str) -> bool {
        let found = self.find(key);
        if let Some(slot) = found {
            self.counts.invalidated += 1;
            self.drop_slot(slot);
        }
        found.is_some()
    }

    /// Drop every entry that has `tag`; how many.
    pub fn remove_tag(&mut self, tag: &str) -> usize {
        let slots: Vec<u32> = self
            .by_tag
            .get(tag)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        self.counts.invalidated += slots.len() as u64;
        for &slot in &slots {
            self.drop_slot(slot);
        }
        slots.len()
    }

    /// Drop everything.
    pub fn clear(&mut self) {
        let counts = Counts {
            invalidated: self.counts.invalidated + self.slots.len() as u64,
            ..self.counts
        };
        let mut gone = self.take_gone();
        gone.extend(self.slots.drain().map(|slot| slot.entry.value));
        *self = Self {
            counts,
            gone,
            ..Self::new(self.entries)
        };
    }

    fn find(&self, key: &str) -> Option<u32> {
        self.by_key
            .find(self.hasher.hash_one(key), |&slot| {
                *self.slots[slot as usize].key == *key
            })
            .copied()
    }

    fn push_one_out(&mut self) {
        let small_most = (self.entries / 10).max(1);
        if self.small.len() >= small_most || self.main.len() == 0 {
            while let Some(slot) = self.small.oldest() {
                if self.slots[slot as usize].asked > 1 && self.entries > 1 {
                    self.small.remove(&mut self.slots, slot);
                    let moved = &mut self.slots[slot as usize];
                    moved.is_main = true;
                    moved.asked = 0;
                    self.main.push(&mut self.slots, slot);
                    continue;
                }
                self.ghosts.add(self.slots[slot as usize].hash);
                self.counts.evicted += 1;
                self.drop_slot(slot);
                return;
            }
        }
        while let Some(slot) = self.main.oldest() {
            let asked = self.slots[slot as usize].asked;
            if asked == 0 {
                self.counts.evicted += 1;
                self.drop_slot(slot);
                return;
            }
            self.slots[slot as usize].asked = asked - 1;
            self.main.remove(&mut self.slots, slot);
            self.main.push(&mut self.slots, slot);
        }
    }

    fn drop_slot(&mut self, slot: u32) {
        self.forget_tags(slot);
        let queue = if self.slots[slot as usize].is_main {
            &mut self.main
        } else {
            &mut self.small
        };
        queue.remove(&mut self.slots, slot);
        let gone = self.slots.remove(slot as usize);
        if let Ok(place) = self.by_key.find_entry(gone.hash, |&other| other == slot) {
            place.remove();
        }
        self.gone.push(gone.entry.value);
    }

    fn remember_tags(&mut self, slot: u32) {
        for tag in &self.slots[slot as usize].entry.tags {
            self.by_tag.entry_ref(&**tag).or_default().insert(slot);
        }
    }

    fn forget_tags(&mut self, slot: u32) {
        for tag in &self.slots[slot as usize].entry.tags {
            if let Some(slots) = self.by_tag.get_mut(tag) {
                slots.remove(&slot);
                if slots.is_empty() {
                    self.by_tag.remove(tag);
                }
            }
        }
    }
}

mod ghosts;
#[cfg(test)]
mod tests;
