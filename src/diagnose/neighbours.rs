//! A classifier two-sample test (Lopez-Paz & Oquab 2017): whether neighbours tell which sample a row is of.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distributions::{normal, share_interval};
use super::pooled::{pooled, squared_distance};
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};

/// Most rows of each sample.
const MOST: usize = 2_500;

/// What a vote of the nearest neighbours says of rows that it has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classifier {
    /// Rows that were judged: half of both samples, as many of each.
    pub rows: usize,
    /// Neighbours that vote.
    pub neighbours: usize,
    /// Share of the judged rows whose sample the vote tells; ½ where the samples are of one distribution.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// Probability of that accuracy or more where the samples are of one distribution.
    pub p: f64,
}

impl Classifier {
    /// Votes of the nearest rows among one half of both samples on the other half, columns on one scale. The number of voters is
    /// odd and near the root of their half.
    pub fn between(one: &Matrix<f64>, other: &Matrix<f64>, seed: u64) -> Self {
        let (rows, first) = pooled(one, other, MOST);
        let half = first.min(rows.rows() - first) / 2;
        let chosen = |sample: u64, mut places: Vec<usize>| {
            places.shuffle(&mut stream(seed, Purpose::Halves, sample));
            places.truncate(2 * half);
            places
        };
        let samples = [chosen(0, (0..first).collect()), chosen(1, (first..rows.rows()).collect())];
        let voters: Vec<usize> = samples.iter().flat_map(|places| &places[..half]).copied().collect();
        let judged: Vec<usize> = samples.iter().flat_map(|places| &places[half..]).copied().collect();
        let neighbours = (((2 * half) as f64).sqrt() as usize | 1).min((2 * half).max(1));
        let told = judged.par_iter().filter(|&&row| {
            let mut near: Vec<(f64, bool)> =
                voters.iter().map(|&voter| (squared_distance(rows.row(row), rows.row(voter)), voter < first)).collect();
            if near.len() > neighbours {
                near.select_nth_unstable_by(neighbours - 1, |a, b| a.0.total_cmp(&b.0));
            }
            let votes = near.iter().take(neighbours).filter(|near| near.1).count();
            (2 * votes > neighbours) == (row < first)
        });
        let (told, rows) = (told.count() as f64, judged.len());
        let accuracy = told / rows.max(1) as f64;
        let z = (accuracy - 0.5) * 2.0 * (rows as f64).sqrt();
        Self { rows, neighbours, accuracy, interval: share_interval(accuracy, rows.max(1)), p: normal(-z) }
    }
}
