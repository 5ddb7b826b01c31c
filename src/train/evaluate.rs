//! Likelihoods of held-out rows.

use crate::data::Preprocessing;
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;

/// Rows a flow takes at a time when nobody waits for a gradient: bounds memory whatever the size of the data.
pub const ROWS_AT_ONCE: usize = 4096;

/// Mean NLL over rows, nats, and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub nll: f64,
    pub standard_error: f64,
}

impl Score {
    /// Of rows with these log-likelihoods, nats.
    pub fn of(log_prob: &[f64]) -> Self {
        let (nll, standard_error) = mean_and_error(log_prob.iter().map(|log_prob| -log_prob));
        Self { nll, standard_error }
    }
}

/// log p of each of `rows` (model space), shape `[rows]`: nats, in data space.
///
/// # Errors
/// Where the device fails.
pub fn log_prob(flow: &mut dyn Flow, rows: &Matrix, space: &Preprocessing) -> Result<Vec<f64>, DeviceError> {
    let mut all = Vec::with_capacity(rows.rows());
    for block in rows.blocks(ROWS_AT_ONCE) {
        let log_det = space.log_det(&block);
        all.extend(flow.log_prob(&block)?.into_iter().zip(log_det).map(|(log_prob, log_det)| log_prob + log_det));
    }
    Ok(all)
}

/// Mean of `values` and its standard error.
pub fn mean_and_error(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

/// Scores `rows` (model space) in data space.
///
/// # Errors
/// Where the device fails.
pub fn evaluate(flow: &mut dyn Flow, rows: &Matrix, space: &Preprocessing) -> Result<Score, DeviceError> {
    Ok(Score::of(&log_prob(flow, rows, space)?))
}
