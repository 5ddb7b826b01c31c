//! Two concentric circles, scaled as in FFJORD's toy data.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};
use std::sync::OnceLock;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::arc::{log_add, log_integral};
use super::quadrature::on_interval;
use super::{Toy, ToyEntry, noise};

const RADII: [f64; 2] = [1.0, 0.5];
const SCALE: f64 = 3.0;

pub(super) const ENTRY: ToyEntry = ToyEntry {
    name: "circles",
    summary: "two circles of radii 3 and 1.5; the noise (before scaling by 3) is Gaussian",
    parameters: &[noise(0.08)],
    build: |parameters: &BTreeMap<_, _>| Box::new(Circles { noise: parameters["noise"], entropy: OnceLock::new() }),
};

/// 3 (R (cos t, sin t) + noise · N(0, I)), R one of 1 and ½ with equal probability, t uniform.
#[derive(Debug)]
struct Circles {
    noise: f64,
    entropy: OnceLock<f64>,
}

impl Circles {
    /// Log-density in the plane before scaling, at distance `r` from the centre: each circle is
    /// (1/2πσ²) exp(−(r² + R²)/2σ²) I₀(rR/σ²), the Rice density without its factor r.
    fn log_radial(&self, r: f64) -> f64 {
        let variance = self.noise * self.noise;
        let [one, other] = RADII.map(|radius| {
            let log_bessel = log_integral(r * radius / variance, 0.0, PI) - PI.ln();
            log_bessel - 0.5 * (r - radius).powi(2) / variance
        });
        log_add(one, other) - (2.0 * TAU * variance).ln()
    }
}

impl Toy for Circles {
    fn features(&self) -> usize {
        2
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
        let radius = RADII[usize::from(rng.random::<bool>())];
        row[0] = (SCALE * (radius * cos + self.noise * rng.sample::<f64, _>(StandardNormal))) as f32;
        row[1] = (SCALE * (radius * sin + self.noise * rng.sample::<f64, _>(StandardNormal))) as f32;
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        self.log_radial(x[0].hypot(x[1]) / SCALE) - 2.0 * SCALE.ln()
    }

    fn entropy(&self) -> f64 {
        *self.entropy.get_or_init(|| {
            // Panels no wider than about two standard deviations resolve both rings.
            let end = 1.0 + 8.0 * self.noise;
            let panels = (end / (2.0 * self.noise)).ceil() as usize;
            let unscaled = on_interval(0.0, end, panels, |r| {
                let log = self.log_radial(r);
                if log > -700.0 { -TAU * r * log * log.exp() } else { 0.0 }
            });
            unscaled + 2.0 * SCALE.ln()
        })
    }

    fn bounds(&self) -> [[f64; 2]; 2] {
        let edge = SCALE * (1.0 + 5.0 * self.noise);
        [[-edge, edge]; 2]
    }
}
