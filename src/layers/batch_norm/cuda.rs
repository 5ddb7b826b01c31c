//! Batch normalisation on a GPU.

use super::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
use crate::compute::cuda::{Address, Commands, Kernel, arguments, lanes};
use crate::layers::cuda::{Backward, Forward, NormMemory, Passage, Reader};

/// One on a device. Offsets of its values there, each shape `[features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedBatchNorm {
    /// Channels of a pixel, and pixels.
    pub features: usize,
    pub pixels: usize,
    pub log_gamma: usize,
    pub beta: usize,
    pub running_mean: usize,
    pub running_variance: usize,
}

impl PlacedBatchNorm {
    /// Takes rows through with the running statistics.
    pub fn evaluate(&self, commands: &mut Commands, values: Address, passage: &Passage, reader: Reader) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let Self { features, log_gamma, beta, running_mean, running_variance, .. } = *self;
        let lanes = lanes(features);
        commands.launch(
            Kernel::NormaliseRunning,
            rows * lanes,
            arguments![
                x,
                z,
                values,
                log_gamma,
                beta,
                running_mean,
                running_variance,
                log_det,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                features,
                BATCH_NORM_EPSILON,
                inverse,
                lanes,
            ],
        );
    }

    /// Takes rows through with the batch's statistics.
    pub fn forward(&self, commands: &mut Commands, forward: &Forward, memory: NormMemory) {
        let Self { features, pixels, log_gamma, beta, running_mean, running_variance } = *self;
        let &Forward { x, z, rows, values, control, reader, .. } = forward;
        let NormMemory { normal, inverse_deviation, term } = memory;
        commands.launch_blocks(
            Kernel::Normalise,
            features,
            arguments![
                x,
                normal,
                z,
                values,
                log_gamma,
                beta,
                running_mean,
                running_variance,
                inverse_deviation,
                term,
                control,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                features,
                pixels as f64,
                BATCH_NORM_EPSILON,
                BATCH_NORM_MOMENTUM,
            ],
        );
    }

    /// The way back through [`forward`](Self::forward).
    pub fn backward(&self, commands: &mut Commands, backward: &Backward, memory: NormMemory) {
        let Self { features, pixels, log_gamma, beta, .. } = *self;
        let &Backward { d, rows, weights, values, gradient, above, d_kept } = backward;
        let NormMemory { normal, inverse_deviation, .. } = memory;
        commands.launch_blocks(
            Kernel::NormaliseBack,
            features,
            arguments![
                normal,
                d,
                values,
                gradient,
                log_gamma,
                beta,
                inverse_deviation,
                above.slot,
                above.kept,
                d_kept,
                above.networks,
                rows,
                features,
                pixels as f64,
                weights.mean,
            ],
        );
    }
}
