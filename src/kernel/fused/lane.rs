//! A group of rows on its way through the flow: what one thread works on.

use super::coupling::{Backward, Cache};

/// Rows in a lane, where the batch allows: enough to keep the product kernels busy, few enough to share a batch.
const ROWS: usize = 128;

/// The state of a group of rows.
#[derive(Default)]
pub(crate) struct Lane {
    /// Rows in use; buffers may be longer.
    pub rows: usize,
    /// The rows as they are now, `[rows, features]`.
    pub x: Vec<f32>,
    /// log|det| so far, `[rows]`.
    pub log_det: Vec<f32>,
    /// Gradient of the loss with respect to `x`, same shape.
    pub d: Vec<f32>,
    /// This lane's part of the gradient of the parameters.
    pub gradient: Vec<f32>,
    /// One a coupling layer in training; a single one, used over and over, in evaluation.
    pub caches: Vec<Cache>,
    pub backward: Backward,
    /// Normalised rows of each batch normalisation.
    pub normalised: Vec<Vec<f32>>,
}

/// Splits a batch into lanes: the numbers of rows, at least two lanes where there are enough rows. A function of the
/// batch alone, so that bits do not depend on threads.
pub(crate) fn split(batch: usize) -> impl Iterator<Item = usize> {
    let lanes = batch.div_ceil(ROWS).max(2).min(batch.max(1));
    (0..lanes).map(move |lane| batch * (lane + 1) / lanes - batch * lane / lanes)
}

impl Lane {
    /// Starts `rows` rows at the x side.
    pub fn start(&mut self, rows: &[f32], features: usize) {
        self.rows = rows.len() / features;
        self.x.clear();
        self.x.extend_from_slice(rows);
        self.log_det.clear();
        self.log_det.resize(self.rows, 0.0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lanes_cover_the_batch_evenly() {
        for (batch, expected) in [(1, vec![1]), (100, vec![50, 50]), (256, vec![128, 128]), (300, vec![100, 100, 100])]
        {
            assert_eq!(super::split(batch).collect::<Vec<_>>(), expected);
        }
        assert!((1..1000).all(|batch| super::split(batch).sum::<usize>() == batch));
    }
}
