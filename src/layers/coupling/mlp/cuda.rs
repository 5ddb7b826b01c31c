//! Multi-layer perceptrons on a GPU.

use crate::compute::cuda::{Address, Behind};
use crate::layers::coupling::Dropout;
use crate::spec::Activation;

/// What comes behind a map that is not the last.
pub fn behind(activation: Activation, dropout: Dropout) -> Behind {
    Behind { then: activation.into(), scale: dropout.scale_on_cuda(), ..Behind::NOTHING }
}

/// What comes behind the way back through a map that read `h`, which the activation gave.
pub fn behind_back(activation: Activation, dropout: Dropout, h: Address) -> Behind {
    Behind { h, ..behind(activation, dropout) }
}
