//! Which bucket holds a value, and which values a bucket holds.
//!
//! Log-linear: each octave [2^k, 2^(k+1)) from 2^9 on is cut into 512 buckets of equal width 2^(k-9). Values below
//! 1,024 have a bucket each. Above, a bucket's values lie within (width - 1)/2 of its middle, and its lowest value is
//! at least 512 widths, so the middle is wrong by less than 1/1,024 = 0.098 % of any value in it.

/// Buckets per octave, as a power of two.
const SUB_BITS: u32 = 9;
/// Buckets per octave.
pub(crate) const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// Largest value that is told apart, in nanoseconds: 2^42 - 1, about 73 minutes. Larger ones are counted as this one.
pub const VALUE_MAX: u64 = (1 << 42) - 1;
/// Rows of 512 buckets: one for the values below 512, then one per octave from 2^9 to 2^41.
pub(crate) const ROWS: usize = 34;
/// Number of buckets.
pub const BUCKETS: usize = ROWS * SUB_BUCKETS;

/// Return the bucket of `value`, which must not be above [`VALUE_MAX`]. No branch depends on the value.
#[inline]
pub(crate) fn index_of(value: u64) -> usize {
    // "| 512" makes the lowest octave out of everything below it, where shift is 0 and a bucket is one value.
    let shift = (63 - SUB_BITS) - (value | SUB_BUCKETS as u64).leading_zeros();
    ((shift as usize) << SUB_BITS) + (value >> shift) as usize
}

/// Return the lowest value of bucket `index`; of `BUCKETS` itself, the first value beyond the last bucket.
#[inline]
pub(crate) fn low_of(index: usize) -> u64 {
    if index < 2 * SUB_BUCKETS {
        return index as u64;
    }
    let shift = (index >> SUB_BITS) - 1;
    ((index & (SUB_BUCKETS - 1)) as u64 + SUB_BUCKETS as u64) << shift
}

/// Return the highest value of bucket `index`.
#[inline]
pub(crate) fn high_of(index: usize) -> u64 {
    low_of(index + 1) - 1
}

/// Return the middle between the lowest and the highest value of bucket `index`.
#[inline]
pub(crate) fn middle_of(index: usize) -> f64 {
    (low_of(index) as f64 + high_of(index) as f64) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        for index in 0..BUCKETS {
            assert_eq!(index_of(low_of(index)), index);
            assert_eq!(index_of(high_of(index)), index);
            assert!(low_of(index) <= high_of(index));
        }
        assert_eq!(low_of(0), 0);
        assert_eq!(high_of(BUCKETS - 1), VALUE_MAX);
    }

    #[test]
    fn values_below_1024_have_a_bucket_each() {
        for value in 0..1024 {
            assert_eq!(
                (low_of(index_of(value)), high_of(index_of(value))),
                (value, value)
            );
        }
        assert_eq!(index_of(1024), index_of(1025));
    }

    #[test]
    fn the_middle_of_every_bucket_is_within_a_thousandth_of_both_its_edges() {
        for index in 1..BUCKETS {
            let middle = middle_of(index);
            for edge in [low_of(index) as f64, high_of(index) as f64] {
                assert!(
                    (middle - edge).abs() <= 0.001 * edge,
                    "bucket {index}: {middle} against {edge}"
                );
            }
        }
    }
}
