//! When does each request start, and how many users are there?
//!
//! Model: the level of a stage runs straight from `from` to `to`. Open: arrival *k* is planned where the area under
//! the rate reaches *k* (constant), or where it reaches the sum of *k* random gaps of mean 1 (Poisson, Gamma: by time
//! rescaling), or when the recording says. Closed: user *i* is there while the level, rounded half up, is above *i*.
//! Threads share nothing: thread *t* of *T* takes arrivals *t*, *t + T*, ... of the one sequence.
//! Units: nanoseconds from the start of the schedule; starts per second; users.
mod spacing;

use spacing::Positions;
pub use spacing::Spacing;

/// A piece of the load shape: the level goes straight from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Length; `u64::MAX` for without end.
    pub duration_ns: u64,
    /// Level at its beginning: starts per second, or users.
    pub from: f64,
    /// Level at its end.
    pub to: f64,
}

/// How starts are laid out, or that users repeat.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadKind {
    /// Starts that do not wait for answers.
    Open(Spacing),
    /// A number of users, each starting again when it is done.
    Closed,
}

impl Stage {
    fn seconds(&self) -> f64 {
        self.duration_ns as f64 / 1e9
    }

    fn slope(&self) -> f64 {
        (self.to - self.from) / self.seconds()
    }

    fn area(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds()
    }

    /// Seconds into the stage where `area` is reached; the root that keeps its digits when the slope is small.
    fn seconds_at(&self, area: f64) -> f64 {
        if self.from == self.to {
            return area / self.from;
        }
        let under = (self.from * self.from + 2.0 * self.slope() * area).max(0.0);
        let below = self.from + under.sqrt();
        if below == 0.0 {
            0.0
        } else {
            2.0 * area / below
        }
    }

    fn level(&self, into_ns: u64) -> f64 {
        if self.from == self.to {
            self.from
        } else {
            self.from + self.slope() * (into_ns as f64 / 1e9)
        }
    }
}

/// The planned starts of one thread, in order.
#[derive(Debug, Clone)]
pub struct Arrivals {
    stages: Vec<Stage>,
    at: usize,
    stage_start_ns: u64,
    stage_start_area: f64,
    /// The number of the next arrival, over all threads.
    index: u64,
    stride: u64,
    spacing: Spacing,
    random: Option<Positions>,
}

impl Arrivals {
    /// The starts that thread `thread` of `threads` makes.
    pub fn new(stages: Vec<Stage>, spacing: Spacing, seed: u64, thread: u64, threads: u64) -> Self {
        let random = match spacing {
            Spacing::Random { shape } => Some(Positions::new(shape, seed, thread, threads)),
            Spacing::Even | Spacing::Recorded(_) => None,
        };
        Self {
            stages,
            at: 0,
            stage_start_ns: 0,
            stage_start_area: 0.0,
            index: thread,
            stride: threads,
            spacing,
            random,
        }
    }

    fn wanted_area(&self) -> f64 {
        match &self.random {
            Some(positions) => positions.at(),
            None => self.index as f64,
        }
    }

    fn step(&mut self) {
        self.index += self.stride;
        if let Some(positions) = &mut self.random {
            positions.step();
        }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    /// Nanoseconds from the start of the schedule at which the next request is planned.
    fn next(&mut self) -> Option<u64> {
        if let Spacing::Recorded(times) = &self.spacing {
            let at = times.get(self.index as usize).copied();
            self.step();
            return at;
        }
        let wanted = self.wanted_area();
        while let Some(stage) = self.stages.get(self.at).copied() {
            let endless = stage.duration_ns == u64::MAX;
            let within = wanted - self.stage_start_area;
            // Float sums of areas miss whole numbers by some 1e-12 of them: an arrival that close to the end is past it.
            let area = if endless {
                f64::INFINITY
            } else {
                stage.area() * (1.0 - 1e-12)
            };
            if within < area && (!endless || stage.from > 0.0) {
                self.step();
                return Some(
                    self.stage_start_ns + (stage.seconds_at(within.max(0.0)) * 1e9) as u64,
                );
            }
            if endless {
                return None;
            }
            self.stage_start_ns += stage.duration_ns;
            self.stage_start_area += stage.area();
            self.at += 1;
        }
        None
    }
}

/// How many users there are at each moment.
#[derive(Debug, Clone)]
pub struct UserLevels {
    stages: Vec<Stage>,
}

impl UserLevels {
    /// The levels that `stages` describe; the last one holds after they end.
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages }
    }

    /// The level itself, not rounded.
    pub fn level_at(&self, at_ns: u64) -> f64 {
        let mut start = 0u64;
        for stage in &self.stages {
            let end = start.saturating_add(stage.duration_ns);
            if at_ns < end {
                return stage.level(at_ns - start);
            }
            start = end;
        }
        self.stages.last().map_or(0.0, |stage| stage.to)
    }

    /// Users there at `at_ns`.
    pub fn users_at(&self, at_ns: u64) -> u64 {
        (self.level_at(at_ns) + 0.5) as u64
    }

    /// The first moment after `at_ns` at which `users_at` differs; None when it never does.
    pub fn next_change(&self, at_ns: u64) -> Option<u64> {
        let now = self.users_at(at_ns);
        let mut start = 0u64;
        for stage in &self.stages {
            let end = start.saturating_add(stage.duration_ns);
            if at_ns < end {
                if start > at_ns && (stage.from + 0.5) as u64 != now {
                    return Some(start);
                }
                if let Some(into) = crossing(stage, now) {
                    let at = (start + into).max(at_ns + 1);
                    if at < end {
                        return Some(at);
                    }
                }
            }
            start = end;
        }
        (start > at_ns && start != u64::MAX && self.users_at(start) != now).then_some(start)
    }
}

/// Nanoseconds into the stage at which its rounded level leaves `users`; None when it stays.
fn crossing(stage: &Stage, users: u64) -> Option<u64> {
    if stage.from == stage.to {
        return None;
    }
    let edge = if stage.to > stage.from {
        users as f64 + 0.5
    } else {
        users as f64 - 0.5
    };
    let into_s = (edge - stage.from) / stage.slope();
    // One nanosecond beyond the edge on the way down, where the edge itself still rounds up.
    (into_s >= 0.0).then(|| (into_s * 1e9).ceil() as u64 + u64::from(stage.to < stage.from))
}

/// The first `limit` starts of one thread, for looking at a plan and for comparing with the reference.
pub fn preview(
    stages: &[Stage],
    spacing: Spacing,
    seed: u64,
    thread: u64,
    threads: u64,
    limit: usize,
) -> Vec<u64> {
    Arrivals::new(stages.to_vec(), spacing, seed, thread, threads)
        .take(limit)
        .collect()
}

#[cfg(test)]
mod tests;
