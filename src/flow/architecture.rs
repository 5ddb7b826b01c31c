//! What a flow is made of.

use super::Base;
use crate::layers::Layer;
use crate::spec::Activation;

/// The layers of a flow, x-side first.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Features of a row: D.
    pub features: usize,
    /// Values of a row's context, behind the features: layers read them and leave them as they are, and the base density is not
    /// over them. 0: the flow is unconditional.
    pub context: usize,
    /// Width of the hidden layers of the conditioner networks.
    pub width: usize,
    /// What their hidden layers end with.
    pub activation: Activation,
    /// In the order of the forward direction, from x to z.
    pub layers: Vec<Layer>,
    /// What z follows.
    pub base: Base,
}

impl Architecture {
    /// Values of a row, its context included.
    pub fn values(&self) -> usize {
        self.features + self.context
    }

    /// Whether `compute/cuda` has a form of every layer; other flows are composed on a GPU.
    pub fn is_on_cuda(&self) -> bool {
        self.layers.iter().all(|layer| layer.on_cuda().is_some())
    }
}
