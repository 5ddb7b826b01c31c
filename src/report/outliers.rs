//! Axis limits for a few numbers of which some may be wild: one diverged trial shall not press all others flat.

use super::limits::axis_limits;
use crate::statistics::Estimate;

/// What would press the best values into less than this share of the axis is left outside.
const FLAT: f64 = 1.0 / 20.0;
/// Differences below this share of the values themselves are never worth a whole axis.
const EQUAL: f64 = 0.05;

/// Limits around `best`, which are always inside, and around those of `all` that lie near enough for the best ones to be told
/// apart.
pub(super) fn limits_around(best: &[f64], all: &[f64]) -> [f64; 2] {
    let finite = |values: &[f64]| values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<f64>>();
    let (best, all) = (finite(best), finite(all));
    let low = best.iter().copied().fold(f64::INFINITY, f64::min);
    let high = best.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = (high - low).max(EQUAL * low.abs().max(high.abs()));
    // Where all the best are zero, they set no scale: every value counts as near.
    let reach = if range > 0.0 { range / FLAT } else { f64::INFINITY };
    let near = |value: &f64| best.is_empty() || (*value <= low + reach && *value >= high - reach);
    axis_limits(all.into_iter().filter(near).chain(best.iter().copied()))
}

/// [`limits_around`] the better third of `best_first`, two values at least, with the ends of their error bars.
pub(super) fn limits_of_best(best_first: &[Estimate]) -> [f64; 2] {
    let means: Vec<f64> = best_first.iter().map(|it| it.mean).filter(|value| value.is_finite()).collect();
    let ends = best_first.iter().flat_map(|it| it.error.map(|error| [it.mean - error, it.mean + error])).flatten();
    let all: Vec<f64> = means.iter().copied().chain(ends).collect();
    limits_around(&means[..(means.len() / 3).max(2).min(means.len())], &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(best_first: &[f64]) -> [f64; 2] {
        let estimate = |&mean: &f64| Estimate { mean, error: None, count: 1 };
        limits_of_best(&best_first.iter().map(estimate).collect::<Vec<_>>())
    }

    #[test]
    fn error_bars_find_room() {
        let estimate = |mean| Estimate { mean, error: Some(0.5), count: 3 };
        let [low, high] = limits_of_best(&[estimate(1.0), estimate(2.0)]);
        assert!(low < 0.5 && high > 2.5, "{low}..{high}");
    }

    #[test]
    fn a_diverged_trial_is_left_outside_and_a_poor_one_is_not() {
        let cases: [(&[f64], f64); 6] = [
            (&[1.0, 1.7, 1.8, 1e5], 1.8),
            (&[1.0, 1.7, 1.8, 4.0], 4.0),
            // Equal but for a hair: a poor third trial is still shown.
            (&[1.0, 1.000_1, 1.3], 1.3),
            (&[-3.0, -2.0, 90.0], -2.0),
            // Two trials have no others that could be pressed flat.
            (&[0.3, 1e5], 1e5),
            (&[0.0, 0.0, 7.0], 7.0),
        ];
        for (values, highest) in cases {
            let [low, high] = limits(values);
            let room = 0.25 * (highest - values[0]).abs();
            assert!(low <= values[0] && (highest..=highest + room).contains(&high), "{values:?}: {low}..{high}");
        }
    }

    #[test]
    fn limits_are_finite_whatever_comes() {
        for values in [&[] as &[f64], &[f64::NAN], &[f64::INFINITY, 1.0], &[f64::MAX, f64::MIN, 0.0]] {
            let [low, high] = limits(values);
            assert!(low.is_finite() && high.is_finite() && low < high, "{values:?}: {low}..{high}");
        }
    }
}
