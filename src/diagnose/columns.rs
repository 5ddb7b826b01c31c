//! Samples against test rows, one column at a time, in data space.

use serde::{Deserialize, Serialize};

use super::distributions::{ascending, distance_of_two, holm, kolmogorov};
use super::material::Material;

/// Quantiles that are compared.
pub const SHARES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// How a column of the samples differs from that of the test rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDifference {
    /// Its name.
    pub column: String,
    /// Quantiles of the samples minus those of the test rows at [`SHARES`], in standard deviations of the test rows.
    pub quantiles: [f64; 5],
    /// Between which differences each of [`Self::quantiles`] lies by chance alone in 95 of 100 cases; zeros in files of releases
    /// that did not tell.
    #[serde(default)]
    pub chance: [[f64; 2]; 5],
    /// Largest distance of the distribution functions.
    pub distance: f64,
    /// Probability of that distance or more where both are of one distribution, corrected for all columns (Holm).
    pub p: f64,
    /// Share of samples below or above all training and test rows.
    pub outside: f64,
}

/// Every column.
pub fn differences(material: &Material<'_>) -> Vec<ColumnDifference> {
    let ranges = ranges(material);
    let compared = |(column, name): (usize, &String)| {
        let values = |rows: &crate::matrix::Matrix<f64>| ascending(rows.iter_rows().map(|row| row[column]));
        let (test, samples) = (values(&material.counted_test.data), values(&material.sample_data));
        let n = test.len() as f64;
        let mean = test.iter().sum::<f64>() / n;
        let deviation = (test.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let unit = if deviation > 0.0 { deviation } else { 1.0 };
        let distance = distance_of_two(&test, &samples);
        let difference = |value: f64, share: f64| (value - quantile(&test, share)) / unit;
        let (least, most) = ranges[column];
        let outside = samples.iter().filter(|&&value| value < least || value > most).count();
        ColumnDifference {
            column: name.clone(),
            quantiles: SHARES.map(|share| difference(quantile(&samples, share), share)),
            chance: SHARES.map(|share| {
                shares_by_chance(share, [test.len(), samples.len()]).map(|at| difference(quantile(&test, at), share))
            }),
            distance,
            p: kolmogorov(distance, n * samples.len() as f64 / (n + samples.len() as f64)),
            outside: outside as f64 / samples.len().max(1) as f64,
        }
    };
    let mut columns: Vec<ColumnDifference> = material.columns.iter().enumerate().map(compared).collect();
    let adjusted = holm(&columns.iter().map(|it| it.p).collect::<Vec<_>>());
    columns.iter_mut().zip(adjusted).for_each(|(it, p)| it.p = p);
    columns
}

/// Share of samples with any value below or above those of all training and test rows.
pub fn outside(material: &Material<'_>) -> f64 {
    let ranges = ranges(material);
    let is_outside = |row: &&[f64]| row.iter().zip(&ranges).any(|(value, (least, most))| value < least || value > most);
    let rows = material.sample_data.iter_rows();
    rows.filter(is_outside).count() as f64 / material.sample_data.rows().max(1) as f64
}

/// What that share is of rows of the data's own distribution, were columns independent: one more row of n + 1 is the least or the
/// largest of a column with a probability of 2/(n + 1).
pub fn outside_by_chance(material: &Material<'_>) -> f64 {
    let rows = material.train.data.rows() + material.test.data.rows();
    1.0 - (1.0 - 2.0 / (rows + 1) as f64).powi(material.columns.len() as i32)
}

/// Least and largest value of every column.
fn ranges(material: &Material<'_>) -> Vec<(f64, f64)> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); material.columns.len()];
    for row in material.train.data.iter_rows().chain(material.test.data.iter_rows()) {
        ranges.iter_mut().zip(row).for_each(|(it, &value)| *it = (it.0.min(value), it.1.max(value)));
    }
    ranges
}

/// Between which quantiles of the first sample the quantile at `share` of a second lies by chance in 95 of 100 cases, where both
/// are of one distribution: what two samples of these sizes have below a fixed value are shares that differ by less than 1.96
/// times the standard error √(q(1 − q)(1/n + 1/m)), each count being binomial, and one quantile is below another where its share
/// is. Nothing is assumed of the density, so that this holds of values with ties too.
fn shares_by_chance(share: f64, sizes: [usize; 2]) -> [f64; 2] {
    let variance: f64 = sizes.iter().map(|&size| share * (1.0 - share) / size as f64).sum();
    [-1.96, 1.96].map(|errors: f64| (share + errors * variance.sqrt()).clamp(0.0, 1.0))
}

/// Linearly interpolated quantile of ascending values; NaN of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let below = at.floor() as usize;
    sorted[below] + (at - below as f64) * (sorted[(below + 1).min(last)] - sorted[below])
}
