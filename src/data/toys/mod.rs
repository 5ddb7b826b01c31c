//! Toy densities with a known truth: sampler, exact log-density, entropy. One file a family, one line in [`TOYS`].

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use super::error::{DataError, near_names};

mod arc;
mod checkerboard;
mod circles;
mod eight_gaussians;
mod moons;
mod quadrature;

/// A density of which everything is known.
pub trait Toy: std::fmt::Debug + Send + Sync {
    /// Number of features D.
    fn features(&self) -> usize;

    /// Draws one row into `row`, shape `[features]`.
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]);

    /// Exact log-density at `x`, shape `[features]`, in nats; −∞ outside the support.
    fn log_density(&self, x: &[f64]) -> f64;

    /// Differential entropy in nats: the lowest NLL that any model can reach.
    fn entropy(&self) -> f64;

    /// A box `[[low, high]; 2]` holding all but about 10⁻⁶ of the mass, for pictures and quadrature.
    fn bounds(&self) -> [[f64; 2]; 2];
}

/// A parameter of a toy, a key of `[dataset]` in the spec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    pub default: f64,
    pub minimum: f64,
    pub maximum: f64,
    /// Why it is limited so.
    pub reason: &'static str,
    pub doc: &'static str,
}

/// A line of the table of toys.
#[derive(Clone, Copy, Debug)]
pub struct ToyEntry {
    pub name: &'static str,
    pub summary: &'static str,
    pub parameters: &'static [Parameter],
    /// Builds the toy from a value for every parameter, each within its limits.
    build: fn(&BTreeMap<&'static str, f64>) -> Box<dyn Toy>,
}

/// Every toy there is.
pub const TOYS: &[ToyEntry] = &[moons::ENTRY, circles::ENTRY, eight_gaussians::ENTRY, checkerboard::ENTRY];

impl ToyEntry {
    /// The toy with `parameters`; those left out get their defaults.
    ///
    /// # Errors
    /// A parameter that the toy does not have, or a value beyond its limits.
    pub fn build(&self, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, DataError> {
        let mut values: BTreeMap<&'static str, f64> = self.parameters.iter().map(|p| (p.name, p.default)).collect();
        for (name, &value) in parameters {
            let Some(parameter) = self.parameters.iter().find(|p| p.name == name) else {
                let hint = near_names(name, self.parameters.iter().map(|p| p.name));
                return Err(DataError::UnknownParameter { toy: self.name, name: name.clone(), hint });
            };
            let Parameter { name, minimum, maximum, reason, .. } = *parameter;
            if !(minimum..=maximum).contains(&value) {
                return Err(DataError::ParameterRange { toy: self.name, name, value, minimum, maximum, reason });
            }
            values.insert(name, value);
        }
        Ok((self.build)(&values))
    }
}

/// The toy called `name` with `parameters`.
///
/// # Errors
/// An unknown toy (the near names are given), and those of [`ToyEntry::build`].
pub fn toy(name: &str, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, DataError> {
    match TOYS.iter().find(|entry| entry.name == name) {
        Some(entry) => entry.build(parameters),
        None => Err(DataError::UnknownToy {
            name: name.to_owned(),
            hint: near_names(name, TOYS.iter().map(|entry| entry.name)),
        }),
    }
}

/// Standard deviation of the Gaussian noise around a curve or centre.
const fn noise(default: f64) -> Parameter {
    Parameter {
        name: "noise",
        default,
        minimum: 0.01,
        maximum: 10.0,
        reason: "with less, the mass lies on a curve or on points and has no density worth the name",
        doc: "standard deviation of the Gaussian noise",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn with(name: &str, parameters: &[(&str, f64)]) -> Box<dyn Toy> {
        toy(name, &parameters.iter().map(|(name, value)| (name.to_string(), *value)).collect()).unwrap()
    }

    /// The standard toys, and some with other noise.
    fn cases() -> Vec<(String, Box<dyn Toy>)> {
        let standard = TOYS.iter().map(|entry| (entry.name.to_owned(), with(entry.name, &[])));
        let others = [("moons", 0.02), ("moons", 0.3), ("circles", 0.3), ("8gaussians", 1.5)];
        standard
            .chain(others.map(|(name, noise)| (format!("{name} {noise}"), with(name, &[("noise", noise)]))))
            .collect()
    }

    /// Sum over a midpoint grid of `n` × `n` cells of `f(log_density)`.
    fn over_grid(toy: &dyn Toy, n: usize, f: impl Fn(f64) -> f64) -> f64 {
        let [x, y] = toy.bounds();
        let (h, k) = ((x[1] - x[0]) / n as f64, (y[1] - y[0]) / n as f64);
        let centre = |low: f64, h: f64, i: usize| low + (i as f64 + 0.5) * h;
        let cells = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        cells.map(|(i, j)| f(toy.log_density(&[centre(x[0], h, i), centre(y[0], k, j)]))).sum::<f64>() * h * k
    }

    #[test]
    fn every_density_integrates_to_one() {
        for (name, toy) in cases() {
            let mass = over_grid(&*toy, 256, f64::exp);
            assert!((mass - 1.0).abs() < 1e-3, "{name}: {mass}");
        }
    }

    #[test]
    fn every_entropy_is_the_integral_of_its_density() {
        for (name, toy) in cases() {
            let entropy = over_grid(&*toy, 256, |log| if log > -700.0 { -log * log.exp() } else { 0.0 });
            assert!((entropy - toy.entropy()).abs() < 1e-3, "{name}: {entropy} by the grid, {}", toy.entropy());
        }
    }

    #[test]
    fn samples_follow_the_density() {
        for (name, toy) in cases() {
            let mut rng = stream(0, Purpose::Test, 0);
            let mut row = [0.0f32; 2];
            let draws = 20_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..draws {
                toy.sample(&mut rng, &mut row);
                let surprise = -toy.log_density(&row.map(f64::from));
                sum += surprise;
                squares += surprise * surprise;
            }
            let mean = sum / draws as f64;
            let standard_error = ((squares / draws as f64 - mean * mean).max(0.0) / draws as f64).sqrt();
            let allowed = 4.0 * standard_error + 1e-9;
            assert!((mean - toy.entropy()).abs() <= allowed, "{name}: {mean} ± {standard_error}, {}", toy.entropy());
        }
    }

    #[test]
    fn entropies_are_those_of_the_literature() {
        let cases = [
            ("moons", None, 0.289),
            ("moons", Some(0.06), 0.477),
            ("moons", Some(0.08), 0.776),
            ("moons", Some(0.10), 1.008),
            ("circles", None, 3.2681),
            ("8gaussians", None, 2.8319),
            ("checkerboard", None, 32f64.ln()),
        ];
        for (name, noise, expected) in cases {
            let parameters: Vec<(&str, f64)> = noise.into_iter().map(|noise| ("noise", noise)).collect();
            let entropy = with(name, &parameters).entropy();
            assert!((entropy - expected).abs() < 1e-3, "{name} {noise:?}: {entropy}, expected {expected}");
        }
    }

    #[test]
    fn the_smallest_noise_still_has_its_entropy_quickly() {
        for name in ["moons", "circles", "8gaussians"] {
            let started = std::time::Instant::now();
            assert!(with(name, &[("noise", 0.01)]).entropy().is_finite());
            assert!(started.elapsed().as_secs_f64() < 5.0, "{name}: {:?}", started.elapsed());
        }
    }

    #[test]
    fn wrong_names_and_values_are_refused_with_a_hint() {
        let one = |name: &str, value| BTreeMap::from([(name.to_string(), value)]);
        let cases = [
            (toy("mons", &BTreeMap::new()), "did you mean `moons`?"),
            (toy("swirl", &BTreeMap::new()), "known: `moons`"),
            (toy("moons", &one("nois", 0.1)), "did you mean `noise`?"),
            (toy("checkerboard", &one("noise", 0.1)), "there are none"),
            (toy("circles", &one("noise", 0.0)), "[0.01, 10]"),
            (toy("circles", &one("noise", f64::NAN)), "[0.01, 10]"),
        ];
        for (result, expected) in cases {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
