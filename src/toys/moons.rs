//! Two interleaved half circles, as in scikit-learn's `make_moons`.

use std::f64::consts::{PI, TAU};
use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::arc::log_integral;
use super::components::alike;
use super::entry::{Values, noise};
use super::normal::log_add;
use super::quadrature::entropy_on_box;
use super::{Toy, ToyEntry};

pub(super) const MOONS: ToyEntry = ToyEntry {
    name: "moons",
    description: "two interleaved half circles with Gaussian noise (scikit-learn's make_moons)",
    parameters: &[noise(0.05)],
    components: Some(|values| alike(&NAMES, |arc| Moons { arcs: arc..arc + 1, ..Moons::new(values, 1.0, [0.0, 0.0]) })),
    make: |values| Box::new(Moons::new(values, 1.0, [0.0, 0.0])),
};

pub(super) const MOONS_FFJORD: ToyEntry = ToyEntry {
    name: "moons-ffjord",
    description: "the moons as FFJORD scales them: times 2, moved by (−1, −0.2); the noise is scaled, too",
    parameters: &[noise(0.1)],
    components: Some(|values| {
        alike(&NAMES, |arc| Moons { arcs: arc..arc + 1, ..Moons::new(values, 2.0, [-1.0, -0.2]) })
    }),
    make: |values| Box::new(Moons::new(values, 2.0, [-1.0, -0.2])),
};

/// The two arcs.
const NAMES: [&str; 2] = ["upper", "lower"];

/// (cos t, sin t) or (1 − cos t, ½ − sin t) with probability ½ each, t uniform on [0, π], plus noise · N(0, I); all of it
/// times `scale` plus `shift`.
#[derive(Debug)]
struct Moons {
    noise: f64,
    scale: f64,
    shift: [f64; 2],
    /// Those that there are: both, or one.
    arcs: Range<usize>,
}

impl Moons {
    fn new(values: &Values, scale: f64, shift: [f64; 2]) -> Self {
        Self { noise: values["noise"], scale, shift, arcs: 0..NAMES.len() }
    }

    /// The point before scaling in the frames of the two arcs, in each of which the arc is (cos t, sin t), t ∈ [0, π].
    fn frames([x, y]: [f64; 2]) -> [[f64; 2]; 2] {
        [[x, y], [1.0 - x, 0.5 - y]]
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

    /// Log-density before scaling.
    fn log_unscaled(&self, x: [f64; 2]) -> f64 {
        let frames = &Self::frames(x)[self.arcs.clone()];
        let sum = frames.iter().map(|point| self.log_arc_density(*point)).fold(f64::NEG_INFINITY, log_add);
        sum - (frames.len() as f64).ln()
    }

    /// A box around both arcs before scaling, with a margin of so many standard deviations.
    fn unscaled_box(&self, deviations: f64) -> [[f64; 2]; 2] {
        let margin = deviations * self.noise;
        [[-1.0 - margin, 2.0 + margin], [-0.5 - margin, 1.0 + margin]]
    }
}

impl Toy for Moons {
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let (sin, cos) = (PI * rng.random::<f64>()).sin_cos();
        let is_upper = match self.arcs.len() {
            1 => self.arcs.start == 0,
            _ => rng.random::<bool>(),
        };
        let arc = if is_upper { [cos, sin] } else { [1.0 - cos, 0.5 - sin] };
        for ((value, x), shift) in row.iter_mut().zip(arc).zip(self.shift) {
            *value = (self.scale * (x + self.noise * rng.sample::<f64, _>(StandardNormal)) + shift) as f32;
        }
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let unscaled = [0, 1].map(|axis| (x[axis] - self.shift[axis]) / self.scale);
        self.log_unscaled(unscaled) - 2.0 * self.scale.ln()
    }

    fn entropy(&self) -> f64 {
        // Beyond 8 standard deviations from both arcs, the density is below 10⁻¹³ of its height.
        let is_empty = |centre, radius| Self::frames(centre).iter().all(|x| from_arc(*x) > radius + 8.0 * self.noise);
        let unscaled = entropy_on_box(self.unscaled_box(8.0), 0.6 * self.noise, is_empty, |x| self.log_unscaled(x));
        unscaled + 2.0 * self.scale.ln()
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let scaled = |(bounds, shift): ([f64; 2], f64)| bounds.map(|edge| self.scale * edge + shift);
        self.unscaled_box(5.0).into_iter().zip(self.shift).map(scaled).collect()
    }
}

/// Distance from the upper half of the unit circle.
fn from_arc([x, y]: [f64; 2]) -> f64 {
    if y >= 0.0 { (x.hypot(y) - 1.0).abs() } else { (x.abs() - 1.0).hypot(y) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn moons(noise: f64) -> Moons {
        Moons { noise, scale: 1.0, shift: [0.0, 0.0], arcs: 0..2 }
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
