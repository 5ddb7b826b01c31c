//! Means and their standard errors.

/// What several values say about their mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Standard error of the mean; `None` with a single value.
    pub error: Option<f64>,
    /// How many values went in.
    pub count: usize,
}

impl Estimate {
    /// Mean of `values` with its standard error s/√n, where s² has n − 1 in its denominator. The mean of no values is NaN.
    pub fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = values.len();
        let n = count as f64;
        let mean = mean(values.clone());
        let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
        let error = (count > 1).then(|| (squares / (n - 1.0) / n).sqrt());
        Self { mean, error, count }
    }

    /// The same of those `values` that are finite; `None` where there are none.
    pub fn of_finite(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        (!values.is_empty()).then(|| Self::of(values.iter().copied()))
    }
}

/// The mean; NaN of no values.
pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_n_integers_have_their_closed_form() {
        // Mean (n + 1)/2; variance with n − 1 is n(n + 1)/12, so the standard error is √((n + 1)/12).
        for n in [2u32, 3, 10, 1000] {
            let got = Estimate::of_finite((1..=n).map(f64::from)).unwrap();
            assert!((got.mean - f64::from(n + 1) / 2.0).abs() < 1e-9);
            assert!((got.error.unwrap() - (f64::from(n + 1) / 12.0).sqrt()).abs() < 1e-9);
            assert_eq!(got.count, n as usize);
        }
    }

    #[test]
    fn a_large_offset_does_not_spoil_the_error() {
        let got = Estimate::of_finite([1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).unwrap();
        assert!((got.error.unwrap() - (1f64 / 3.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn one_value_has_no_error_and_none_no_estimate() {
        assert_eq!(Estimate::of_finite([2.0]), Some(Estimate { mean: 2.0, error: None, count: 1 }));
        assert_eq!(Estimate::of_finite([]), None);
        assert_eq!(Estimate::of_finite([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Estimate::of_finite([f64::NAN, 2.0, 4.0]).map(|e| e.mean), Some(3.0));
    }
}
