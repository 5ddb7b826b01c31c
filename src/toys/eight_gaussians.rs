//! Eight Gaussians on a circle, as in FFJORD's toy data.

use std::f64::consts::{FRAC_PI_4, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::components::alike;
use super::entry::{Values, noise};
use super::normal::log_add;
use super::quadrature::on_box;
use super::{Toy, ToyEntry};

/// The divisor of the original code, not √2.
const SHRINK: f64 = 1.414;
const RADIUS: f64 = 4.0 / SHRINK;

pub(super) const EIGHT_GAUSSIANS: ToyEntry = ToyEntry {
    name: "8gaussians",
    description: "eight Gaussians on a circle of radius 4/1.414; the noise is divided by 1.414 too",
    parameters: &[noise(0.5)],
    components: Some(|values| {
        let EightGaussians { centres, deviation } = eight_gaussians(values);
        alike(&["0", "1", "2", "3", "4", "5", "6", "7"], |k| EightGaussians { centres: vec![centres[k]], deviation })
    }),
    make: |values| Box::new(eight_gaussians(values)),
};

fn eight_gaussians(values: &Values) -> EightGaussians {
    let centre = |k: u8| {
        let (sin, cos) = (f64::from(k) * FRAC_PI_4).sin_cos();
        [RADIUS * cos, RADIUS * sin]
    };
    EightGaussians { centres: (0..8).map(centre).collect(), deviation: values["noise"] / SHRINK }
}

/// (4 (cos kπ/4, sin kπ/4) + noise · N(0, I)) / 1.414, k uniform on 0..8.
#[derive(Debug)]
struct EightGaussians {
    /// Those that there are, all of them or one.
    centres: Vec<[f64; 2]>,
    /// Standard deviation after the division.
    deviation: f64,
}

impl Toy for EightGaussians {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let centre = self.centres[rng.random_range(0..self.centres.len())];
        for (value, centre) in row.iter_mut().zip(centre) {
            *value = (centre + self.deviation * rng.sample::<f64, _>(StandardNormal)) as f32;
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let variance = self.deviation * self.deviation;
        let component = |[cx, cy]: &[f64; 2]| -0.5 * ((x[0] - cx).powi(2) + (x[1] - cy).powi(2)) / variance;
        let sum = self.centres.iter().map(component).fold(f64::NEG_INFINITY, log_add);
        sum - (self.centres.len() as f64 * TAU * variance).ln()
    }

    fn entropy(&self) -> f64 {
        // All components look alike, so the mean of −ln p under the first is the mean under the mixture.
        let [cx, cy] = self.centres[0];
        let (margin, variance) = (8.0 * self.deviation, self.deviation * self.deviation);
        on_box([[cx - margin, cx + margin], [cy - margin, cy + margin]], self.deviation / 4.0, |[x, y]| {
            let weight = (-0.5 * ((x - cx).powi(2) + (y - cy).powi(2)) / variance).exp() / (TAU * variance);
            -weight * self.log_density(&[x, y])
        })
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let edge = RADIUS + 5.0 * self.deviation;
        vec![[-edge, edge]; 2]
    }
}
