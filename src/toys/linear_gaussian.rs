//! The linear Gaussian simulator of the benchmark of simulation-based inference (Lueckmann et al. 2021, T.1).

use std::f64::consts::{E, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::ToyEntry;
use super::normal::log_normal;
use super::simulator::{Drawn, Entropies, Likelihood, Posterior, Simulator};

const VARIABLES: usize = 10;
/// Of the prior, and of the data given θ.
const VARIANCE: f64 = 0.1;

pub(super) const POSTERIOR: ToyEntry = ToyEntry {
    name: "linear-gaussian-posterior",
    description: "theta ~ N(0, 0.1 I) of ten dimensions, given x ~ N(theta, 0.1 I)",
    parameters: &[],
    components: None,
    make: |_| Box::new(Posterior(LinearGaussian)),
};

pub(super) const LIKELIHOOD: ToyEntry = ToyEntry {
    name: "linear-gaussian-likelihood",
    description: "x ~ N(theta, 0.1 I) of ten dimensions, given theta ~ N(0, 0.1 I)",
    parameters: &[],
    components: None,
    make: |_| Box::new(Likelihood(LinearGaussian)),
};

/// θ ~ N(0, 0.1 I), x | θ ~ N(θ, 0.1 I); so x ~ N(0, 0.2 I) and θ | x ~ N(x/2, 0.05 I).
#[derive(Debug)]
struct LinearGaussian;

impl Simulator for LinearGaussian {
    fn variables(&self) -> usize {
        VARIABLES
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Drawn {
        let mut normal = || VARIANCE.sqrt() * rng.sample::<f64, _>(StandardNormal);
        let theta: Vec<f64> = (0..VARIABLES).map(|_| normal()).collect();
        let x = theta.iter().map(|theta| theta + normal()).collect();
        Drawn { theta, x }
    }

    fn log_prior(&self, theta: &[f64]) -> f64 {
        theta.iter().map(|theta| log_normal(*theta, VARIANCE.sqrt())).sum()
    }

    fn log_likelihood(&self, x: &[f64], theta: &[f64]) -> f64 {
        x.iter().zip(theta).map(|(x, theta)| log_normal(x - theta, VARIANCE.sqrt())).sum()
    }

    fn log_evidence(&self, x: &[f64]) -> f64 {
        x.iter().map(|x| log_normal(*x, (2.0 * VARIANCE).sqrt())).sum()
    }

    fn entropies(&self) -> Entropies {
        let of = |variance: f64| 0.5 * VARIABLES as f64 * (TAU * E * variance).ln();
        Entropies { prior: of(VARIANCE), likelihood: of(VARIANCE), evidence: of(2.0 * VARIANCE) }
    }

    fn bounds(&self) -> [Vec<[f64; 2]>; 2] {
        [VARIANCE, 2.0 * VARIANCE].map(|variance| vec![[-5.0 * variance.sqrt(), 5.0 * variance.sqrt()]; VARIABLES])
    }
}
