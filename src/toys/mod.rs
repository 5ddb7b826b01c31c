//! Densities of which everything is known: sampler, exact log-density, entropy, the lowest NLL that any model can reach.
//!
//! One file a family, one line a toy in [`TOYS`]: from this table come the names and parameters that a spec takes, the
//! ranges it is checked against, and the tests. The room knows random numbers and the Student-t
//! distribution, and nothing else of this program.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

mod affine;
mod arc;
mod cached;
mod checkerboard;
mod circles;
mod components;
mod conditional;
mod curve;
mod degenerate;
mod eight_gaussians;
mod entry;
mod error;
mod gaussian_mixture;
mod linear_gaussian;
mod mixture;
mod moons;
mod normal;
mod pinwheel;
mod quadrature;
mod ring_bumps;
mod simulator;
mod student_t;
mod swiss_roll;
#[cfg(test)]
mod tests;
mod two_moons;
mod two_spirals;

pub use affine::UnderAffineMap;
pub use components::COMPONENT;
pub use degenerate::{DEGENERATE, Degenerate};
pub use entry::{Parameter, ToyEntry};
pub use error::ToyError;

/// A density of which everything is known, of features alone or given a context.
pub trait Toy: std::fmt::Debug + Send + Sync {
    /// Number of features D.
    fn features(&self) -> usize {
        2
    }

    /// Names of the features, shape `[features]`.
    fn names(&self) -> Vec<String> {
        numbered("x", self.features())
    }

    /// What the density is conditional on, in the order in which its values follow the features of a row; empty where it is
    /// unconditional.
    fn context(&self) -> Vec<Condition> {
        Vec::new()
    }

    /// Values of a row, its context included.
    fn values(&self) -> usize {
        self.features() + self.context().iter().map(Condition::values).sum::<usize>()
    }

    /// Draws one row into `row`, shape `[values]`: the context, and the features given it.
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]);

    /// Exact log-density of the features of `x` given its context, shape `[values]`, in nats; −∞ outside the support.
    fn log_density(&self, x: &[f64]) -> f64;

    /// Differential entropy of the features given their context, in nats: the lowest NLL that any model can reach.
    fn entropy(&self) -> f64;

    /// Lowest and highest value of each feature that hold all but about 10⁻⁶ of the mass, shape `[features]`.
    fn bounds(&self) -> Vec<[f64; 2]>;
}

/// What a density is conditional on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// The names of its classes, each a value of a row that is 1 in rows of that class and 0 in others; empty: a number.
    pub classes: Vec<&'static str>,
}

impl Condition {
    /// Values of a row that it takes.
    pub fn values(&self) -> usize {
        self.classes.len().max(1)
    }
}

/// The names of `count` variables with one symbol.
fn numbered(symbol: &str, count: usize) -> Vec<String> {
    (1..=count).map(|i| format!("{symbol}{i}")).collect()
}

/// Every toy there is, in the order in which lists show them.
pub static TOYS: &[ToyEntry] = &[
    moons::MOONS,
    moons::MOONS_FFJORD,
    circles::CIRCLES,
    circles::RINGS,
    swiss_roll::SWISS_ROLL,
    eight_gaussians::EIGHT_GAUSSIANS,
    pinwheel::PINWHEEL,
    two_spirals::TWO_SPIRALS,
    checkerboard::CHECKERBOARD,
    conditional::GAUSSIAN,
    conditional::CRESCENT,
    conditional::CRESCENT_CUBED,
    conditional::SINE,
    conditional::ABS,
    conditional::SIGN,
    ring_bumps::RING_BUMPS,
    mixture::MIXTURE_1D,
    student_t::STUDENT_T,
    linear_gaussian::POSTERIOR,
    linear_gaussian::LIKELIHOOD,
    two_moons::POSTERIOR,
    two_moons::LIKELIHOOD,
    gaussian_mixture::POSTERIOR,
    gaussian_mixture::LIKELIHOOD,
];

/// The toy called `name` with `parameters`; those left out get their defaults.
///
/// # Errors
/// An unknown or degenerate toy, a parameter that it does not have, or a value beyond its limits.
pub fn toy(name: &str, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, ToyError> {
    entry(name)?.build(parameters)
}

/// The same toy given the component that a row comes from, a class called [`COMPONENT`].
///
/// # Errors
/// As [`toy`], or a toy without components.
pub fn toy_given_component(name: &str, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, ToyError> {
    entry(name)?.build_given_component(parameters)
}

fn entry(name: &str) -> Result<&'static ToyEntry, ToyError> {
    if let Some(entry) = TOYS.iter().find(|entry| entry.name == name) {
        return Ok(entry);
    }
    match DEGENERATE.iter().find(|refused| refused.name == name) {
        Some(Degenerate { name, reason }) => Err(ToyError::Degenerate { name, reason }),
        None => Err(ToyError::Unknown { name: name.to_owned(), known: TOYS.iter().map(|entry| entry.name).collect() }),
    }
}
