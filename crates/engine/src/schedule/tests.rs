use super::*;

const S: u64 = 1_000_000_000;

fn flat(rate: f64, seconds: u64) -> Vec<Stage> {
    vec![Stage {
        duration_ns: seconds * S,
        from: rate,
        to: rate,
    }]
}

fn constant(stages: &[Stage], thread: u64, threads: u64) -> Vec<u64> {
    preview(stages, Spacing::Even, 1, thread, threads, usize::MAX)
}

/// A rate for a time gives their product, also where the product in floats is not whole.
#[test]
fn a_constant_rate_plans_exactly_rate_times_time() {
    for (rate, seconds) in [
        (500.0, 30),
        (0.1, 30),
        (0.3, 10),
        (1.0 / 3.0, 9),
        (7.7, 100),
        (20_000.0, 3),
    ] {
        let wanted = (rate * seconds as f64).round() as usize;
        assert_eq!(
            constant(&flat(rate, seconds), 0, 1).len(),
            wanted,
            "{rate}/s for {seconds} s"
        );
    }
}

#[test]
fn constant_starts_are_evenly_spaced_from_zero() {
    assert_eq!(constant(&flat(4.0, 1), 0, 1), [0, S / 4, S / 2, 3 * S / 4]);
}

/// 0 to 10/s in 10 s is a triangle of 50; arrival k stands where t²/2 = k.
#[test]
fn a_ramp_plans_the_area_under_it() {
    let ramp = [Stage {
        duration_ns: 10 * S,
        from: 0.0,
        to: 10.0,
    }];
    let planned = constant(&ramp, 0, 1);
    assert_eq!(planned.len(), 50);
    for (k, at) in planned.iter().enumerate() {
        let wanted = (2.0 * k as f64).sqrt() * 1e9;
        assert!(
            (*at as f64 - wanted).abs() < 2.0,
            "arrival {k}: {at} against {wanted}"
        );
    }
}

/// Up, flat, down: 2 m to 100, 5 m at 100, 1 m to 0 is 6,000 + 30,000 + 3,000.
#[test]
fn stages_join_without_losing_a_start() {
    let stages = [
        Stage {
            duration_ns: 120 * S,
            from: 0.0,
            to: 100.0,
        },
        Stage {
            duration_ns: 300 * S,
            from: 100.0,
            to: 100.0,
        },
        Stage {
            duration_ns: 60 * S,
            from: 100.0,
            to: 0.0,
        },
    ];
    let planned = constant(&stages, 0, 1);
    assert_eq!(planned.len(), 39_000);
    assert!(planned.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(planned.iter().filter(|at| **at < 120 * S).count(), 6_000);
    assert_eq!(planned.iter().filter(|at| **at >= 420 * S).count(), 3_000);
}

#[test]
fn a_stage_of_rate_zero_plans_nothing_and_does_not_stop_the_rest() {
    let stages = [flat(0.0, 5)[0], flat(2.0, 1)[0]];
    assert_eq!(constant(&stages, 0, 1), [5 * S, 5 * S + S / 2]);
}

/// The threads' starts together are the starts of one thread alone.
#[test]
fn striding_over_threads_is_the_unsharded_schedule() {
    let stages = [
        Stage {
            duration_ns: 3 * S,
            from: 1.0,
            to: 90.0,
        },
        Stage {
            duration_ns: 2 * S,
            from: 90.0,
            to: 17.0,
        },
    ];
    let alone = constant(&stages, 0, 1);
    for threads in [2, 3, 7] {
        let mut together: Vec<u64> = (0..threads)
            .flat_map(|t| constant(&stages, t, threads))
            .collect();
        together.sort_unstable();
        assert_eq!(together, alone, "{threads} threads");
    }
}

#[test]
fn an_endless_stage_goes_on_and_at_rate_zero_stays_silent() {
    let endless = |rate| {
        [Stage {
            duration_ns: u64::MAX,
            from: rate,
            to: rate,
        }]
    };
    assert_eq!(
        preview(&endless(10.0), Spacing::Even, 1, 0, 1, 3),
        [0, S / 10, S / 5]
    );
    assert!(preview(&endless(0.0), Spacing::Even, 1, 0, 1, 3).is_empty());
    assert!(preview(&endless(0.0), Spacing::POISSON, 1, 0, 1, 3).is_empty());
}

/// Gaps of a Poisson process at 100/s: mean 10 ms, standard deviation 10 ms; also when two threads make it.
#[test]
fn poisson_gaps_have_the_mean_and_the_spread_of_the_rate() {
    for threads in [1, 2] {
        let mut at: Vec<u64> = (0..threads)
            .flat_map(|t| {
                preview(
                    &flat(100.0, 1000),
                    Spacing::POISSON,
                    5,
                    t,
                    threads,
                    usize::MAX,
                )
            })
            .collect();
        at.sort_unstable();
        let gaps: Vec<f64> = at
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 / 1e6)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation =
            (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!(
            (at.len() as f64 - 100_000.0).abs() < 4.0 * 100_000f64.sqrt(),
            "{}",
            at.len()
        );
        assert!((mean - 10.0).abs() < 0.15, "{mean}");
        assert!((deviation - 10.0).abs() < 0.3, "{deviation}");
    }
}

/// Gamma gaps of shape k have the coefficient of variation 1/√k.
#[test]
fn gamma_gaps_vary_as_their_shape_says() {
    for shape in [0.25, 4.0] {
        let at = preview(
            &flat(100.0, 1000),
            Spacing::Random { shape },
            5,
            0,
            1,
            usize::MAX,
        );
        let gaps: Vec<f64> = at
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 / 1e6)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 10.0).abs() < 0.3, "{mean}");
        assert!(
            (variance.sqrt() / mean * shape.sqrt() - 1.0).abs() < 0.03,
            "{variance}"
        );
    }
}

#[test]
fn every_number_of_threads_plans_the_same_times() {
    let recorded = Spacing::Recorded([3, 5, 8, 13, 21].into());
    for spacing in [
        Spacing::Even,
        Spacing::POISSON,
        Spacing::Random { shape: 0.5 },
        recorded,
    ] {
        let alone = preview(&flat(100.0, 10), spacing.clone(), 5, 0, 1, usize::MAX);
        let mut together: Vec<u64> = (0..3)
            .flat_map(|t| preview(&flat(100.0, 10), spacing.clone(), 5, t, 3, usize::MAX))
            .collect();
        together.sort_unstable();
        assert_eq!(together, alone);
    }
}

#[test]
fn the_same_seed_plans_the_same_and_another_seed_does_not() {
    let plan = |seed| preview(&flat(50.0, 2), Spacing::POISSON, seed, 0, 1, usize::MAX);
    assert_eq!(plan(3), plan(3));
    assert_ne!(plan(3), plan(4));
}

/// 0 to 4 users in 4 s: user i joins at i + 0.5 s.
#[test]
fn users_join_where_the_rounded_level_passes_them() {
    let levels = UserLevels::new(vec![Stage {
        duration_ns: 4 * S,
        from: 0.0,
        to: 4.0,
    }]);
    let mut at = 0;
    let mut changes = vec![];
    while let Some(next) = levels.next_change(at) {
        changes.push((next, levels.users_at(next)));
        at = next;
    }
    assert_eq!(
        changes,
        [(S / 2, 1), (3 * S / 2, 2), (5 * S / 2, 3), (7 * S / 2, 4)]
    );
}

#[test]
fn users_leave_on_the_way_down_and_jumps_between_stages_count() {
    let levels = UserLevels::new(vec![
        Stage {
            duration_ns: S,
            from: 3.0,
            to: 3.0,
        },
        Stage {
            duration_ns: 2 * S,
            from: 2.0,
            to: 0.0,
        },
    ]);
    assert_eq!(levels.users_at(0), 3);
    let mut at = 0;
    let mut counts = vec![];
    while let Some(next) = levels.next_change(at) {
        assert!(next > at);
        counts.push(levels.users_at(next));
        at = next;
    }
    assert_eq!(counts, [2, 1, 0]);
}
