//! The energy distance of two samples (Székely & Rizzo 2013), tested by permutations.

use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::pooled::{pooled, squared_distance};
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};

/// Most rows of each sample: the distances of all pairs are kept.
const MOST: usize = 1_000;
/// Permutations that the distance is compared with.
const PERMUTATIONS: u64 = 499;

/// How far apart two samples are, over columns of deviation 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Rows of each sample.
    pub rows: [usize; 2],
    /// 2 E|X − Y| − E|X − X′| − E|Y − Y′|.
    pub distance: f64,
    /// The same as a share of 2 E|X − Y|: 0 of one distribution, 1 of two points.
    pub coefficient: f64,
    /// Share of permutations, the given one among them, whose distance is as large.
    pub p: f64,
}

impl Energy {
    /// That of `one` and `other`, columns on one scale.
    pub fn between(one: &Matrix<f64>, other: &Matrix<f64>, seed: u64) -> Self {
        let (rows, first) = pooled(one, other, MOST);
        let count = rows.rows();
        let away: Vec<f64> = (0..count)
            .into_par_iter()
            .flat_map_iter(|i| (0..count).map(move |j| (i, j)))
            .map(|(i, j)| squared_distance(rows.row(i), rows.row(j)).sqrt())
            .collect();
        let sizes = [first, count - first];
        let mut shares = vec![1.0 / sizes[0] as f64; first];
        shares.resize(count, -1.0 / sizes[1] as f64);
        let given = energy(&away, &shares);
        let as_large = (0..PERMUTATIONS).into_par_iter().filter(|&permutation| {
            let mut shares = shares.clone();
            shares.shuffle(&mut stream(seed, Purpose::Permutations, permutation));
            energy(&away, &shares) >= given
        });
        let p = (1 + as_large.count()) as f64 / (1 + PERMUTATIONS) as f64;
        let across: f64 = (0..first).map(|i| away[i * count + first..(i + 1) * count].iter().sum::<f64>()).sum();
        let across = 2.0 * across / (sizes[0] * sizes[1]) as f64;
        Self { rows: sizes, distance: given, coefficient: given / across, p }
    }
}

/// −Σ aᵢaⱼdᵢⱼ, where a is 1/n on the one sample and −1/m on the other.
fn energy(away: &[f64], shares: &[f64]) -> f64 {
    let rows = away.chunks_exact(shares.len()).zip(shares);
    -rows.map(|(row, share)| share * row.iter().zip(shares).map(|(d, a)| d * a).sum::<f64>()).sum::<f64>()
}
