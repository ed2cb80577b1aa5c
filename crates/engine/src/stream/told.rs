//! What a script is told of a stream that it asked for.
use super::Event;
use crate::script::{Came, StreamTotals};

/// Gaps that are kept of one answer.
const GAPS_MAX: usize = 10_000;

impl StreamTotals {
    /// The `number`th event came at `now_ns`, the one before it at `last_ns`.
    pub(super) fn event(&mut self, number: u64, now_ns: u64, sent_ns: u64, last_ns: u64) {
        if number == 1 {
            self.first_ns = Some(now_ns.saturating_sub(sent_ns));
        } else if self.gaps_ns.len() < GAPS_MAX {
            self.gaps_ns.push(now_ns.saturating_sub(last_ns));
        }
    }

    pub(super) fn hand_over(&mut self, event: Event<'_>, elapsed_ns: u64) {
        self.left.push(Came {
            binary: false,
            elapsed_ns,
            name: event.name.into(),
            data: event.data.into(),
        });
    }
}
