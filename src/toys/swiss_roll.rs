//! The Swiss roll's section, as in FFJORD's toy data.

use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::curve::Curve;
use super::entry::noise;
use super::quadrature::entropy_on_box;
use super::{Parameter, Toy, ToyEntry};

/// The divisor of the original code.
const SHRINK: f64 = 5.0;
const ENDS: [f64; 2] = [1.5 * PI, 4.5 * PI];

pub(super) const SWISS_ROLL: ToyEntry = ToyEntry {
    name: "swissroll",
    description: "a spiral of 1.5 turns; the noise is divided by 5, as the spiral is",
    parameters: &[Parameter { minimum: 0.1, maximum: 50.0, ..noise(1.0) }],
    components: None,
    make: |values| Box::new(SwissRoll::new(values["noise"])),
};

/// ((t cos t, t sin t) + noise · N(0, I)) / 5, t uniform on [3π/2, 9π/2].
#[derive(Debug)]
struct SwissRoll {
    /// Standard deviation after the division.
    deviation: f64,
    curve: Curve,
}

impl SwissRoll {
    fn new(noise: f64) -> Self {
        let deviation = noise / SHRINK;
        Self { deviation, curve: Curve::new(ENDS, point, |_| 1.0 / (ENDS[1] - ENDS[0]), deviation, 0.0) }
    }
}

fn point(t: f64) -> [f64; 2] {
    let (sin, cos) = t.sin_cos();
    [t * cos / SHRINK, t * sin / SHRINK]
}

impl Toy for SwissRoll {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let t = ENDS[0] + (ENDS[1] - ENDS[0]) * rng.random::<f64>();
        for (value, centre) in row.iter_mut().zip(point(t)) {
            *value = (centre + self.deviation * rng.sample::<f64, _>(StandardNormal)) as f32;
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        self.curve.log_density([x[0], x[1]])
    }

    fn entropy(&self) -> f64 {
        let is_empty = |centre, radius| self.curve.misses(centre, radius);
        entropy_on_box(self.curve.extent(8.0), 0.6 * self.deviation, is_empty, |x| self.curve.log_density(x))
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        self.curve.extent(5.0).to_vec()
    }
}
