//! What a fit is judged by. Rows of a conditional flow are features followed by their context.

use crate::matrix::Matrix;

/// Rows of one part of the data and what the flow says of them.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Model space, dequantisation noise included, shape `[rows, features + context]`.
    pub rows: Matrix<f64>,
    /// The same in data space.
    pub data: Matrix<f64>,
    /// The flow's log p in data space, nats, shape `[rows]`; empty where nobody asks.
    pub log_prob: Vec<f64>,
    /// log|det d model / d data|, nats, shape `[rows]`: what a log-density in model space lacks to be one in data space.
    pub log_det: Vec<f64>,
    /// How much the rows count, shape `[rows]`; `None`: all alike.
    pub weights: Option<Vec<f64>>,
}

/// Everything that [`diagnose`](super::diagnose) asks for.
#[derive(Debug)]
pub struct Material<'a> {
    /// Names of the data's features, shape `[features]`.
    pub columns: &'a [String],
    /// Names of the latent coordinates, shape `[features]`.
    pub coordinates: &'a [String],
    /// Rows that were trained on.
    pub train: Part,
    /// Rows that choose between baselines; their `log_prob` is not asked for.
    pub validation: Part,
    /// Rows that nothing was chosen by.
    pub test: Part,
    /// Those of the test rows that samples are compared with, which count alike: all, or where rows have weights a draw of them by
    /// their weights. Of a conditional flow every other one of these, so that samples have contexts of their own.
    pub counted_test: Part,
    /// Latents of the rows that count alike as normal scores: under the base density each coordinate is N(0, 1), shape
    /// `[rows, features]`.
    pub scores: Matrix<f64>,
    /// Draws from the flow, model space; of a conditional flow at the contexts of the test rows that `counted_test` leaves out.
    pub samples: Matrix<f64>,
    /// The same in data space.
    pub sample_data: Matrix<f64>,
    /// Of a conditional flow, draws at the contexts of test rows.
    pub draws: Option<Draws>,
}

/// Test rows, and draws from the flow at the context of each.
#[derive(Clone, Debug, Default)]
pub struct Draws {
    /// Features of the rows, model space, shape `[rows, features]`.
    pub rows: Matrix<f64>,
    /// The flow's log p of each given its context, data space, nats, shape `[rows]`.
    pub log_prob: Vec<f64>,
    /// Features of the draws, model space, those of a row one after the other, shape `[rows · draws, features]`.
    pub samples: Matrix<f64>,
    /// log p of each given its context, as of the rows, shape `[rows · draws]`.
    pub sample_log_prob: Vec<f64>,
}

impl Draws {
    /// Draws of each row.
    pub fn of_each(&self) -> usize {
        self.samples.rows() / self.rows.rows().max(1)
    }
}

impl Material<'_> {
    /// What is not finite, which no statistic can take.
    pub fn not_finite(&self) -> Option<String> {
        let parts = [("training", &self.train), ("test", &self.test)];
        let count = |values: &[f64]| values.iter().filter(|value| !value.is_finite()).count();
        let of_parts = parts.map(|(name, part)| (format!("log p of {name} rows"), count(&part.log_prob)));
        let others = [("latents", &self.scores), ("values of samples", &self.sample_data)];
        let others = others.map(|(name, values)| (name.to_owned(), count(values.as_slice())));
        let draws = self.draws.as_ref().map(|it| ("values of samples".to_owned(), count(it.samples.as_slice())));
        let found = of_parts.into_iter().chain(others).chain(draws).find(|(_, count)| *count > 0);
        found.map(|(what, count)| {
            format!("{count} {what} not finite: the flow is unstable there; train with a lower learning rate or fewer layers")
        })
    }
}
