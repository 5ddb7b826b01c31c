//! Couplings on a GPU: what the kernels of `compute/cuda` know of them, here; where those of like shape stand there, `group`; what
//! one commands, `placed`, and its networks, `networks`.

mod group;
mod networks;
mod placed;

pub(crate) use group::{Group, Maps};
pub(crate) use networks::{NetworkGradients, NetworkMemory, NoiseOnCuda};
pub(super) use placed::Call;
pub(crate) use placed::{CouplingMemory, PlacedContext, PlacedCoupling};

use super::conv::Conv;
use super::{Affine, Bound, Dropout, Mask, Network, Spline, Transformer};
use crate::layers::Linear;
use crate::spec::Activation;

/// A coupling.
pub(crate) struct CouplingOnCuda<'a> {
    pub mask: &'a Mask,
    /// One for each list of what the transformer asks for, or one for all.
    pub networks: Vec<NetworkOnCuda<'a>>,
    /// What it does with what they say.
    pub transformer: TransformerOnCuda,
    /// Offset of the learned bound of s, shape `[changed]`, where there is one.
    pub scale: Option<usize>,
}

/// What a coupling does with what its networks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransformerOnCuda {
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

impl TransformerOnCuda {
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

/// How the maps of a network stand behind each other, of the ways that the kernels know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wiring {
    /// [`Network::Mlp`]
    Mlp,
    /// [`Network::Residual`]
    Residual,
    /// [`Network::Conv`], which has maps of its own.
    Conv,
}

/// A network: its maps, input to output.
pub(crate) struct NetworkOnCuda<'a> {
    pub wiring: Wiring,
    /// What stands between maps.
    pub activation: Activation,
    /// What is left out behind activations in training.
    pub dropout: Dropout,
    pub maps: Vec<&'a Linear>,
    /// A convolutional network, which has no such maps.
    pub conv: Option<&'a Conv>,
}

impl Network {
    pub(super) fn on_cuda(&self) -> NetworkOnCuda<'_> {
        let (wiring, activation, maps) = match self {
            Self::Mlp(network) => (Wiring::Mlp, network.activation, network.maps.iter().collect()),
            Self::Residual(network) => (Wiring::Residual, network.activation, network.maps().collect()),
            Self::Conv(_) => (Wiring::Conv, Activation::Relu, Vec::new()),
        };
        let conv = match self {
            Self::Conv(network) => Some(network),
            Self::Mlp(_) | Self::Residual(_) => None,
        };
        NetworkOnCuda { wiring, activation, dropout: self.dropout(), maps, conv }
    }
}

impl Transformer {
    pub(super) fn on_cuda(&self) -> TransformerOnCuda {
        match self {
            Self::Affine(Affine { bound: Bound::Tanh { .. } }) => TransformerOnCuda::Tanh,
            Self::Affine(Affine { bound: Bound::Atan { .. } }) => TransformerOnCuda::Atan,
            Self::Affine(Affine { bound: Bound::Sigmoid }) => TransformerOnCuda::Sigmoid,
            Self::Additive(_) => TransformerOnCuda::Additive,
            Self::Spline(spline) => TransformerOnCuda::Spline(*spline),
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
