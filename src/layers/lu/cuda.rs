//! LU maps on a GPU: of few features by kernels that have the whole matrix; of more, by products with L and U as dense matrices;
//! back by substitution.

use crate::compute::DeviceError;
use crate::compute::cuda::{
    Address, BLOCK, Commands, Device, Factor, Kernel, Memory, NULL, Product, WARP, arguments, lanes,
};
use crate::layers::cuda::{Backward, Forward, Passage, Reader};

/// One on a device. Offsets of its values there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedLu {
    /// Channels of a pixel, and pixels.
    pub features: usize,
    pub pixels: usize,
    /// Shape `[features, features]`, as on the host.
    pub matrix: usize,
    /// Shape `[features]`, by columns.
    pub bias: usize,
    /// The column of every feature, i32.
    pub order: Address,
}

/// What memory for one depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LuSize {
    /// Channels of a pixel.
    pub features: usize,
    /// Of all pixels of a row.
    pub values: usize,
}

impl LuSize {
    /// Whether a block has the matrix; the gradient of the bias is then found with that of the matrix.
    pub fn is_small(self) -> bool {
        self.features <= FEW
    }
}

/// What one needs for rows on their way, and leaves for the way back.
#[derive(Clone, Copy)]
pub(crate) struct LuMemory {
    /// U and L, dense, from columns to columns, each shape `[features, features]`.
    upper: Address,
    lower: Address,
    /// What U makes of the rows, shape `[rows, features]`.
    between: Address,
    /// The gradient with respect to z, of the same shape.
    pub d_z: Address,
}

impl LuMemory {
    pub fn new<D: Device>(memory: &mut Memory<D>, size: LuSize, rows: usize) -> Result<Self, DeviceError> {
        let LuSize { features, values } = size;
        Ok(Self {
            upper: memory.room::<f32>(features * features)?,
            lower: memory.room::<f32>(features * features)?,
            between: memory.room::<f32>(rows * values)?,
            d_z: memory.room::<f32>(rows * values)?,
        })
    }
}

/// What all of a flow need for the way back, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct LuScratch {
    /// The gradient with respect to what U made of the rows, shape `[rows, features]`.
    d_between: Address,
    /// The gradients of U and L as dense matrices.
    d_upper: Address,
    d_lower: Address,
    /// Sums in parts, of maps of few features.
    partial: Address,
}

/// The most features that a block has the matrix of, as in `kernels.cu`.
const FEW: usize = 64;
/// Rows of a part of the sums that are gradients, at least, and parts, at most.
const PART: usize = 64;
const PARTS: usize = 512;

/// Sums over rows that are the gradients of a matrix and a bias.
fn sums(features: usize) -> usize {
    features * (features + 1)
}

impl LuScratch {
    pub fn new<D: Device>(memory: &mut Memory<D>, size: LuSize, rows: usize) -> Result<Self, DeviceError> {
        let LuSize { features, values } = size;
        Ok(Self {
            d_between: memory.room::<f32>(rows * values)?,
            d_upper: memory.room::<f32>(features * features)?,
            d_lower: memory.room::<f32>(features * features)?,
            partial: memory.room::<f32>(PARTS * sums(features.min(FEW)))?,
        })
    }
}

impl PlacedLu {
    fn is_small(&self) -> bool {
        let Self { features, pixels, .. } = *self;
        LuSize { features, values: features * pixels }.is_small()
    }

    /// Takes rows through as in evaluation.
    pub fn evaluate(
        &self,
        commands: &mut Commands,
        values: Address,
        passage: &Passage,
        reader: Reader,
        memory: LuMemory,
    ) {
        let &Passage { x, z, log_det, rows, inverse } = passage;
        if !inverse {
            // Nobody asks for what U makes of them.
            let between = if self.is_small() { NULL } else { memory.between };
            let memory = LuMemory { between, ..memory };
            return self.through(commands, [x, z], values, log_det, rows, reader, memory);
        }
        let Self { features, matrix, bias, order, .. } = *self;
        let lanes = lanes_of(features);
        commands.launch(
            Kernel::LuInverse,
            rows * lanes,
            arguments![z, values, matrix, bias, order, reader.slot, reader.kept, reader.rows, rows, features, lanes,],
        );
    }

    /// Takes rows through in training.
    pub fn forward(&self, commands: &mut Commands, forward: &Forward, memory: LuMemory) {
        let &Forward { x, z, log_det, rows, values, reader, .. } = forward;
        self.through(commands, [x, z], values, log_det, rows, reader, memory);
    }

    /// z = L·(U·x) + b.
    #[allow(clippy::too_many_arguments)]
    fn through(
        &self,
        commands: &mut Commands,
        [x, z]: [Address; 2],
        values: Address,
        log_det: Address,
        rows: usize,
        reader: Reader,
        LuMemory { upper, lower, between, .. }: LuMemory,
    ) {
        let Self { features, matrix, bias, order, .. } = *self;
        if self.is_small() {
            let lanes = lanes_of(features);
            let moved = arguments![x, z, between, values, matrix, bias, order, log_det];
            let read = arguments![reader.slot, reader.kept, reader.rows, rows, features, lanes];
            return commands.launch(Kernel::LuForward, rows * lanes, [moved, read].concat());
        }
        let unpacked = arguments![values, matrix, order, upper, lower, features];
        commands.launch(Kernel::LuUnpack, features * features, unpacked);
        commands.product(self.rows_times(rows, x, factor(upper, true), between));
        commands.product(self.rows_times(rows, between, factor(lower, true), z));
        let lanes = lanes(features);
        commands.launch(
            Kernel::LuShift,
            rows * lanes,
            arguments![z, values, matrix, bias, log_det, reader.slot, reader.kept, reader.rows, rows, features, lanes,],
        );
    }

    /// The way back through [`forward`](Self::forward), which read `x`. Of a map that is not [small](LuSize::is_small), the
    /// gradient of the bias is the sum of `memory.d_z` over rows.
    pub fn backward(
        &self,
        commands: &mut Commands,
        backward: &Backward,
        x: Address,
        memory: LuMemory,
        scratch: LuScratch,
    ) {
        let &Backward { d, rows, weights, values, gradient, above, d_kept } = backward;
        let Self { features, pixels, matrix, bias, order } = *self;
        let LuMemory { upper, lower, between, d_z } = memory;
        let LuScratch { d_between, d_upper, d_lower, partial } = scratch;
        if self.is_small() {
            let (lanes, parts) = (lanes_of(features), rows.div_ceil(PART).min(PARTS));
            let gathered = arguments![d, above.slot, above.kept, d_kept, above.networks, d_z, d_between];
            let sizes = arguments![values, matrix, order, rows, features, lanes];
            commands.launch(Kernel::LuBack, rows * lanes, [gathered, sizes].concat());
            let summed = arguments![x, between, d_z, d_between, order, partial, parts, rows, features];
            commands.launch_blocks(Kernel::LuSums, parts * sums(features).div_ceil(BLOCK), summed);
            let places = arguments![partial, parts, values, gradient, matrix, bias, order];
            let finished = [places, arguments![features, pixels as f32, weights.mean]].concat();
            return commands.launch(Kernel::LuFinish, 32 * sums(features), finished);
        }
        let gathered = arguments![d, above.slot, above.kept, d_kept, above.networks, d_z, rows, features];
        commands.launch(Kernel::LuGather, rows * features, gathered);
        commands.product(self.rows_times(rows, d_z, factor(lower, false), d_between));
        commands.product(self.rows_times(rows, d_between, factor(upper, false), d));
        commands.product(self.over_rows(rows, d_z, between, d_lower));
        commands.product(self.over_rows(rows, d_between, x, d_upper));
        let folded =
            arguments![d_upper, d_lower, values, gradient, matrix, order, features, pixels as f32, weights.mean];
        commands.launch(Kernel::LuGradient, features * features, folded);
    }

    fn rows_times(&self, rows: usize, from: Address, b: Factor, c: Address) -> Product {
        let n = self.features;
        Product { rows, inner: n, columns: n, a: factor(from, false), b, c, stride: rows * n, count: 1 }
    }

    /// Sums over rows of what both sides say of a row, column by column.
    fn over_rows(&self, rows: usize, left: Address, right: Address, c: Address) -> Product {
        let n = self.features;
        let (a, b) = (factor(left, true), factor(right, false));
        Product { rows: n, inner: rows, columns: n, a, b, c, stride: n * n, count: 1 }
    }
}

/// Threads that share a row.
fn lanes_of(features: usize) -> usize {
    lanes(features).min(WARP)
}

fn factor(address: Address, transposed: bool) -> Factor {
    Factor { address, transposed, stride: 0 }
}
