//! The kinds of layers, one folder a kind: its parameters laid out in one walk (`mod.rs`), its kernels for the CPU (`cpu.rs`),
//! its composed form (`composed.rs`), and what it commands on a GPU (`cuda.rs`). The table of kinds is at the end of this file.
//!
//! Knows nothing of optimizers, files or specs of whole flows.

mod act_norm;
mod batch_norm;
mod channels;
pub(crate) mod composed;
mod cost;
mod coupling;
pub(crate) mod cpu;
pub(crate) mod cuda;
mod lu;
mod parameters;
mod permutation;
mod scope;

use dfdx::prelude::{Device, Dim, Gradients, Merge, Tape};

use composed::{Compose, Composed, Float, InTraining, Moved, Rows, Upload};

pub use act_norm::ActNorm;
pub(crate) use batch_norm::BatchNormForm;
pub use batch_norm::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm};
pub use channels::Channels;
pub use cost::Cost;
pub use coupling::{
    Affine, Bound, Conv, Coupling, Dropout, Mask, Mlp, Network, Networks, Pixels, Residual, Spline, Transformer,
};
pub use lu::Lu;
pub use parameters::{Entry, Parameters, Role};
pub use permutation::Permutation;
pub use scope::{Convolution, Linear, Scope, Start, count, lay_out};

/// Lists of places in a row that tell a layer, by the names that they have in checkpoints.
pub type Places<'a> = Vec<(&'static str, &'a [usize])>;

/// What a kind of layer says of itself.
trait Kind {
    /// What a row of so many features costs.
    fn cost(&self, features: usize) -> Cost;

    /// The places that a checkpoint holds, so that the file alone tells the flow.
    fn places(&self) -> Places<'_> {
        Vec::new()
    }

    /// What it is to the kernels of `compute/cuda`; `None` where they have no form of it. On a GPU its flow is then composed.
    fn on_cuda(&self) -> Option<cuda::OnCuda<'_>> {
        None
    }
}

/// Declares the table of kinds: the list, and what computes each.
macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// One invertible layer. Its offsets point into the flat vector of [`Parameters`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Layer {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)*
        }

        impl Layer {
            /// How it is computed on the CPU.
            pub(crate) fn on_cpu(&self) -> &dyn cpu::OnCpu {
                match self {
                    $(Self::$kind(layer) => layer,)*
                }
            }

            /// What it says of itself.
            fn kind(&self) -> &dyn Kind {
                match self {
                    $(Self::$kind(layer) => layer,)*
                }
            }

            /// Its composed form.
            pub(crate) fn compose<F: Dim, W: Dim, E: Float, D: Device<E>>(
                &self,
                upload: &Upload<'_, E, D>,
                features: F,
                width: W,
            ) -> Result<Form<F, W, E, D>, D::Err> {
                Ok(match self {
                    $(Self::$kind(layer) => Form::$kind(Box::new(layer.upload(upload, features, width)?)),)*
                })
            }
        }

        /// A layer in plain dfdx operations.
        pub(crate) enum Form<F: Dim, W: Dim, E: Float, D: Device<E>> {
            $($kind(Box<<$kind as Compose>::Form<F, W, E, D>>),)*
        }

        impl<F: Dim, W: Dim, E: Float, D: Device<E>> Composed<F, E, D> for Form<F, W, E, D> {
            fn forward<T>(&self, x: Rows<F, E, D, T>) -> Result<Moved<F, E, D, T>, D::Err>
            where
                T: Tape<E, D> + Merge<T>,
            {
                match self {
                    $(Self::$kind(layer) => layer.forward(x),)*
                }
            }

            fn forward_training<T>(
                &self,
                x: Rows<F, E, D, T>,
                training: &mut InTraining<'_>,
            ) -> Result<Moved<F, E, D, T>, D::Err>
            where
                T: Tape<E, D> + Merge<T>,
            {
                match self {
                    $(Self::$kind(layer) => layer.forward_training(x, training),)*
                }
            }

            fn inverse(&self, z: Rows<F, E, D>) -> Result<Rows<F, E, D>, D::Err> {
                match self {
                    $(Self::$kind(layer) => layer.inverse(z),)*
                }
            }

            fn scale_max(&self, x: &Rows<F, E, D>) -> Result<f64, D::Err> {
                match self {
                    $(Self::$kind(layer) => layer.scale_max(x),)*
                }
            }

            fn gradient(&self, gradients: &Gradients<E, D>, out: &mut [f32]) {
                match self {
                    $(Self::$kind(layer) => layer.gradient(gradients, out),)*
                }
            }
        }
    };
}

impl Layer {
    /// What a row of so many features costs.
    pub fn cost(&self, features: usize) -> Cost {
        self.kind().cost(features)
    }

    /// The places that a checkpoint holds of it.
    pub fn places(&self) -> Places<'_> {
        self.kind().places()
    }

    /// What it is to the kernels of `compute/cuda`, if they have a form of it.
    pub(crate) fn on_cuda(&self) -> Option<cuda::OnCuda<'_>> {
        self.kind().on_cuda()
    }
}

// A new kind is one word here; what it lacks, the compiler says.
kinds![Coupling, BatchNorm, Permutation, ActNorm, Lu];
