//! Networks and transformers as the kernels of `compute/cuda` know them.

use super::affine::{Affine, Bound};
use super::network::Network;
use super::spline::Spline;
use super::transformer::Transformer;
use crate::layers::Linear;

/// What a coupling does with what its networks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouplingForm {
    /// [`Bound::Tanh`]
    Tanh,
    /// [`Bound::Atan`]
    Atan,
    /// [`Bound::Sigmoid`]
    Sigmoid,
    /// [`Transformer::Additive`]
    Additive,
    /// [`Transformer::Spline`]
    Spline(Spline),
}

impl CouplingForm {
    /// Its number in `kernels.cu`. Splines have kernels of their own.
    pub(crate) fn number(self) -> usize {
        match self {
            Self::Tanh => 0,
            Self::Atan => 1,
            Self::Sigmoid => 2,
            Self::Additive => 3,
            Self::Spline(_) => 4,
        }
    }

    /// Lists of one number a changed feature that it asks for.
    pub(crate) fn lists(self) -> usize {
        match self {
            Self::Tanh | Self::Atan | Self::Sigmoid => 2,
            Self::Additive => 1,
            Self::Spline(spline) => spline.lists(),
        }
    }

    /// Whether it moves by an s.
    pub(crate) fn has_scale(self) -> bool {
        matches!(self, Self::Tanh | Self::Atan | Self::Sigmoid)
    }
}

/// The kinds of networks that the kernels know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NetworkForm {
    /// [`Network::Mlp`]
    Mlp,
    /// [`Network::Residual`]
    Residual,
}

/// A network: its maps, input to output.
#[derive(Clone)]
pub(crate) struct NetworkOnCuda<'a> {
    pub kind: NetworkForm,
    pub maps: Vec<&'a Linear>,
}

impl Network {
    /// `None` where they know no such network.
    pub(super) fn on_cuda(&self) -> Option<NetworkOnCuda<'_>> {
        Some(match self {
            Self::Mlp(network) => NetworkOnCuda { kind: NetworkForm::Mlp, maps: network.maps.iter().collect() },
            Self::Residual(network) => NetworkOnCuda { kind: NetworkForm::Residual, maps: network.maps().collect() },
            Self::Conv(_) => return None,
        })
    }
}

impl Transformer {
    pub(super) fn form(&self) -> CouplingForm {
        match self {
            Self::Affine(Affine { bound: Bound::Tanh { .. } }) => CouplingForm::Tanh,
            Self::Affine(Affine { bound: Bound::Atan { .. } }) => CouplingForm::Atan,
            Self::Affine(Affine { bound: Bound::Sigmoid }) => CouplingForm::Sigmoid,
            Self::Additive(_) => CouplingForm::Additive,
            Self::Spline(spline) => CouplingForm::Spline(*spline),
        }
    }

    /// Offset of its learned bound of s, where there is one.
    pub(super) fn scale(&self) -> Option<usize> {
        match self {
            Self::Affine(affine) => affine.bound.scale(),
            Self::Additive(_) | Self::Spline(_) => None,
        }
    }
}
