//! Concentric circles, scaled as in FFJORD's toy data.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::arc::log_integral;
use super::components::{Component, alike};
use super::entry::{Values, noise};
use super::normal::log_add;
use super::quadrature::{on_interval, surprise};
use super::{Parameter, Toy, ToyEntry};

pub(super) const CIRCLES: ToyEntry = ToyEntry {
    name: "circles",
    description: "two circles of radii 3 and 1.5; the noise (before scaling by 3) is Gaussian",
    parameters: &[noise(0.08)],
    components: Some(|values| by_circle(circles(values), &["outer", "inner"])),
    make: |values| Box::new(circles(values)),
};

pub(super) const RINGS: ToyEntry = ToyEntry {
    name: "rings",
    description: "four circles of radii 3, 2.25, 1.5 and 0.75 with Gaussian noise",
    parameters: &[Parameter { doc: "Standard deviation of the Gaussian noise.", ..noise(0.08) }],
    components: Some(|values| by_circle(rings(values), &["3", "2.25", "1.5", "0.75"])),
    make: |values| Box::new(rings(values)),
};

fn circles(values: &Values) -> Circles {
    Circles { radii: &[3.0, 1.5], deviation: 3.0 * values["noise"] }
}

fn rings(values: &Values) -> Circles {
    Circles { radii: &[3.0, 2.25, 1.5, 0.75], deviation: values["noise"] }
}

/// Each of the circles alone.
fn by_circle(all: Circles, names: &[&'static str]) -> Vec<Component> {
    alike(names, |i| Circles { radii: &all.radii[i..=i], ..all })
}

/// R (cos t, sin t) + deviation · N(0, I), R one of the radii with equal probability, t uniform.
#[derive(Debug)]
struct Circles {
    /// From the largest to the smallest.
    radii: &'static [f64],
    deviation: f64,
}

impl Circles {
    /// Log-density in the plane at distance `r` from the centre: each circle is (1/2πσ²) exp(−(r² + R²)/2σ²) I₀(rR/σ²),
    /// the Rice density without its factor r.
    fn log_radial(&self, r: f64) -> f64 {
        let variance = self.deviation * self.deviation;
        let circle = |radius: &f64| {
            let log_bessel = log_integral(r * radius / variance, 0.0, PI) - PI.ln();
            log_bessel - 0.5 * (r - radius).powi(2) / variance
        };
        let sum = self.radii.iter().map(circle).fold(f64::NEG_INFINITY, log_add);
        sum - (self.radii.len() as f64 * TAU * variance).ln()
    }
}

impl Toy for Circles {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
        let radius = self.radii[rng.random_range(0..self.radii.len())];
        row[0] = (radius * cos + self.deviation * rng.sample::<f64, _>(StandardNormal)) as f32;
        row[1] = (radius * sin + self.deviation * rng.sample::<f64, _>(StandardNormal)) as f32;
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        self.log_radial(x[0].hypot(x[1]))
    }

    fn entropy(&self) -> f64 {
        // Panels no wider than about two standard deviations resolve every circle.
        let end = self.radii[0] + 8.0 * self.deviation;
        let panels = (end / (2.0 * self.deviation)).ceil() as usize;
        on_interval(0.0, end, panels, |r| TAU * r * surprise(self.log_radial(r)))
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let edge = self.radii[0] + 5.0 * self.deviation;
        vec![[-edge, edge]; 2]
    }
}
