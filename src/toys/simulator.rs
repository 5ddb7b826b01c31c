//! Parameters θ with a prior and data x that are simulated given them, as in simulation-based inference: the density of either
//! given the other.

use rand_chacha::ChaCha8Rng;

use super::{Condition, Toy, numbered};

/// A simulator of which everything is known.
pub trait Simulator: std::fmt::Debug + Send + Sync {
    /// Number of parameters, and of data: they are equally many.
    fn variables(&self) -> usize {
        2
    }

    /// Draws θ from the prior and x given it, shape `[variables]` each.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Drawn;

    /// ln p(θ); −∞ outside the support.
    fn log_prior(&self, theta: &[f64]) -> f64;

    /// ln p(x | θ); −∞ outside the support.
    fn log_likelihood(&self, x: &[f64], theta: &[f64]) -> f64;

    /// ln p(x), the prior integrated out.
    fn log_evidence(&self, x: &[f64]) -> f64;

    /// H(θ), H(x | θ) and H(x), nats.
    fn entropies(&self) -> Entropies;

    /// Bounds of every θ, and of every x.
    fn bounds(&self) -> [Vec<[f64; 2]>; 2];
}

/// A pair of parameters and data.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// θ.
    pub theta: Vec<f64>,
    /// x.
    pub x: Vec<f64>,
}

/// What is known of a simulator's entropies, nats.
#[derive(Clone, Copy, Debug)]
pub struct Entropies {
    /// H(θ).
    pub prior: f64,
    /// H(x | θ).
    pub likelihood: f64,
    /// H(x).
    pub evidence: f64,
}

/// p(θ | x): rows are θ, then x.
#[derive(Debug)]
pub struct Posterior<S>(pub S);

/// p(x | θ): rows are x, then θ.
#[derive(Debug)]
pub struct Likelihood<S>(pub S);

const THETA: &str = "theta";
const X: &str = "x";

fn numbers(symbol: &str, count: usize) -> Vec<Condition> {
    numbered(symbol, count).into_iter().map(|name| Condition { name, classes: Vec::new() }).collect()
}

fn put(row: &mut [f32], features: &[f64], context: &[f64]) {
    row.iter_mut().zip(features.iter().chain(context)).for_each(|(to, from)| *to = *from as f32);
}

impl<S: Simulator> Toy for Posterior<S> {
    fn features(&self) -> usize {
        self.0.variables()
    }

    fn names(&self) -> Vec<String> {
        numbered(THETA, self.features())
    }

    fn context(&self) -> Vec<Condition> {
        numbers(X, self.features())
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let Drawn { theta, x } = self.0.draw(rng);
        put(row, &theta, &x);
    }

    /// Bayes' theorem.
    fn log_density(&self, row: &[f64]) -> f64 {
        let (theta, x) = row.split_at(self.features());
        let joint = self.0.log_prior(theta) + self.0.log_likelihood(x, theta);
        if joint == f64::NEG_INFINITY { joint } else { joint - self.0.log_evidence(x) }
    }

    fn entropy(&self) -> f64 {
        let Entropies { prior, likelihood, evidence } = self.0.entropies();
        prior + likelihood - evidence
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let [theta, _] = self.0.bounds();
        theta
    }
}

impl<S: Simulator> Toy for Likelihood<S> {
    fn features(&self) -> usize {
        self.0.variables()
    }

    fn names(&self) -> Vec<String> {
        numbered(X, self.features())
    }

    fn context(&self) -> Vec<Condition> {
        numbers(THETA, self.features())
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let Drawn { theta, x } = self.0.draw(rng);
        put(row, &x, &theta);
    }

    fn log_density(&self, row: &[f64]) -> f64 {
        let (x, theta) = row.split_at(self.features());
        self.0.log_likelihood(x, theta)
    }

    fn entropy(&self) -> f64 {
        self.0.entropies().likelihood
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let [_, x] = self.0.bounds();
        x
    }
}
