//! Layers on NVIDIA's GPUs: the forms there are, and where their values stand on the host; what a kind commands is in its folder.

use super::{ActNorm, BatchNorm, Lu, Permutation};
use crate::compute::cuda::{Address, NULL};

pub(crate) use super::act_norm::PlacedActNorm;
pub(crate) use super::batch_norm::PlacedBatchNorm;
pub(crate) use super::channels::{ChannelMemory, Lines, PlacedChannels};
pub(crate) use super::coupling::{
    ConvForward, ConvScratch, ConvTraining, CouplingMemory, CouplingOnCuda, Ends, Group, Maps, NetworkGradients,
    NetworkMemory, NoiseOnCuda, PlacedContext, PlacedCoupling, PlacedSpline, Wiring,
};
pub(crate) use super::lu::{LuMemory, LuScratch, LuSize, PlacedLu};

/// Floats that a device reads at once: sizes there are rounded up to whole pieces of as many.
pub(crate) const ALIGNED: usize = 4;

/// A part of a matrix, or of a vector, on the host and on the device. Offsets and sizes in floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub host: usize,
    pub device: usize,
    pub rows: usize,
    pub columns: usize,
    /// From row to row on the host and on the device.
    pub strides: [usize; 2],
}

impl Piece {
    /// Neighbouring values.
    pub fn row(host: usize, device: usize, columns: usize) -> Self {
        Self { host, device, rows: 1, columns, strides: [columns; 2] }
    }
}

/// A layer that the kernels of `compute/cuda` have a form of.
pub(crate) enum OnCuda<'a> {
    Coupling(CouplingOnCuda<'a>),
    BatchNorm(&'a BatchNorm),
    ActNorm(&'a ActNorm),
    Permutation(&'a Permutation),
    Lu(&'a Lu),
}

/// Who reads the rows that a layer writes: where the next layer is a coupling, its kept features are put aside at once.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub slot: Address,
    pub kept: usize,
    pub rows: Address,
    /// Networks that read them, each of which finds a gradient for them.
    pub networks: usize,
}

impl Reader {
    pub const NOBODY: Self = Self { slot: NULL, kept: 0, rows: NULL, networks: 0 };
}

/// Rows that a layer takes, as in evaluation, from `x` to `z`; they may be the same.
#[derive(Clone, Copy)]
pub(crate) struct Passage {
    pub x: Address,
    pub z: Address,
    pub log_det: Address,
    pub rows: usize,
    pub inverse: bool,
}

/// Rows that a layer takes from `x` to `z` in training.
#[derive(Clone, Copy)]
pub(crate) struct Forward {
    pub x: Address,
    pub z: Address,
    /// What differs from row to row of log|det dz/dx|.
    pub log_det: Address,
    pub rows: usize,
    /// All values.
    pub values: Address,
    /// The state of the stretch of steps.
    pub control: Address,
    pub reader: Reader,
}

/// What the rows of a step weigh, as `weigh` in `kernels.cu` leaves it.
#[derive(Clone, Copy)]
pub(crate) struct RowWeights {
    /// Of every row: what it weighs in the gradient, its weight by the number of rows; shape `[rows]`.
    pub shares: Address,
    /// Of all rows: their mean weight, f64.
    pub mean: Address,
}

impl RowWeights {
    /// All rows count alike.
    pub const ALIKE: Self = Self { shares: NULL, mean: NULL };
}

/// The way back through a layer.
#[derive(Clone, Copy)]
pub(crate) struct Backward {
    /// The gradient with respect to z, which becomes that with respect to x, shape `[rows, features]`.
    pub d: Address,
    pub rows: usize,
    /// Of whole rows, also where a layer takes every pixel for one.
    pub weights: RowWeights,
    /// All values.
    pub values: Address,
    /// Their gradient.
    pub gradient: Address,
    /// Who has read z.
    pub above: Reader,
    /// What the networks of the coupling above have found for what they read, shape `[networks, rows, kept]`.
    pub d_kept: Address,
}

/// What a normalisation leaves for its way back.
#[derive(Clone, Copy)]
pub(crate) struct NormMemory {
    /// The rows before its learned values, of activation normalisation before its bias, shape `[rows, features]`.
    pub normal: Address,
    /// Of a batch normalisation, shape `[features]`, f64.
    pub inverse_deviation: Address,
    /// Its part of log_det, shape `[features]`, f64.
    pub term: Address,
    /// Of one over pixels, which leaves these instead of the former two.
    pub lines: Lines,
}
