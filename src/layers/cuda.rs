//! What layers are to the kernels of `kernel/cuda`: the forms there are, and where their values stand on the host.

use super::coupling::CouplingForm;
use super::{ActNorm, BatchNorm, Mask, Mlp, Permutation};

/// A layer that those kernels compute.
pub(crate) enum OnCuda<'a> {
    Coupling(CouplingOnCuda<'a>),
    BatchNorm(&'a BatchNorm),
    ActNorm(&'a ActNorm),
    Permutation(&'a Permutation),
}

/// A coupling. All of a flow are of one form.
#[derive(Clone, Copy)]
pub(crate) struct CouplingOnCuda<'a> {
    pub mask: &'a Mask,
    /// s and t, or t alone.
    pub networks: &'a [Mlp],
    /// What it does with what they say.
    pub form: CouplingForm,
    /// Offset of the learned bound of s, shape `[changed]`, where there is one.
    pub scale: Option<usize>,
}
