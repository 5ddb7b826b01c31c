//! NVIDIA's GPUs: `gpus` which there are, [`device`](Device) what one must do, `commands` how it is told, `kernels.cu` what it
//! computes, `driver` NVIDIA's driver and cuBLAS by the functions of `api`, `failed` what they answer.
//!
//! All but driver and functions is compiled on every machine, and tests work commands and kernels off on the CPU.

#[cfg(feature = "cuda")]
mod api;
mod commands;
mod device;
#[cfg(feature = "cuda")]
mod driver;
mod failed;
mod gpus;

pub(crate) use commands::{Behind, Commands, FLOAT, NULL, Then, WARP, arguments, is_small, lanes};
pub(crate) use device::Memory;
pub use device::{Address, Argument, BLOCK, Command, Device, Factor, Kernel, Product};
#[cfg(feature = "cuda")]
pub use driver::Driver;
pub use failed::Failed;
pub use gpus::{Gpu, gpu_count, gpus};
