//! What the null server counts: requests, by path too, messages, and how far apart requests come.
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use scaleworthy_measure::Histogram;

/// More distinct paths than this are counted together, as `(other)`.
const PATHS_MAX: usize = 10_000;

/// Counted by the server's thread, read by any.
#[derive(Debug, Default)]
pub struct Counts {
    requests: AtomicU64,
    messages: AtomicU64,
    by_path: Mutex<HashMap<Box<str>, u64>>,
    gaps: Mutex<Gaps>,
}

/// How far apart requests are read.
#[derive(Debug, Default)]
struct Gaps {
    last_ns: Option<u64>,
    histogram: Histogram,
}

impl Counts {
    /// A request for this path was read.
    pub fn add_request(&self, path: &str, now_ns: u64) {
        self.requests.fetch_add(1, Ordering::Release);
        self.add_gap(now_ns);
        let mut paths = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = paths.get_mut(path) {
            *count += 1;
        } else {
            let known = if paths.len() < PATHS_MAX {
                path
            } else {
                "(other)"
            };
            *paths.entry(known.into()).or_default() += 1;
        }
    }

    fn add_gap(&self, now_ns: u64) {
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last_ns) = gaps.last_ns.replace(now_ns) {
            gaps.histogram.record(now_ns.saturating_sub(last_ns));
        }
    }

    pub fn add_messages(&self, count: u64) {
        self.messages.fetch_add(count, Ordering::Release);
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }

    pub fn by_path(&self) -> BTreeMap<String, u64> {
        let paths = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        paths
            .iter()
            .map(|(path, count)| (path.to_string(), *count))
            .collect()
    }

    pub fn gaps(&self) -> Histogram {
        let gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        gaps.histogram.clone()
    }
}
