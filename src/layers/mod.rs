//! The kinds of layers, one folder a kind: its parameters laid out in one walk, and how it is computed.
//!
//! Knows nothing of optimizers, files or specs of whole flows.

mod batch_norm;
mod coupling;
mod parameters;
mod scope;

pub use batch_norm::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm};
pub use coupling::{Coupling, Mask, Mlp};
pub use parameters::{Entry, Parameters, Role};
pub use scope::{Linear, Scope, Start, count, lay_out};

/// One invertible layer. Its offsets point into the flat vector of [`Parameters`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    Coupling(Coupling),
    BatchNorm(BatchNorm),
}
