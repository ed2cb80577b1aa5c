//! What one user remembers within an iteration: values, loops, cookies. Made only for those that need it, and used again.
use crate::cookies::Jar;
use crate::value::{Held, Turns};

#[derive(Debug, Default)]
pub struct Memory {
    pub held: Vec<Held>,
    /// Where a value is written before it takes its place.
    pub beside: Held,
    pub turns: Vec<Turns>,
    pub jar: Jar,
    /// Passes through loops: a step that is done again draws other random numbers.
    pub passes: u64,
    /// Steps since the last request or pause.
    pub unwaited: u32,
}

/// What users remembered who are gone, for those who come.
#[derive(Debug, Default)]
pub struct Spare(
    #[expect(
        clippy::vec_box,
        reason = "they go in and out as the boxes that users hold"
    )]
    Vec<Box<Memory>>,
);

/// As many are kept.
const SPARE_MAX: usize = 10_000;

impl Spare {
    pub fn take(&mut self) -> Box<Memory> {
        self.0.pop().unwrap_or_default()
    }

    pub fn put(&mut self, memory: Box<Memory>) {
        if self.0.len() < SPARE_MAX {
            self.0.push(memory);
        }
    }
}

impl Memory {
    /// Forget everything, and have room for so many values and loops.
    pub fn begin(&mut self, values: usize, loops: usize) {
        self.held.iter_mut().for_each(Held::clear);
        self.held.resize_with(values, Held::default);
        self.turns.resize_with(loops, Turns::default);
        self.jar.clear();
        self.passes = 0;
        self.unwaited = 0;
    }

    /// Begin as another one is: a branch goes on from where it forks.
    pub fn copy(&mut self, from: &Self) {
        self.begin(from.held.len(), from.turns.len());
        for (mine, theirs) in self.held.iter_mut().zip(&from.held) {
            mine.copy(theirs);
        }
        self.turns.clone_from(&from.turns);
        self.jar.copy(&from.jar);
        self.passes = from.passes;
        self.unwaited = from.unwaited;
    }
}
