//! The flow on the CPU with hand-written forward and backward.
//!
//! A batch is cut into lanes of rows; one thread takes a lane through the whole flow, forward and backward, while its
//! activations are in the cache, and writes its own part of the gradient. The parts are added in the order of the lanes:
//! the same bits on any number of threads. Where batch normalisation needs all rows, lanes wait for each other.
//!
//! It does not go through dfdx's tape: a dfdx tensor lends no slice of its values, so that every step would copy all
//! weights in and all gradients out. Weights are slices of the flat [`Parameters`](crate::flow::Parameters), which
//! [`composed`](super::composed) makes its tensors of; tests hold the two together.
//!
//! The [layers](crate::layers) compute; here are `lane`, a group of rows, and `flow`, which takes lanes through the layers.

mod flow;
mod lane;

pub use flow::Fused;
