//! Two spirals, as in FFJORD's toy data.

use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::curve::Curve;
use super::entry::noise;
use super::quadrature::entropy_on_box;
use super::{Parameter, Toy, ToyEntry};

/// The divisor of the original code.
const SHRINK: f64 = 3.0;
/// Largest angle n, reached where U = 1.
const END: f64 = 3.0 * PI;
/// Half the width of the uniform noise U/2, after the division.
const HALF_WIDTH: f64 = 0.25 / SHRINK;

pub(super) const TWO_SPIRALS: ToyEntry = ToyEntry {
    name: "2spirals",
    description: "two spirals of 1.5 turns, blurred by uniform noise of width 1/6 and by Gaussian noise",
    parameters: &[Parameter {
        minimum: 0.05,
        reason: "with less, the uniform noise shows its edges, which quadrature cannot resolve quickly; \
                 with more, the noise hides the shape",
        doc: "Standard deviation of the Gaussian noise, after the toy's scaling.",
        ..noise(0.1)
    }],
    make: |values| Box::new(TwoSpirals::new(values["noise"])),
};

/// ± (−n cos n + U₁/2, n sin n + U₂/2) / 3 + noise · N(0, I) with n = 3π √U₀.
#[derive(Debug)]
struct TwoSpirals {
    noise: f64,
    curve: Curve,
}

impl TwoSpirals {
    fn new(noise: f64) -> Self {
        // √U has the density 2√U.
        let arm = Curve::new([0.0, END], point, |n| 2.0 * n / (END * END), noise, HALF_WIDTH);
        Self { noise, curve: arm.with_mirror_image() }
    }
}

/// The middle of the first arm.
fn point(n: f64) -> [f64; 2] {
    let (sin, cos) = n.sin_cos();
    [HALF_WIDTH - n * cos / SHRINK, HALF_WIDTH + n * sin / SHRINK]
}

impl Toy for TwoSpirals {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let middle = point(END * rng.random::<f64>().sqrt());
        let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
        for (value, middle) in row.iter_mut().zip(middle) {
            let uniform = HALF_WIDTH * (2.0 * rng.random::<f64>() - 1.0);
            *value = (sign * (middle + uniform) + self.noise * rng.sample::<f64, _>(StandardNormal)) as f32;
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        self.curve.log_density([x[0], x[1]])
    }

    fn entropy(&self) -> f64 {
        let [x, y] = self.curve.extent(8.0);
        // The density is the same at x and −x: half of the grid tells all.
        let is_empty = |centre, radius| self.curve.misses(centre, radius);
        let upper_half = entropy_on_box([x, [0.0, y[1]]], 0.8 * self.noise, is_empty, |x| self.curve.log_density(x));
        2.0 * upper_half
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        self.curve.extent(5.0).to_vec()
    }
}
