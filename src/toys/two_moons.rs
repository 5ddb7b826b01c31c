//! The two moons of the benchmark of simulation-based inference (Lueckmann et al. 2021, T.8): data on a crescent, and a posterior of
//! two crescents.

use std::f64::consts::{E, FRAC_PI_2, PI, SQRT_2, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::ToyEntry;
use super::normal::{log_normal, normal_mass};
use super::quadrature::{on_box, on_interval, surprise};
use super::simulator::{Drawn, Entropies, Likelihood, Posterior, Simulator};

/// Mean and standard deviation of the crescent's radius.
const RADIUS: f64 = 0.1;
const DEVIATION: f64 = 0.01;
/// The first coordinate of the crescent's centre at θ = 0.
const OFFSET: f64 = 0.25;
/// No radius is farther out: 9 standard deviations.
const REACH: f64 = RADIUS + 9.0 * DEVIATION;

pub(super) const POSTERIOR: ToyEntry = ToyEntry {
    name: "two-moons-posterior",
    description: "two crescents: theta ~ U(−1, 1)², given x on a crescent that theta moves (two moons of sbibm)",
    parameters: &[],
    components: None,
    make: |_| Box::new(Posterior(TwoMoons)),
};

pub(super) const LIKELIHOOD: ToyEntry = ToyEntry {
    name: "two-moons-likelihood",
    description: "x on a crescent that theta moves, given theta ~ U(−1, 1)² (two moons of sbibm)",
    parameters: &[],
    components: None,
    make: |_| Box::new(Likelihood(TwoMoons)),
};

/// θ ~ U(−1, 1)²; x = (r cos a + ¼ − |θ₁ + θ₂|/√2, r sin a + (θ₂ − θ₁)/√2), a ~ U(−π/2, π/2), r ~ N(0.1, 0.01²).
#[derive(Debug)]
struct TwoMoons;

/// Where θ moves the crescent.
fn centre(theta: &[f64]) -> [f64; 2] {
    [OFFSET - (theta[0] + theta[1]).abs() / SQRT_2, (theta[1] - theta[0]) / SQRT_2]
}

/// The probability that x comes from a θ in the prior's square, were θ uniform on the plane: θ and its mirror image
/// (−θ₂, −θ₁), which are in the square or out of it together, move the crescent to the same place.
///
/// With u = |θ₁ + θ₂|/√2 and v = (θ₂ − θ₁)/√2, the square is the triangle u ≥ 0, u + |v| ≤ √2; given x and the place on the
/// crescent, u = r cos a + ¼ − x₁ and v = x₂ − r sin a, so that at each angle a stretch of r is within.
fn share_within(x: [f64; 2]) -> f64 {
    let u = OFFSET - x[0];
    if u >= 0.0 && u + REACH + x[1].abs() + REACH <= SQRT_2 {
        return 1.0;
    }
    if u + REACH < 0.0 || u + x[1].abs() - REACH > SQRT_2 {
        return 0.0;
    }
    let at_angle = |angle: f64| {
        let (sin, cos) = angle.sin_cos();
        // Each of them slope · r ≤ limit.
        let sides = [(-cos, u), (cos - sin, SQRT_2 - u - x[1]), (cos + sin, SQRT_2 - u + x[1])];
        let [mut low, mut high] = [0.0_f64, f64::INFINITY];
        for (slope, limit) in sides {
            // At no angle of the quadrature is a slope exactly 0.
            if slope > 0.0 {
                high = high.min(limit / slope);
            } else {
                low = low.max(limit / slope);
            }
        }
        if low < high { normal_mass((low - RADIUS) / DEVIATION, (high - RADIUS) / DEVIATION) } else { 0.0 }
    };
    on_interval(-FRAC_PI_2, FRAC_PI_2, 4, at_angle) / PI
}

impl Simulator for TwoMoons {
    fn draw(&self, rng: &mut ChaCha8Rng) -> Drawn {
        let theta: Vec<f64> = (0..2).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
        let (sin, cos) = (PI * (rng.random::<f64>() - 0.5)).sin_cos();
        let radius = RADIUS + DEVIATION * rng.sample::<f64, _>(StandardNormal);
        let [x, y] = centre(&theta);
        Drawn { theta, x: vec![x + radius * cos, y + radius * sin] }
    }

    fn log_prior(&self, theta: &[f64]) -> f64 {
        if theta.iter().all(|theta| theta.abs() <= 1.0) { -4f64.ln() } else { f64::NEG_INFINITY }
    }

    fn log_likelihood(&self, x: &[f64], theta: &[f64]) -> f64 {
        let [cx, cy] = centre(theta);
        let [dx, dy] = [x[0] - cx, x[1] - cy];
        let radius = dx.hypot(dy);
        if dx < 0.0 || radius == 0.0 {
            return f64::NEG_INFINITY;
        }
        log_normal(radius - RADIUS, DEVIATION) - PI.ln() - radius.ln()
    }

    /// ¼ of the integral of p(x | θ) over the square, to which θ and its mirror image contribute alike.
    fn log_evidence(&self, x: &[f64]) -> f64 {
        (0.5 * share_within([x[0], x[1]])).ln()
    }

    fn entropies(&self) -> Entropies {
        let radius = |r: f64| log_normal(r - RADIUS, DEVIATION).exp() * r.ln();
        let log_radius = on_interval(RADIUS - 9.0 * DEVIATION, REACH, 8, radius);
        let likelihood = PI.ln() + 0.5 * (TAU * E).ln() + DEVIATION.ln() + log_radius;
        // The same at x₂ and −x₂.
        let upper_half = [[OFFSET - SQRT_2 - REACH, OFFSET + REACH], [0.0, SQRT_2 + REACH]];
        let half = on_box(upper_half, 0.5 * DEVIATION, |x| surprise((0.5 * share_within(x)).ln()));
        Entropies { prior: 4f64.ln(), likelihood, evidence: 2.0 * half }
    }

    fn bounds(&self) -> [Vec<[f64; 2]>; 2] {
        let x = vec![[OFFSET - SQRT_2, OFFSET + REACH], [-SQRT_2 - REACH, SQRT_2 + REACH]];
        [vec![[-1.0, 1.0]; 2], x]
    }
}
