//! Whether samples repeat training rows.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distributions::ascending;
use super::pooled::{pooled, squared_distance};
use crate::gamma::ln_gamma;
use crate::matrix::Matrix;

/// Most test rows and samples, and most training rows.
const MOST: [usize; 2] = [500, 10_000];
/// Share of test rows that counts as near.
const NEAR: f64 = 0.05;

/// Distances to the nearest training row, over columns of deviation 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Median distance of a sample.
    pub samples: f64,
    /// Median distance of a test row.
    pub test: f64,
    /// Share of samples nearer than all but a twentieth of the test rows; 0.05 where samples are like test rows.
    pub near: f64,
    /// Probability of that share or more where samples are like test rows.
    pub p: f64,
    /// The samples nearest to a training row, as their place and that of the row.
    pub pairs: Vec<(usize, usize)>,
}

impl Memory {
    /// Of `samples` and `test` against `train`; places are those among the rows given.
    pub fn of(train: &Matrix<f64>, test: &Matrix<f64>, samples: &Matrix<f64>) -> Self {
        /// Pairs that are kept.
        const PAIRS: usize = 8;
        let first = |rows: &Matrix<f64>, most| rows.select(&(0..rows.rows().min(most)).collect::<Vec<_>>());
        let (train, test, samples) = (first(train, MOST[1]), first(test, MOST[0]), first(samples, MOST[0]));
        let mut asked = test.as_slice().to_vec();
        asked.extend(samples.as_slice());
        let (rows, known) = pooled(&train, &Matrix::new(asked, train.columns()), usize::MAX);
        let nearest = |row: usize| {
            let distances = (0..known).map(|other| (squared_distance(rows.row(row), rows.row(other)), other));
            distances.min_by(|a, b| a.0.total_cmp(&b.0)).map_or((f64::NAN, 0), |best| (best.0.sqrt(), best.1))
        };
        let found: Vec<(f64, usize)> = (known..rows.rows()).into_par_iter().map(nearest).collect();
        let (of_test, of_samples) = found.split_at(test.rows().min(found.len()));
        let [test, drawn] = [of_test, of_samples].map(|found| ascending(found.iter().map(|it| it.0)));
        let nearer = (NEAR * test.len() as f64) as usize;
        let limit = test.get(nearer).copied().unwrap_or(0.0);
        let near = drawn.partition_point(|&it| it < limit);
        let mut order: Vec<usize> = (0..of_samples.len()).collect();
        order.sort_by(|&a, &b| of_samples[a].0.total_cmp(&of_samples[b].0));
        let median = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        Self {
            samples: median(&drawn),
            test: median(&test),
            near: near as f64 / drawn.len().max(1) as f64,
            p: as_near([nearer, test.len()], [near, drawn.len()]),
            pairs: order.into_iter().take(PAIRS).map(|sample| (sample, of_samples[sample].1)).collect(),
        }
    }
}
/// The probability that as many samples or more are nearer than the test row which has `nearer` of the `test` rows before it, where
/// all come from one density. Then any order of them is as likely as any other: of the first near + nearer, at most `nearer` are test
/// rows, a hypergeometric tail, which also knows that the limit was itself found among test rows.
fn as_near([nearer, test]: [usize; 2], [near, samples]: [usize; 2]) -> f64 {
    let ln_choose = |n: usize, k: usize| {
        let [n, k, rest] = [n, k, n - k].map(|count| ln_gamma(count as f64 + 1.0));
        n - k - rest
    };
    let first = near + nearer;
    let tail = (first.saturating_sub(samples)..=nearer.min(test)).map(|of_test| {
        (ln_choose(test, of_test) + ln_choose(samples, first - of_test) - ln_choose(test + samples, first)).exp()
    });
    tail.sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against binomial coefficients in whole numbers.
    #[test]
    fn the_probability_of_near_samples_is_exact() {
        for (of_test, of_samples, exact) in [
            ([4, 92], [15, 91], 0.0063126233872857875),
            ([25, 500], [25, 500], 0.5575951904764497),
            ([25, 500], [45, 500], 0.008987263757568035),
            ([4, 92], [0, 91], 1.0),
        ] {
            let found = as_near(of_test, of_samples);
            assert!((found / exact - 1.0).abs() < 1e-9, "{of_test:?} {of_samples:?}: {found}");
        }
        assert!((as_near([0, 0], [0, 0]) - 1.0).abs() < 1e-9);
    }
}
