//! An entropy is computed once.

use std::sync::OnceLock;

use rand_chacha::ChaCha8Rng;

use super::{Condition, Toy};

/// A toy that remembers its entropy, which may take a quadrature.
#[derive(Debug)]
pub struct Cached {
    toy: Box<dyn Toy>,
    entropy: OnceLock<f64>,
}

impl Cached {
    pub fn new(toy: Box<dyn Toy>) -> Self {
        Self { toy, entropy: OnceLock::new() }
    }
}

impl Toy for Cached {
    fn features(&self) -> usize {
        self.toy.features()
    }

    fn names(&self) -> Vec<String> {
        self.toy.names()
    }

    fn context(&self) -> Vec<Condition> {
        self.toy.context()
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        self.toy.sample(rng, row);
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        self.toy.log_density(x)
    }

    fn entropy(&self) -> f64 {
        *self.entropy.get_or_init(|| self.toy.entropy())
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        self.toy.bounds()
    }
}
