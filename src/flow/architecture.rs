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
