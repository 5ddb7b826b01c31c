//! How much rows count.

use serde::{Deserialize, Serialize};

/// The weights of the rows of all parts, positive; of each part only their ratios matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Shape `[training rows]`.
    pub train: Vec<f64>,
    /// Shape `[validation rows]`.
    pub validation: Vec<f64>,
    /// Shape `[test rows]`.
    pub test: Vec<f64>,
}

/// How many rows of equal weight would tell as much of a mean: (Σw)²/Σw² of each part (Kish 1965).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveRows {
    /// Of training.
    pub train: f64,
    /// Of validation.
    pub validation: f64,
    /// Of test.
    pub test: f64,
}

impl Weights {
    /// See [`EffectiveRows`].
    pub fn effective_rows(&self) -> EffectiveRows {
        let [train, validation, test] = [&self.train, &self.validation, &self.test].map(|part| effective_rows(part));
        EffectiveRows { train, validation, test }
    }
}

/// (Σw)²/Σw²; by the largest first, so that squares neither vanish nor overflow.
pub fn effective_rows(weights: &[f64]) -> f64 {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let scaled = || weights.iter().map(|weight| weight / largest);
    scaled().sum::<f64>().powi(2) / scaled().map(|weight| weight * weight).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_count_in_full_and_a_heavy_one_alone() {
        for (weights, expected) in
            [(&[3.0, 3.0, 3.0, 3.0][..], 4.0), (&[1.0, 3.0], 1.6), (&[1e300, 1.0, 1.0], 1.0), (&[1e-300, 1e-300], 2.0)]
        {
            assert!((effective_rows(weights) - expected).abs() < 1e-12, "{weights:?}");
        }
    }
}
