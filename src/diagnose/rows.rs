//! Training rows against test rows, and the rows that the flow finds strange.

use serde::{Deserialize, Serialize};

use super::baselines::mean;
use super::material::Part;

/// By how much the flow knows its training rows better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Mean log p of training rows, data space, nats.
    pub train: f64,
    /// Mean log p of test rows, data space, nats.
    pub test: f64,
    /// Standard error of their difference.
    pub error: f64,
}

impl Gap {
    /// Of two parts.
    pub fn between(train: &Part, test: &Part) -> Self {
        let [train, test] = [train, test].map(|part| mean(part, &part.log_prob));
        let error = train.error.unwrap_or(f64::NAN).hypot(test.error.unwrap_or(f64::NAN));
        Self { train: train.mean, test: test.mean, error }
    }

    /// Training rows above test rows, nats.
    pub fn nats(&self) -> f64 {
        self.train - self.test
    }
}

/// A test row of low density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrangeRow {
    /// Its number among the test rows, counted from 1, as `runner split` writes them.
    pub row: usize,
    /// log p, data space, nats.
    pub log_prob: Option<f64>,
    /// Its values, data space; of a conditional flow those of its context follow.
    pub values: Vec<f64>,
}

/// The rows of the lowest density, the lowest first; rows without a finite log p before all.
pub fn strangest(test: &Part) -> Vec<StrangeRow> {
    /// How many are kept.
    const KEPT: usize = 10;
    let height = |&row: &usize| if test.log_prob[row].is_nan() { f64::NEG_INFINITY } else { test.log_prob[row] };
    let mut order: Vec<usize> = (0..test.log_prob.len()).collect();
    order.sort_by(|a, b| height(a).total_cmp(&height(b)));
    let strange = |row: usize| StrangeRow {
        row: row + 1,
        log_prob: Some(test.log_prob[row]).filter(|value| value.is_finite()),
        values: test.data.row(row).to_vec(),
    };
    order.into_iter().take(KEPT).map(strange).collect()
}
