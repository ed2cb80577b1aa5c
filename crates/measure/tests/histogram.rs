//! What a histogram promises, seen from outside.
use scaleworthy_measure::{BUCKETS, Histogram, VALUE_MAX, WireError};

/// A small generator of our own, so that every run sees the same values.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Of every size alike, not mostly large.
    fn value(&mut self) -> u64 {
        let bits = self.next() % 43;
        self.next() & ((1 << bits) - 1)
    }
}

fn of(values: &[u64]) -> Histogram {
    let mut made = Histogram::new();
    values.iter().for_each(|value| made.record(*value));
    made
}

#[test]
fn merge_is_associative_and_commutative_and_equals_recording_in_one() {
    let mut random = Random(42);
    for _ in 0..50 {
        let parts: Vec<Vec<u64>> = (0..3)
            .map(|_| (0..40).map(|_| random.value()).collect())
            .collect();
        let [a, b, c] = [0, 1, 2].map(|at| of(&parts[at]));
        let merged = |order: &[&Histogram]| {
            let mut into = Histogram::new();
            order.iter().for_each(|one| into.merge(one));
            into
        };
        let mut bc = b.clone();
        bc.merge(&c);

        let expected = of(&parts.concat());
        assert_eq!(merged(&[&a, &b, &c]), expected);
        assert_eq!(merged(&[&c, &b, &a]), expected);
        assert_eq!(merged(&[&a, &bc]), expected);
    }
}

#[test]
fn quantiles_are_within_a_thousandth_of_the_sorted_records() {
    let mut random = Random(7);
    for size in [1usize, 2, 10, 999, 10_000] {
        let mut values: Vec<u64> = (0..size).map(|_| random.value()).collect();
        let histogram = of(&values);
        values.sort_unstable();
        for (q, rank) in [
            (0.0, 1),
            (0.5, size.div_ceil(2)),
            (0.99, (size * 99).div_ceil(100)),
            (1.0, size),
        ] {
            let exact = values[rank.max(1) - 1] as f64;
            let got = histogram.quantile(q).unwrap();
            assert!(
                (got - exact).abs() <= 0.001 * exact,
                "q {q} of {size}: {got} against {exact}"
            );
        }
    }
}

#[test]
fn bytes_give_the_same_histogram_back_and_merge_as_it_does() {
    let mut random = Random(3);
    for size in [0, 1, 2, 500] {
        let one = of(&(0..size).map(|_| random.value()).collect::<Vec<_>>());
        assert_eq!(Histogram::from_bytes(&one.to_bytes()), Ok(one.clone()));

        let mut by_bytes = of(&[5, 6]);
        let mut directly = by_bytes.clone();
        by_bytes.merge_bytes(&one.to_bytes()).unwrap();
        directly.merge(&one);
        assert_eq!(by_bytes, directly);
    }
}

#[test]
fn refused_bytes_add_nothing() {
    let mut bytes = of(&[1, 2_000_000]).to_bytes();
    bytes.pop();
    let mut into = of(&[9]);
    assert!(matches!(
        into.merge_bytes(&bytes),
        Err(WireError::Truncated { .. })
    ));
    assert_eq!(into, of(&[9]));
}

#[test]
fn random_bytes_never_bring_it_down() {
    let mut random = Random(11);
    for _ in 0..20_000 {
        let length = random.next() % 40;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(read) = Histogram::from_bytes(&bytes) {
            assert_eq!(read.to_bytes(), bytes);
        }
    }
}

#[test]
fn clearing_leaves_nothing_behind() {
    let mut used = of(&[0, 700, 5_000_000, VALUE_MAX, VALUE_MAX + 5]);
    used.clear();
    assert_eq!(used, Histogram::new());
    used.record(3);
    assert_eq!(used, of(&[3]));
}

#[test]
fn what_is_beyond_the_range_is_counted_as_its_end_and_said() {
    let histogram = of(&[VALUE_MAX, VALUE_MAX + 1, u64::MAX]);
    assert_eq!((histogram.count(), histogram.saturated()), (3, 2));
    assert_eq!(
        (histogram.min(), histogram.max()),
        (Some(VALUE_MAX), Some(VALUE_MAX))
    );
    assert_eq!(histogram.sum(), 3 * u128::from(VALUE_MAX));
}

#[test]
fn buckets_count_above_and_the_count_agree() {
    let histogram = of(&[0, 5, 5, 1023, 1_000_000, 1_000_001, VALUE_MAX]);
    let buckets: Vec<_> = histogram.buckets().collect();
    assert_eq!(buckets.iter().map(|one| one.count).sum::<u64>(), 7);
    assert!(buckets.windows(2).all(|pair| pair[0].high < pair[1].low));
    assert!(buckets.iter().all(|one| one.index < BUCKETS));
    for one in &buckets {
        let above: u64 = buckets
            .iter()
            .filter(|other| other.low > one.low)
            .map(|other| other.count)
            .sum();
        assert_eq!(histogram.count_above(one.high), above);
    }
    assert_eq!(Histogram::new().count_above(0), 0);
}

#[test]
fn every_reason_for_refusing_says_where() {
    let reasons = [
        WireError::Version { got: 9, known: 1 },
        WireError::Truncated { at: 4 },
        WireError::Trailing { at: 5 },
        WireError::Malformed {
            what: "a bucket without records",
            at: 6,
        },
    ];
    for (reason, part) in reasons.iter().zip([
        "form 9",
        "at 4",
        "from 5",
        "byte 6: a bucket without records",
    ]) {
        assert!(reason.to_string().contains(part), "{reason}");
    }
}
