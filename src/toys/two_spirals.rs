//! Two spirals, as in FFJORD's toy data.

use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::components::alike;
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
    components: Some(|values| {
        alike(&["first", "second"], |i| TwoSpirals { sign: Some([1.0, -1.0][i]), ..TwoSpirals::arm(values["noise"]) })
    }),
    make: |values| Box::new(TwoSpirals::new(values["noise"])),
};

/// ± (−n cos n + U₁/2, n sin n + U₂/2) / 3 + noise · N(0, I) with n = 3π √U₀.
#[derive(Debug)]
struct TwoSpirals {
    noise: f64,
    curve: Curve,
    /// The sign of the only arm, of which `curve` is the one with +; `None`: both.
    sign: Option<f64>,
}

impl TwoSpirals {
    fn new(noise: f64) -> Self {
        let Self { curve, .. } = Self::arm(noise);
        Self { noise, curve: curve.with_mirror_image(), sign: None }
    }

    /// The first arm alone.
    fn arm(noise: f64) -> Self {
        // √U has the density 2√U.
        let curve = Curve::new([0.0, END], point, |n| 2.0 * n / (END * END), noise, HALF_WIDTH);
        Self { noise, curve, sign: Some(1.0) }
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
        let sign = self.sign.unwrap_or_else(|| if rng.random::<bool>() { 1.0 } else { -1.0 });
        for (value, middle) in row.iter_mut().zip(middle) {
            let uniform = HALF_WIDTH * (2.0 * rng.random::<f64>() - 1.0);
            *value = (sign * (middle + uniform) + self.noise * rng.sample::<f64, _>(StandardNormal)) as f32;
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let sign = self.sign.unwrap_or(1.0);
        self.curve.log_density([sign * x[0], sign * x[1]])
    }

    fn entropy(&self) -> f64 {
        let [x, y] = self.curve.extent(8.0);
        let is_empty = |centre, radius| self.curve.misses(centre, radius);
        let on = |bounds| entropy_on_box(bounds, 0.8 * self.noise, is_empty, |x| self.curve.log_density(x));
        match self.sign {
            // The density is the same at x and −x: half of the grid tells all.
            None => 2.0 * on([x, [0.0, y[1]]]),
            Some(_) => on([x, y]),
        }
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let turned = |[low, high]: [f64; 2]| if self.sign == Some(-1.0) { [-high, -low] } else { [low, high] };
        self.curve.extent(5.0).map(turned).to_vec()
    }
}
