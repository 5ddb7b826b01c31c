//! The logit of values between bounds, which lets a flow on the whole line learn them.

use serde::{Deserialize, Serialize};

/// y = logit(α + (1 − 2α)u) with u = (x − low) / (high − low): what the code of Dinh et al. (2017) and Papamakarios et al.
/// (2017) compute. (The text of the first has α + (1 − α)u, which is not symmetric and has another Jacobian.) α keeps y
/// finite at both bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logit {
    /// α, between 0 and ½.
    pub alpha: f64,
    /// Data units.
    pub low: f64,
    /// Data units.
    pub high: f64,
}

impl Logit {
    /// x → y; NaN beyond the bounds where α no longer helps.
    pub fn apply(&self, x: f64) -> f64 {
        let p = self.alpha + (1.0 - 2.0 * self.alpha) * (x - self.low) / (self.high - self.low);
        (p / (1.0 - p)).ln()
    }

    /// y → x.
    pub fn invert(&self, y: f64) -> f64 {
        // Either form is exact to the last digits on its side of 0.
        let p = if y < 0.0 { y.exp() / (1.0 + y.exp()) } else { 1.0 / (1.0 + (-y).exp()) };
        self.low + (p - self.alpha) / (1.0 - 2.0 * self.alpha) * (self.high - self.low)
    }

    /// Σ ln|dy/dx| over the values `y` of a row, nats.
    ///
    /// dy/dx = (1 − 2α) / ((high − low) p (1 − p)) with p = σ(y), and −ln p(1 − p) = |y| + 2 ln(1 + e^−|y|).
    pub fn log_det(&self, y: impl Iterator<Item = f64>) -> f64 {
        /// Factors of at most 2 whose product is far from the largest number.
        const AT_ONCE: u32 = 256;
        let (mut sum, mut product, mut count) = (0.0, 1.0, 0u32);
        for y in y {
            sum += y.abs();
            product *= 1.0 + (-y.abs()).exp();
            count += 1;
            // One logarithm for many values: it costs more than all the rest.
            if count.is_multiple_of(AT_ONCE) {
                sum += 2.0 * f64::ln(product);
                product = 1.0;
            }
        }
        let slope = ((1.0 - 2.0 * self.alpha) / (self.high - self.low)).ln();
        sum + 2.0 * product.ln() + f64::from(count) * slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIT: Logit = Logit { alpha: 1e-3, low: -2.0, high: 6.0 };

    #[test]
    fn values_come_back_from_everywhere_within_the_bounds() {
        for x in [-2.0, -1.999, 0.0, 2.0, 5.9, 6.0] {
            assert!((LOGIT.invert(LOGIT.apply(x)) - x).abs() < 1e-12, "{x}");
        }
        assert_eq!(LOGIT.apply(2.0), 0.0, "the middle");
        assert!((LOGIT.apply(-2.0) - (1e-3f64 / 0.999).ln()).abs() < 1e-12, "logit(α) at the lower bound");
        assert!(LOGIT.apply(7.0).is_nan());
    }

    #[test]
    fn log_det_is_that_of_the_derivative() {
        let h = 1e-5;
        let x: Vec<f64> = (0..1000).map(|i| -1.9 + 7.8 * f64::from(i) / 1000.0).collect();
        let slopes = x.iter().map(|x| ((LOGIT.apply(x + h) - LOGIT.apply(x - h)) / (2.0 * h)).ln());
        let log_det = LOGIT.log_det(x.iter().map(|x| LOGIT.apply(*x)));
        assert!((slopes.sum::<f64>() - log_det).abs() < 1e-4);
    }

    #[test]
    fn log_det_of_a_uniform_row_is_the_closed_form() {
        // At the middle p = ½, so the slope is 4(1 − 2α)/(high − low).
        let expected = 784.0 * (4.0 * (1.0 - 2e-3) / 8.0f64).ln();
        assert!((LOGIT.log_det(std::iter::repeat_n(0.0, 784)) - expected).abs() < 1e-9);
    }
}
