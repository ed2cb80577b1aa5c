//! How the starts of an open load are spaced, before the rate's shape is laid over them.
//!
//! One sequence for the whole run, whatever the number of threads: thread *t* of *T* takes its arrivals *t*, *t + T*, ...
//! of the same random gaps, so that a seed plans the same times on one core and on sixteen.
use std::sync::Arc;

use crate::rng::Rng;

/// How starts follow each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Spacing {
    /// Evenly.
    Even,
    /// At independent random gaps of mean 1 (in starts) from a Gamma distribution: shape 1 is Poisson, below 1 comes
    /// in bursts, above 1 is smoother.
    Random {
        /// The Gamma distribution's shape, above 0.
        shape: f64,
    },
    /// At recorded times, in nanoseconds from the start, in order.
    Recorded(Arc<[u64]>),
}

impl Spacing {
    /// As independent users arrive.
    pub const POISSON: Self = Self::Random { shape: 1.0 };
}

/// The random positions of one thread's starts: sums of gaps.
#[derive(Debug, Clone)]
pub struct Positions {
    at: f64,
    shape: f64,
    rng: Rng,
    stride: u64,
}

impl Positions {
    pub fn new(shape: f64, seed: u64, thread: u64, threads: u64) -> Self {
        let mut positions = Self {
            at: 0.0,
            shape,
            rng: Rng::of(seed, 0),
            stride: threads,
        };
        positions.pass(thread + 1);
        positions
    }

    pub fn at(&self) -> f64 {
        self.at
    }

    pub fn step(&mut self) {
        self.pass(self.stride);
    }

    fn pass(&mut self, starts: u64) {
        for _ in 0..starts {
            self.at += if self.shape == 1.0 {
                self.rng.exponential()
            } else {
                self.rng.gamma(self.shape) / self.shape
            };
        }
    }
}
