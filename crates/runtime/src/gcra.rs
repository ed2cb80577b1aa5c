//! The generic cell rate algorithm (ITU-T I.371): one time per key says whether the next event may pass.
//!
//! `tat` is the theoretical arrival time: when the bucket will be empty again. An event passes if it does not lie further
//! ahead than the burst allows. A key whose `tat` has passed is as good as absent, so it is swept out.
use hashbrown::HashMap;

/// So many events a period, so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Time between two events at the steady rate, ns; at least 1.
    pub interval_ns: u64,
    /// Events that may come at once; at least 1.
    pub burst: u64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it passes.
    pub allowed: bool,
    /// How many more would pass right now.
    pub remaining: u64,
    /// When this one would pass, ns from now; 0 where it does; None: never, it asks for more than the burst.
    pub retry_after_ns: Option<u64>,
    /// When all of the burst is there again, ns from now.
    pub reset_after_ns: u64,
}

/// The state of many keys, at most `keys` of them.
#[derive(Debug)]
pub struct Gcra {
    keys: usize,
    tats: HashMap<Box<str>, u64>,
    /// How many keys may be there before those that are as good as absent are looked for.
    sweep_at: usize,
    counts: Counts,
}

/// What was asked, since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events let through.
    pub allowed: u64,
    /// Events refused.
    pub refused: u64,
}

impl Gcra {
    /// Keep at most `keys` keys (at least one). Beyond that those that would be free soonest go, which can only let more
    /// through.
    pub fn new(keys: usize) -> Self {
        Self {
            keys: keys.max(1),
            tats: HashMap::new(),
            sweep_at: 1024,
            counts: Counts::default(),
        }
    }

    /// How many events were let through and refused.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.tats.len()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.tats.is_empty()
    }

    /// Ask for `cost` events of `key` at `now_ns`. A clock that went back is taken as standing still.
    pub fn check(&mut self, key: &str, quota: Quota, cost: u64, now_ns: u64) -> Decision {
        let Quota { interval_ns, burst } = quota;
        let tolerance = interval_ns.saturating_mul(burst);
        let wanted = interval_ns.saturating_mul(cost);
        let known = self.tats.get(key).copied();
        // A theoretical time further ahead than a full bucket can only come from a clock that went back.
        let tat = known
            .map_or(now_ns, |tat| tat.min(now_ns.saturating_add(tolerance)))
            .max(now_ns);
        let next = tat.saturating_add(wanted);
        let ahead = next - now_ns;
        if ahead > tolerance {
            self.counts.refused += 1;
            return Decision {
                allowed: false,
                remaining: (tolerance - (tat - now_ns)) / interval_ns,
                retry_after_ns: (cost <= burst).then_some(ahead - tolerance),
                reset_after_ns: tat - now_ns,
            };
        }
        self.counts.allowed += 1;
        if let Some(kept) = self.tats.get_mut(key) {
            *kept = next;
        } else {
            self.make_room(now_ns);
            self.tats.insert(key.into(), next);
        }
        Decision {
            allowed: true,
            remaining: (tolerance - ahead) / interval_ns,
            retry_after_ns: Some(0),
            reset_after_ns: ahead,
        }
    }

    fn make_room(&mut self, now_ns: u64) {
        if self.tats.len() < self.sweep_at.min(self.keys) {
            return;
        }
        self.tats.retain(|_, tat| *tat > now_ns);
        // Half as many again before the next look: the work stays constant per key that came.
        self.sweep_at = (self.tats.len() * 3 / 2).max(1024);
        if self.tats.len() >= self.keys {
            // A batch at once, or a flood of new keys would cost a look at all of them each.
            let mut tats: Vec<u64> = self.tats.values().copied().collect();
            let going = tats.len() / 16;
            let (_, &mut last, _) = tats.select_nth_unstable(going);
            self.tats.retain(|_, tat| *tat > last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const TEN_A_SECOND: Quota = Quota {
        interval_ns: SECOND / 10,
        burst: 5,
    };

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut limit = Gcra::new(10);
        let left: Vec<u64> = (0..5)
            .map(|_| limit.check("a", TEN_A_SECOND, 1, SECOND).remaining)
            .collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        let refused = limit.check("a", TEN_A_SECOND, 1, SECOND);
        assert_eq!(
            limit.counts(),
            Counts {
                allowed: 5,
                refused: 1
            }
        );
        assert_eq!(
            refused,
            Decision {
                allowed: false,
                remaining: 0,
                retry_after_ns: Some(SECOND / 10),
                reset_after_ns: SECOND / 2
            }
        );
        assert!(
            limit
                .check("a", TEN_A_SECOND, 1, SECOND + SECOND / 10)
                .allowed
        );
        assert!(
            !limit
                .check("a", TEN_A_SECOND, 1, SECOND + SECOND / 10)
                .allowed
        );
        assert!(
            limit.check("b", TEN_A_SECOND, 5, SECOND).allowed,
            "each key has its own"
        );
    }

    #[test]
    fn over_any_time_at_most_rate_and_burst_pass() {
        let mut limit = Gcra::new(10);
        let passed = (0..10_000u64)
            .filter(|event| limit.check("a", TEN_A_SECOND, 1, event * 1_000_000).allowed)
            .count();
        assert_eq!(
            passed,
            5 + 99,
            "10 s at 10/s and the burst of 5: the last would be due at 10 s"
        );
    }

    #[test]
    fn more_than_the_burst_never_passes() {
        let mut limit = Gcra::new(10);
        let refused = limit.check("a", TEN_A_SECOND, 6, 0);
        assert_eq!(
            (refused.allowed, refused.retry_after_ns, refused.remaining),
            (false, None, 5)
        );
    }

    #[test]
    fn a_clock_that_goes_back_refuses_for_no_longer_than_a_full_bucket() {
        let mut limit = Gcra::new(10);
        limit.check("a", TEN_A_SECOND, 5, 1000 * SECOND);
        let refused = limit.check("a", TEN_A_SECOND, 1, SECOND);
        assert_eq!(refused.retry_after_ns, Some(SECOND / 10));
    }

    #[test]
    fn keys_that_are_free_again_are_forgotten() {
        let mut limit = Gcra::new(5_000);
        for key in 0..100_000u64 {
            limit.check(&key.to_string(), TEN_A_SECOND, 1, key * SECOND);
        }
        assert!(limit.len() <= 1_500, "{}", limit.len());
    }

    #[test]
    fn no_more_keys_than_asked_for() {
        let mut limit = Gcra::new(2_000);
        for key in 0..3_000u64 {
            limit.check(&key.to_string(), TEN_A_SECOND, 1, 0);
        }
        assert!(limit.len() <= 2_000);
    }
}
