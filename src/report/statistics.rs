//! Mean and standard error over seeds.

/// What several runs say about one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    /// Standard error of the mean; `None` with a single value.
    pub error: Option<f64>,
    /// How many values went in.
    pub count: usize,
}

/// Mean of `values` with its standard error s/√n, where s² has n − 1 in its denominator.
///
/// Values that are not finite are left out; `None` where nothing remains.
pub fn estimate(values: impl IntoIterator<Item = f64>) -> Option<Estimate> {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let count = values.len();
    if count == 0 {
        return None;
    }
    let n = count as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (count > 1).then(|| (squares / (n - 1.0) / n).sqrt());
    Some(Estimate { mean, error, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_n_integers_have_their_closed_form() {
        // Mean (n + 1)/2; variance with n − 1 is n(n + 1)/12, so the standard error is √((n + 1)/12).
        for n in [2u32, 3, 10, 1000] {
            let got = estimate((1..=n).map(f64::from)).unwrap();
            assert!((got.mean - f64::from(n + 1) / 2.0).abs() < 1e-9);
            assert!((got.error.unwrap() - (f64::from(n + 1) / 12.0).sqrt()).abs() < 1e-9);
            assert_eq!(got.count, n as usize);
        }
    }

    #[test]
    fn a_large_offset_does_not_spoil_the_error() {
        let got = estimate([1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).unwrap();
        assert!((got.error.unwrap() - (1f64 / 3.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn one_value_has_no_error_and_none_no_estimate() {
        assert_eq!(estimate([2.0]), Some(Estimate { mean: 2.0, error: None, count: 1 }));
        assert_eq!(estimate([]), None);
        assert_eq!(estimate([f64::NAN, f64::INFINITY]), None);
        assert_eq!(estimate([f64::NAN, 2.0, 4.0]).map(|e| e.mean), Some(3.0));
    }
}
