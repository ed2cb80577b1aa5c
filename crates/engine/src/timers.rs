//! Deadlines: a heap that the hot path does not touch.
//!
//! A think time is one entry. A connection's deadline moves with each request, so only a *slot's* earliest entry is
//! kept: when it comes due, whoever owns it looks at the real deadline and arms again if that is later.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A user's pause is over.
    User(u32),
    /// A connection slot should look at its deadline.
    Slot(u32),
}

#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Reverse<(u64, Due)>>);

impl Timers {
    pub fn push(&mut self, at_ns: u64, due: Due) {
        self.0.push(Reverse((at_ns, due)));
    }

    /// When the next one comes due; `u64::MAX` for never.
    pub fn next_ns(&self) -> u64 {
        self.0.peek().map_or(u64::MAX, |Reverse((at, _))| *at)
    }

    /// The next one, with its time, if it is due at `now_ns`.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(u64, Due)> {
        if self.next_ns() > now_ns {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }

    /// Forget the users' pauses: the run has ended.
    pub fn drop_users(&mut self) {
        self.0
            .retain(|Reverse((_, due))| matches!(due, Due::Slot(_)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_out_in_order_and_nothing_early() {
        let mut timers = Timers::default();
        timers.push(30, Due::User(3));
        timers.push(10, Due::Slot(1));
        timers.push(20, Due::User(2));
        assert_eq!(timers.next_ns(), 10);
        assert_eq!(timers.pop_due(20), Some((10, Due::Slot(1))));
        assert_eq!(timers.pop_due(20), Some((20, Due::User(2))));
        assert_eq!(timers.pop_due(20), None);
        timers.drop_users();
        assert_eq!(timers.next_ns(), u64::MAX);
    }
}
