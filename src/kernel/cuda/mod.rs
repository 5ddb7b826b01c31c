//! The flow on an NVIDIA GPU, with kernels of our own.
//!
//! Weights, moments and training rows stay on the device. A training step is a list of
//! [`Command`](crate::compute::cuda::Command)s, the same every time: the driver makes a CUDA graph of it that is launched as a
//! whole, so that no launch waits for the host. The networks of a coupling go through one batched product a layer.
//! What is logged comes back after a stretch of steps.
//!
//! The rooms: `layout` and `order` where values stand there, `layers`, `step` and `evaluation` the commands, `flow` the whole. What
//! works them off is in [`compute::cuda`](crate::compute::cuda).

mod evaluation;
mod flow;
mod layers;
mod layout;
mod order;
mod step;

pub use flow::OnDevice;
