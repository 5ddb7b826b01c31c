//! LU maps on a GPU: products with L and U as dense matrices there, substitution back.

use crate::compute::DeviceError;
use crate::compute::cuda::{Address, Commands, Device, Factor, Kernel, Memory, Product, arguments, lanes};
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
}

impl LuScratch {
    pub fn new<D: Device>(memory: &mut Memory<D>, size: LuSize, rows: usize) -> Result<Self, DeviceError> {
        let LuSize { features, values } = size;
        Ok(Self {
            d_between: memory.room::<f32>(rows * values)?,
            d_upper: memory.room::<f32>(features * features)?,
            d_lower: memory.room::<f32>(features * features)?,
        })
    }
}

impl PlacedLu {
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
            return self.through(commands, [x, z], values, log_det, rows, reader, memory);
        }
        let Self { features, matrix, bias, order, .. } = *self;
        let lanes = lanes(features);
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

    /// The way back through [`forward`](Self::forward), which read `x`; the gradient of the bias is the sum of `memory.d_z` over
    /// rows.
    pub fn backward(
        &self,
        commands: &mut Commands,
        backward: &Backward,
        x: Address,
        memory: LuMemory,
        scratch: LuScratch,
    ) {
        let &Backward { d, rows, weights, values, gradient, above, d_kept } = backward;
        let Self { features, pixels, matrix, order, .. } = *self;
        let LuMemory { upper, lower, between, d_z } = memory;
        let LuScratch { d_between, d_upper, d_lower } = scratch;
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

fn factor(address: Address, transposed: bool) -> Factor {
    Factor { address, transposed, stride: 0 }
}
