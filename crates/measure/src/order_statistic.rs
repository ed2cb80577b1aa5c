//! Which records say what a quantile is, and between which records the true one lies.
//!
//! The number B of records at or below the true q-quantile is Binomial(n, q). The interval between the l-th and the u-th
//! smallest record holds the quantile when l ≤ B ≤ u - 1, whatever the distribution is.
//! Source: David and Nagaraja, Order Statistics, 3rd edition, section 7.1.

/// Up to this variance n·q·(1-q) ranks come from the exact binomial distribution (some 10,000 terms at most).
const EXACT_VARIANCE_MAX: f64 = 250_000.0;
/// Binomial terms below this share of the largest one add nothing that a double can hold.
const NEGLIGIBLE: f64 = 1e-22;

/// Return ⌈q·n⌉, at least 1: the rank of the q-quantile among n records. `None` without records or for `q` outside 0 to 1.
pub(crate) fn rank_of(q: f64, n: u64) -> Option<u64> {
    if n == 0 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let mut rank = (q * n as f64).ceil();
    // 0.07 × 100 is 7.000000000000001 in doubles; the caller means 7.
    if rank >= 1.0 && (rank - 1.0) / n as f64 >= q {
        rank -= 1.0;
    }
    Some((rank as u64).clamp(1, n))
}

/// Return the ranks (l, u) between whose records the q-quantile lies with at least `confidence`, tails shared equally.
pub(crate) fn interval_ranks(q: f64, n: u64, confidence: f64) -> Option<(u64, u64)> {
    let inside = |x: f64| x > 0.0 && x < 1.0;
    if n == 0 || !inside(q) || !inside(confidence) {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let variance = n as f64 * q * (1.0 - q);
    if variance <= EXACT_VARIANCE_MAX {
        exact_ranks(q, n, tail)
    } else {
        normal_ranks(q, n, tail, variance.sqrt())
    }
}

/// l: the largest with P(B ≤ l - 1) ≤ tail; u: the smallest with P(B ≥ u) ≤ tail. `None` where l = 0 or u > n.
fn exact_ranks(q: f64, n: u64, tail: f64) -> Option<(u64, u64)> {
    let mode = (((n + 1) as f64) * q).floor().min(n as f64) as u64;
    // Terms relative to the largest one, outwards from it: no logarithm, no factorial, no overflow.
    let odds = q / (1.0 - q);
    let mut below = Vec::new();
    let (mut k, mut term) = (mode, 1.0);
    while k > 0 && term > NEGLIGIBLE {
        term *= k as f64 / ((n - k + 1) as f64 * odds);
        k -= 1;
        below.push(term);
    }
    let mut above = Vec::new();
    (k, term) = (mode, 1.0);
    while k < n && term > NEGLIGIBLE {
        term *= (n - k) as f64 * odds / (k + 1) as f64;
        k += 1;
        above.push(term);
    }
    // Smallest first, so that small terms are not lost.
    let total = 1.0 + below.iter().rev().sum::<f64>() + above.iter().rev().sum::<f64>();
    let allowed = tail * total;

    let steps_down = steps_outside(&below, allowed);
    let steps_up = steps_outside(&above, allowed);
    // All k at distance > `steps` from the mode have together at most `tail`: k ≤ mode - steps - 1 means l = mode - steps.
    let low = mode.checked_sub(steps_down).filter(|low| *low >= 1)?;
    let high = mode + steps_up + 1;
    (high <= n).then_some((low, high))
}

/// How many terms must stay inside so that those further out sum to at most `allowed`.
fn steps_outside(terms: &[f64], allowed: f64) -> u64 {
    let mut sum = 0.0;
    for (at, term) in terms.iter().enumerate().rev() {
        sum += term;
        if sum > allowed {
            return at as u64 + 1;
        }
    }
    0
}

fn normal_ranks(q: f64, n: u64, tail: f64, deviation: f64) -> Option<(u64, u64)> {
    let reach = normal_quantile(1.0 - tail) * deviation;
    let middle = n as f64 * q;
    // One rank further than the approximation asks, for its own error.
    let (low, high) = (
        (middle - reach).floor() - 1.0,
        (middle + reach).ceil() + 2.0,
    );
    (low >= 1.0 && high <= n as f64).then_some((low as u64, high as u64))
}

/// Return z with Φ(z) = `p`, for `p` from one half to below 1, by bisection; at most 9.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 9.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_cdf(middle) < p {
            low = middle
        } else {
            high = middle
        }
    }
    high
}

/// Φ(x) for x ≥ 0. Source: Abramowitz and Stegun, 26.2.11.
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term > 1e-17 * sum {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_what_the_decimal_says() {
        for (q, n, rank) in [
            (0.5, 1, 1),
            (0.5, 2, 1),
            (0.5, 3, 2),
            (0.07, 100, 7),
            (0.95, 20, 19),
            (0.0, 9, 1),
            (1.0, 9, 9),
        ] {
            assert_eq!(rank_of(q, n), Some(rank), "q {q} of {n}");
        }
        for q in [-0.1, 1.1, f64::NAN] {
            assert_eq!(rank_of(q, 10), None);
        }
        assert_eq!(rank_of(0.5, 0), None);
    }

    /// n = 20, q = 0.5: P(B ≤ 5) = 0.0207, P(B ≤ 6) = 0.0577, so ranks 6 and 15 (binomial tables).
    #[test]
    fn the_interval_of_a_median_is_that_of_the_tables() {
        assert_eq!(interval_ranks(0.5, 20, 0.95), Some((6, 15)));
        assert_eq!(interval_ranks(0.5, 6, 0.95), Some((1, 6)));
        assert_eq!(interval_ranks(0.5, 5, 0.95), None);
    }

    /// 0.99^n ≤ 0.025 needs n ≥ 367.04.
    #[test]
    fn p99_needs_368_records_for_an_interval() {
        assert_eq!(interval_ranks(0.99, 367, 0.95), None);
        assert_eq!(
            interval_ranks(0.99, 368, 0.95).map(|(_, high)| high),
            Some(368)
        );
    }

    #[test]
    fn exact_and_normal_ranks_agree_where_they_meet() {
        for q in [0.5, 0.9, 0.99] {
            let n = (EXACT_VARIANCE_MAX / (q * (1.0 - q))) as u64;
            let (low, high) = exact_ranks(q, n, 0.025).unwrap();
            let (normal_low, normal_high) =
                normal_ranks(q, n, 0.025, EXACT_VARIANCE_MAX.sqrt()).unwrap();
            assert!(
                low.abs_diff(normal_low) <= 3 && high.abs_diff(normal_high) <= 3,
                "q {q}"
            );
        }
    }

    #[test]
    fn the_normal_quantile_is_the_published_one() {
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((normal_quantile(0.995) - 2.575_829_303_548_901).abs() < 1e-12);
    }
}
