//! The affine coupling layer (Dinh et al. 2017, equations 7 to 9).

mod affine;
mod composed;
mod cpu;
mod mask;
mod mlp;

pub use mask::Mask;
pub use mlp::Mlp;

use super::{Cost, Role, Scope};
use crate::spec::Activation;

/// x' = m·x + (1−m)·(x·exp(s(m·x)) + t(m·x)), s = scale·tanh(·).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupling {
    /// Which values are kept, and which changed.
    pub mask: Mask,
    /// The s network.
    pub s: Mlp,
    /// The t network.
    pub t: Mlp,
    /// Offset of the learned bound of s, shape `[changed]`.
    pub scale: usize,
}

impl Coupling {
    /// Starts as the identity: s = t = 0. `hidden`: how wide each hidden layer of the networks is.
    pub fn lay_out(scope: &mut Scope<'_>, mask: Mask, hidden: &[usize], activation: Activation) -> Self {
        let (kept, changed) = (mask.kept.len(), mask.changed.len());
        let s = Mlp::lay_out(&mut scope.child("s"), kept, hidden, changed, activation);
        let t = Mlp::lay_out(&mut scope.child("t"), kept, hidden, changed, activation);
        Self { mask, s, t, scale: scope.vector("scale", changed, Role::Trainable, 1.0) }
    }

    /// What a row costs.
    pub(super) fn cost(&self, _features: usize) -> Cost {
        let networks = self.s.multiplications().saturating_add(self.t.multiplications());
        // The bound of s, and x·exp(s).
        Cost {
            multiplications: networks.saturating_add(2 * self.mask.changed.len()),
            values: self.cached(1).iter().sum(),
        }
    }
}
