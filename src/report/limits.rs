//! Axis limits that a few outliers cannot spoil.

use crate::matrix::Matrix;

/// Share of the values that may fall outside the limits on each side, before the margin is added.
const TAIL: f64 = 0.001;
/// Room left on each side, as a share of the range between the quantiles.
const MARGIN: f64 = 0.08;

/// Limits for an axis over `values`: the 0.1 % and 99.9 % quantiles with a margin of 8 % of their distance.
///
/// Values that are not finite are ignored. Always finite with `limits[0] < limits[1]`: a constant gets room around it,
/// no values at all give `[0, 1]`.
pub fn axis_limits(values: impl IntoIterator<Item = f64>) -> [f64; 2] {
    // Halved f64 extremes keep every difference below finite.
    let most = f64::MAX / 4.0;
    let mut finite: Vec<f64> =
        values.into_iter().filter(|value| value.is_finite()).map(|value| value.clamp(-most, most)).collect();
    if finite.is_empty() {
        return [0.0, 1.0];
    }
    finite.sort_by(f64::total_cmp);
    let (low, high) = (quantile(&finite, TAIL), quantile(&finite, 1.0 - TAIL));
    let room = MARGIN * (high - low);
    let smallest = 1e-6 * low.abs().max(high.abs());
    if room > smallest * MARGIN {
        [low - room, high + room]
    } else {
        let middle = low + (high - low) / 2.0;
        let room = if middle == 0.0 { 0.5 } else { 0.1 * middle.abs() };
        [middle - room, middle + room]
    }
}

/// [`axis_limits`] of column `column` of `rows`.
pub fn column_limits(rows: &Matrix<f64>, column: usize) -> [f64; 2] {
    axis_limits(rows.iter_rows().map(|row| row[column]))
}

/// Linearly interpolated quantile of ascending values; `share` in [0, 1]; `sorted` must not be empty.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_between_ranks() {
        let sorted = [0.0, 1.0, 2.0, 10.0];
        for (share, expected) in [(0.0, 0.0), (0.5, 1.5), (1.0, 10.0), (1.0 / 3.0, 1.0)] {
            assert!((quantile(&sorted, share) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn one_wild_value_among_many_does_not_move_the_limits() {
        let calm = axis_limits((0..10_000).map(|i| f64::from(i) / 9_999.0));
        let wild = axis_limits((0..10_000).map(|i| if i == 77 { 1e9 } else { f64::from(i) / 9_999.0 }));
        assert!((calm[0] + 0.08).abs() < 0.01 && (calm[1] - 1.08).abs() < 0.01, "{calm:?}");
        assert!((wild[1] - calm[1]).abs() < 0.01, "{wild:?}");
    }

    #[test]
    fn limits_are_finite_and_ascending_whatever_comes() {
        let cases: [&[f64]; 8] = [
            &[],
            &[f64::NAN],
            &[f64::INFINITY, 1.0],
            &[0.0],
            &[3.0, 3.0],
            &[1e8, 1e8 + 1e-9],
            &[f64::MAX, f64::MIN],
            &[5e-324, 0.0],
        ];
        for values in cases {
            let [low, high] = axis_limits(values.iter().copied());
            assert!(low.is_finite() && high.is_finite() && low < high, "{values:?} gave {low}..{high}");
        }
    }
}
