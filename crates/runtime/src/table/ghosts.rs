//! The keys that left a table's small queue and may come back: their hashes alone.
use std::collections::VecDeque;

use hashbrown::HashMap;

/// Hashes of keys that left the small queue; as many as the table has entries.
#[derive(Debug)]
pub struct Ghosts {
    most: usize,
    pub(super) order: VecDeque<(u64, u64)>,
    // The number of the addition a hash stands for: one that came back and left again has an older place in `order` too.
    current: HashMap<u64, u64>,
    added: u64,
}

impl Ghosts {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            order: VecDeque::new(),
            current: HashMap::new(),
            added: 0,
        }
    }

    pub fn add(&mut self, hash: u64) {
        self.added += 1;
        self.current.insert(hash, self.added);
        self.order.push_back((hash, self.added));
        while self.order.len() > self.most {
            if let Some((old, number)) = self.order.pop_front()
                && self.current.get(&old) == Some(&number)
            {
                self.current.remove(&old);
            }
        }
    }

    pub fn take(&mut self, hash: u64) -> bool {
        self.current.remove(&hash).is_some()
    }
}
