//! What layers compute with. On the CPU: `simd` registers and instruction sets, `buffer` and `panels` how rows lie in
//! memory, `product` matrix products, `convolution`, `elementwise` exp and tanh. On NVIDIA's GPUs: [`cuda`]. Knows of no layer.

// Kernels take buffers, strides and sizes one by one, as matrix libraries do.
#![allow(clippy::too_many_arguments)]

mod buffer;
pub(crate) mod convolution;
pub mod cuda;
mod elementwise;
mod error;
mod panels;
mod product;
pub(crate) mod simd;

pub(crate) use buffer::{Buffer, pieces, pieces_mut};
pub(crate) use elementwise::{exp_all, lanes, relu_all, tanh_all};
pub use error::DeviceError;
pub(crate) use panels::{Panel, Panels};
pub(crate) use product::{Epilogue, View, outer, product};
pub use simd::Level;
