//! The flow on an NVIDIA GPU, with kernels of our own.
//!
//! Weights, moments and training rows stay on the device. A training step is a list of [`Command`]s, the same every time: the
//! driver makes a CUDA graph of it that is launched as a whole, so that no launch waits for the host. The networks of a
//! coupling go through one batched product a layer. What is logged comes back after a stretch of steps.
//!
//! The rooms: `kernels.cu` the kernels, [`device`](Device) what a GPU must do, `layout` and `order` where values stand there, `layers`,
//! `step` and `evaluation` the commands, `flow` the whole, `driver` NVIDIA's driver and cuBLAS by the functions of `api`. All but the last
//! two is compiled on every machine, and tests work commands and kernels off on the CPU.

#[cfg(feature = "cuda")]
pub(crate) mod api;
mod device;
#[cfg(feature = "cuda")]
mod driver;
mod evaluation;
mod failed;
mod flow;
mod layers;
mod layout;
mod order;
mod step;

pub use device::{Address, Argument, BLOCK, Command, Device, Factor, Kernel, Product};
#[cfg(feature = "cuda")]
pub use driver::Driver;
pub use failed::Failed;
pub use flow::OnDevice;
