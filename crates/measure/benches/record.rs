//! Time per operation of the histogram, as JSON lines for benchmarks/bench_record.py, which says what is asked and how fair it is.
use std::hint::black_box;
use std::time::Instant;

use scaleworthy_measure::Histogram;

const VALUES: usize = 1 << 14;
const REPEATS: usize = 11;

/// Latencies as a service has them: a body from 0.5 to 2 ms, one in eight up to 16 ms, one in 64 up to half a second.
fn latencies() -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..VALUES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let tail = match state % 64 {
                0 => 8,
                1..=8 => 3,
                _ => 0,
            };
            (500_000 + (state >> 20) % 1_500_000) << tail
        })
        .collect()
}

/// The least and the median time of one operation, in nanoseconds, over `REPEATS` runs of `count` operations.
fn report(what: &str, count: usize, mut run: impl FnMut()) {
    run();
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{{\"what\": \"{what}\", \"least_ns\": {:.3}, \"median_ns\": {:.3}}}",
        times[0],
        times[REPEATS / 2]
    );
}

fn main() {
    let values = latencies();
    let mut one = Histogram::new();
    report("record", 100 * VALUES, || {
        for _ in 0..100 {
            values
                .iter()
                .for_each(|value| black_box(&mut one).record(*value));
        }
    });
    // As an engine thread does for each answered request: response, service, lag and three phases.
    let mut six: Vec<Histogram> = (0..6).map(|_| Histogram::new()).collect();
    report("record in six", 20 * VALUES * 6, || {
        for _ in 0..20 {
            values.iter().for_each(|value| {
                for (at, histogram) in black_box(&mut six).iter_mut().enumerate() {
                    histogram.record(value >> at);
                }
            });
        }
    });
    let mut full = Histogram::new();
    values.iter().for_each(|value| full.record(*value));
    let bytes = full.to_bytes();
    let mut into = full.clone();
    report("merge", 1000, || {
        (0..1000).for_each(|_| black_box(&mut into).merge(&full))
    });
    report("to_bytes", 1000, || {
        (0..1000).for_each(|_| drop(black_box(full.to_bytes())))
    });
    report("from_bytes", 1000, || {
        (0..1000).for_each(|_| drop(black_box(Histogram::from_bytes(&bytes))))
    });
    report("quantile", 1000, || {
        (0..1000).for_each(|_| _ = black_box(full.quantile(0.99)))
    });
}
