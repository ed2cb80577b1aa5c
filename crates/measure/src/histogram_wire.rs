//! The bytes of a histogram: what crosses machines, files and years.
//!
//! Form 1: the byte 1; then varints: the number of buckets that hold records and, unless that is 0, minimum, maximum -
//! minimum, sum, saturated; then per bucket, lowest first, how many buckets were skipped since the one before, and its
//! count. Equal histograms have equal bytes. A second of 100 distinct buckets takes about 215 bytes.

use crate::bucket::{self, BUCKETS};
use crate::histogram::{Histogram, Summary};
use crate::varint::{self, Reader, WireError};

const FORM: u8 = 1;

impl Histogram {
    /// Return the wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write_to(&mut out);
        out
    }

    /// Append the wire form to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.push(FORM);
        let used = self.counts().count();
        varint::put(out, used as u64);
        if used == 0 {
            return;
        }
        let Summary {
            sum,
            min,
            max,
            saturated,
        } = self.summary();
        varint::put(out, min);
        varint::put(out, max - min);
        varint::put_wide(out, sum);
        varint::put(out, saturated);
        let mut next = 0;
        for (index, count) in self.counts() {
            varint::put(out, (index - next) as u64);
            varint::put(out, count);
            next = index + 1;
        }
    }

    /// Return the histogram that `bytes` hold.
    ///
    /// # Errors
    /// [`WireError`] for anything that [`to_bytes`](Self::to_bytes) cannot have written: another form, bytes missing or left
    /// over, a bucket that does not exist, a minimum, maximum or sum that the buckets contradict.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let mut read = Self::new();
        read.merge_bytes(bytes)?;
        Ok(read)
    }

    /// Add every record of the histogram that `bytes` hold, without making that histogram.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); nothing is added then.
    pub fn merge_bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        check(bytes)?;
        self.merge_checked_bytes(bytes);
        Ok(())
    }

    /// As [`merge_bytes`](Self::merge_bytes), for bytes that [`check`] has passed. Others may be merged in part.
    pub(crate) fn merge_checked_bytes(&mut self, bytes: &[u8]) {
        let mut reader = Reader::new(bytes);
        if let Ok(Some((used, summary))) = head(&mut reader) {
            self.add_checked(
                summary,
                Buckets {
                    reader,
                    next: 0,
                    left: used,
                },
            );
        }
    }
}

/// Number of records in bytes that [`check`] has passed.
pub(crate) fn checked_count(bytes: &[u8]) -> u64 {
    let mut reader = Reader::new(bytes);
    let Ok(Some((used, _))) = head(&mut reader) else {
        return 0;
    };
    Buckets {
        reader,
        next: 0,
        left: used,
    }
    .fold(0, |sum, (_, count)| count.saturating_add(sum))
}

/// The (index, count) pairs of checked bytes.
struct Buckets<'a> {
    reader: Reader<'a>,
    next: usize,
    left: usize,
}

impl Iterator for Buckets<'_> {
    type Item = (usize, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let index = self.next + self.reader.varint().ok()? as usize;
        self.next = index + 1;
        Some((index, self.reader.varint().ok()?))
    }
}

/// Refuse bytes that no histogram writes; allocates nothing.
pub(crate) fn check(bytes: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader::new(bytes);
    let Some((used, summary)) = head(&mut reader)? else {
        return reader.finish();
    };
    let (mut next, mut first, mut last) = (0u64, None, 0usize);
    let (mut total, mut least, mut most) = (0u64, 0u128, 0u128);
    for _ in 0..used {
        let index = next.saturating_add(reader.varint()?);
        if index >= BUCKETS as u64 {
            return Err(reader.malformed("a bucket beyond the last one"));
        }
        let count = reader.varint()?;
        if count == 0 {
            return Err(reader.malformed("a bucket without records"));
        }
        next = index + 1;
        last = index as usize;
        first.get_or_insert(last);
        total = total.saturating_add(count);
        least += u128::from(bucket::low_of(last)) * u128::from(count);
        most += u128::from(bucket::high_of(last)) * u128::from(count);
    }
    let edges =
        first == Some(bucket::index_of(summary.min)) && last == bucket::index_of(summary.max);
    if !edges {
        return Err(reader.malformed("minimum or maximum outside the first or last bucket"));
    }
    // Where a count has stopped at its largest value, the sum went on.
    if total < u64::MAX && !(least..=most).contains(&summary.sum) {
        return Err(reader.malformed("a sum that the buckets cannot have"));
    }
    if summary.saturated > total {
        return Err(reader.malformed("more saturated records than records"));
    }
    reader.finish()
}

/// Read everything before the buckets; `None` for a histogram without records.
fn head(reader: &mut Reader<'_>) -> Result<Option<(usize, Summary)>, WireError> {
    let form = reader.byte()?;
    if form != FORM {
        return Err(WireError::Version {
            got: form,
            known: FORM,
        });
    }
    let used = reader.varint()?;
    if used == 0 {
        return Ok(None);
    }
    if used > BUCKETS as u64 || used > reader.left() as u64 / 2 {
        return Err(reader.malformed("more buckets than there are bytes for"));
    }
    let min = reader.varint()?;
    let span = reader.varint()?;
    let max = min
        .checked_add(span)
        .filter(|max| *max <= bucket::VALUE_MAX);
    let Some(max) = max else {
        return Err(reader.malformed("a maximum above 2^42 - 1 ns"));
    };
    let sum = reader.wide()?;
    let saturated = reader.varint()?;
    Ok(Some((
        used as usize,
        Summary {
            sum,
            min,
            max,
            saturated,
        },
    )))
}
