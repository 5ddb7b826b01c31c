//! What layers are to the kernels of `kernel/cuda`: the forms there are, and where their values stand on the host.

use super::{BatchNorm, Mask, Mlp};

/// A layer that those kernels compute.
pub(crate) enum OnCuda<'a> {
    Coupling(AffineCoupling<'a>),
    BatchNorm(&'a BatchNorm),
}

/// An affine coupling, s bounded by tanh.
#[derive(Clone, Copy)]
pub(crate) struct AffineCoupling<'a> {
    pub mask: &'a Mask,
    /// s and t.
    pub networks: [&'a Mlp; 2],
    /// Offset of the learned bound of s, shape `[changed]`.
    pub scale: usize,
}
