//! The affine transformer: z = x·exp(s) + t, log|det dz/dx| = Σ s, with a bound of s.

mod composed;
mod cpu;
mod cuda;

pub(super) use composed::AffineForm;
pub(super) use cuda::{couple, couple_back};

use crate::layers::{Role, Scope};
use crate::spec::ScaleBound;

/// z = x·exp(s) + t. Its networks say a and t.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affine {
    /// What bounds s.
    pub bound: Bound,
}

/// From what the network says, a, to s; 0 for 0. `scale`: offset of the learned bound, shape `[changed]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// s = scale·tanh(a) (Dinh et al. 2017).
    Tanh {
        /// Offset.
        scale: usize,
    },
    /// s = scale·(2/π)·atan(π/2·a), which reaches its bound more slowly.
    Atan {
        /// Offset.
        scale: usize,
    },
    /// exp(s) = 2·sigmoid(a): features at most double, and nothing is learned of it.
    Sigmoid,
}

impl Bound {
    pub(super) fn lay_out(scope: &mut Scope<'_>, changed: usize, bound: ScaleBound) -> Self {
        let mut scale = || scope.vector("scale", changed, Role::Trainable, 1.0);
        match bound {
            ScaleBound::Tanh => Self::Tanh { scale: scale() },
            ScaleBound::Atan => Self::Atan { scale: scale() },
            ScaleBound::Sigmoid => Self::Sigmoid,
        }
    }

    /// Offset of the learned bound, where there is one.
    pub(super) fn scale(self) -> Option<usize> {
        match self {
            Self::Tanh { scale } | Self::Atan { scale } => Some(scale),
            Self::Sigmoid => None,
        }
    }
}
