//! The flow in plain dfdx operations.
//!
//! Generic over the feature count `F` and the width `W` (compile-time `Const<N>` or run-time `usize`), the number type
//! `E` and the device `D`.

mod flow;

pub use crate::layers::composed::Float;
pub use flow::Composed;
