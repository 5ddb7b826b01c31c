//! Mixtures of Gaussians with full covariances, fitted by expectation maximisation (Dempster et al. 1977).

use std::f64::consts::TAU;

use rand::RngExt;
use rayon::prelude::*;

use super::pooled::squared_distance;
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};

/// Rounds of expectation maximisation at most.
const ROUNDS: usize = 60;
/// Rounds of moving centres to the middle of the rows next to them, before.
const FIRST_ROUNDS: usize = 10;
/// Nats a row that a round must win.
const LEAST_GAIN: f64 = 1e-5;
/// Rows of the whole data's covariance that each component is given beforehand, so that none falls onto a point.
const PRIOR_ROWS: f64 = 0.1;
/// What is added to variances, as a share of their mean.
const RIDGE: f64 = 1e-6;
/// Rows that are summed together: sums are the same whatever the number of threads.
const BLOCK: usize = 256;

/// A density Σ wₖ N(x; μₖ, Σₖ).
#[derive(Clone, Debug)]
pub struct Mixture {
    components: Vec<Component>,
}

#[derive(Clone, Debug)]
struct Component {
    log_weight: f64,
    mean: Vec<f64>,
    /// Lower triangle L of Σ = LLᵀ, shape `[features, features]`.
    factor: Vec<f64>,
    /// −½ k ln 2π − Σ ln Lᵢᵢ of the first k columns, shape `[features + 1]`.
    constants: Vec<f64>,
}

/// Σ r, Σ r x and the lower triangle of Σ r xxᵀ over rows of responsibility r.
#[derive(Clone)]
struct Moments {
    count: f64,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Mixture {
    /// `components` of them, fitted to `rows`, each of which counts as its weight says. The start is a draw of rows, each by its
    /// squared distance from those before (Arthur & Vassilvitskii 2007): a function of `seed`.
    pub fn fit(rows: &Matrix<f64>, weights: Option<&[f64]>, components: usize, seed: u64) -> Self {
        let weight = |i: usize| weights.map_or(1.0, |weights| weights[i]);
        let whole = &summed(rows, 1, |i, _, to| {
            to[0] = weight(i);
            0.0
        })
        .1[0];
        let prior = whole.covariance();
        let made = |sums: Vec<Moments>| Self {
            components: sums.iter().map(|it| Component::of(it, &prior, whole.count)).collect(),
        };
        if components == 1 {
            return Self { components: vec![Component::new(0.0, whole.mean(), &prior)] };
        }
        let mut centres = started(rows, components, seed);
        let mut sums = Vec::new();
        for _ in 0..FIRST_ROUNDS {
            sums = summed(rows, components, |i, row, to| {
                to[nearest(&centres, row)] = weight(i);
                0.0
            })
            .1;
            centres.iter_mut().zip(&sums).filter(|(_, sum)| sum.count > 0.0).for_each(|(it, sum)| *it = sum.mean());
        }
        let mut mixture = made(sums);
        let mut before = f64::NEG_INFINITY;
        for _ in 0..ROUNDS {
            let (log_prob, sums) = summed(rows, components, |i, row, to| {
                let all = mixture.terms(row, to);
                to.iter_mut().for_each(|term| *term = weight(i) * (*term - all).exp());
                weight(i) * all
            });
            mixture = made(sums);
            if log_prob / whole.count - before < LEAST_GAIN {
                break;
            }
            before = log_prob / whole.count;
        }
        mixture
    }

    /// Log-density of each of `rows`, nats.
    pub fn log_density(&self, rows: &Matrix<f64>) -> Vec<f64> {
        let of_row = |row: &[f64]| self.terms(row, &mut vec![0.0; self.components.len()]);
        rows.as_slice().par_chunks(rows.columns().max(1)).map(of_row).collect()
    }

    /// Log-density of the columns from `first` on given those before, nats.
    pub fn log_density_given(&self, rows: &Matrix<f64>, first: usize) -> Vec<f64> {
        if first == 0 {
            return self.log_density(rows);
        }
        let of_row = |row: &[f64]| {
            let mut terms = vec![0.0; self.components.len()];
            self.terms(row, &mut terms) - self.terms(&row[..first], &mut terms)
        };
        rows.as_slice().par_chunks(rows.columns()).map(of_row).collect()
    }

    /// ln wₖ N(x; μₖ, Σₖ) into `terms`, and the logarithm of the sum; of the first columns where `row` has no more.
    fn terms(&self, row: &[f64], terms: &mut [f64]) -> f64 {
        terms.iter_mut().zip(&self.components).for_each(|(term, it)| *term = it.log_weight + it.log_density(row));
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
    }
}

impl Component {
    /// That of rows with these moments, and of some with the covariance `prior`; `total`: rows of all components.
    fn of(sum: &Moments, prior: &[f64], total: f64) -> Self {
        if sum.count <= 0.0 {
            return Self::new(f64::NEG_INFINITY, vec![0.0; sum.first.len()], prior);
        }
        let shares = [sum.count, PRIOR_ROWS].map(|rows| rows / (sum.count + PRIOR_ROWS));
        let covariance: Vec<f64> =
            sum.covariance().iter().zip(prior).map(|(own, all)| shares[0] * own + shares[1] * all).collect();
        Self::new((sum.count / total).ln(), sum.mean(), &covariance)
    }

    fn new(log_weight: f64, mean: Vec<f64>, covariance: &[f64]) -> Self {
        let features = mean.len();
        let factor = cholesky(covariance, features);
        let mut volume = 0.0;
        let mut constants = vec![0.0];
        for i in 0..features {
            volume += factor[i * features + i].ln();
            constants.push(-0.5 * (i + 1) as f64 * TAU.ln() - volume);
        }
        Self { log_weight, mean, factor, constants }
    }

    /// By L⁻¹(x − μ), whose first values are those of the first columns alone.
    fn log_density(&self, row: &[f64]) -> f64 {
        let features = self.mean.len();
        let mut solved = vec![0.0; row.len()];
        let mut square = 0.0;
        for i in 0..row.len() {
            let line = &self.factor[i * features..i * features + i + 1];
            let before: f64 = line[..i].iter().zip(&solved).map(|(l, y)| l * y).sum();
            solved[i] = (row[i] - self.mean[i] - before) / line[i];
            square += solved[i] * solved[i];
        }
        self.constants[row.len()] - 0.5 * square
    }
}

impl Moments {
    fn empty(features: usize) -> Self {
        Self { count: 0.0, first: vec![0.0; features], second: vec![0.0; features * features] }
    }

    fn add(&mut self, share: f64, row: &[f64]) {
        if share == 0.0 {
            return;
        }
        self.count += share;
        for (i, (value, first)) in row.iter().zip(&mut self.first).enumerate() {
            let value = share * value;
            *first += value;
            let line = &mut self.second[i * row.len()..i * row.len() + i + 1];
            line.iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other);
        }
    }

    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.first.iter_mut().zip(&other.first).for_each(|(sum, more)| *sum += more);
        self.second.iter_mut().zip(&other.second).for_each(|(sum, more)| *sum += more);
    }

    fn mean(&self) -> Vec<f64> {
        self.first.iter().map(|sum| sum / self.count).collect()
    }

    /// Its lower triangle, shape `[features, features]`.
    fn covariance(&self) -> Vec<f64> {
        let (features, mean) = (self.first.len(), self.mean());
        let at = |i: usize| self.second[i] / self.count - mean[i / features] * mean[i % features];
        (0..features * features).map(|i| if i % features <= i / features { at(i) } else { 0.0 }).collect()
    }
}

/// The sum of what `share` gives of a row, and the moments of `components` under the responsibilities that it writes; these are
/// 0 before.
fn summed(
    rows: &Matrix<f64>,
    components: usize,
    share: impl Fn(usize, &[f64], &mut [f64]) -> f64 + Sync,
) -> (f64, Vec<Moments>) {
    let features = rows.columns();
    let of_block = |(block, values): (usize, &[f64])| {
        let (mut total, mut sums) = (0.0, vec![Moments::empty(features); components]);
        let mut shares = vec![0.0; components];
        for (i, row) in values.chunks_exact(features).enumerate() {
            shares.fill(0.0);
            total += share(block * BLOCK + i, row, &mut shares);
            sums.iter_mut().zip(&shares).for_each(|(sum, share)| sum.add(*share, row));
        }
        (total, sums)
    };
    let blocks: Vec<(f64, Vec<Moments>)> =
        rows.as_slice().par_chunks(BLOCK * features).enumerate().map(of_block).collect();
    let empty = (0.0, vec![Moments::empty(features); components]);
    blocks.into_iter().fold(empty, |(total, mut sums), (more, others)| {
        sums.iter_mut().zip(&others).for_each(|(sum, other)| sum.join(other));
        (total + more, sums)
    })
}

/// Rows to start from.
fn started(rows: &Matrix<f64>, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = stream(seed, Purpose::Centres, count as u64);
    let mut centres = vec![rows.row(rng.random_range(0..rows.rows())).to_vec()];
    let mut away = vec![f64::INFINITY; rows.rows()];
    while centres.len() < count {
        let last = centres.last().map_or(&[][..], Vec::as_slice);
        away.iter_mut().zip(rows.iter_rows()).for_each(|(far, row)| *far = far.min(squared_distance(row, last)));
        let mut left = rng.random::<f64>() * away.iter().sum::<f64>();
        let chosen = away.iter().position(|far| {
            left -= far;
            left < 0.0
        });
        centres.push(rows.row(chosen.unwrap_or(rows.rows() - 1)).to_vec());
    }
    centres
}

/// The place of the centre next to `row`.
fn nearest(centres: &[Vec<f64>], row: &[f64]) -> usize {
    let distances = centres.iter().map(|centre| squared_distance(centre, row)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |best| best.0)
}

/// L of `covariance` + ridge = LLᵀ; only lower triangles are read and written.
fn cholesky(covariance: &[f64], features: usize) -> Vec<f64> {
    let ridge = RIDGE * (0..features).map(|i| covariance[i * features + i]).sum::<f64>() / features as f64;
    let ridge = ridge.max(f64::MIN_POSITIVE);
    let mut factor = covariance.to_vec();
    for i in 0..features {
        let (above, line) = factor.split_at_mut(i * features);
        for j in 0..i {
            let other = &above[j * features..j * features + j + 1];
            let before: f64 = line[..j].iter().zip(other).map(|(a, b)| a * b).sum();
            line[j] = (line[j] - before) / other[j];
        }
        let before: f64 = line[..i].iter().map(|value| value * value).sum();
        // Rounding may leave less than the ridge of what is singular.
        line[i] = (line[i] + ridge - before).max(ridge).sqrt();
    }
    factor
}
