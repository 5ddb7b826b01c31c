//! Histograms as densities.

use super::limits::quantile;

/// Number of equal bins over `limits` after Freedman and Diaconis (1981), between 12 and 80.
pub(super) fn bin_count(values: &[f64], limits: [f64; 2]) -> usize {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.len() < 2 {
        return 12;
    }
    finite.sort_by(f64::total_cmp);
    let width = 2.0 * (quantile(&finite, 0.75) - quantile(&finite, 0.25)) / (finite.len() as f64).cbrt();
    if width > 0.0 { ((limits[1] - limits[0]) / width).ceil().clamp(12.0, 80.0) as usize } else { 40 }
}

/// Heights of `bins` equal bins over `limits`, such that the bars' area is the share of the finite values inside.
pub(super) fn heights(values: &[f64], limits: [f64; 2], bins: usize) -> Vec<f64> {
    let mut counts = vec![0u64; bins];
    let mut total = 0u64;
    let width = (limits[1] - limits[0]) / bins as f64;
    for value in values.iter().filter(|value| value.is_finite()) {
        total += 1;
        if (limits[0]..=limits[1]).contains(value) {
            counts[(((value - limits[0]) / width) as usize).min(bins - 1)] += 1;
        }
    }
    counts.iter().map(|&count| count as f64 / (total.max(1) as f64 * width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_cover_the_share_of_values_inside_the_limits() {
        let values = [0.1, 0.1, 0.6, 1.0, 5.0, f64::NAN];
        assert_eq!(heights(&values, [0.0, 1.0], 2), [0.4 * 2.0, 0.4 * 2.0]);
        assert_eq!(heights(&[], [0.0, 1.0], 2), [0.0, 0.0]);
    }

    #[test]
    fn more_values_get_more_bins() {
        let uniform = |n: usize| -> Vec<f64> { (0..n).map(|i| i as f64 / n as f64).collect() };
        // Interquartile range 1/2, so the width is n^(-1/3).
        assert_eq!(bin_count(&uniform(27_001), [0.0, 1.0]), 31);
        assert_eq!(bin_count(&uniform(10), [0.0, 1.0]), 12);
        assert_eq!(bin_count(&[1.0; 50], [0.0, 1.0]), 40);
    }
}
