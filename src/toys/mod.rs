//! Densities of which everything is known: sampler, exact log-density, entropy, the lowest NLL that any model can reach.
//!
//! One file a family, one line a toy in [`TOYS`]: from this table come the names and parameters that a spec takes, the
//! ranges it is checked against, and the tests. The room knows random numbers and the Student-t
//! distribution, and nothing else of this program.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

mod arc;
mod cached;
mod checkerboard;
mod circles;
mod conditional;
mod curve;
mod degenerate;
mod eight_gaussians;
mod entry;
mod error;
mod mixture;
mod moons;
mod normal;
mod pinwheel;
mod quadrature;
mod ring_bumps;
mod student_t;
mod swiss_roll;
#[cfg(test)]
mod tests;
mod two_spirals;

pub use degenerate::{DEGENERATE, Degenerate};
pub use entry::{Parameter, ToyEntry};
pub use error::ToyError;

/// A density of which everything is known.
pub trait Toy: std::fmt::Debug + Send + Sync {
    /// Number of features D.
    fn features(&self) -> usize {
        2
    }

    /// Draws one row into `row`, shape `[features]`.
    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]);

    /// Exact log-density at `x`, shape `[features]`, in nats; −∞ outside the support.
    fn log_density(&self, x: &[f64]) -> f64;

    /// Differential entropy in nats: the lowest NLL that any model can reach.
    fn entropy(&self) -> f64;

    /// Lowest and highest value of each feature that hold all but about 10⁻⁶ of the mass, shape `[features]`.
    fn bounds(&self) -> Vec<[f64; 2]>;
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
];

/// The toy called `name` with `parameters`; those left out get their defaults.
///
/// # Errors
/// An unknown or degenerate toy, a parameter that it does not have, or a value beyond its limits.
pub fn toy(name: &str, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, ToyError> {
    if let Some(entry) = TOYS.iter().find(|entry| entry.name == name) {
        return entry.build(parameters);
    }
    match DEGENERATE.iter().find(|refused| refused.name == name) {
        Some(Degenerate { name, reason }) => Err(ToyError::Degenerate { name, reason }),
        None => Err(ToyError::Unknown { name: name.to_owned(), known: TOYS.iter().map(|entry| entry.name).collect() }),
    }
}
