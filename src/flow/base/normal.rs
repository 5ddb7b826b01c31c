//! The standard normal.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::Density;

/// ln √(2π).
pub const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// log N(z; 0, 1), whose energy is ½z².
pub(super) struct Normal {
    pub features: usize,
}

impl Density for Normal {
    fn constant(&self) -> f64 {
        self.features as f64 * HALF_LN_TAU
    }

    fn energy(&self, _: usize, z: &[f32]) -> f64 {
        0.5 * z.iter().map(|&z| f64::from(z) * f64::from(z)).sum::<f64>()
    }

    fn slopes(&self, _: usize, z: &[f32], weights: &[f32], d: &mut [f32]) {
        d.iter_mut().zip(z).zip(weights).for_each(|((d, z), weight)| *d = z * weight);
    }

    fn draw(&self, _: usize, rng: &mut ChaCha8Rng) -> f32 {
        StandardNormal.sample(rng)
    }

    fn features(&self) -> usize {
        self.features
    }
}
