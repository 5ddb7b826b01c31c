//! How a flow is computed: several paths with one truth.
//!
//! * [`composed`]: plain dfdx operations on dfdx's tape, generic over device and number type. It runs wherever dfdx
//!   does, and tests hold everything else to it (f64, autodiff Jacobian).
//! * [`fused`]: hand-written forward and backward for the CPU.
//! * [`cuda`]: the same for NVIDIA's GPUs.
//!
//! Knows nothing of specs' files, datasets or training loops.

mod build;
pub mod composed;
pub mod cuda;
pub mod fused;

pub use build::{Built, How, StaticShape, build, static_shape};
