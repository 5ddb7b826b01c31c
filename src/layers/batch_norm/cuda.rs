//! Batch normalisation on a GPU.

use super::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM};
use crate::compute::cuda::{Address, Commands, Kernel, NULL, WARP, arguments, lanes};
use crate::layers::channels::parts;
use crate::layers::cuda::{Backward, Forward, Lines, NormMemory, Passage, Reader};

/// One on a device. Offsets of its values there, each shape `[features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedBatchNorm {
    /// Channels of a pixel, and pixels that log_det counts: 0 where it is no layer of a flow.
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
        // A block works every feature's logarithm out, for all its rows.
        let lanes = lanes(features).min(WARP);
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
        let Self { features, log_gamma, beta, running_mean, running_variance, .. } = *self;
        let &Forward { x, z, rows, values, control, reader, .. } = forward;
        let NormMemory { normal, inverse_deviation, term, lines } = memory;
        if self.pixels > 1 {
            self.line(commands, values, Some(Seen { x, rows, control }), lines, term);
            return lines.along(commands, [x, z], rows, false);
        }
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
                BATCH_NORM_EPSILON,
                BATCH_NORM_MOMENTUM,
            ],
        );
    }

    /// The way back through [`forward`](Self::forward), which read `x`.
    pub fn backward(&self, commands: &mut Commands, backward: &Backward, x: Address, memory: NormMemory) {
        let Self { features, log_gamma, beta, .. } = *self;
        let &Backward { d, rows, weights, values, gradient, above, d_kept } = backward;
        let NormMemory { normal, inverse_deviation, lines, .. } = memory;
        if self.pixels > 1 {
            self.line_back(commands, [x, d], [values, gradient], rows, lines, weights.mean);
            return lines.back(commands, [x, d, NULL, d], rows);
        }
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
                weights.mean,
            ],
        );
    }

    /// Works its line out, from what is seen of a batch or by running statistics. `term`: its part of log_det, or null.
    pub fn line(&self, commands: &mut Commands, values: Address, batch: Option<Seen>, lines: Lines, term: Address) {
        let Self { features, pixels, log_gamma, beta, running_mean, running_variance } = *self;
        let (sums, rows, control) = match batch {
            None => (NULL, 1, NULL),
            Some(Seen { x, rows, control }) => {
                lines.sum(commands, [x, x], NULL, rows);
                (lines.sums, rows, control)
            }
        };
        let places = arguments![log_gamma, beta, running_mean, running_variance, control];
        let found = arguments![lines.moments, lines.at, term, pixels as f64, features];
        let constants = arguments![BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM];
        let all = [arguments![sums, parts(rows), rows, values], places, found, constants].concat();
        commands.launch_blocks(Kernel::NormaliseLines, features, all);
    }

    /// The way back through [`line`](Self::line), from the gradient `d` of what became of `x`. `weight`: the mean weight of rows,
    /// or null.
    pub fn line_back(
        &self,
        commands: &mut Commands,
        [x, d]: [Address; 2],
        [values, gradient]: [Address; 2],
        rows: usize,
        lines: Lines,
        weight: Address,
    ) {
        let Self { features, pixels, log_gamma, beta, .. } = *self;
        lines.sum(commands, [d, x], NULL, rows);
        let found = arguments![lines.sums, parts(rows), rows, values, gradient, log_gamma, beta];
        let left = arguments![lines.moments, lines.at, features, BATCH_NORM_EPSILON, pixels as f64, weight];
        commands.launch_blocks(Kernel::NormaliseLinesBack, features, [found, left].concat());
    }
}

/// So many rows of a batch, and the state of the stretch of steps.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub x: Address,
    pub rows: usize,
    pub control: Address,
}
