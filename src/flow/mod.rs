//! Real NVP: from a spec to a list of [layers](crate::layers), the base density, and the choice between compile-time and
//! run-time shapes. Knows nothing of files or logging.
//!
//! A flow is described by its [`Architecture`] and holds its weights as [`Parameters`]: one flat vector with named
//! pieces, which is what optimizers, checkpoints and both kernels share. `kernel::build` turns a spec into a `Box<dyn Flow>`.

mod architecture;
mod base;
mod image;
mod mask;
mod recipe;
mod work;

pub use crate::compute::DeviceError;
pub use crate::layers::{
    BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, BatchNorm, Coupling, Entry, Layer, Linear, Mask, Mlp, Parameters,
    Permutation, Role,
};
pub use architecture::Architecture;
pub(crate) use base::composed as composed_base;
pub use base::{Base, Degrees, Density, HALF_LN_TAU};
pub use image::{Scales, fits, outline};
pub use mask::masks;
pub use work::{Rows, Work};
pub(crate) use work::{shares, times};

use crate::matrix::Matrix;
use crate::optimizer::Optimizer;
use crate::random::{Purpose, stream};

/// Where a batch lands in latent space.
#[derive(Clone, Debug, Default)]
pub struct Latent {
    /// Latent points, shape `[rows, features]`; of a conditional flow each is followed by its context, as it was.
    pub z: Matrix,
    /// log|det dz/dx|, shape `[rows]`, nats.
    pub log_det: Vec<f32>,
}

/// What a training step yields besides the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Mean NLL of the batch in model space, nats.
    pub nll: f64,
    /// Global L2 norm of the gradient.
    pub gradient_norm: f64,
}

impl Loss {
    /// Whether training can go on from here.
    pub fn is_finite(&self) -> bool {
        self.nll.is_finite() && self.gradient_norm.is_finite()
    }
}

/// The state of one layer on a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerHealth {
    /// Whether all its outputs are finite.
    pub finite: bool,
    /// max |s| over rows and features; 0 for layers without s.
    pub scale_max: f64,
}

/// A trainable invertible map with an exact density, on some device. All matrices are in *model space*, shape `[rows, features]`; a
/// row of a conditional flow is `[features, context]`, on both sides of the map, and every density is that of the features given the
/// context. Whatever computes fails
/// where the device does: out of memory, lost, or not there.
#[expect(clippy::missing_errors_doc, reason = "the same for every method, told above")]
pub trait Flow {
    /// What the flow is made of.
    fn architecture(&self) -> &Architecture;

    /// The weights and statistics, as they were when training was last [settled](Flow::settle).
    fn parameters(&self) -> &Parameters;

    /// The weights and statistics, to be changed. What is computed afterwards uses the new ones.
    fn parameters_mut(&mut self) -> &mut Parameters;

    /// x → z and log|det dz/dx|, evaluation mode (running statistics).
    fn forward(&mut self, x: &Matrix) -> Result<Latent, DeviceError>;

    /// z → x, evaluation mode.
    fn inverse(&mut self, z: &Matrix) -> Result<Matrix, DeviceError>;

    /// What the noise of the next training step is drawn from, such as dropout's: a number of the run's seed and the step.
    fn draw_from(&mut self, _noise: u64) {}

    /// Mean NLL of a batch, training mode (batch statistics, running statistics updated). Its gradient with respect to
    /// the trainable parameters is left in `gradient`, shape `[parameters().count()]`; its allocation is used again.
    fn loss_and_gradient(&mut self, x: &Matrix, gradient: &mut Vec<f32>) -> Result<Loss, DeviceError>;

    /// The same where row i counts `weights[i]` times, relative to the mean weight of all training rows. The loss is the weighted
    /// mean of the batch, Σ w·nll / Σ w. The gradient is that of Σ w·nll / rows: over batches drawn at random its mean is that of
    /// all training rows, whereas the gradient of the weighted mean would count heavy rows less wherever they come together.
    fn weighted_loss_and_gradient(
        &mut self,
        _x: &Matrix,
        _weights: &[f32],
        _gradient: &mut Vec<f32>,
    ) -> Result<Loss, DeviceError> {
        Err(DeviceError("this flow takes no weights of rows".to_owned()))
    }

    /// Takes the steps of `work`, each by [`loss_and_gradient`](Flow::loss_and_gradient) and an update; their losses are
    /// added to `losses`. After a loss that is not finite nothing is changed any more, and it is the last one.
    ///
    /// An average that the optimizer keeps takes in the weights of every step. A flow may keep weights, moments and average on
    /// its device until training is [settled](Flow::settle). `meanwhile` is called once, before the losses are waited for: what
    /// the host has to do while a device computes.
    fn train(
        &mut self,
        work: &mut Work,
        optimizer: &mut Optimizer,
        losses: &mut Vec<Loss>,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), DeviceError> {
        work::step_by_step(self, work, optimizer, losses)?;
        meanwhile();
        Ok(())
    }

    /// Brings the weights, and the moments and average of `optimizer`, to the host after [`train`](Flow::train).
    fn settle(&mut self, _optimizer: Option<&mut Optimizer>) -> Result<(), DeviceError> {
        Ok(())
    }

    /// How many steps this flow is best given at a time.
    fn steps_at_once(&self) -> usize {
        1
    }

    /// Whether this flow can [hold](Flow::hold) training rows.
    fn holds_rows(&self) -> bool {
        false
    }

    /// Keeps training rows (model space) on the device, so that work can name them by place.
    fn hold(&mut self, _rows: &Matrix) -> Result<(), DeviceError> {
        Err(DeviceError("this flow holds no rows".to_owned()))
    }

    /// Each layer on a batch, x-side first, evaluation mode.
    fn health(&mut self, x: &Matrix) -> Result<Vec<LayerHealth>, DeviceError>;

    /// The base density as it is now.
    fn base(&self) -> Box<dyn Density> {
        let architecture = self.architecture();
        architecture.base.at(architecture.features, self.parameters().values())
    }

    /// log p(x) in model space, shape `[rows]`, nats.
    fn log_prob(&mut self, x: &Matrix) -> Result<Vec<f64>, DeviceError> {
        let latent = self.forward(x)?;
        let base = self.base();
        let rows = latent.z.iter_rows().zip(&latent.log_det);
        Ok(rows.map(|(z, &log_det)| base.log_prob(z) + f64::from(log_det)).collect())
    }

    /// `rows` draws in model space, shape `[rows, features]`: a pure function of the weights and `seed`. Of a conditional flow, see
    /// [`Flow::sample_given`].
    fn sample(&mut self, rows: usize, seed: u64) -> Result<Matrix, DeviceError> {
        let z = self.base().sample(rows, &mut stream(seed, Purpose::Samples, 0));
        self.inverse(&z)
    }

    /// A draw in model space for every row of `context`, shape `[rows, features + context]`: a pure function of the weights, the
    /// context and `seed`.
    fn sample_given(&mut self, context: &Matrix, seed: u64) -> Result<Matrix, DeviceError> {
        let z = self.base().sample(context.rows(), &mut stream(seed, Purpose::Samples, 0));
        self.inverse(&z.beside(context))
    }
}
