//! When something starts: planned starts of an open load, the number of users of a closed one.
use super::{Phase, STARTS_IN_A_ROW, Share, Worker};
use crate::plan::compile::Compiled;
use crate::schedule::{Arrivals, LoadKind, Spacing, Stage, UserLevels};

/// What drives the starts. Times are monotonic.
pub enum Load {
    Open {
        arrivals: Arrivals,
        base_ns: u64,
        next_ns: u64,
        levels: UserLevels,
    },
    Closed {
        levels: UserLevels,
        base_ns: u64,
        wanted: u64,
        change_ns: u64,
    },
}

impl Load {
    pub fn new(plan: &Compiled, share: Share, base_ns: u64) -> Self {
        let mut stages = plan.stages.clone();
        if plan.live {
            let last = stages.last().map_or(0.0, |stage| stage.to);
            stages.push(Stage {
                duration_ns: u64::MAX,
                from: last,
                to: last,
            });
        }
        Self::of(plan.kind.clone(), stages, plan.seed, share, base_ns)
    }

    /// The same level from `base_ns` to `end_ns`. `fresh` makes the random gaps differ from those before; it is the same
    /// on every thread, because their starts are parts of one sequence.
    pub fn level(
        plan: &Compiled,
        share: Share,
        level: f64,
        base_ns: u64,
        end_ns: u64,
        fresh: u64,
    ) -> Self {
        let duration_ns = if end_ns == u64::MAX {
            u64::MAX
        } else {
            end_ns.saturating_sub(base_ns)
        };
        let stages = vec![Stage {
            duration_ns,
            from: level,
            to: level,
        }];
        let kind = match &plan.kind {
            // A level that is set leaves the recorded times.
            LoadKind::Open(Spacing::Recorded(_)) => LoadKind::Open(Spacing::POISSON),
            kind => kind.clone(),
        };
        Self::of(kind, stages, plan.seed.wrapping_add(fresh), share, base_ns)
    }

    fn of(kind: LoadKind, stages: Vec<Stage>, seed: u64, share: Share, base_ns: u64) -> Self {
        let levels = UserLevels::new(stages.clone());
        let LoadKind::Open(spacing) = kind else {
            // Until the first look at the levels, nobody is one too many.
            return Self::Closed {
                levels,
                base_ns,
                wanted: u64::MAX,
                change_ns: base_ns,
            };
        };
        let mut arrivals = Arrivals::new(stages, spacing, seed, share.thread, share.threads);
        let next_ns = arrivals
            .next()
            .map_or(u64::MAX, |at| base_ns.saturating_add(at));
        Self::Open {
            arrivals,
            base_ns,
            next_ns,
            levels,
        }
    }

    /// The level asked for, over all threads.
    pub fn level_at(&self, now: u64) -> f64 {
        match self {
            Self::Open {
                levels, base_ns, ..
            }
            | Self::Closed {
                levels, base_ns, ..
            } => levels.level_at(now.saturating_sub(*base_ns)),
        }
    }

    /// Everything still to come happens `by_ns` later.
    pub fn shift(&mut self, by_ns: u64) {
        let later = |at: &mut u64| *at = at.saturating_add(by_ns);
        match self {
            Self::Open {
                base_ns, next_ns, ..
            } => {
                later(base_ns);
                later(next_ns);
            }
            Self::Closed {
                base_ns, change_ns, ..
            } => {
                later(base_ns);
                later(change_ns);
            }
        }
    }
}

impl Worker {
    /// When `start_arrivals` has something to do; `u64::MAX` for never.
    pub(super) fn next_arrival_ns(&self) -> u64 {
        if self.phase != Phase::Running || self.paused_ns.is_some() || self.starts_left == 0 {
            return u64::MAX;
        }
        match &self.load {
            Load::Open { next_ns, .. } => *next_ns,
            Load::Closed { change_ns, .. } => *change_ns,
        }
    }

    /// Did the last arrival come, in a load whose users may finish what they began?
    pub(super) fn arrivals_are_over(&self) -> bool {
        self.plan.finish && matches!(self.load, Load::Open { next_ns, .. } if next_ns == u64::MAX)
    }

    /// Start what is due; some may be left for the next round, so that answers are not kept waiting.
    pub(super) fn start_arrivals(&mut self, now: u64) {
        for _ in 0..STARTS_IN_A_ROW {
            if self.next_arrival_ns() > now {
                return;
            }
            match &mut self.load {
                Load::Open {
                    arrivals,
                    base_ns,
                    next_ns,
                    ..
                } => {
                    let planned_ns = *next_ns;
                    *next_ns = arrivals
                        .next()
                        .map_or(u64::MAX, |at| base_ns.saturating_add(at));
                    self.start_open(planned_ns);
                }
                Load::Closed { .. } => return self.change_users(now),
            }
        }
    }

    /// Starts that were due before `before_ns` are planned, however late we are: a generator that falls behind at the
    /// end of a run, or before its load changes, must not lose what it owes.
    pub(super) fn catch_up(&mut self, before_ns: u64) {
        while matches!(self.load, Load::Open { .. }) && self.next_arrival_ns() < before_ns {
            self.start_arrivals(before_ns - 1);
        }
    }

    /// Bring the users to the number that the levels ask for; those too many leave when their iteration ends.
    fn change_users(&mut self, now: u64) {
        let there = self.users_there() as u64;
        let Load::Closed {
            levels,
            base_ns,
            wanted,
            change_ns,
            ..
        } = &mut self.load
        else {
            return;
        };
        let into_ns = now - *base_ns;
        *wanted = self.share.of(levels.users_at(into_ns));
        let missing = wanted.saturating_sub(there).min(self.starts_left);
        let in_a_row = missing.min(STARTS_IN_A_ROW as u64);
        *change_ns = if in_a_row < missing {
            // Thousands at once would keep the answers to the first of them waiting: the rest in the next round.
            now
        } else {
            levels
                .next_change(into_ns)
                .map_or(u64::MAX, |at| base_ns.saturating_add(at))
        };
        for _ in 0..in_a_row {
            self.start_closed(now);
        }
    }

    /// Is one user more there than the levels ask for?
    pub(super) fn too_many_users(&self) -> bool {
        matches!(&self.load, Load::Closed { wanted, .. } if self.users_there() as u64 > *wanted)
    }
}
