//! Activation normalisation on a GPU.

use crate::compute::cuda::{Address, Commands, FLOAT, Kernel, NULL, arguments, lanes};
use crate::layers::channels::parts;
use crate::layers::cuda::{Backward, Forward, NormMemory, Passage, Reader};

/// One on a device. Offsets of its values there, each shape `[features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedActNorm {
    /// Channels of a pixel, and pixels.
    pub features: usize,
    pub pixels: usize,
    pub log_scale: usize,
    pub bias: usize,
    /// One value on the host. Here every feature has its own, because it has a block of its own that starts it.
    pub started: usize,
}

impl PlacedActNorm {
    /// Takes rows through as in evaluation.
    pub fn evaluate(&self, commands: &mut Commands, values: Address, passage: &Passage, reader: Reader) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        let Self { features, log_scale, bias, .. } = *self;
        let lanes = lanes(features);
        commands.launch(
            Kernel::Rescale,
            rows * lanes,
            arguments![
                x,
                z,
                values,
                log_scale,
                bias,
                log_det,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                features,
                inverse,
                lanes,
            ],
        );
    }

    /// Takes rows through in training; the first batch starts it.
    pub fn forward(&self, commands: &mut Commands, forward: &Forward, memory: NormMemory) {
        let Self { features, pixels, log_scale, bias, started } = *self;
        let &Forward { x, z, rows, values, control, reader, .. } = forward;
        let NormMemory { normal, term, lines, .. } = memory;
        if pixels > 1 {
            let flag = values + FLOAT * started as u64;
            lines.sum(commands, [x, x], flag, rows);
            let found = arguments![lines.sums, parts(rows), rows, values, log_scale, bias, started, control];
            let left = arguments![lines.at, term, pixels as f64, features];
            commands.launch_blocks(Kernel::RescaleLines, features, [found, left].concat());
            return lines.along(commands, [x, z], rows, false);
        }
        commands.launch_blocks(
            Kernel::RescaleTraining,
            features,
            arguments![
                x,
                normal,
                z,
                values,
                log_scale,
                bias,
                started,
                term,
                control,
                reader.slot,
                reader.kept,
                reader.rows,
                rows,
                features,
            ],
        );
    }

    /// The way back through [`forward`](Self::forward), which read `x`.
    pub fn backward(&self, commands: &mut Commands, backward: &Backward, x: Address, memory: NormMemory) {
        let Self { features, pixels, log_scale, bias, .. } = *self;
        let &Backward { d, rows, weights, values, gradient, above, d_kept } = backward;
        let NormMemory { normal, lines, .. } = memory;
        if pixels > 1 {
            lines.sum(commands, [d, x], NULL, rows);
            let found = arguments![lines.sums, parts(rows), values, gradient, log_scale, bias];
            let left = arguments![lines.at, features, pixels as f64, weights.mean];
            commands.launch_blocks(Kernel::RescaleLinesBack, features, [found, left].concat());
            return lines.back(commands, [x, d, NULL, d], rows);
        }
        commands.launch_blocks(
            Kernel::RescaleBack,
            features,
            arguments![
                normal,
                d,
                values,
                gradient,
                log_scale,
                bias,
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
}
