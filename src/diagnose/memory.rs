//! Whether samples repeat training rows.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distributions::{ascending, normal};
use super::pooled::{pooled, squared_distance};
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
        let limit = test.get((NEAR * test.len() as f64) as usize).copied().unwrap_or(0.0);
        let near = drawn.partition_point(|&it| it < limit) as f64 / drawn.len().max(1) as f64;
        // The limit is itself found from test rows.
        let rows = [test.len(), drawn.len()].map(|count| count.max(1) as f64);
        let error = (NEAR * (1.0 - NEAR) * (rows[0].recip() + rows[1].recip())).sqrt();
        let mut order: Vec<usize> = (0..of_samples.len()).collect();
        order.sort_by(|&a, &b| of_samples[a].0.total_cmp(&of_samples[b].0));
        let median = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        Self {
            samples: median(&drawn),
            test: median(&test),
            near,
            p: normal((NEAR - near) / error),
            pairs: order.into_iter().take(PAIRS).map(|sample| (sample, of_samples[sample].1)).collect(),
        }
    }
}
