//! The flow on an NVIDIA GPU, with kernels of our own.
//!
//! Weights and their average, moments and training rows stay on the device. A training step is a list of
//! [`Command`](crate::compute::cuda::Command)s, the same every time: the driver makes a CUDA graph of it that is launched as a
//! whole, so that no launch waits for the host. The networks of a coupling go through one batched product a layer.
//! What is logged comes back after a stretch of steps.
//!
//! The rooms: `layout` and `order` where values stand there, `layers` what the layers are there, `step` and `evaluation` the
//! commands that take rows through all of them, `flow` the whole. What one layer commands is in its folder in `layers/`; what works
//! commands off is in [`compute::cuda`](crate::compute::cuda).

mod evaluation;
mod flow;
mod layers;
mod layout;
mod order;
mod step;

pub use flow::OnDevice;
