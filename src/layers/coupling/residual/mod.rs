//! Residual networks with pre-activation blocks (He et al. 2016, "Identity Mappings in Deep Residual Networks"), as neural spline
//! flows condition their couplings with (Durkan et al. 2019, section 5.1).

mod composed;
mod cpu;
mod cuda;

pub(super) use composed::ResidualForm;
pub(super) use cuda::{behind, behind_back};

use super::Dropout;
use crate::layers::{Linear, Scope, Start};
use crate::spec::Activation;

/// h = W·x + b; then h + W₂·σ(W₁·σ(h) + b₁) + b₂, block after block; then the last map, without an activation before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residual {
    /// From what it reads to the width of the blocks.
    pub first: Linear,
    /// The two maps of every block.
    pub blocks: Vec<[Linear; 2]>,
    /// From the width of the blocks to what it says.
    pub last: Linear,
    /// σ.
    pub activation: Activation,
    /// Behind the second activation of every block.
    pub dropout: Dropout,
}

impl Residual {
    /// The last map starts at zero, so the network is zero; so does the second map of each block, which is then the identity.
    pub fn lay_out(
        scope: &mut Scope<'_>,
        inputs: usize,
        [width, blocks]: [usize; 2],
        outputs: usize,
        activation: Activation,
        dropout: Dropout,
    ) -> Self {
        Self {
            first: scope.child("first").linear(inputs, width, Start::Uniform),
            blocks: (0..blocks)
                .map(|block| {
                    let mut scope = scope.child(block);
                    let first = scope.child(0).linear(width, width, Start::Uniform);
                    [first, scope.child(1).linear(width, width, Start::Zero)]
                })
                .collect(),
            last: scope.child("last").linear(width, outputs, Start::Zero),
            activation,
            dropout,
        }
    }

    /// All maps, in the order of their places.
    pub(super) fn maps(&self) -> impl Iterator<Item = &Linear> {
        [&self.first].into_iter().chain(self.blocks.iter().flatten()).chain([&self.last])
    }

    fn width(&self) -> usize {
        self.first.outputs
    }
}
