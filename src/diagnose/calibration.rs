//! Whether a conditional flow's draws spread around each context as rows do: every statistic below is uniform where it does.

use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distributions::{ascending, chi_squared, distance, holm, kolmogorov};
use super::latents::Direction;
use super::material::Draws;
use super::pooled::squared_distance;
use crate::random::{Purpose, stream};

/// Draws at the context of a row.
pub const DRAWS: usize = 99;

/// Draws at the contexts of test rows against these rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Test rows looked at.
    pub rows: usize,
    /// Draws at the context of each.
    pub draws: usize,
    /// The rank of each feature's value among those of the draws: simulation-based calibration (Talts et al. 2018).
    pub features: Vec<Ranks>,
    /// The share of draws of a higher density than the row: the mass of the region of highest density that just reaches it.
    pub regions: Coverage,
    /// The share of draws nearer to a random point than the row: the mass of a ball that just reaches it (TARP, Lemos et al. 2023).
    /// The point is another test row, distances are those of model space.
    pub balls: Coverage,
}

/// Ranks of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    /// Its name.
    pub name: String,
    /// Rows in each of the bins, which are of equal width: alike where the flow is calibrated.
    pub histogram: Vec<usize>,
    /// Pearson's χ² of the histogram.
    pub chi_squared: f64,
    /// Probability of that χ² or more where the flow is calibrated, corrected for all features (Holm).
    pub p: f64,
    /// Largest distance of the ranks' distribution function from that of uniform ones.
    pub distance: f64,
    /// Which way the draws are off.
    pub direction: Direction,
}

/// How often rows lie in regions that hold a known share of the draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// `(level, held)`: the share of rows in the region that holds the share `level` of the draws; the same where the flow is
    /// calibrated.
    pub held: Vec<(f64, f64)>,
    /// Mean mass of the region that just reaches a row; ½ where the flow is calibrated, more where its regions are too small.
    pub mean: f64,
    /// Largest distance of `held` from `level`, over all levels.
    pub distance: f64,
    /// Probability of that distance or more where the flow is calibrated.
    pub p: f64,
}

impl Calibration {
    /// Of draws and the names of their features.
    pub fn of(draws: &Draws, names: &[String], seed: u64) -> Self {
        let (rows, of_each) = (draws.rows.rows(), draws.of_each());
        let features = names.len();
        let samples =
            |row: usize| draws.samples.as_slice()[row * of_each * features..].chunks_exact(features).take(of_each);
        // A rank among n draws lies between two of n + 2 ends. A random place between them makes it exactly uniform.
        let shares = |statistic: usize, below: &(dyn Fn(usize) -> usize + Sync)| -> Vec<f64> {
            let mut rng = stream(seed, Purpose::Ranks, statistic as u64);
            let counts: Vec<usize> = (0..rows).into_par_iter().map(below).collect();
            counts.into_iter().map(|count| (count as f64 + rng.random::<f64>()) / (of_each + 1) as f64).collect()
        };
        let count =
            |row: usize, is_below: &dyn Fn(&[f64]) -> bool| samples(row).filter(|sample| is_below(sample)).count();
        let of_feature = |(feature, name): (usize, &String)| {
            let value = |row: usize| draws.rows.row(row)[feature];
            Ranks::of(name, &shares(feature, &|row| count(row, &|sample| sample[feature] < value(row))))
        };
        let mut ranks: Vec<Ranks> = names.iter().enumerate().map(of_feature).collect();
        let adjusted = holm(&ranks.iter().map(|it| it.p).collect::<Vec<_>>());
        ranks.iter_mut().zip(adjusted).for_each(|(it, p)| it.p = p);

        let higher = |row: usize| {
            let own = draws.log_prob[row];
            draws.sample_log_prob[row * of_each..][..of_each].iter().filter(|&&log_prob| log_prob > own).count()
        };
        let others = references(rows, &mut stream(seed, Purpose::References, 0));
        let nearer = |row: usize| {
            let point = draws.rows.row(others[row]);
            let own = squared_distance(draws.rows.row(row), point);
            count(row, &|sample| squared_distance(sample, point) < own)
        };
        let regions = Coverage::of(shares(features, &higher));
        let balls = Coverage::of(shares(features + 1, &nearer));
        Self { rows, draws: of_each, features: ranks, regions, balls }
    }
}

/// Another row for every row.
fn references(rows: usize, rng: &mut impl Rng) -> Vec<usize> {
    (0..rows).map(|row| (row + rng.random_range(1..rows.max(2))) % rows).collect()
}

impl Ranks {
    /// Of ranks as shares, p not yet corrected.
    fn of(name: &str, shares: &[f64]) -> Self {
        let n = shares.len() as f64;
        let mut histogram = vec![0; bins(shares.len())];
        for share in shares {
            let last = histogram.len() - 1;
            histogram[((share * (last + 1) as f64) as usize).min(last)] += 1;
        }
        let expected = n / histogram.len() as f64;
        let statistic = histogram.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum::<f64>();
        let mean = shares.iter().sum::<f64>() / n;
        let square = shares.iter().map(|share| (share - 0.5).powi(2)).sum::<f64>() / n;
        // Rows that rank high lie above draws that are too low; rows that rank at both ends, about draws that are too narrow.
        // Of uniform shares the variance is 1/12, and that of the squares 1/180.
        let direction = Direction::of((0.5 - mean) * (12.0 * n).sqrt(), (1.0 / 12.0 - square) * (180.0 * n).sqrt());
        Self {
            name: name.to_owned(),
            chi_squared: statistic,
            p: 1.0 - chi_squared(statistic, histogram.len() - 1),
            distance: distance(&ascending(shares.iter().copied()), |share| share).0,
            histogram,
            direction,
        }
    }
}

/// Bins of a histogram of so many ranks: ten rows a bin, or nearly.
fn bins(rows: usize) -> usize {
    match rows {
        200.. => 20,
        100.. => 10,
        _ => 5,
    }
}

impl Coverage {
    /// The levels that are told in words.
    pub const NAMED: [f64; 4] = [0.5, 0.8, 0.9, 0.95];

    /// Of the masses of regions that just reach a row.
    fn of(masses: Vec<f64>) -> Self {
        let n = masses.len() as f64;
        let masses = ascending(masses.into_iter());
        let held = |level: f64| masses.partition_point(|&mass| mass <= level) as f64 / n;
        let (distance, _) = distance(&masses, |mass| mass);
        Self {
            held: (1..20).map(|i| f64::from(i) / 20.0).map(|level| (level, held(level))).collect(),
            mean: masses.iter().sum::<f64>() / n,
            distance,
            p: kolmogorov(distance, n),
        }
    }

    /// The share of rows in the region of a level, one of those of `held`.
    pub fn at(&self, level: f64) -> Option<f64> {
        self.held.iter().find(|(it, _)| (it - level).abs() < 1e-9).map(|(_, held)| *held)
    }
}
