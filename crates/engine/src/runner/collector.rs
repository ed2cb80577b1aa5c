//! Puts the threads' seconds together: one for the whole run as soon as every thread has handed over its part.
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::RunError;
use crate::record::{Second, merge};

/// What one thread hands over.
pub struct Source {
    seconds: Receiver<Second>,
    /// Received, and held up by another thread that is not so far.
    early: VecDeque<Second>,
    finished: bool,
    handle: Option<JoinHandle<io::Result<()>>>,
}

impl Source {
    pub fn new(seconds: Receiver<Second>, handle: JoinHandle<io::Result<()>>) -> Self {
        Self {
            seconds,
            early: VecDeque::new(),
            finished: false,
            handle: Some(handle),
        }
    }

    fn is_behind(&self) -> bool {
        self.early.is_empty() && !self.finished
    }
}

#[derive(Default)]
pub struct Collector {
    pub sources: Vec<Source>,
}

impl Collector {
    /// The next second of all threads; None when it is not complete at the deadline.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Second>, RunError> {
        for source in &mut self.sources {
            if source.is_behind() && !receive(source, deadline)? {
                return Ok(None);
            }
        }
        let Some(second) = self
            .sources
            .iter()
            .filter_map(|s| s.early.front())
            .map(|s| s.second)
            .min()
        else {
            return Ok(None);
        };
        let mut parts = vec![];
        for source in &mut self.sources {
            while source
                .early
                .front()
                .is_some_and(|part| part.second == second)
            {
                parts.extend(source.early.pop_front());
            }
        }
        let over = self
            .sources
            .iter()
            .all(|source| source.finished && source.early.is_empty());
        Ok(merge(parts).map(|all| Second { last: over, ..all }))
    }

    /// Let go of the threads and wait until they are gone.
    pub fn end(&mut self) {
        for source in self.sources.drain(..) {
            // A thread that waits to hand over its last second is let go by this.
            drop(source.seconds);
            if let Some(handle) = source.handle {
                // Its result was reported, or nobody asks any more.
                let _ = handle.join();
            }
        }
    }
}

/// Take the thread's next second; false when the deadline passed before.
fn receive(source: &mut Source, deadline: Instant) -> Result<bool, RunError> {
    match source
        .seconds
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        Ok(second) => {
            source.finished = second.last;
            source.early.push_back(second);
            Ok(true)
        }
        Err(RecvTimeoutError::Timeout) => Ok(false),
        // It ended without a last second: it could not even begin.
        Err(RecvTimeoutError::Disconnected) => {
            Err(match source.handle.take().map(JoinHandle::join) {
                Some(Ok(Err(error))) => RunError::System(error),
                _ => RunError::Order(
                    "a thread of the load engine stopped; this is a defect of Scaleworthy",
                ),
            })
        }
    }
}
