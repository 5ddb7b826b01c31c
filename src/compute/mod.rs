//! What layers compute with on the CPU: `simd` registers and instruction sets, `buffer` and `panels` how rows lie in
//! memory, `product` matrix products, `elementwise` exp and tanh. Knows of no layer.

// Kernels take buffers, strides and sizes one by one, as matrix libraries do.
#![allow(clippy::too_many_arguments)]

mod buffer;
mod elementwise;
mod panels;
mod product;
pub(crate) mod simd;

pub(crate) use buffer::{Buffer, pieces, pieces_mut};
pub(crate) use elementwise::{exp_all, lanes, tanh_all};
pub(crate) use panels::{Panel, Panels};
pub(crate) use product::{Epilogue, View, outer, product};
pub use simd::Level;
