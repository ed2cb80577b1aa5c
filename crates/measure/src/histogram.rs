//! A distribution of integer nanoseconds: fixed memory, exact merge, quantiles within 0.1 %.

use crate::bucket::{self, BUCKETS, ROWS, SUB_BUCKETS, VALUE_MAX};
use crate::order_statistic;

type Row = [u64; SUB_BUCKETS];

/// How often each value was seen, in log-linear buckets of 512 per octave.
///
/// - Values below 1,024 ns are kept exactly; a quantile of any other is within 1/1,024 (0.098 %) of the recorded value,
///   because it is the middle of a bucket that is at most 1/512 of its lowest value wide.
/// - Count, minimum, maximum and sum are exact.
/// - Values above [`VALUE_MAX`] are counted as `VALUE_MAX`, and [`saturated`](Self::saturated) says how many.
/// - Memory: 4 KiB per octave that was ever seen, at most 136 KiB, however many records there are.
/// - Merge adds bucket by bucket: the order of merges and the way records were split make no difference.
/// - Counts stop at 2^64 - 1 rather than wrap.
#[derive(Clone)]
pub struct Histogram {
    rows: [Option<Box<Row>>; ROWS],
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
    saturated: u64,
}

/// One bucket that holds records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its place among all buckets, below [`BUCKETS`].
    pub index: usize,
    /// Its lowest value, in nanoseconds.
    pub low: u64,
    /// Its highest value.
    pub high: u64,
    /// Records in it; above zero.
    pub count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Return a histogram without records.
    pub fn new() -> Self {
        Self {
            rows: [const { None }; ROWS],
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
            saturated: 0,
        }
    }

    /// Add one record of `value` nanoseconds.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Add `n` records of `value` nanoseconds each.
    #[inline]
    pub fn record_n(&mut self, value: u64, n: u64) {
        let mut value = value;
        if value > VALUE_MAX {
            value = VALUE_MAX;
            self.saturated = self.saturated.saturating_add(n);
        }
        if n == 0 {
            return;
        }
        self.add_to_bucket(bucket::index_of(value), n);
        self.sum = self.sum.saturating_add(u128::from(value) * u128::from(n));
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    #[inline]
    fn add_to_bucket(&mut self, index: usize, n: u64) {
        let slot = &mut self.rows[index / SUB_BUCKETS];
        let row = match slot {
            Some(row) => row,
            None => Self::first_of_octave(slot),
        };
        let cell = &mut row[index % SUB_BUCKETS];
        *cell = cell.saturating_add(n);
        self.count = self.count.saturating_add(n);
    }

    #[cold]
    fn first_of_octave(slot: &mut Option<Box<Row>>) -> &mut Box<Row> {
        slot.insert(Box::new([0; SUB_BUCKETS]))
    }

    /// Add every record of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        for (mine, theirs) in self.rows.iter_mut().zip(&other.rows) {
            let Some(theirs) = theirs else { continue };
            let Some(mine) = mine else {
                *mine = Some(theirs.clone());
                continue;
            };
            for (to, from) in mine.iter_mut().zip(theirs.iter()) {
                *to = to.saturating_add(*from);
            }
        }
        self.count = self.count.saturating_add(other.count);
        self.add_summary(other.sum, other.min, other.max, other.saturated);
    }

    fn add_summary(&mut self, sum: u128, min: u64, max: u64, saturated: u64) {
        self.sum = self.sum.saturating_add(sum);
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.saturated = self.saturated.saturating_add(saturated);
    }

    /// Forget every record and keep the memory. Costs the octaves between minimum and maximum, not all buckets.
    pub fn clear(&mut self) {
        if self.is_empty() {
            return;
        }
        let rows =
            bucket::index_of(self.min) / SUB_BUCKETS..=bucket::index_of(self.max) / SUB_BUCKETS;
        for row in self.rows[rows].iter_mut().flatten() {
            row.fill(0);
        }
        (self.count, self.sum, self.min, self.max, self.saturated) = (0, 0, u64::MAX, 0, 0);
    }

    /// Is there no record?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of records.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Smallest record, in nanoseconds.
    pub fn min(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.min)
    }

    /// Largest record, in nanoseconds; at most [`VALUE_MAX`].
    pub fn max(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.max)
    }

    /// Sum of all records, in nanoseconds.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Mean of all records, in nanoseconds.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum as f64 / self.count as f64)
    }

    /// Records that were above [`VALUE_MAX`] and are counted as `VALUE_MAX`.
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Return the value at or below which a share `q` of the records lies: the ⌈q·count⌉-th smallest, within 0.1 %.
    ///
    /// `None` without records, or when `q` is not within 0 to 1. `q` = 0 and `q` = 1 give the exact minimum and maximum.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let rank = order_statistic::rank_of(q, self.count)?;
        let index = self.bucket_of_rank(rank)?;
        Some(if rank == 1 {
            self.min as f64
        } else if rank == self.count {
            self.max as f64
        } else {
            bucket::middle_of(index).clamp(self.min as f64, self.max as f64)
        })
    }

    /// Return an interval that holds the quantile `q` of the distribution behind the records with at least `confidence`.
    ///
    /// Distribution-free: the bounds are order statistics whose ranks come from the binomial distribution of how many
    /// records fall below the true quantile, widened to the edges of their buckets. Ranks are exact up to a variance
    /// count·q·(1-q) of 250,000, and by the normal approximation, one rank wider, above.
    ///
    /// `None` when there are too few records for such an interval (p99 at 95 % needs 368), or when `q` or `confidence`
    /// is not between 0 and 1.
    pub fn quantile_interval(&self, q: f64, confidence: f64) -> Option<(f64, f64)> {
        let (low_rank, high_rank) = order_statistic::interval_ranks(q, self.count, confidence)?;
        let low = bucket::low_of(self.bucket_of_rank(low_rank)?).max(self.min);
        let high = bucket::high_of(self.bucket_of_rank(high_rank)?).min(self.max);
        Some((low as f64, high as f64))
    }

    /// Index of the bucket that holds the `rank`-th smallest record, counted from 1.
    fn bucket_of_rank(&self, rank: u64) -> Option<usize> {
        let mut seen = 0u64;
        self.counts().find_map(|(index, count)| {
            seen = seen.saturating_add(count);
            (seen >= rank).then_some(index)
        })
    }

    /// Number of records above `value` nanoseconds, as far as buckets tell: records in the bucket of `value` are not
    /// counted. Exact below 1,024 ns and where `value` is the highest of its bucket.
    pub fn count_above(&self, value: u64) -> u64 {
        if self.is_empty() || value >= self.max {
            return 0;
        }
        if value < self.min {
            return self.count;
        }
        let limit = bucket::index_of(value);
        let within = self.counts().take_while(|(index, _)| *index <= limit);
        self.count
            .saturating_sub(within.fold(0, |sum, (_, count)| count.saturating_add(sum)))
    }

    /// Every bucket that holds records, lowest first.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.counts().map(|(index, count)| Bucket {
            index,
            low: bucket::low_of(index),
            high: bucket::high_of(index),
            count,
        })
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let rows = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| Some((at * SUB_BUCKETS, row.as_ref()?)));
        rows.flat_map(|(start, row)| {
            row.iter()
                .enumerate()
                .map(move |(at, count)| (start + at, *count))
        })
        .filter(|(_, count)| *count > 0)
    }

    /// Add what a checked wire form holds; indices must be below [`BUCKETS`] and counts above zero.
    pub(crate) fn add_checked(
        &mut self,
        summary: Summary,
        buckets: impl Iterator<Item = (usize, u64)>,
    ) {
        for (index, count) in buckets {
            debug_assert!(index < BUCKETS && count > 0);
            self.add_to_bucket(index, count);
        }
        self.add_summary(summary.sum, summary.min, summary.max, summary.saturated);
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            sum: self.sum,
            min: self.min,
            max: self.max,
            saturated: self.saturated,
        }
    }
}

/// What is kept exactly beside the buckets.
#[derive(Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) sum: u128,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) saturated: u64,
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        (self.count, self.sum, self.min, self.max, self.saturated)
            == (
                other.count,
                other.sum,
                other.min,
                other.max,
                other.saturated,
            )
            && self.counts().eq(other.counts())
    }
}

impl Eq for Histogram {}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("min", &self.min())
            .field("max", &self.max())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish()
    }
}
