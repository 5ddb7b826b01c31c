//! The base density: a standard normal.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::matrix::Matrix;

/// ln √(2π).
pub const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// Draws of the base density, shape `[rows, features]`.
pub fn standard_normal(rows: usize, features: usize, rng: &mut ChaCha8Rng) -> Matrix {
    Matrix::new((0..rows * features).map(|_| StandardNormal.sample(rng)).collect(), features)
}

/// log N(z; 0, 1) of one row, nats, summed in f64.
pub fn standard_normal_log_prob(z: &[f32]) -> f64 {
    let square: f64 = z.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    -0.5 * square - z.len() as f64 * HALF_LN_TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_of_the_base_integrates_to_one() {
        let step = 0.01;
        let mass: f64 = (-800..=800).map(|i| standard_normal_log_prob(&[i as f32 * step as f32]).exp() * step).sum();
        assert!((mass - 1.0).abs() < 1e-6, "{mass}");
    }
}
