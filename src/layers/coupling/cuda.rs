//! Transformers as the kernels of `compute/cuda` know them.

use super::affine::{Affine, Bound};
use super::transformer::Transformer;

/// What a coupling does with what its networks say, by the numbers of `kernels.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouplingForm {
    /// [`Bound::Tanh`]
    Tanh = 0,
    /// [`Bound::Atan`]
    Atan = 1,
    /// [`Bound::Sigmoid`]
    Sigmoid = 2,
    /// [`Transformer::Additive`]
    Additive = 3,
}

impl CouplingForm {
    /// Networks of a coupling: s and t, or t alone.
    pub fn networks(self) -> usize {
        match self {
            Self::Tanh | Self::Atan | Self::Sigmoid => 2,
            Self::Additive => 1,
        }
    }
}

impl Transformer {
    /// `None`: the kernels do not know it.
    pub(super) fn form(&self) -> Option<CouplingForm> {
        Some(match self {
            Self::Affine(Affine { bound: Bound::Tanh { .. } }) => CouplingForm::Tanh,
            Self::Affine(Affine { bound: Bound::Atan { .. } }) => CouplingForm::Atan,
            Self::Affine(Affine { bound: Bound::Sigmoid }) => CouplingForm::Sigmoid,
            Self::Additive(_) => CouplingForm::Additive,
            Self::Spline(_) => return None,
        })
    }

    /// Offset of its learned bound of s, where there is one.
    pub(super) fn scale(&self) -> Option<usize> {
        match self {
            Self::Affine(affine) => affine.bound.scale(),
            Self::Additive(_) | Self::Spline(_) => None,
        }
    }
}
