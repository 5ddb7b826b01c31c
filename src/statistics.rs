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

    /// Mean of `values`, Σwx/Σw, of positive `weights`, shape `[values]`, with its standard error s/√(n − 1), where
    /// s² = Σw(x − mean)²/Σw and n = (Σw)²/Σw², the number of values of equal weight that would tell as much. Of equal weights it is
    /// that of [`Estimate::of`].
    pub fn weighted(values: impl ExactSizeIterator<Item = f64> + Clone, weights: &[f64]) -> Self {
        let count = values.len();
        let sum = |of: &dyn Fn(f64, f64) -> f64| values.clone().zip(weights).map(|(x, &w)| of(x, w)).sum::<f64>();
        let total = sum(&|_, w| w);
        let mean = sum(&|x, w| w / total * x);
        let effective = 1.0 / sum(&|_, w| (w / total).powi(2));
        let variance = sum(&|x, w| w / total * (x - mean).powi(2));
        let error = (effective > 1.0 + 1e-9).then(|| (variance / (effective - 1.0)).sqrt());
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
    fn a_weighted_mean_and_its_error_are_those_worked_out_by_hand() {
        // Weights 1, 1, 2: mean (1 + 2 + 2·5)/4 = 13/4, s² = (81 + 25 + 2·49)/64 = 51/16, n = 16/6.
        let got = Estimate::weighted([1.0, 2.0, 5.0].into_iter(), &[0.5, 0.5, 1.0]);
        assert!((got.mean - 3.25).abs() < 1e-12);
        assert!((got.error.unwrap() - (51.0 / 16.0 / (16.0 / 6.0 - 1.0f64)).sqrt()).abs() < 1e-12);
        let values = [1.0, 4.0, 9.0, 16.0];
        let (even, plain) = (Estimate::weighted(values.into_iter(), &[7.0; 4]), Estimate::of(values.into_iter()));
        assert!((even.mean - plain.mean).abs() < 1e-12 && (even.error.unwrap() - plain.error.unwrap()).abs() < 1e-12);
        assert_eq!(Estimate::weighted([3.0].into_iter(), &[2.0]).error, None);
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
