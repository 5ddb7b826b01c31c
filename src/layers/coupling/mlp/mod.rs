//! Multi-layer perceptrons: the networks that condition a coupling.

mod composed;
mod cpu;
mod cuda;

pub(super) use composed::MlpForm;
pub(super) use cuda::{behind, behind_back};

use super::Dropout;
use crate::layers::{Linear, Scope, Start};
use crate::spec::Activation;

/// From the kept features to one value a changed feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mlp {
    /// Input to output, one behind the other in the flat vector. Of no inputs it is a bias alone: one map.
    pub maps: Vec<Linear>,
    /// Behind every map but the last.
    pub activation: Activation,
    /// Behind every activation.
    pub dropout: Dropout,
}

impl Mlp {
    /// The last map starts at zero, so the network is zero.
    pub fn lay_out(
        scope: &mut Scope<'_>,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        activation: Activation,
        dropout: Dropout,
    ) -> Self {
        let hidden = if inputs == 0 { &[] } else { hidden };
        let (mut maps, mut before) = (Vec::new(), inputs);
        for &width in hidden {
            maps.push(scope.child(maps.len()).linear(before, width, Start::Uniform));
            before = width;
        }
        maps.push(scope.child(maps.len()).linear(before, outputs, Start::Zero));
        Self { maps, activation, dropout }
    }
}
