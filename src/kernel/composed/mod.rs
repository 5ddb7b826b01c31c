//! The flow in plain dfdx operations.
//!
//! Generic over the feature count `F` and the width `W` (compile-time `Const<N>` or run-time `usize`), the number type
//! `E` and the device `D`. The halves of a coupling are picked and put back by multiplication with 0/1 matrices, which
//! is exact for finite values and runs on every device.

mod batch_norm;
mod coupling;
mod flow;
mod network;
mod transfer;

pub use flow::Composed;
pub use transfer::Float;
