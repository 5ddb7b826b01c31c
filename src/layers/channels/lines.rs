//! Normalisation of channels of very many rows on a GPU: their sums, in parts that are added up in order; from these a line a
//! channel; then every value along its line.

use crate::compute::DeviceError;
use crate::compute::cuda::{Address, Commands, Device, Kernel, Memory, NULL, arguments};

/// Rows of a part, at least, and parts, at most.
const PART: usize = 256;
const PARTS: usize = 256;

/// Where one works, and what it leaves for its way back.
#[derive(Clone, Copy)]
pub(crate) struct Lines {
    /// Channels.
    pub count: usize,
    /// Sums in parts, shape `[parts, 2, count]`, f64.
    pub sums: Address,
    /// Mean and variance, shape `[2, count]`, f64.
    pub moments: Address,
    /// The lines, shape `[2, count]`, and on the way back `[3, count]`.
    pub at: Address,
}

impl Lines {
    /// For what is not normalised so.
    pub const NOTHING: Self = Self { count: 0, sums: NULL, moments: NULL, at: NULL };

    /// For so many channels.
    pub fn new<D: Device>(memory: &mut Memory<D>, count: usize) -> Result<Self, DeviceError> {
        Ok(Self {
            count,
            sums: memory.room::<f64>(2 * PARTS * count)?,
            moments: memory.room::<f64>(2 * count)?,
            at: memory.room::<f32>(3 * count)?,
        })
    }

    /// One that works where this one does, and leaves moments of its own.
    pub fn beside<D: Device>(&self, memory: &mut Memory<D>) -> Result<Self, DeviceError> {
        Ok(Self { moments: memory.room::<f64>(2 * self.count)?, ..*self })
    }

    /// Sums over rows of `a`, and of its products with `b`. `needless`: a flag that says that nobody asks, or null.
    pub fn sum(&self, commands: &mut Commands, [a, b]: [Address; 2], needless: Address, rows: usize) {
        let &Self { count, sums, .. } = self;
        let blocks = parts(rows) * count.div_ceil(32);
        commands.launch_blocks(Kernel::ChannelSums, blocks, arguments![a, b, sums, needless, parts(rows), rows, count]);
    }

    /// Rows along the lines, from `x` to `to`, and where asked relu of them.
    pub fn along(&self, commands: &mut Commands, [x, to]: [Address; 2], rows: usize, relu: bool) {
        let &Self { count, at, .. } = self;
        commands.launch(Kernel::AlongLines, rows * count, arguments![x, at, to, rows * count, count, relu]);
    }

    /// The gradient with respect to `x` from `d`, plus `add` unless that is null, to `to`.
    pub fn back(&self, commands: &mut Commands, [x, d, add, to]: [Address; 4], rows: usize) {
        let &Self { count, at, .. } = self;
        commands.launch(Kernel::AlongLinesBack, rows * count, arguments![x, d, add, at, to, rows * count, count]);
    }
}

/// Parts in which channels are summed over so many rows.
pub(crate) fn parts(rows: usize) -> usize {
    rows.div_ceil(PART).clamp(1, PARTS)
}
