//! Queues of slots that live in a slab: an entry leaves the middle of its queue without a search.
use slab::Slab;

/// Where a slot stands in its queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct Links {
    older: Option<u32>,
    newer: Option<u32>,
}

/// What has links.
pub trait Linked {
    /// Its links.
    fn links(&mut self) -> &mut Links;
}

/// A queue, oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    oldest: Option<u32>,
    newest: Option<u32>,
    len: usize,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn oldest(&self) -> Option<u32> {
        self.oldest
    }

    pub fn push<T: Linked>(&mut self, slots: &mut Slab<T>, slot: u32) {
        *slots[slot as usize].links() = Links {
            older: self.newest,
            newer: None,
        };
        match self.newest {
            Some(before) => slots[before as usize].links().newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.newest = Some(slot);
        self.len += 1;
    }

    pub fn remove<T: Linked>(&mut self, slots: &mut Slab<T>, slot: u32) {
        let Links { older, newer } = *slots[slot as usize].links();
        match older {
            Some(other) => slots[other as usize].links().newer = newer,
            None => self.oldest = newer,
        }
        match newer {
            Some(other) => slots[other as usize].links().older = older,
            None => self.newest = older,
        }
        self.len -= 1;
    }
}
