//! The Gaussian mixture of the benchmark of simulation-based inference (Lueckmann et al. 2021, T.7): a wide and a narrow normal of
//! the same mean.

use std::f64::consts::{LN_2, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::ToyEntry;
use super::normal::{log_add, log_normal, normal_mass};
use super::quadrature::{on_box, on_interval, surprise};
use super::simulator::{Drawn, Entropies, Likelihood, Posterior, Simulator};

/// Half of the side of the prior's square.
const EDGE: f64 = 10.0;
/// Standard deviations of the two normals.
const DEVIATIONS: [f64; 2] = [1.0, 0.1];
/// So far from its mean, the wide normal has no mass.
const REACH: f64 = 8.0;

pub(super) const POSTERIOR: ToyEntry = ToyEntry {
    name: "gaussian-mixture-posterior",
    description: "theta ~ U(−10, 10)², given x ~ ½ N(theta, I) + ½ N(theta, 0.01 I) (Gaussian mixture of sbibm)",
    parameters: &[],
    components: None,
    make: |_| Box::new(Posterior(GaussianMixture)),
};

pub(super) const LIKELIHOOD: ToyEntry = ToyEntry {
    name: "gaussian-mixture-likelihood",
    description: "x ~ ½ N(theta, I) + ½ N(theta, 0.01 I), given theta ~ U(−10, 10)² (Gaussian mixture of sbibm)",
    parameters: &[],
    components: None,
    make: |_| Box::new(Likelihood(GaussianMixture)),
};

/// θ ~ U(−10, 10)², x | θ ~ ½ N(θ, I) + ½ N(θ, 0.01 I).
#[derive(Debug)]
struct GaussianMixture;

/// The logarithm of the mean of `log_part` over the two normals of the plane, where it is the sum over both axes.
fn log_mean(log_part: impl Fn(f64) -> f64) -> f64 {
    let [wide, narrow] = DEVIATIONS.map(log_part);
    log_add(wide, narrow) - LN_2
}

impl Simulator for GaussianMixture {
    fn draw(&self, rng: &mut ChaCha8Rng) -> Drawn {
        let theta: Vec<f64> = (0..2).map(|_| EDGE * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let deviation = DEVIATIONS[usize::from(rng.random::<bool>())];
        let x = theta.iter().map(|theta| theta + deviation * rng.sample::<f64, _>(StandardNormal)).collect();
        Drawn { theta, x }
    }

    fn log_prior(&self, theta: &[f64]) -> f64 {
        if theta.iter().all(|theta| theta.abs() <= EDGE) { -2.0 * (2.0 * EDGE).ln() } else { f64::NEG_INFINITY }
    }

    fn log_likelihood(&self, x: &[f64], theta: &[f64]) -> f64 {
        log_mean(|deviation| x.iter().zip(theta).map(|(x, theta)| log_normal(x - theta, deviation)).sum())
    }

    fn log_evidence(&self, x: &[f64]) -> f64 {
        let within = |x: f64, deviation: f64| normal_mass((-EDGE - x) / deviation, (EDGE - x) / deviation);
        log_mean(|deviation| x.iter().map(|x| within(*x, deviation).ln()).sum()) - 2.0 * (2.0 * EDGE).ln()
    }

    fn entropies(&self) -> Entropies {
        let at = |radius: f64| TAU * radius * surprise(self.log_likelihood(&[radius, 0.0], &[0.0, 0.0]));
        let likelihood = on_interval(0.0, 1.0, 20, at) + on_interval(1.0, REACH, 20, at);
        // A quarter of the plane; the other three are alike.
        let quarter = on_box([[0.0, EDGE + REACH]; 2], 0.5 * DEVIATIONS[1], |x| surprise(self.log_evidence(&x)));
        Entropies { prior: 2.0 * (2.0 * EDGE).ln(), likelihood, evidence: 4.0 * quarter }
    }

    fn bounds(&self) -> [Vec<[f64; 2]>; 2] {
        [EDGE, EDGE + 5.0].map(|edge| vec![[-edge, edge]; 2])
    }
}
