//! A ring with two bumps, the first test energy of Rezende & Mohamed (2015, table 1).

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::normal::log_add;
use super::quadrature::{entropy_on_box, on_box};
use super::{Toy, ToyEntry};

const RADIUS: f64 = 2.0;
/// Standard deviation of the ring, were the plane its radius alone.
const RING: f64 = 0.4;
/// Standard deviation of the bumps at z₁ = ±RADIUS.
const BUMP: f64 = 0.6;

/// A box beyond which the density is below 10⁻¹⁵ of its height.
const BOX: [[f64; 2]; 2] = [[-5.6, 5.6]; 2];
const STEP: f64 = 0.1;

pub(super) const RING_BUMPS: ToyEntry = ToyEntry {
    name: "ring-bumps",
    description: "a ring of radius 2 with most of its mass left and right (Rezende & Mohamed's U1)",
    parameters: &[],
    components: None,
    make: |_| Box::new(RingBumps { log_normaliser: on_box(BOX, STEP, |z| log_height(z).exp()).ln() }),
};

/// p(z) ∝ exp(−½((|z| − 2)/0.4)²) (exp(−½((z₁ − 2)/0.6)²) + exp(−½((z₁ + 2)/0.6)²)).
#[derive(Debug)]
struct RingBumps {
    log_normaliser: f64,
}

fn log_height([x, y]: [f64; 2]) -> f64 {
    let bumps = log_add(-0.5 * ((x - RADIUS) / BUMP).powi(2), -0.5 * ((x + RADIUS) / BUMP).powi(2));
    bumps - 0.5 * ((x.hypot(y) - RADIUS) / RING).powi(2)
}

impl Toy for RingBumps {
    /// Exact, by rejection. The two bumps are mirror images, so one is drawn and turned over half of the time. The radius
    /// has the density r exp(−½((r − R)/σ)²); since r ≤ m exp(r/m − 1), the normal of mean R + σ²/m lies above it.
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        const TOUCH: f64 = RADIUS;
        const MEAN: f64 = RADIUS + RING * RING / TOUCH;
        loop {
            let r = MEAN + RING * rng.sample::<f64, _>(StandardNormal);
            let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
            let bump = (-0.5 * ((r * cos - RADIUS) / BUMP).powi(2)).exp();
            let radial = r / TOUCH * (1.0 - r / TOUCH).exp();
            // A negative radius has a negative `radial` and is never taken.
            if rng.random::<f64>() < bump * radial {
                let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
                row.copy_from_slice(&[(sign * r * cos) as f32, (r * sin) as f32]);
                return;
            }
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        log_height([x[0], x[1]]) - self.log_normaliser
    }

    fn entropy(&self) -> f64 {
        entropy_on_box(BOX, STEP, |_, _| false, |x| self.log_density(&x))
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        vec![[-RADIUS - 5.0 * RING, RADIUS + 5.0 * RING]; 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normaliser_is_that_of_the_literature() {
        let found = on_box(BOX, STEP, |z| log_height(z).exp()).ln();
        assert!((found - 1.8775).abs() < 1e-4, "{found}");
    }
}
