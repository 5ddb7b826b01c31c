//! What the seeds of one trial have in common: mean and band of their validation curves.

use std::collections::BTreeMap;

use super::Metrics;
use crate::statistics::mean;

/// Validation NLL over seeds at one step, nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Optimizer steps done.
    pub step: i64,
    /// Mean over seeds.
    pub mean: f64,
    /// Lowest seed.
    pub low: f64,
    /// Highest seed.
    pub high: f64,
}

/// The band at every step at which any of `seeds` was evaluated, over those that were; ascending steps.
pub fn bands(seeds: &[Vec<Metrics>]) -> Vec<Band> {
    let mut at: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for row in seeds.iter().flatten() {
        if let Some(nll) = row.validation_nll.filter(|nll| nll.is_finite()) {
            at.entry(row.step).or_default().push(nll);
        }
    }
    let band = |(step, values): (i64, Vec<f64>)| Band {
        step,
        mean: mean(values.iter().copied()),
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    at.into_iter().map(band).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[(i64, f64)]) -> Vec<Metrics> {
        let row = |&(step, nll)| Metrics { step, validation_nll: Some(nll), ..Metrics::default() };
        values.iter().map(row).collect()
    }

    #[test]
    fn a_band_spans_the_seeds_at_each_step() {
        let found = bands(&[rows(&[(10, 2.0), (20, 1.0)]), rows(&[(10, 4.0), (20, f64::NAN)]), Vec::new()]);
        let band = |step, low, mean, high| Band { step, mean, low, high };
        assert_eq!(found, [band(10, 2.0, 3.0, 4.0), band(20, 1.0, 1.0, 1.0)]);
    }
}
