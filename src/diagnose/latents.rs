//! Whether test rows land where the base density has its mass.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distributions::{ascending, chi_squared, distance, holm, kolmogorov, normal};
use crate::matrix::Matrix;

/// Latents of test rows against N(0, I).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latents {
    /// Rows that were looked at.
    pub rows: usize,
    /// One coordinate each.
    pub coordinates: Vec<Coordinate>,
    /// Their squared lengths.
    pub radius: Radius,
    /// The pair of coordinates that are correlated most; `None` of a single coordinate.
    pub correlation: Option<Correlation>,
}

/// One coordinate against N(0, 1), by the distance of Kolmogorov and Smirnov.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// Its name.
    pub name: String,
    /// Its mean; 0 where the fit is right.
    pub mean: f64,
    /// Its standard deviation; 1 where the fit is right.
    pub deviation: f64,
    /// Largest distance of the distribution functions.
    pub distance: f64,
    /// Probability of that distance or more where the fit is right, corrected for all coordinates (Holm).
    pub p: f64,
    /// Which way it is off.
    pub direction: Direction,
}

/// Which way a coordinate is off, or the samples of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Its values lie too low.
    Low,
    /// Its values lie too high.
    High,
    /// They lie too close together.
    Narrow,
    /// They lie too far apart.
    Wide,
    /// Mean and deviation are right: the shape is not.
    Shape,
}

impl Direction {
    /// By how far values are shifted up and spread out, in units of what chance does.
    pub fn of(shift: f64, spread: f64) -> Self {
        match (shift, spread) {
            _ if shift.abs().max(spread.abs()) < 3.0 => Self::Shape,
            _ if shift.abs() > spread.abs() => match shift > 0.0 {
                true => Self::High,
                false => Self::Low,
            },
            _ => match spread > 0.0 {
                true => Self::Wide,
                false => Self::Narrow,
            },
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Low => "too low",
            Self::High => "too high",
            Self::Narrow => "too narrow",
            Self::Wide => "too wide",
            Self::Shape => "of another shape",
        }
    }
}

/// |z|² against χ², by the distance of Kolmogorov and Smirnov.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radius {
    /// Mean of |z|² over the number of coordinates; 1 where the fit is right.
    pub mean: f64,
    /// Largest distance of the distribution functions.
    pub distance: f64,
    /// Probability of that distance or more where the fit is right.
    pub p: f64,
}

/// Two coordinates that are correlated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// Their names.
    pub names: [String; 2],
    /// Pearson's r.
    pub r: f64,
    /// Probability of that much or more where the fit is right, by Fisher's z, corrected for all pairs (Bonferroni).
    pub p: f64,
}

impl Latents {
    /// Of normal `scores`, shape `[rows, coordinates]`. Rows that are not finite count as far off.
    pub fn of(scores: &Matrix<f64>, names: &[String]) -> Self {
        let rows = scores.rows();
        let found: Vec<(Coordinate, Vec<f64>)> = names
            .par_iter()
            .enumerate()
            .map(|(column, name)| coordinate(name, scores.iter_rows().map(|row| row[column]).collect()))
            .collect();
        let (mut coordinates, units): (Vec<Coordinate>, Vec<Vec<f64>>) = found.into_iter().unzip();
        let adjusted = holm(&coordinates.iter().map(|it| it.p).collect::<Vec<_>>());
        coordinates.iter_mut().zip(adjusted).for_each(|(it, p)| it.p = p);
        let radius = Radius::of(scores);
        Self { rows, coordinates, radius, correlation: Correlation::largest(&units, names) }
    }

    /// The coordinate that is farthest off.
    pub fn worst(&self) -> Option<&Coordinate> {
        self.coordinates.iter().max_by(|a, b| a.distance.total_cmp(&b.distance))
    }
}

/// A coordinate, its p not yet corrected, and its values as a vector of mean 0 and length 1.
fn coordinate(name: &str, values: Vec<f64>) -> (Coordinate, Vec<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0)).sqrt();
    let (distance, _) = distance(&ascending(values.iter().copied()), normal);
    let direction = Direction::of(mean * n.sqrt(), (deviation - 1.0) * (2.0 * n).sqrt());
    let length = squares.sqrt();
    let units = values.into_iter().map(|value| (value - mean) / length).collect();
    let p = kolmogorov(distance, n);
    (Coordinate { name: name.to_owned(), mean, deviation, distance, p, direction }, units)
}

impl Radius {
    fn of(scores: &Matrix<f64>) -> Self {
        let degrees = scores.columns();
        let squares: Vec<f64> = scores.iter_rows().map(|row| row.iter().map(|z| z * z).sum()).collect();
        let mean = squares.iter().sum::<f64>() / (squares.len() * degrees) as f64;
        let (distance, _) = distance(&ascending(squares.into_iter()), |square| chi_squared(square, degrees));
        Self { mean, distance, p: kolmogorov(distance, scores.rows() as f64) }
    }
}

impl Correlation {
    /// The largest among centred vectors of length 1.
    fn largest(units: &[Vec<f64>], names: &[String]) -> Option<Self> {
        let rows = units.first()?.len() as f64;
        let dot = |a: usize, b: usize| units[a].iter().zip(&units[b]).map(|(x, y)| x * y).sum::<f64>();
        let of_one = |a: usize| (0..a).map(|b| (dot(a, b), b, a)).max_by(|x, y| x.0.abs().total_cmp(&y.0.abs()));
        let each: Vec<(f64, usize, usize)> = (1..units.len()).into_par_iter().filter_map(of_one).collect();
        let (r, b, a) = each.into_iter().max_by(|x, y| x.0.abs().total_cmp(&y.0.abs()))?;
        let pairs = (units.len() * (units.len() - 1) / 2) as f64;
        let z = r.abs().min(1.0).atanh() * (rows - 3.0).sqrt();
        Some(Self { names: [names[b].clone(), names[a].clone()], r, p: (pairs * 2.0 * normal(-z)).min(1.0) })
    }
}
