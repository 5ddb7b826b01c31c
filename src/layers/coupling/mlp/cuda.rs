//! Multi-layer perceptrons on a GPU.

use crate::compute::cuda::{Address, Behind};
use crate::spec::Activation;

/// What comes behind a map that is not the last.
pub fn behind(activation: Activation) -> Behind {
    Behind { then: activation.into(), ..Behind::NOTHING }
}

/// What comes behind the way back through a map that read `h`, which the activation gave.
pub fn behind_back(activation: Activation, h: Address) -> Behind {
    Behind { h, ..behind(activation) }
}
