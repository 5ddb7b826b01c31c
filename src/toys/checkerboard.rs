//! The dark squares of a 4 × 4 board, as in FFJORD's toy data.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Toy, ToyEntry};

pub(super) const CHECKERBOARD: ToyEntry = ToyEntry {
    name: "checkerboard",
    description: "uniform on the eight dark squares of a 4 × 4 board over [−4, 4]²",
    parameters: &[],
    components: None,
    make: |_| Box::new(Checkerboard),
};

/// x1 = 4U − 2; x2 = U − 2·Bernoulli(½) + (⌊x1⌋ mod 2); both times 2.
#[derive(Debug)]
struct Checkerboard;

/// Uniform on [0, 1) in steps of 2⁻²³, so that every coordinate below is exact in `f32` and stays in its square.
fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    const STEP: f32 = 1.0 / (1 << 23) as f32;
    (rng.next_u32() >> 9) as f32 * STEP
}

impl Toy for Checkerboard {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let x1 = 4.0 * uniform(rng) - 2.0;
        let lower_half = rng.next_u32() >> 31;
        let x2 = uniform(rng) - 2.0 * lower_half as f32 + x1.floor().rem_euclid(2.0);
        row[0] = 2.0 * x1;
        row[1] = 2.0 * x2;
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let (x1, x2) = (0.5 * x[0], 0.5 * x[1]);
        let x2 = x2 - x1.floor().rem_euclid(2.0);
        let inside = (-2.0..2.0).contains(&x1) && ((0.0..1.0).contains(&x2) || (-2.0..-1.0).contains(&x2));
        if inside { -self.entropy() } else { f64::NEG_INFINITY }
    }

    fn entropy(&self) -> f64 {
        32f64.ln()
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        vec![[-4.0, 4.0]; 2]
    }
}
