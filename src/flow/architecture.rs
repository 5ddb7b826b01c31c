//! What a flow is made of.

use crate::layers::Layer;
use crate::spec::Activation;

/// The layers of a flow, x-side first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    pub features: usize,
    pub width: usize,
    pub activation: Activation,
    pub layers: Vec<Layer>,
}

impl Architecture {
    /// Whether `kernel/cuda` has a form of every layer; a flow of others is composed on a GPU.
    pub fn is_on_cuda(&self) -> bool {
        self.layers.iter().all(|layer| layer.on_cuda().is_some())
    }
}
