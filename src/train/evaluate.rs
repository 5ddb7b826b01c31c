//! Likelihoods of held-out rows.

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

/// Scores `rows` (model space); `log_det` is the preprocessing's log|d model / d data|, so that the result is in data
/// space.
///
/// # Errors
/// Where the device fails.
pub fn evaluate(flow: &mut dyn Flow, rows: &Matrix, log_det: f64) -> Result<Score, DeviceError> {
    let mut nll = Vec::with_capacity(rows.rows());
    for block in rows.blocks(ROWS_AT_ONCE) {
        nll.extend(flow.log_prob(&block)?.into_iter().map(|log_prob| -(log_prob + log_det)));
    }
    let n = nll.len() as f64;
    let mean = nll.iter().sum::<f64>() / n;
    let variance = nll.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    Ok(Score { nll: mean, standard_error: (variance / n).sqrt() })
}
