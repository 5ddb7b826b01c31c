//! Two interleaved half circles, as in scikit-learn's `make_moons`.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};
use std::sync::OnceLock;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::arc::{log_add, log_integral};
use super::quadrature::on_box;
use super::{Toy, ToyEntry, noise};

pub(super) const ENTRY: ToyEntry = ToyEntry {
    name: "moons",
    summary: "two interleaved half circles with Gaussian noise (scikit-learn's make_moons)",
    parameters: &[noise(0.05)],
    build: |parameters: &BTreeMap<_, _>| Box::new(Moons { noise: parameters["noise"], entropy: OnceLock::new() }),
};

/// (cos t, sin t) or (1 − cos t, ½ − sin t) with probability ½ each, t uniform on [0, π], plus noise · N(0, I).
#[derive(Debug)]
struct Moons {
    noise: f64,
    entropy: OnceLock<f64>,
}

impl Moons {
    /// The point in the frames of the two arcs, in each of which the arc is (cos t, sin t), t ∈ [0, π].
    fn frames(x: &[f64]) -> [[f64; 2]; 2] {
        [[x[0], x[1]], [1.0 - x[0], 0.5 - x[1]]]
    }

    /// ln (1/π) ∫₀^π N(x; (cos t, sin t), σ²I) dt.
    fn log_arc_density(&self, [x, y]: [f64; 2]) -> f64 {
        let variance = self.noise * self.noise;
        let (radius, angle) = (x.hypot(y), y.atan2(x));
        let kappa = radius / variance;
        // The arc seen from the point: the angles δ to either side of it, or, from below, from both ends towards π.
        let arcs = if angle >= 0.0 { [(0.0, angle), (0.0, PI - angle)] } else { [(-angle, PI), (PI + angle, PI)] };
        let [one, other] = arcs.map(|(a, b)| log_integral(kappa, a, b));
        log_add(one, other) - 0.5 * (radius - 1.0).powi(2) / variance - (PI * TAU * variance).ln()
    }
}

impl Toy for Moons {
    fn features(&self) -> usize {
        2
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let (sin, cos) = (PI * rng.random::<f64>()).sin_cos();
        let [x, y] = if rng.random::<bool>() { [cos, sin] } else { [1.0 - cos, 0.5 - sin] };
        row[0] = (x + self.noise * rng.sample::<f64, _>(StandardNormal)) as f32;
        row[1] = (y + self.noise * rng.sample::<f64, _>(StandardNormal)) as f32;
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let [upper, lower] = Self::frames(x).map(|point| self.log_arc_density(point));
        log_add(upper, lower) - 2f64.ln()
    }

    fn entropy(&self) -> f64 {
        *self.entropy.get_or_init(|| {
            on_box(self.bounds(), 0.6 * self.noise, |x| {
                // Beyond 7 standard deviations from both circles, the density is below 10⁻¹⁰ of its height.
                if Self::frames(&x).iter().all(|[x, y]| (x.hypot(*y) - 1.0).abs() > 7.0 * self.noise) {
                    return 0.0;
                }
                let log = self.log_density(&x);
                if log > -700.0 { -log * log.exp() } else { 0.0 }
            })
        })
    }

    fn bounds(&self) -> [[f64; 2]; 2] {
        let margin = 5.0 * self.noise;
        [[-1.0 - margin, 2.0 + margin], [-0.5 - margin, 1.0 + margin]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn moons(noise: f64) -> Moons {
        Moons { noise, entropy: OnceLock::new() }
    }

    /// The definition, integrated over t by Simpson's rule with very many points.
    fn brute_force(noise: f64, x: [f64; 2]) -> f64 {
        let n = 60_000;
        let variance = noise * noise;
        let normal = |cx: f64, cy: f64| (-0.5 * ((x[0] - cx).powi(2) + (x[1] - cy).powi(2)) / variance).exp();
        let sum: f64 = (0..=n)
            .map(|i| {
                let weight = if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
                let (sin, cos) = (PI * f64::from(i) / f64::from(n)).sin_cos();
                weight * (normal(cos, sin) + normal(1.0 - cos, 0.5 - sin))
            })
            .sum();
        (sum / f64::from(3 * n) / 2.0 / (TAU * variance)).ln()
    }

    #[test]
    fn the_density_is_that_of_the_definition() {
        let points =
            [[1.0, 0.0], [0.0, 1.0], [-1.0, -0.05], [0.5, 0.25], [0.0, 0.48], [2.03, 0.51], [0.7, 0.72], [0.0, 0.0]];
        for noise in [0.01, 0.05, 0.1, 0.5, 2.0] {
            for x in points {
                let expected = brute_force(noise, x);
                let value = moons(noise).log_density(&x);
                // Where the definition underflows, there is nothing to compare with.
                if expected > -600.0 {
                    assert!((value - expected).abs() < 1e-6, "noise {noise}, {x:?}: {value}, expected {expected}");
                }
                assert!(value.is_finite());
            }
        }
    }

    #[test]
    fn samples_have_the_moments_of_the_definition() {
        let (noise, draws) = (0.05, 40_000);
        let mut rng = stream(0, Purpose::Test, 1);
        let mut row = [0.0f32; 2];
        let mut sums = [0.0; 5];
        for _ in 0..draws {
            moons(noise).sample(&mut rng, &mut row);
            let [x, y] = row.map(f64::from);
            for (sum, value) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                *sum += value / draws as f64;
            }
        }
        // E cos = 0, E cos² = E sin² = ½, E sin = 2/π, E sin·cos = 0.
        let expected = [
            0.5,
            0.25,
            0.5 * (0.5 + 1.5) + noise * noise,
            0.5 * (0.5 + 0.25 - 2.0 / PI + 0.5) + noise * noise,
            0.5 * (0.5 - 2.0 / PI),
        ];
        for (moment, expected) in sums.iter().zip(expected) {
            assert!((moment - expected).abs() < 0.02, "{sums:?}, expected {expected}");
        }
    }
}
