//! Student's t-distribution of one variable, of scale 1.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StudentT as Draws};

use crate::gamma::{digamma, ln_gamma};

/// The distribution of some degrees of freedom ν > 0: tails of power ν + 1; ν = 1 is Cauchy's, ν → ∞ the standard normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentT {
    /// ν.
    pub degrees: f64,
    /// Log-density at 0, nats.
    pub log_peak: f64,
    /// The derivative of `log_peak` with respect to ln ν.
    pub log_peak_slope: f64,
}

impl StudentT {
    /// That of `degrees` degrees of freedom. Numbers that are none make all that is computed NaN.
    pub fn new(degrees: f64) -> Self {
        let (whole, half) = (0.5 * degrees, 0.5 * degrees + 0.5);
        Self {
            degrees,
            log_peak: ln_gamma(half) - ln_gamma(whole) - 0.5 * (degrees * PI).ln(),
            log_peak_slope: whole * (digamma(half) - digamma(whole)) - 0.5,
        }
    }

    /// How far the log-density at `z` lies below its peak: (ν + 1)/2 · ln(1 + z²/ν), nats.
    pub fn energy(&self, z: f64) -> f64 {
        0.5 * (self.degrees + 1.0) * (z * z / self.degrees).ln_1p()
    }

    /// Log-density at `z`, nats.
    pub fn log_density(&self, z: f64) -> f64 {
        self.log_peak - self.energy(z)
    }

    /// The derivative of the [energy](Self::energy) with respect to z.
    pub fn slope(&self, z: f64) -> f64 {
        (self.degrees + 1.0) * z / (self.degrees + z * z)
    }

    /// The derivative of −log-density at `z` with respect to ln ν.
    pub fn slope_of_degrees(&self, z: f64) -> f64 {
        let square = z * z;
        let near = square / (self.degrees + square);
        0.5 * (self.degrees * (square / self.degrees).ln_1p() - (self.degrees + 1.0) * near) - self.log_peak_slope
    }

    /// Differential entropy, nats.
    pub fn entropy(&self) -> f64 {
        let (whole, half) = (0.5 * self.degrees, 0.5 * self.degrees + 0.5);
        half * (digamma(half) - digamma(whole)) - self.log_peak
    }

    /// A draw.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> f64 {
        Draws::new(self.degrees).map_or(f64::NAN, |draws| draws.sample(rng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn densities_have_their_closed_forms() {
        for z in [0.0f64, 0.3, -1.7, 12.0, 3e4, -1e18] {
            let q = z * z;
            let normal = -0.5 * q - 0.5 * (2.0 * PI).ln();
            let cases = [
                (1.0, -(PI * (1.0 + q)).ln()),
                (2.0, -(2.0 * 2f64.sqrt()).ln() - 1.5 * (1.0 + q / 2.0).ln()),
                (3.0, (2.0 / (PI * 3f64.sqrt())).ln() - 2.0 * (1.0 + q / 3.0).ln()),
                (4.0, (3.0 / 8.0f64).ln() - 2.5 * (1.0 + q / 4.0).ln()),
            ];
            for (degrees, expected) in cases {
                let found = StudentT::new(degrees).log_density(z);
                assert!(
                    (found - expected).abs() < 1e-12 * (1.0 + expected.abs()),
                    "{degrees}, {z}: {found} {expected}"
                );
            }
            if z.abs() < 2.0 {
                assert!((StudentT::new(1e6).log_density(z) - normal).abs() < 1e-5, "{z}");
            }
        }
    }

    /// By z = sinh u, over which even heavy tails end.
    #[test]
    fn the_density_integrates_to_one_and_its_surprise_to_the_entropy() {
        for degrees in [0.5, 1.0, 2.0, 3.7, 50.0, 1e4] {
            let t = StudentT::new(degrees);
            let (half, steps) = (90.0 / (1.0 + degrees.min(2.0)), 40_000);
            let step = 2.0 * half / f64::from(steps);
            let (mut mass, mut entropy) = (0.0, 0.0);
            for i in 0..steps {
                let u = -half + (f64::from(i) + 0.5) * step;
                let log = t.log_density(u.sinh());
                let share = (log + u.cosh().ln()).exp() * step;
                (mass, entropy) = (mass + share, entropy - log * share);
            }
            assert!((mass - 1.0).abs() < 1e-6, "{degrees}: {mass}");
            assert!((entropy - t.entropy()).abs() < 1e-5, "{degrees}: {entropy} {}", t.entropy());
        }
    }

    #[test]
    fn slopes_are_those_of_finite_differences() {
        for degrees in [0.6f64, 2.0, 7.5, 300.0] {
            for z in [0.0, 0.4, -2.5, 40.0] {
                let (t, h) = (StudentT::new(degrees), 1e-5);
                let slope = (t.energy(z + h) - t.energy(z - h)) / (2.0 * h);
                assert!((t.slope(z) - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{degrees}, {z}");
                let surprise = |by: f64| -StudentT::new((degrees.ln() + by).exp()).log_density(z);
                let slope = (surprise(h) - surprise(-h)) / (2.0 * h);
                assert!((t.slope_of_degrees(z) - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{degrees}, {z}");
            }
        }
    }

    #[test]
    fn draws_fall_below_quantiles_as_often_as_they_should() {
        // Closed distribution functions: ½ + atan(z)/π for ν = 1, ½ + z/(2√(2 + z²)) for ν = 2.
        let cauchy = |z: f64| 0.5 + z.atan() / PI;
        let two = |z: f64| 0.5 + z / (2.0 * (2.0 + z * z).sqrt());
        for (degrees, share) in [(1.0, &cauchy as &dyn Fn(f64) -> f64), (2.0, &two)] {
            let (t, mut rng) = (StudentT::new(degrees), stream(3, Purpose::Test, 0));
            let draws: Vec<f64> = (0..20_000).map(|_| t.sample(&mut rng)).collect();
            for z in [-8.0, -1.0, 0.0, 0.5, 3.0, 50.0] {
                let found = draws.iter().filter(|draw| **draw < z).count() as f64 / 20_000.0;
                let expected = share(z);
                assert!(
                    (found - expected).abs() < 4.0 * (expected * (1.0 - expected) / 20_000.0).sqrt(),
                    "{degrees}, {z}"
                );
            }
        }
    }
}
